"""What the driver asks of a backend."""

from collections.abc import Callable, Sequence
from typing import Protocol

from orchestrator.scheduler.events import Event
from orchestrator.scheduler.instructions import Instruction

Hold = Callable[[str], None]
"""Called with the reason while something cannot be written: returns when it is time to try again, or raises."""


class Backend(Protocol):
    def wait(self) -> Sequence[Event]:
        """What has happened, in order; blocks until something has, or the time of the last `WakeAt` has come.

        The first event is `RunStarted` or `RunResumed`. It may return nothing, so that whoever watches the run gets a
        turn.
        """

    def carry_out(self, instructions: Sequence[Instruction]) -> None:
        """Begin to do what was decided, in order, without waiting for it."""
