"""Checkpoints are written beside training, one after the other; what is said of a trial's end comes after its last."""

import traceback
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from orchestrator.training.redaction import redacted
from orchestrator.workers.link import Outbox
from orchestrator.workers.messages import Broken


class Saver:
    """Used by the training thread alone."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._thread = ThreadPoolExecutor(1, "checkpoints")
        self._last: Future[None] | None = None
        self._end: Future[None] | None = None
        """Of a trial that has ended by itself, which nobody knows before it is said."""

    def save(self, write: Callable[[], None]) -> None:
        """Begin to write a checkpoint, once the one before it is written: no more than one is held in memory."""
        self.wait()
        self._last = self._thread.submit(self._guarded, write)

    def then(self, do: Callable[[], None], *, ends_by_itself: bool = False) -> None:
        """Once what was begun is written."""
        if self._last is None or self._last.done():
            do()
            return
        self._last = self._thread.submit(self._guarded, do)
        if ends_by_itself:
            self._end = self._last

    def in_turn(self, say: Callable[[], None], late: Callable[[], None]) -> None:
        """Once the end of every trial before is told: of the one behind it nothing is expected until then.

        `late` is called as well where it had to wait.
        """
        if self._end is None or self._end.done():
            say()
            return
        for do in (say, late):
            self._last = self._end = self._thread.submit(self._guarded, do)

    def wait(self) -> None:
        if self._last is not None:
            self._last.result()

    def _guarded(self, do: Callable[[], None]) -> None:
        """What no retry can mend ends the worker, as it does in the training thread."""
        try:
            do()
        except BaseException as error:
            traceback.print_exc()
            self._outbox.put(Broken(redacted(f"{type(error).__name__}: {error}")))
