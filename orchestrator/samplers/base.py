"""What every sampler answers."""

from typing import Protocol

from orchestrator.assignment import Configuration


class Exhausted(Exception):
    """No further configuration can be had; the message says why."""


class Sampler(Protocol):
    def configuration(self, trial: int) -> Configuration:
        """The configuration of the trial with this number.

        Raises:
            Exhausted: There is none.
        """
