"""Lines for logs: what happens, and how far the run is. Less and less often, and never more than once a second."""

import shutil
from collections.abc import Sequence

from orchestrator.display.about import first_lines
from orchestrator.display.base import Display
from orchestrator.display.news import News
from orchestrator.display.summary import last_lines
from orchestrator.display.words import clock, counted, roughly
from orchestrator.scheduler.instructions import Record
from orchestrator.scheduler.trial import Status
from orchestrator.tables import short

LEAST_SECONDS = 1.0
MOST_SECONDS = 60.0
LINES_SO_FAR = 60
"""A run of any age has about this many lines, until they come once in `MOST_SECONDS`."""


class LinesDisplay(Display):
    def _say(self, line: str) -> None:
        self._write([line])

    def _opened(self) -> None:
        self._news = News(self.state)
        self._next = 0.0
        self._shown = ""
        self._write(first_lines(self.about, width()))

    def _watched(self, records: Sequence[Record]) -> None:
        now = self.progress.now
        self._write(f"{clock(now)}  {line}" for line in self._news.of(records))
        if self.clock() < self._next:
            return
        line = self._line()
        if line != self._shown:
            self._shown = line
            self._next = self.clock() + min(max(now / LINES_SO_FAR, LEAST_SECONDS), MOST_SECONDS)
            self._write([f"{clock(now)}  {line}{self._time_left()}"])

    def _finished(self) -> None:
        self._write(["", *last_lines(self.about, self.state, self.progress.busy_share, width())])

    def _line(self) -> str:
        state, progress = self.state, self.progress
        if not state.trials:
            return "the workers are starting"
        limit = self.about.settings.trials
        of = f" of {limit:,}" if limit is not None else ""
        parts = [
            f"{progress.settled:,}{of} trials, {state.count(Status.RUNNING):,} running",
            counted(state.epochs_trained, "epoch"),
        ]
        if (best := state.best) is not None and best.best is not None:
            score = short(best.best.metrics[state.objective.name], "score")
            parts.append(f"best {score} (trial {best.number}, epoch {best.best.epoch})")
        return " · ".join(parts)

    def _time_left(self) -> str:
        busy, left = self.progress.busy_share, self.progress.seconds_left
        share = "" if busy is None else f" · busy {busy:.0%}"
        return share if left is None else f"{share} · {roughly(left)} left"


def width() -> int:
    """Of whatever reads the lines, as far as COLUMNS or a terminal tell."""
    return shutil.get_terminal_size((120, 24)).columns
