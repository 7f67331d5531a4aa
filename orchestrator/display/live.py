"""The live view of a run on a terminal. It fits into the height and the width, whatever these are."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from orchestrator.assignment import Configuration
from orchestrator.display.about import first_lines
from orchestrator.display.base import Display
from orchestrator.display.news import News
from orchestrator.display.summary import last_lines
from orchestrator.display.words import clock, roughly
from orchestrator.scheduler.instructions import Record
from orchestrator.scheduler.trial import Status, Trial
from orchestrator.tables import aligned, cut, short, visible

REDRAW_SECONDS = 0.25
HEAD_ROWS = 5
TABLE_ROWS = 3
"""Of each table, beside its trials: an empty one, the header, "… and N more"."""
CONFIGURATION = "configuration"


class LiveDisplay(Display):
    def __init__(self, console: Console | None = None, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.console = console or Console(file=self.out)
        self._full, self._empty = ("#", "-") if self.console.options.ascii_only else ("━", "─")
        self._live = Live(console=self.console, auto_refresh=False, transient=True, vertical_overflow="crop")

    def _say(self, line: str) -> None:
        self.console.print(visible(line), soft_wrap=True, markup=False, highlight=False, emoji=False)

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
            self._live.update(self._drawn(), refresh=True)

    def _closed(self) -> None:
        self._live.stop()

    def _finished(self) -> None:
        for line in last_lines(self.about, self.state, self.progress.busy_share, self.console.width):
            self._say(line)

    def _drawn(self) -> Text:
        # One text of ready lines: rich's own tables would take a tenth of the driver's time.
        text = Text(no_wrap=True, overflow="crop")
        for line, style in self.view(self.console.width, self.console.height):
            text.append(f"{cut(visible(line), self.console.width)}\n", style)
        text.right_crop(1)
        return text

    def view(self, width: int, height: int) -> Iterator[tuple[str, str]]:
        """The lines that the terminal shows now, and their styles. Longer ones are cut."""
        state = self.state
        running = list(state.by_status[Status.RUNNING])
        room = height - 1 - HEAD_ROWS - TABLE_ROWS * (bool(running) + bool(state.ranking))
        few, top = share_out(room, len(running), len(state.ranking))
        yield self._title(), "bold"
        yield from self._bars(max(width // 3, 10))
        yield self._best(), "green"
        if few:
            yield from _table(self._running([state.trials[number] for number in running[:few]]), len(running) - few)
        if top:
            best = [state.trials[number] for _, number in state.ranking[:top]]
            yield from _table(self._top(best), len(state.ranking) - top)

    def _title(self) -> str:
        limit = self.about.settings.max_time
        most = "" if limit is None else f" of {clock(limit)}"
        left = self.progress.seconds_left
        time_left = "" if left is None else f" · {roughly(left)} left"
        starting = "" if self.state.trials else " · the workers are starting"
        return f"{self.about.study} · {clock(self.progress.now)}{most}{time_left}{starting}"

    def _bars(self, width: int) -> Iterator[tuple[str, str]]:
        state, settings, progress = self.state, self.about.settings, self.progress

        def bar(name: str, done: float, most: float | None, text: str) -> tuple[str, str]:
            full = round(width * min(done / most, 1.0)) if most else 0
            return f"{name:<8}{self._full * full}{self._empty * (width - full)} {text}", "cyan"

        counts = (f"{state.count(status):,} {status}" for status in Status if state.count(status))
        of_trials = f" of {settings.trials:,}" if settings.trials else ""
        most = settings.trials * settings.epochs if settings.trials else None
        of_epochs = f" of at most {most:,}" if most else ""
        busy = progress.busy_share or 0.0
        trials = " · ".join([f"{progress.settled:,}{of_trials}", *counts])
        yield bar("trials", progress.settled, settings.trials, trials)
        yield bar("epochs", state.epochs_trained, most, f"{state.epochs_trained:,}{of_epochs}")
        yield bar("workers", busy, 1.0, f"{len(state.workers):,} · busy {busy:.0%} of the time")

    def _best(self) -> str:
        name, trial, target = self.state.objective.name, self.state.best, self.about.settings.target
        wanted = "" if target is None else f" (target {target:g})"
        if trial is None or trial.best is None:
            return f"best    no {name} yet{wanted}"
        score = self._score(trial.best.metrics)
        return f"best    {name} {score} in trial {trial.number}, epoch {trial.best.epoch}{wanted}"

    def _running(self, trials: Sequence[Trial]) -> dict[str, list[str]]:
        lasts = [trial.curve[-1].metrics if trial.curve else None for trial in trials]
        return {
            "running": [str(trial.number) for trial in trials],
            "epoch": [f"{trial.epoch}/{trial.assignment.to_epoch}" for trial in trials],
            self.state.objective.name: [self._score(last) for last in lasts],
            "worker": [str(trial.worker) for trial in trials],
            CONFIGURATION: [_shown(trial.configuration) for trial in trials],
        }

    def _top(self, trials: Sequence[Trial]) -> dict[str, list[str]]:
        bests = [trial.best for trial in trials if trial.best is not None]
        return {
            "top": [str(rank) for rank, _ in enumerate(trials, start=1)],
            "trial": [str(trial.number) for trial in trials],
            self.state.objective.name: [self._score(best.metrics) for best in bests],
            "epoch": [str(best.epoch) for best in bests],
            "status": [str(trial.status) for trial in trials],
            CONFIGURATION: [_shown(trial.configuration) for trial in trials],
        }

    def _score(self, metrics: dict[str, float] | None) -> str:
        return "" if metrics is None else short(metrics[self.state.objective.name], "score")


def share_out(room: int, running: int, ranked: int) -> tuple[int, int]:
    """How many rows running trials and the top of the leaderboard get: what one does not need, the other has."""
    room = max(room, 0)
    few = min(running, max(room // 2, room - ranked))
    return few, min(ranked, room - few)


def _table(texts: dict[str, list[str]], hidden: int) -> Iterator[tuple[str, str]]:
    header, *rows = aligned(texts, texts.keys() - {"status", CONFIGURATION})
    yield "", ""
    yield header, "dim"
    yield from ((row, "") for row in rows)
    if hidden:
        yield f"… and {hidden:,} more", "dim"


def _shown(configuration: Configuration) -> str:
    return " ".join(f"{name}={short(value)}" for name, value in configuration.items())
