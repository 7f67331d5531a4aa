"""What a trial costs that does nothing: this project, and Ray Tune with and without reused actors, in one Ray session.

    make overhead [ARGS="--rounds R --trials N"]

A trial reports 10 times, one number each, and is through. Two CPUs, one for a trial, so two at once. Ours is a whole
`launch`: journal on, each batch synced before it is carried out, leaderboard and run directory. Tune runs a function
without its loggers (CSV, JSON, TensorBoard), which makes it faster and leaves no record of the reports. Its trials
are fewer, for they take long; neither rate depends much on how many there are.

* trials/s: trials by the seconds from the first report to the last trial's end, as the driver heard of them. What
  comes before the first report is not in it: the import of TensorFlow in our workers, and the start of Tune's first
  two actors, which flatters its 12 trials by about a sixth.
* whole call: seconds for everything, from the call to its return. Most of ours is that import, once for each worker,
  and to be had for real trials too; Tune's function does without.
* processes: how many trained. Tune reuses the actor of a function when that has returned and a trial that asks for
  the same resources is waiting. Trials as brief as these could all be through in its first actor before the second
  has started, at half the rate; so Tune's first two wait for each other before they report.

The three take turns; ratios are those within a round. At least 500 trials/s are expected of ours. Takes two minutes.
"""

import argparse
import contextlib
import io
import os
import platform
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ray

from orchestrator import Float, Space, Study, launch
from orchestrator.journal import read_journal
from orchestrator.scheduler.events import Event, TrialReported
from orchestrator.scheduler.instructions import Train

try:
    from ray import tune
except ImportError as error:
    why = error.__cause__ or error
    sys.exit(f"Ray Tune cannot be imported ({why}): `make overhead` installs it in an environment of its own")

REPORTS = 10
CPUS = 2
TRIALS = 5000
TUNE_TRIALS = {True: 300, False: 12}
"""With and without `reuse_actors`."""
LONGEST_MEETING = 20.0
BUDGET_SECONDS = 330.0


@dataclass(frozen=True)
class Measured:
    trials: int
    reports: int
    processes: int
    seconds: float
    """From the first report to the last trial's end."""
    whole_call: float

    @property
    def rate(self) -> float:
        return self.trials / self.seconds


def report_to_us(_: Mapping[str, Any], ctx: Any) -> None:
    for epoch in ctx.epochs:
        ctx.report({"score": epoch})


def report_to_tune(config: Mapping[str, Any]) -> None:
    if config["number"] < CPUS:
        meet(Path(config["folder"]), config["number"])
    for epoch in range(1, REPORTS + 1):
        tune.report({"score": epoch})


def meet(folder: Path, number: int) -> None:
    """Wait until the first trial of each CPU is here."""
    (folder / f"{number}.here").touch()
    until = time.monotonic() + LONGEST_MEETING
    while len(list(folder.glob("*.here"))) < CPUS and time.monotonic() < until:
        time.sleep(0.02)


def measure_ours(folder: Path, trials: int) -> Measured:
    space = Space(learning_rate=Float(1e-4, 1e-1, scale="log"))
    study = Study(space=space, train=report_to_us, objective="score", direction="max", epochs=REPORTS, name="nothing")
    run_dir = folder / "ours"
    began = time.perf_counter()
    run = launch(study, quiet=True, trials=trials, workers=CPUS, stopper="none", run_dir=str(run_dir))
    whole_call = time.perf_counter() - began
    assert run.exit_code == 0, run.state.finished
    records = list(read_journal(run_dir)[1])
    events = [record for record in records if isinstance(record, Event)]
    reports = [event.at for event in events if isinstance(event, TrialReported)]
    return Measured(
        trials=len(run.state.trials),
        reports=len(reports),
        processes=len({record.worker for record in records if isinstance(record, Train)}),
        seconds=events[-1].at - reports[0],
        whole_call=whole_call,
    )


class Heard(tune.Callback):
    """What Tune's driver hears of its trials, and when."""

    def __init__(self) -> None:
        self.reports: list[float] = []
        self.ends: list[float] = []
        self.processes: set[int] = set()

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        self.reports.append(time.perf_counter())
        self.processes.add(result["pid"])

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self.ends.append(time.perf_counter())


def measure_tune(folder: Path, trials: int, reuse_actors: bool) -> Measured:
    heard = Heard()
    tuner = tune.Tuner(
        tune.with_resources(report_to_tune, {"cpu": 1}),
        param_space={"number": tune.grid_search(list(range(trials))), "folder": str(folder)},
        tune_config=tune.TuneConfig(reuse_actors=reuse_actors, metric="score", mode="max"),
        run_config=tune.RunConfig(storage_path=str(folder), verbose=0, callbacks=[heard]),
    )
    began = time.perf_counter()
    results = tuner.fit()
    whole_call = time.perf_counter() - began
    assert results.num_errors == 0, results.errors
    return Measured(
        trials=len(heard.ends),
        reports=len(heard.reports),
        processes=len(heard.processes),
        seconds=heard.ends[-1] - heard.reports[0],
        whole_call=whole_call,
    )


Measure = Callable[[Path], Measured]
OURS, REUSED, DEFAULT = "orchestrator", "Ray Tune, reuse_actors=True", "Ray Tune"


def measure_rounds(ways: dict[str, Measure], most: int) -> dict[str, list[Measured]]:
    """Each way once a round, each round begun by another; as many rounds as fit into the budget."""
    results: dict[str, list[Measured]] = defaultdict(list)
    began, longest = time.perf_counter(), 0.0
    for number in range(most):
        round_began = time.perf_counter()
        if round_began - began + longest > BUDGET_SECONDS:
            break
        for shift in range(len(ways)):
            name = list(ways)[(number + shift) % len(ways)]
            with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
                measured = ways[name](Path(folder))
            assert measured.reports == REPORTS * measured.trials, measured
            results[name].append(measured)
            print(
                f"round {number + 1}: {name}, {measured.rate:,.1f} trials/s, {measured.processes} processes",
                file=sys.stderr,
            )
        longest = max(longest, time.perf_counter() - round_began)
    return results


def spread(values: list[float], digits: int) -> str:
    low, high = min(values), max(values)
    return f"{statistics.median(values):,.{digits}f} ({low:,.{digits}f}–{high:,.{digits}f})"


def print_results(results: dict[str, list[Measured]]) -> None:
    rounds = len(results[OURS])
    print(f"\ntrials that do nothing, {REPORTS} reports each: median of {rounds} rounds (least–most)")
    print(f"{'':<30}{'trials':>8}{'processes':>11}{'trials/s':>26}{'whole call, s':>22}")
    for name, measured in results.items():
        processes = "–".join(map(str, sorted({m.processes for m in measured})))
        rates, calls = [m.rate for m in measured], [m.whole_call for m in measured]
        print(f"{name:<30}{measured[0].trials:>8,}{processes:>11}{spread(rates, 1):>26}{spread(calls, 1):>22}")
    print("\nratio of trials/s, within a round")
    for name in (REUSED, DEFAULT):
        ratios = [ours.rate / theirs.rate for ours, theirs in zip(results[OURS], results[name], strict=True)]
        each = ", ".join(f"{ratio:,.1f}" for ratio in ratios)
        print(f"{OURS} / {name:<30}{spread(ratios, 1):>26}   in turn: {each}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="rounds at most (default 3)")
    parser.add_argument("--trials", type=int, default=TRIALS, help=f"of ours, each round (default {TRIALS})")
    options = parser.parse_args()
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    began = time.perf_counter()
    ray.init("local", num_cpus=CPUS, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    try:
        ways: dict[str, Measure] = {
            OURS: lambda folder: measure_ours(folder, options.trials),
            REUSED: lambda folder: measure_tune(folder, TUNE_TRIALS[True], True),
            DEFAULT: lambda folder: measure_tune(folder, TUNE_TRIALS[False], False),
        }
        results = measure_rounds(ways, options.rounds)
    finally:
        ray.shutdown()
    print_results(results)
    libraries = ", ".join(f"{name} {version(name)}" for name in ("ray", "tensorflow", "keras", "msgspec"))
    print(f"\n{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, {libraries}")
    print(f"{time.perf_counter() - began:.0f} s in all")


if __name__ == "__main__":
    main()
