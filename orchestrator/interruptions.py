"""Ctrl-C and SIGTERM, and what a driver does while it can write nothing, which they end."""

import signal
import threading
import time
from collections.abc import Callable
from typing import Any, Self

from orchestrator.errors import RunFailed

TRY_AGAIN_SECONDS = 1.0
SAY_AGAIN_SECONDS = 60.0


class Interruptions:
    """Ctrl-C or SIGTERM: the first asks the run to end, once there is one to ask, and the second ends it at once."""

    def __init__(self) -> None:
        self.ask: Callable[[str], None] | None = None
        self.heard = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self.listen()
        return self

    def listen(self) -> None:
        """Again once Ray is there, which puts its own handler in the place of ours."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                before = signal.signal(number, self._hear)
                self._before.setdefault(number, before)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, _frame: object) -> None:
        self.interrupt("interrupted by " + ("Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name))

    def interrupt(self, reason: str) -> None:
        ask, self.ask = self.ask, None
        self.heard = True
        if ask is None:
            raise KeyboardInterrupt
        ask(reason)


class WaitingForRoom:
    """Waits a moment while nothing can be written, and says why; until somebody interrupts it."""

    def __init__(self, say: Callable[[str], None], interruptions: Interruptions, how_to_go_on: str) -> None:
        self._say = say
        self._interruptions = interruptions
        self._how_to_go_on = how_to_go_on
        self._said_at = -SAY_AGAIN_SECONDS

    def __call__(self, reason: str) -> None:
        if self._interruptions.heard:
            raise RunFailed(f"{reason}; {self._how_to_go_on}")
        if (now := time.monotonic()) - self._said_at >= SAY_AGAIN_SECONDS:
            self._said_at = now
            self._say(f"{reason}: the run waits, and goes on by itself once that works (Ctrl-C ends it)")
        time.sleep(TRY_AGAIN_SECONDS)
