"""Ray Tune: a function that calls `tune.report`, its data by `tune.with_parameters`, as Tune's user guides show.

https://docs.ray.io/en/latest/tune/key-concepts.html
"""

import time
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.basic_variant import BasicVariantGenerator

from benchmarks.bench import models
from benchmarks.bench.work import OBJECTIVE, Configuration, Outcome, Report, Work
from orchestrator import Choice, Float, Int, Space

LONGEST_MEETING = 20.0


def run(work: Work, folder: Path, reuse_actors: bool) -> Outcome:
    ray.init(num_cpus=work.workers, log_to_driver=False, logging_level="ERROR")
    heard = Heard(work)
    try:
        results = tune.Tuner(
            tune.with_resources(_trainable(work, folder), {"cpu": 1}),
            param_space=param_space(models.SPACES[work.kind]),
            tune_config=tune.TuneConfig(
                metric=OBJECTIVE,
                mode="max",
                num_samples=work.trials,
                search_alg=BasicVariantGenerator(points_to_evaluate=list(work.configurations) or None),
                scheduler=ASHAScheduler(max_t=work.epochs) if work.stopper == "asha" else None,
                reuse_actors=reuse_actors,
            ),
            run_config=tune.RunConfig(
                storage_path=str(folder), callbacks=[heard], stop=None if work.target is None else StopAt(work.target)
            ),
        ).fit()
    finally:
        ray.shutdown()
    if results.num_errors:
        raise RuntimeError(f"{results.num_errors} trials failed: {results.errors[0]}")
    return Outcome(heard.reports, heard.ends, len(heard.processes))


def _trainable(work: Work, folder: Path) -> Any:
    if work.kind == "nothing":
        return tune.with_parameters(report_only, epochs=work.epochs, workers=work.workers, folder=folder)
    return tune.with_parameters(train, kind=work.kind, epochs=work.epochs, data=models.LOAD[work.kind]())


def train(configuration: Configuration, kind: Any, epochs: int, data: Any) -> None:
    models.use_one_thread()
    models.fit(kind, configuration, data, epochs, lambda value: tune.report({OBJECTIVE: value}))


def report_only(_: Configuration, epochs: int, workers: int, folder: Path) -> None:
    _meet(folder, workers)
    for epoch in range(1, epochs + 1):
        tune.report({OBJECTIVE: epoch})


def _meet(folder: Path, workers: int) -> None:
    """Trials as brief as these could all be through in one actor before the next has started, at half the rate."""
    here = folder / "here"
    here.mkdir(exist_ok=True)
    (here / tune.get_context().get_trial_id()).touch()
    until = time.monotonic() + LONGEST_MEETING
    while sum(1 for _ in here.iterdir()) < workers and time.monotonic() < until:
        time.sleep(0.02)


class Heard(tune.Callback):
    """What Tune's driver hears of its trials, and when."""

    def __init__(self, work: Work) -> None:
        self.reports: list[Report] = []
        self.ends: list[float] = []
        self.processes: set[int] = set()
        self._work = work

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        number = self._work.number_of(trial.config) if self._work.configurations else 0
        self.reports.append(Report(time.time(), number, result[OBJECTIVE]))
        self.processes.add(result["pid"])

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.ends.append(time.time())


class StopAt(tune.Stopper):
    """Ends the whole run once a trial has reported the target."""

    def __init__(self, target: float) -> None:
        self._target = target
        self._reached = False

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        self._reached = self._reached or result[OBJECTIVE] >= self._target
        return self._reached

    def stop_all(self) -> bool:
        return self._reached


def param_space(space: Space) -> dict[str, Any]:
    return {name: _domain(space[name]) for name in space}


def _domain(domain: Any) -> Any:
    match domain:
        case Float():
            return (tune.loguniform if domain.scale == "log" else tune.uniform)(domain.low, domain.high)
        case Int():  # The upper bound is not included.
            return (tune.lograndint if domain.scale == "log" else tune.randint)(domain.low, domain.high + 1)
        case Choice():
            return tune.choice(list(domain.values))
    raise TypeError(f"{domain!r} is in no part")
