"""Any sampler of Optuna, by ask and tell: `optuna:tpe`, `optuna:gp`, `optuna:cmaes`, `optuna:nsgaii` …

Optuna is told what it can use, and keeps no other memory:
- A trial that has begun is a running one of Optuna's, wherever its configuration came from (asked of Optuna, drawn
  because Optuna had nothing new, a start configuration, an earlier part of the run), so that the next is proposed
  elsewhere.
- One that ends with a score is complete, with its best score, which is larger for better: Optuna maximises.
- One that pauses is not waited for, for under ASHA most trials never end otherwise. TPE takes it as pruned, with its
  score at that epoch, and ranks it among those that came as far; the others know no epochs, and take it as complete
  with its best score so far. Where it goes on it stays that, and its scores are brought up to date when it pauses again
  or ends. One that is stopped while it is paused stays what it was.
- One that diverges is pruned without a score for TPE, which ranks it last; for the others, and where a trial failed, it
  is a failed one.

A proposal that the constraints refuse, or that was tried, is told as failed, and Optuna is asked again, a number of
times; then the draw is random. Optuna's own random numbers follow from the seed and the first trial it is asked for.
CMA-ES and NSGA-II keep their generations in the trials that they proposed themselves: after a resume they begin anew.

It is asked aside, so what it is told is only noted, and taken in when it is asked next.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from math import inf, isfinite
from typing import TYPE_CHECKING, Any, ClassVar

from orchestrator.assignment import Configuration
from orchestrator.draws import Purpose, generator
from orchestrator.samplers.base import Exhausted, identity
from orchestrator.samplers.random import RandomSampler
from search_spaces import Space, SpaceError

if TYPE_CHECKING:
    from orchestrator.samplers.optuna_study import OptunaStudy

ASKED = 20
"""So often in vain, before the draw is random."""
RANKS_PRUNED = ("tpe",)


@dataclass(slots=True)
class Progress:
    """Of a trial that has not ended."""

    epoch: int = 0
    score: float = -inf
    best: float = -inf
    paused: bool = False


class OptunaSampler(RandomSampler):
    """Proposals of Optuna's.

    Args:
        kind: A class of `optuna.samplers`, in small letters and without "Sampler".
        options: Of that class: `optuna:tpe,n_startup_trials=20`.

    Raises:
        ValueError: With the fix, also where Optuna, or what the kind needs, is not installed.
    """

    slow: ClassVar[bool] = True

    def __init__(
        self,
        space: Space,
        seed: int,
        trials: int | None = None,
        repeats: bool = False,
        /,
        *,
        kind: str = "tpe",
        **options: Any,
    ) -> None:
        super().__init__(space, seed, trials, repeats)
        if find_spec("optuna") is None:
            raise ValueError("the samplers of Optuna need it installed: pip install optuna")
        from orchestrator.samplers.optuna_study import OptunaStudy  # Optional, and slow to import.

        self._kind = str(kind).lower()
        self._make: Callable[[int], OptunaStudy] = partial(OptunaStudy, space, self._kind, options)
        self._make(0)  # To see that it can be made.
        self._progress: dict[int, Progress] = {}
        self._told: deque[Callable[[OptunaStudy], None]] = deque()
        # What follows is for whoever asks alone.
        self._study: OptunaStudy | None = None
        self._proposed: dict[int, tuple[int, Configuration]] = {}
        """By trial: its id at Optuna, and what was proposed."""
        self._ids: dict[int, int] = {}
        """At Optuna, of the trials that have begun."""

    # Asked, aside.

    def configuration(self, trial: int) -> Configuration:
        try:
            if self._study is None:
                self._study = self._make(int(generator(self.seed, trial, Purpose.CONFIGURATION).integers(2**32)))
            while self._told:
                self._told.popleft()(self._study)
            return self._proposal(self._study, trial)
        except Exhausted:
            raise
        except SpaceError as error:
            raise Exhausted(str(error)) from error
        except Exception as error:
            said = " ".join(f"{type(error).__name__}: {error}".split())
            raise Exhausted(f"optuna:{self._kind} has nothing to propose: {said}") from error

    def _proposal(self, study: "OptunaStudy", trial: int) -> Configuration:
        """The same again, if it was asked for before and is still new."""
        if trial in self._proposed:
            identifier, configuration = self._proposed.pop(trial)
            if self.is_new(configuration):
                self._proposed[trial] = identifier, configuration
                return configuration
            study.settle(identifier, "failed")
        for _ in range(ASKED):
            identifier, configuration = study.ask()
            if self.is_new(configuration) and not self.space.refused_by(configuration):
                break
            study.settle(identifier, "failed")
        else:
            configuration = self.drawn(trial)
            identifier = study.add(configuration)
        self._proposed[trial] = identifier, configuration
        return configuration

    def is_new(self, configuration: Configuration) -> bool:
        """Whether no trial has had it, or is to have it."""
        pending = (identity(proposed) for _, proposed in self._proposed.values())
        return super().is_new(configuration) and (self.repeats or identity(configuration) not in pending)

    # Told.

    def begun(self, trial: int, configuration: Configuration) -> None:
        super().begun(trial, configuration)
        self._progress[trial] = Progress()
        self._told.append(partial(self._begin, trial, configuration))

    def reported(self, trial: int, epoch: int, score: float) -> None:
        progress = self._progress[trial]
        progress.epoch, progress.score, progress.paused = epoch, score, False
        if score > progress.best:
            progress.best = score

    def paused(self, trial: int) -> None:
        progress = self._progress[trial]
        progress.paused = True
        self._told.append(partial(self._pause, trial, progress.epoch, progress.score, progress.best))

    def ended(self, trial: int, score: float | None) -> None:
        progress = self._progress.pop(trial)
        diverged = progress.epoch > 0 and not isfinite(progress.score)
        if score is None or not progress.paused:
            self._told.append(partial(self._end, trial, score, diverged=diverged))

    # What it was told, taken in.

    def _begin(self, trial: int, configuration: Configuration, study: "OptunaStudy") -> None:
        if trial in self._proposed:
            self._ids[trial], proposed = self._proposed.pop(trial)
            if identity(proposed) == identity(configuration):
                return
            study.settle(self._ids[trial], "failed")
        self._ids[trial] = study.add(configuration)

    def _pause(self, trial: int, epoch: int, score: float, best: float, study: "OptunaStudy") -> None:
        if self._kind in RANKS_PRUNED:
            study.report(self._ids[trial], epoch, score)
            study.settle(self._ids[trial], "pruned", score)
        else:
            study.settle(self._ids[trial], "complete", best)

    def _end(self, trial: int, score: float | None, study: "OptunaStudy", *, diverged: bool) -> None:
        identifier = self._ids.pop(trial)
        if score is not None:
            study.settle(identifier, "complete", score)
        elif diverged and self._kind in RANKS_PRUNED:
            study.settle(identifier, "pruned")
        else:
            study.settle(identifier, "failed")
