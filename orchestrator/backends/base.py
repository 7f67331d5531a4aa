"""What the driver asks of a backend."""

from collections.abc import Sequence
from typing import Protocol

from orchestrator.scheduler.events import Event
from orchestrator.scheduler.instructions import Instruction


class Backend(Protocol):
    def wait(self) -> Sequence[Event]:
        """What has happened, in order; blocks until something has, or the time of the last `WakeAt` has come.

        The first event is `RunStarted`. It may return nothing, so that whoever watches the run gets a turn.
        """

    def carry_out(self, instructions: Sequence[Instruction]) -> None:
        """Begin to do what was decided, in order, without waiting for it."""
