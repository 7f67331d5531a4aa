"""The live view of a run on a terminal. It fits into the height and the width, whatever these are."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orchestrator.assignment import Configuration
from orchestrator.display.about import first_lines
from orchestrator.display.base import Display
from orchestrator.display.news import News
from orchestrator.display.summary import last_lines
from orchestrator.display.words import clock, roughly
from orchestrator.scheduler.state import Record
from orchestrator.scheduler.trial import Status, Trial
from orchestrator.tables import short

REDRAW_SECONDS = 0.25
HEAD_ROWS = 5
TABLE_ROWS = 3
"""Of each table, beside its trials: an empty one, the header, "… and N more"."""
STYLES = {
    Status.RUNNING: "cyan",
    Status.PAUSED: "yellow",
    Status.COMPLETED: "green",
    Status.STOPPED: "",
    Status.DIVERGED: "magenta",
    Status.FAILED: "red",
}


class LiveDisplay(Display):
    def __init__(self, console: Console | None = None, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.console = console or Console(file=self.out)
        self._live = Live(console=self.console, auto_refresh=False, transient=True, vertical_overflow="crop")

    def _say(self, line: str) -> None:
        self.console.print(line, soft_wrap=True, markup=False, highlight=False, emoji=False)

    def _opened(self) -> None:
        self._news = News(self.state)
        self._next = 0.0
        for line in first_lines(self.about, self.console.width):
            self._say(line)
        self._live.start()

    def _watched(self, records: Sequence[Record]) -> None:
        for line in self._news.of(records):
            self._say(f"{clock(self.progress.now)}  {line}")
        if self.clock() >= self._next:
            self._next = self.clock() + REDRAW_SECONDS
            self._live.update(self.view(), refresh=True)

    def _closed(self) -> None:
        self._live.stop()

    def _finished(self) -> None:
        for line in last_lines(self.about, self.state, self.progress.busy_share, self.console.width):
            self._say(line)

    def view(self) -> RenderableType:
        """What the terminal shows now."""
        state = self.state
        running = list(state.by_status[Status.RUNNING])
        room = self.console.height - 1 - HEAD_ROWS - TABLE_ROWS * (bool(running) + bool(state.ranking))
        few, top = share_out(room, len(running), len(state.ranking))
        parts: list[RenderableType] = [_line(self._title(), "bold"), self._bars(), _line(self._best())]
        if few > 0:
            parts += ["", self._running([state.trials[number] for number in running[:few]])]
            parts += _more(len(running) - few)
        if top > 0:
            parts += ["", self._top([state.trials[number] for _, number in state.ranking[:top]])]
            parts += _more(len(state.ranking) - top)
        return Group(*parts)

    def _title(self) -> str:
        left = self.progress.seconds_left
        limit = self.about.settings.max_time
        most = "" if limit is None else f" of {clock(limit)}"
        time_left = "" if left is None else f" · about {roughly(left)} left"
        starting = "" if self.state.trials else " · the workers are starting"
        return f"{self.about.study} · {clock(self.progress.now)}{most}{time_left}{starting}"

    def _bars(self) -> Table:
        state, settings, progress = self.state, self.about.settings, self.progress
        table = Table.grid(padding=(0, 1))
        for _ in range(3):
            table.add_column(no_wrap=True, overflow="ellipsis")
        width = max(self.console.width // 3, 10)

        def bar(name: str, done: float, most: float | None, text: str) -> None:
            drawn = ProgressBar(most or 1.0, min(done, most or 0.0), width, finished_style="bar.complete")
            table.add_row(name, drawn, text)

        trials = f"{progress.settled:,}" + (f" of {settings.trials:,}" if settings.trials else "")
        most = settings.trials * settings.epochs if settings.trials else None
        epochs = f"{state.epochs_trained:,}" + (f" of at most {most:,}" if most else "")
        busy = progress.busy_share or 0.0
        bar("trials", progress.settled, settings.trials, " · ".join([trials, *self._counts()]))
        bar("epochs", state.epochs_trained, most, epochs)
        bar("workers", busy, 1.0, f"{len(state.workers):,} · busy {busy:.0%} of the time")
        return table

    def _counts(self) -> Iterator[str]:
        for status in STYLES:
            if number := self.state.count(status):
                yield f"{number:,} {status}"

    def _best(self) -> str:
        name, trial, target = self.state.objective.name, self.state.best, self.about.settings.target
        wanted = "" if target is None else f" (target {target:g})"
        if trial is None or trial.best is None:
            return f"best    no {name} yet{wanted}"
        score = short(self._objective(trial.best.metrics), "score")
        return f"best    {name} {score} in trial {trial.number}, epoch {trial.best.epoch}{wanted}"

    def _running(self, trials: Sequence[Trial]) -> Table:
        table = _table("running", "epoch", self.state.objective.name, "worker")
        for trial in trials:
            last = short(self._objective(trial.curve[-1].metrics), "score") if trial.curve else ""
            epoch = f"{trial.epoch}/{trial.assignment.to_epoch}"
            table.add_row(str(trial.number), epoch, last, str(trial.worker), _shown(trial.configuration))
        return table

    def _top(self, trials: Sequence[Trial]) -> Table:
        table = _table("top", "trial", self.state.objective.name, "epoch", "status")
        for rank, trial in enumerate(trials, start=1):
            assert trial.best is not None
            score = short(self._objective(trial.best.metrics), "score")
            status = Text(str(trial.status), STYLES.get(trial.status, ""))
            table.add_row(
                str(rank), str(trial.number), score, str(trial.best.epoch), status, _shown(trial.configuration)
            )
        return table

    def _objective(self, metrics: dict[str, float]) -> float:
        return metrics[self.state.objective.name]


def share_out(room: int, running: int, ranked: int) -> tuple[int, int]:
    """How many rows running trials and the top of the leaderboard get: what one does not need, the other has."""
    room = max(room, 0)
    few = min(running, max(room // 2, room - ranked))
    return few, min(ranked, room - few)


def _table(*names: str) -> Table:
    table = Table(box=None, expand=True, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    for name in names:
        table.add_column(name, justify="left" if name == "status" else "right", no_wrap=True)
    table.add_column("configuration", ratio=1, no_wrap=True, overflow="ellipsis")
    return table


def _more(hidden: int) -> list[RenderableType]:
    return [Text(f"… and {hidden:,} more", "dim")] if hidden else []


def _line(text: str, style: str = "") -> Text:
    return Text(text, style, no_wrap=True, overflow="ellipsis")


def _shown(configuration: Configuration) -> Text:
    return _line(" ".join(f"{name}={short(value)}" for name, value in configuration.items()))
