"""The leaderboard: one row for each trial, computed from the state of a run. The one importer of pandas.

The columns are the `RESERVED` ones, one for each hyperparameter in the space's order, and the metrics of the best
epoch. A metric whose name is taken by one of those becomes `metric_NAME`, or `metric_metric_NAME` where that is taken.

Rows: first all trials that have a score, the best first, the lower number winning ties; then those that have none so
far; last those that failed or diverged. `score` is the objective as it was reported, `epoch` the best epoch, `epochs`
the last one of the curve: epochs that were trained twice count once.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from orchestrator import tables
from orchestrator.journal import Header, fold, read_journal
from orchestrator.objective import Objective
from orchestrator.scheduler.state import State
from orchestrator.scheduler.trial import Status, Trial

if TYPE_CHECKING:
    import pandas as pd

RESERVED = ("rank", "trial", "status", "reason", "score", "epoch", "epochs", "seconds", "worker")
"""Names that no hyperparameter can have."""

LARGEST = 2**63
"""What integers are below, for pandas to keep them as such."""

Layout = Literal["table", "csv", "json", "markdown"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)


def read_state(run_dir: Path) -> tuple[Header, State]:
    """What the journal of a run says so far; the run may still be going on.

    Raises:
        UserError: There is no journal, or it is damaged.
    """
    header, records = read_journal(run_dir)
    state = State(Objective(header.objective, "min" if header.direction == "min" else "max"))
    fold(run_dir, records, state.apply)
    return header, state


def read_leaderboard(run_dir: Path | str) -> "pd.DataFrame":
    """The leaderboard of a run directory, also while the run is going on.

    Raises:
        UserError: There is no journal, or it is damaged.
    """
    header, state = read_state(Path(run_dir))
    return leaderboard(state, header.hyperparameters)


def leaderboard(state: State, hyperparameters: Iterable[str]) -> "pd.DataFrame":
    """A row for each trial, in the order and with the columns that stand at the top of this file."""
    import pandas as pd

    trials = [state.trials[number] for number in order(state)]
    bests = [trial.best if trial.score is not None else None for trial in trials]
    ranked = len(state.ranking)
    columns: dict[str, pd.Series[Any]] = {}

    def add(name: str, values: Sequence[Any], dtype: Any) -> None:
        large = any(type(value) is int and not -LARGEST <= value < LARGEST for value in values)
        columns[name] = pd.Series(values, dtype=object if large else dtype)

    add("rank", [place + 1 if place < ranked else None for place in range(len(trials))], "Int64")
    add("trial", [trial.number for trial in trials], "Int64")
    add("status", [str(trial.status) for trial in trials], "string")
    add("reason", [trial.story for trial in trials], "string")
    add("score", [best and best.metrics[state.objective.name] for best in bests], "Float64")
    add("epoch", [best and best.epoch for best in bests], "Int64")
    add("epochs", [trial.epochs for trial in trials], "Int64")
    add("seconds", [trial.seconds for trial in trials], "Float64")
    add("worker", [trial.worker for trial in trials], "Int64")
    for name in hyperparameters:
        values = [trial.configuration.get(name, pd.NA) for trial in trials]
        add(name, values, _dtype({type(value) for value in values if value is not pd.NA}))
    for name, column in metric_columns(metrics_of(state.trials), columns).items():
        add(column, [best and best.metrics.get(name) for best in bests], "Float64")
    return pd.DataFrame(columns)


def write_csv(frame: "pd.DataFrame", path: Path) -> None:
    replace_whole(path, f"{_as_csv(frame)}\n")


def replace_whole(path: Path, text: str) -> None:
    """Written aside and put in place whole, so that nobody reads half of it."""
    aside = path.with_name(f"{path.name}.new")
    aside.write_text(text, encoding="utf-8", newline="\n")
    aside.replace(path)


def format_table(
    frame: "pd.DataFrame", layout: Layout = "table", top: int | None = None, width: int | None = None
) -> str:
    """The first `top` rows as text. A table is not wider than `width`, and its numbers are shortened."""
    shown = frame if top is None else frame.head(top)
    if layout == "csv":
        return _as_csv(shown)
    columns = cells(shown)
    if layout == "json":
        return tables.as_json(columns)
    if layout == "markdown":
        return tables.as_markdown(columns)
    return tables.as_table(columns, width, hidden=len(frame) - len(shown))


def _as_csv(frame: "pd.DataFrame") -> str:
    """Numbers in full, and no text that a spreadsheet would run."""
    import pandas as pd

    def safe(value: Any) -> Any:
        return tables.for_spreadsheet(value) if isinstance(value, str) else value

    def texts_of(column: "pd.Series[Any]") -> "pd.Series[Any]":
        """What stands among texts is not taken for a number of another kind because of that."""
        if str(column.dtype) not in ("string", "object"):
            return column
        return pd.Series([safe(value) for value in column], index=column.index, dtype=object)

    texts = pd.DataFrame({name: texts_of(column) for name, column in frame.items()})
    headers = [safe(name) for name in frame]
    return str(texts.to_csv(index=False, header=headers, lineterminator="\n")).removesuffix("\n")


def cells(frame: "pd.DataFrame") -> dict[str, list[Any]]:
    """The columns as plain values, None for what is missing."""
    return {
        str(name): [None if missing else value for value, missing in zip(column, column.isna(), strict=True)]
        for name, column in frame.astype(object).items()
    }


def order(state: State) -> Iterator[int]:
    yield from (number for _, number in state.ranking)
    unscored = [trial for trial in state.trials if trial.score is None]
    lost = (Status.DIVERGED, Status.FAILED)
    yield from (trial.number for trial in sorted(unscored, key=lambda trial: trial.status in lost))


def metrics_of(trials: Iterable[Trial]) -> list[str]:
    """By trial, so that columns keep their places while ranks change."""
    bests = (trial.best for trial in trials if trial.score is not None)
    sets = dict.fromkeys(tuple(best.metrics) for best in bests if best is not None)
    return [*dict.fromkeys(name for metrics in sets for name in metrics)]


def metric_columns(metrics: Iterable[str], taken: Iterable[str]) -> dict[str, str]:
    """The column of each metric. Those that can keep their name do, whatever the others have to be called."""
    names = list(metrics)
    taken = set(taken)
    columns = {name: name for name in names if name not in taken}
    taken.update(columns)
    for name in names:
        if name not in columns:
            column = f"metric_{name}"
            while column in taken:
                column = f"metric_{column}"
            columns[name] = column
            taken.add(column)
    return {name: columns[name] for name in names}


def _dtype(types: set[type]) -> Any:
    match types:
        case _ if types == {bool}:
            return "boolean"
        case _ if types == {int}:
            return "Int64"
        case _ if types == {str}:
            return "string"
        case _ if types in ({float}, {int, float}):
            return "Float64"
    return object
