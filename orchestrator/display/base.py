"""What every kind of display has in common."""

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from io import StringIO
from typing import TextIO

from orchestrator.display.about import About
from orchestrator.display.progress import Clock, Progress
from orchestrator.display.summary import problem_lines
from orchestrator.scheduler.instructions import Record
from orchestrator.scheduler.state import State
from orchestrator.tables import visible


class Display:
    """What people see of a run: `say` at any time, `open` once, `watch` after each batch of records, `close` once.

    This one shows nothing but why a run failed. A kind of display fills in `_say`, `_opened`, `_watched` and
    `_finished`. When the output is gone (`| head`, a terminal that was closed) the run goes on unseen.
    """

    about: About
    state: State
    progress: Progress

    def __init__(self, out: TextIO | None = None, err: TextIO | None = None, clock: Clock = time.monotonic) -> None:
        # A process may have been started without any.
        self.out: TextIO = out or sys.stdout or StringIO()
        self.err: TextIO = err or sys.stderr or StringIO()
        self.clock = clock
        self._is_gone = False
        self._is_open = False

    def say(self, line: str) -> None:
        """What is going on, such as a phase before the run."""
        self._show(lambda: self._say(line))

    def open(self, about: About, state: State) -> None:
        """The run begins. `state` is looked at from now on, and never changed here."""
        self.about = about
        self.state = state
        self.progress = Progress(state, about.settings, self.clock)
        self._is_open = True
        self._show(self._opened)

    def watch(self, records: Sequence[Record]) -> None:
        """After each batch, which has been applied to the state; it may be empty. Cheap, however many come."""
        self.progress.take(records)
        self._show(lambda: self._watched(records))

    def close(self) -> None:
        """The run is over: its state is finished, or it was torn off and says so elsewhere."""
        if not self._is_open:
            return
        self._is_open = False
        with suppress(OSError):
            self._closed()
        if self.state.finished is not None:
            self._show(self._finished)
        with suppress(OSError):
            self._write(problem_lines(self.state), self.err)

    def _say(self, line: str) -> None:
        pass

    def _opened(self) -> None:
        pass

    def _watched(self, records: Sequence[Record]) -> None:
        pass

    def _closed(self) -> None:
        pass

    def _finished(self) -> None:
        pass

    def _write(self, lines: Iterable[str], to: TextIO | None = None) -> None:
        stream = to or self.out
        for line in lines:
            stream.write(f"{visible(line)}\n")
        stream.flush()

    def _show(self, show: Callable[[], None]) -> None:
        if not self._is_gone:
            try:
                show()
            except (OSError, ValueError):
                self._is_gone = True
