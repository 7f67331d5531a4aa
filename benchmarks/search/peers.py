"""The stopping rules of Ray Tune and Optuna: their real classes at their defaults, asked as their own loops ask them.

* Epochs are 1-based, and are the peers' `training_iteration` and `step`. Optuna's documentation counts steps from 0,
  which moves its rungs from epochs 1, 4, 16 to 2, 5, 17: so SuccessiveHalvingPruner stands here a second time.
* By default Optuna's two halvings prune nothing before a trial is complete, from which they take the number of epochs;
  with many workers that is late. So they stand here once more, told what they wait for.
* Ray Tune: `max_t` is the curves' length, `time_attr` the epoch. MedianStoppingRule's own default is a grace of 60
  seconds, which has no meaning here: it gets a grace of 1 epoch. It may yield to trials that wait while it has too few
  samples; none waits here, for configurations are drawn when a worker is free.
* NaN goes to the rule as it is. Ray Tune's ASHA lets such a trial train on; Optuna's pruners end it where they judge.
  A trial that completes with NaN is told to Optuna as failed, as its own loop does.
"""

import logging
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

import optuna
from optuna.pruners import HyperbandPruner, MedianPruner, SuccessiveHalvingPruner
from ray.tune.schedulers import AsyncHyperBandScheduler, MedianStoppingRule, TrialScheduler

from benchmarks.search.replay import Rule

optuna.logging.set_verbosity(optuna.logging.ERROR)
logging.getLogger("ray").setLevel(logging.ERROR)

RAY, OPTUNA = (f"{name} {version(name)}" for name in ("ray", "optuna"))


@dataclass(frozen=True, eq=False)
class _Trial:
    """What Ray Tune's schedulers look at in a trial."""

    trial_id: str


class _Controller:
    def get_live_trials(self) -> list[_Trial]:
        return []


class _Median(MedianStoppingRule):  # type: ignore[misc]
    """Ray Tune's, which works out every other trial's mean anew at each report; here each is worked out once."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._known: dict[Any, dict[float, Any]] = {}

    def _running_mean(self, trial: Any, time: float) -> Any:
        known = self._known.setdefault(trial, {})
        if time not in known:
            known[time] = super()._running_mean(trial, time)
        return known[time]

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        super().on_trial_complete(tune_controller, trial, result)
        self._known.pop(trial, None)


class _Hyperband(HyperbandPruner):  # type: ignore[misc]
    """Optuna's, which draws every other trial's bracket anew at each rung; here each is drawn once."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._known: dict[int, int] = {}

    def _get_bracket_id(self, study: Any, trial: Any) -> int:
        number: int = trial.number
        if self._pruners and number in self._known:
            return self._known[number]
        bracket: int = super()._get_bracket_id(study, trial)
        if self._pruners:
            self._known[number] = bracket
        return bracket


class RayTune:
    def __init__(self, scheduler: Any) -> None:
        self.scheduler = scheduler
        self.trials: list[_Trial] = []

    def begin(self, trial: int) -> None:
        self.trials.append(_Trial(str(trial)))
        self.scheduler.on_trial_add(_Controller(), self.trials[trial])

    def goes_on(self, trial: int, epoch: int, value: float) -> bool:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # its percentiles of nothing but NaN
            asked = self.scheduler.on_trial_result(_Controller(), self.trials[trial], _result(epoch, value))
        if asked == TrialScheduler.STOP:
            self.complete(trial, epoch, value)
        return bool(asked == TrialScheduler.CONTINUE)

    def complete(self, trial: int, epoch: int, value: float) -> None:
        """Of a trial that was stopped, too: so Tune does."""
        self.scheduler.on_trial_complete(_Controller(), self.trials[trial], _result(epoch, value))


def _result(epoch: int, value: float) -> dict[str, float]:
    return {"training_iteration": epoch, "value": value}


class Optuna:
    def __init__(self, pruner: Any, direction: str, seed: int, first_step: int) -> None:
        self.study = optuna.create_study(
            study_name=f"replay-{seed}",  # from which and the trial's number HyperbandPruner draws the bracket
            direction={"max": "maximize", "min": "minimize"}[direction],
            sampler=optuna.samplers.RandomSampler(seed),
            pruner=pruner,
        )
        self.first_step = first_step
        self.trials: dict[int, Any] = {}

    def begin(self, trial: int) -> None:
        self.trials[trial] = self.study.ask()

    def goes_on(self, trial: int, epoch: int, value: float) -> bool:
        self.trials[trial].report(value, epoch - 1 + self.first_step)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # its means of nothing but NaN
            pruned = self.trials[trial].should_prune()
        if pruned:
            self.study.tell(self.trials.pop(trial), state=optuna.trial.TrialState.PRUNED)
        return not pruned

    def complete(self, trial: int, epoch: int, value: float) -> None:
        asked = self.trials.pop(trial)
        asked.report(value, epoch - 1 + self.first_step)
        failed = optuna.trial.TrialState.FAIL if math.isnan(value) else None
        self.study.tell(asked, None if failed else value, state=failed)


@dataclass(frozen=True)
class Peer:
    name: str
    version: str
    make: Callable[[int, str, int], Rule]
    """Of the number of epochs, the direction and the seed."""
    compared: bool = False
    """Among those that the default is held against."""


def peers() -> list[Peer]:
    return [
        Peer("Ray Tune ASHA", RAY, _ray_asha, compared=True),
        Peer("Ray Tune median", RAY, _ray_median),
        Peer("Optuna SuccessiveHalving", OPTUNA, _optuna(SuccessiveHalvingPruner), compared=True),
        Peer("Optuna SuccessiveHalving, steps from 0", OPTUNA, _optuna(SuccessiveHalvingPruner, first_step=0)),
        Peer("Optuna SuccessiveHalving, min_resource=1", OPTUNA, _optuna(partial(SuccessiveHalvingPruner, 1))),
        Peer("Optuna Hyperband", OPTUNA, _optuna(_Hyperband), compared=True),
        Peer("Optuna Hyperband, max_resource given", OPTUNA, _hyperband_told),
        Peer("Optuna median", OPTUNA, _optuna(MedianPruner)),
    ]


def _ray_asha(epochs: int, direction: str, _: int) -> Rule:
    return RayTune(AsyncHyperBandScheduler("training_iteration", metric="value", mode=direction, max_t=epochs))


def _ray_median(_: int, direction: str, __: int) -> Rule:
    return RayTune(_Median(time_attr="training_iteration", metric="value", mode=direction, grace_period=1))


def _optuna(pruner: Callable[[], Any], first_step: int = 1) -> Callable[[int, str, int], Rule]:
    return lambda _, direction, seed: Optuna(pruner(), direction, seed, first_step)


def _hyperband_told(epochs: int, direction: str, seed: int) -> Rule:
    return Optuna(_Hyperband(max_resource=epochs), direction, seed, first_step=1)
