"""What every sampler answers.

As a stopper, a sampler is told facts and decisions (`begun`, `reported`, `paused`, `ended`, `adapted`), from which it
keeps its own index; asked (`configuration`, `adaptation`) it changes nothing that could be seen. So the fold of a
journal gives it back as it was, and nothing is drawn a second time. Scores are turned: larger is better.
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, ClassVar

import msgspec

from orchestrator.adaptation import Adaptation
from orchestrator.assignment import Configuration
from search_spaces import Space

_encode = msgspec.json.Encoder(order="sorted").encode


class Exhausted(Exception):
    """No further configuration can be had; the message says why."""


class Sampler:
    """Never gives a configuration that a trial has had, unless `repeats`."""

    slow: ClassVar[bool] = False
    """Asked aside by the backend, and ahead of need, because it may take long."""

    def __init__(self, space: Space, seed: int, trials: int | None = None, repeats: bool = False) -> None:
        self.space = space
        self.seed = seed
        self.trials = trials
        """At most so many trials will be begun, where that is known."""
        self.repeats = repeats
        self._tried: set[int] = set()

    # Asked.

    def configuration(self, trial: int) -> Configuration:
        """The configuration of the trial with this number, which is the next one to begin.

        Raises:
            Exhausted: There is none.
        """
        raise NotImplementedError

    def adaptation(self) -> Adaptation | None:
        """What it wants to change before it is asked again."""
        return None

    def size(self) -> int | None:
        """How many configurations it has in all, where they are counted."""
        return None

    # Told.

    def begun(self, trial: int, configuration: Configuration) -> None:
        if not self.repeats:
            self._tried.add(identity(configuration))

    def passed(self, configuration: Configuration) -> None:
        """What it drew is used up, for another configuration stands for it. Told before that one has begun."""

    def reported(self, trial: int, epoch: int, score: float) -> None:
        pass

    def paused(self, trial: int) -> None:
        pass

    def ended(self, trial: int, score: float | None) -> None:
        """The trial is over, with its best score; None where it diverged, failed or reported nothing."""

    def adapted(self, settings: Mapping[str, Any]) -> None:
        pass

    # For subclasses.

    def is_new(self, configuration: Configuration) -> bool:
        """Whether no trial has had it, or repeats are asked for."""
        return self.repeats or identity(configuration) not in self._tried


def identity(configuration: Configuration) -> int:
    """64 bits, so that millions of trials can be remembered. 1 and 1.0 are one value; 1 and True are two."""
    plain = {name: _plain(value) for name, value in configuration.items()}
    return int.from_bytes(blake2b(_encode(plain), digest_size=8).digest())


def _plain(value: Any) -> Any:
    return int(value) if type(value) is float and value.is_integer() and abs(value) < 2**63 else value
