"""How the driver grows: (f) its memory and CPU time with the number of trials, (g) its CPU time with that of workers.

(f) The product's own loop, scheduler, sampler, journal and leaderboard file, on workers in virtual time: so 100,000
trials take a minute and nothing but the driver is measured. Virtual workers speak one at a time; the journal is synced
once in GROUP records, as where real ones are busy. A process for each size. Memory is what the process
holds at the end beyond what it held before the first trial, by trial: the resident set, and what Python allocated
(`tracemalloc`, in a run of its own, for it slows the rest).

(g) Whole runs on Ray with real workers that use no TensorFlow: CPU time of the driver's process, all its threads, from
the first report to the last event, by report. The first report comes when all workers are there.

    python -m benchmarks.bench.growth [--trials 100 10000 100000] [--workers 2 20 100]
"""

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from tabulate import tabulate

from benchmarks.bench.figures import Spread
from benchmarks.bench.parts import Options, Part, Results, Save
from benchmarks.bench.rounds import LOG_TAIL, ROOT, Failed

TRIALS = (100, 10_000, 100_000)
WORKERS = (2, 20, 100)
REPORTS = 10
FEWEST_TRIALS, TRIALS_PER_WORKER = 4_000, 200
SIMULATED_WORKERS = 4
GROUP = 50
ROUNDS = 3
SMALL_TRIALS, SMALL_WORKERS = (100, 200), (2, 3)
LONGEST = 1800.0
"""Seconds of one process."""
WARM_UP = 100
"""Trials before memory is looked at for the first time: until then modules are imported, tables filled."""


@dataclass(frozen=True)
class Grown:
    trials: int
    reports: int
    microseconds_per_report: float
    resident_bytes_per_trial: float
    python_bytes_per_trial: float


@dataclass(frozen=True)
class Driven:
    workers: int
    trials: int
    reports: int
    microseconds_per_report: float


def with_trials(number: int) -> Grown:
    """(f)"""
    plain, traced = _in_process("simulate", number), _in_process("simulate", number, "traced")
    return Grown(**{**plain, "python_bytes_per_trial": traced["python_bytes_per_trial"]})


def with_workers(number: int) -> Driven:
    """(g)"""
    return Driven(**_in_process("drive", number))


def _in_process(what: str, *arguments: Any) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.bench.growth", "--child", what, *map(str, arguments)]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        raise Failed(f"{' '.join(command)} did not end in {LONGEST:.0f} s") from None
    line = next((line for line in done.stdout.splitlines() if line.startswith("{")), None)
    if done.returncode != 0 or line is None:
        raise Failed(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-LOG_TAIL:]}")
    row: dict[str, Any] = json.loads(line)
    return row


def _simulate(trials: int, traced: bool) -> Grown:
    from orchestrator.backends.simulated import SimulatedBackend
    from orchestrator.driver import drive
    from orchestrator.journal import Journal
    from orchestrator.leaderboard_file import LeaderboardFile
    from orchestrator.objective import Objective
    from orchestrator.samplers import make_sampler
    from orchestrator.scheduler.limits import Limits
    from orchestrator.scheduler.scheduler import Scheduler
    from orchestrator.stoppers import make_stopper

    space, objective = _space(), Objective("val_accuracy", "max")
    memory = []

    class Grouped(Journal):
        """Such as comes of several workers' words at once."""

        waiting: ClassVar[list[Any]] = []

        def append(self, records: Iterable[Any]) -> None:
            self.waiting.extend(records)
            if len(self.waiting) >= GROUP:
                super().append(self.waiting)
                self.waiting.clear()

    def run(number: int, folder: Path) -> tuple[Any, float]:
        sampler = make_sampler("random", space, 0, number)
        stopper = make_stopper("none", REPORTS, objective, number)
        scheduler = Scheduler(objective, sampler, stopper, Limits(trials=number), max_epochs=REPORTS, seed=0)
        backend = SimulatedBackend(_curve, objective, SIMULATED_WORKERS)
        table = LeaderboardFile(folder / "leaderboard.csv", scheduler.state, space)
        journal = Grouped.create(folder, _header(list(space)))
        began = time.process_time()
        drive(scheduler, backend, journal, lambda _: table.watch())
        seconds = time.process_time() - began
        journal.close()
        gc.collect()
        memory.append((_resident(), tracemalloc.get_traced_memory()[0]))
        return (scheduler, table), seconds

    if traced:
        tracemalloc.start()
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        kept = [run(WARM_UP, Path(first)), run(trials, Path(second))]
    (scheduler, _), seconds = kept[-1]
    reports = scheduler.state.epochs_trained
    resident, python = (after - before for before, after in zip(*memory, strict=True))
    return Grown(trials, reports, seconds / reports * 1e6, resident / trials, python / trials)


def _drive(workers: int) -> Driven:
    import ray

    from orchestrator import Float, Space, Study, launch
    from orchestrator.display import Display

    class Timed(Display):
        """Notes the process' CPU time at the first report and at the last batch."""

        began = ended = 0.0
        before = 0

        def _watched(self, records: Sequence[Any]) -> None:
            if not self.began and self.state.epochs_trained:
                self.began, self.before = time.process_time(), self.state.epochs_trained
            self.ended = time.process_time()

    trials = max(FEWEST_TRIALS, TRIALS_PER_WORKER * workers)
    display = Timed()
    space = Space(learning_rate=Float(1e-4, 1e-1, "log"))
    ray.init("local", num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    with tempfile.TemporaryDirectory() as folder:
        train = _once_all_are_there(Path(folder, "there"), workers)
        study = Study(space=space, train=train, objective="score", direction="max", epochs=REPORTS, name="nothing")
        run = launch(study, display=display, trials=trials, workers=workers, stopper="none", run_dir=f"{folder}/run")
    reports = run.state.epochs_trained - display.before
    return Driven(workers, trials, reports, (display.ended - display.began) / reports * 1e6)


def _once_all_are_there(folder: Path, workers: int) -> Callable[[Mapping[str, Any], Any], None]:
    """A loop that reports as fast as it can, once so many workers have come to it: they start one after the other."""
    folder.mkdir()

    def train(_: Mapping[str, Any], ctx: Any) -> None:
        mine = folder / str(os.getpid())
        if not mine.exists():
            mine.touch()
            while sum(1 for _ in folder.iterdir()) < workers:
                time.sleep(0.1)
        for epoch in ctx.epochs:
            ctx.report({"score": epoch})

    return train


def _space() -> Any:
    from search_spaces import Choice, Float, Int, Space

    return Space(
        learning_rate=Float(1e-4, 1, "log", group=1),
        momentum=Float(0.5, 0.99, "reverse_log"),
        units=Int(16, 512, "log"),
        layers=Int(1, 3),
        activation=Choice(["relu", "tanh"]),
    )


def _curve(assignment: Any, epoch: int) -> tuple[dict[str, float], float]:
    quality = assignment.configuration["learning_rate"] * (1 - 0.8**epoch)
    return {"loss": 1 - quality, "accuracy": quality, "val_loss": 1.1 - quality, "val_accuracy": 0.9 * quality}, 1.0


def _header(hyperparameters: list[str]) -> Any:
    from orchestrator.journal import FORMAT, Header

    return Header(
        format=FORMAT,
        study="growth",
        objective="val_accuracy",
        direction="max",
        seed=0,
        fingerprint="",
        hyperparameters=hyperparameters,
        versions={},
        started=0.0,
        settings={},
    )


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def _measure(
    one: Callable[[int], Grown | Driven], sizes: Sequence[int], small: Sequence[int], options: Options, save: Save
) -> None:
    """Each size once a round.

    Raises:
        Failed: A run did not come to its end.
    """
    rounds: list[list[dict[str, Any]]] = []
    for number in range(options.rounds or (1 if options.small else ROUNDS)):
        rounds.append([])
        for size in small if options.small else sizes:
            row = one(size)
            options.say(f"round {number + 1}: {row}")
            rounds[-1].append(asdict(row))
        save({"rounds": rounds})


def _section(about: str, size: str, columns: Mapping[str, str], results: Results) -> str:
    """A row for each size, and how much CPU time a report takes with the most of them beside the fewest."""
    rounds = results["rounds"]
    rows = []
    for same in zip(*rounds, strict=True):
        spreads = [Spread.of([row[name] for row in same]).text() for name in columns]
        rows.append([f"{same[0][size]:,}", f"{same[0]['reports']:,}", *spreads])
    table = str(tabulate(rows, [size, "reports", *columns.values()], tablefmt="github", disable_numparse=True))
    growth = Spread.of([one[-1][CPU] / one[0][CPU] for one in rounds])
    fewest, most = (f"{rounds[0][place][size]:,}" for place in (0, -1))
    return "\n\n".join(
        [
            f"{about} {len(rounds)} round{'s' if len(rounds) > 1 else ''}; medians, least and most in brackets.",
            table,
            f"CPU time per report with {most} {size}: {growth.text()} times that with {fewest}.",
        ]
    )


def _no_losses(_: Results) -> list[str]:
    """Nobody else is measured here."""
    return []


CPU = "microseconds_per_report"
CPU_HEAD = "CPU time per report, µs"
PARTS = (
    Part(
        "f",
        "What a trial leaves with the driver, and its CPU time per report, however many trials there are",
        10,
        partial(_measure, with_trials, TRIALS, SMALL_TRIALS),
        partial(
            _section,
            "Our own driver alone, with all it writes, on workers in virtual time; ten reports a trial.",
            "trials",
            {
                CPU: CPU_HEAD,
                "resident_bytes_per_trial": "resident memory per finished trial, bytes",
                "python_bytes_per_trial": "of it Python's objects, bytes",
            },
        ),
        _no_losses,
    ),
    Part(
        "g",
        "The driver's CPU time per report, however many workers there are",
        12,
        partial(_measure, with_workers, WORKERS, SMALL_WORKERS),
        partial(
            _section,
            "Trials that do nothing but report ten times, on Ray, in workers without TensorFlow, more of them than "
            "there are cores. All threads of the driver's process, from the first report, which comes when all workers "
            "are there, to the end.",
            "workers",
            {CPU: CPU_HEAD},
        ),
        _no_losses,
    ),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="*", default=TRIALS)
    parser.add_argument("--workers", type=int, nargs="*", default=WORKERS)
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        what, number, *how = given.child
        row = _simulate(int(number), bool(how)) if what == "simulate" else _drive(int(number))
        print(json.dumps(asdict(row)))
        return
    for number in given.trials:
        print(with_trials(number), flush=True)
    for number in given.workers:
        print(with_workers(number), flush=True)


if __name__ == "__main__":
    main()
