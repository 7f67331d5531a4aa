"""How far one driver reaches: ASHA over a million trials on ten thousand simulated workers.

The scheduler, sampler, stopper, driver and virtual time of the product; the curves are made up from (seed, trial), and
no journal is written. Printed for each number of trials: seconds, CPU time for each event that was handled (all of it:
sampler, scheduler, stopper, virtual time), and the peak of the process' memory. The target is under ten minutes and
4 GB for a million trials, and a cost of an event that less than doubles from a thousand trials to a million.

Smaller runs get fewer workers, at least a hundred trials for each: most of the events of a thousand trials on ten
thousand workers would be workers that join and find nothing to do, which costs next to nothing.

    python benchmarks/scale.py [--trials 1000 10000 100000 1000000] [--workers 10000] [--stopper asha:grace=1]
                               [--profile]
"""

import argparse
import cProfile
import multiprocessing
import pstats
import resource
import time
from collections.abc import Sequence
from math import log10

from orchestrator.assignment import Assignment
from orchestrator.backends.simulated import SimulatedBackend
from orchestrator.driver import drive
from orchestrator.objective import Objective
from orchestrator.samplers import make_sampler
from orchestrator.scheduler.events import Event
from orchestrator.scheduler.limits import Limits
from orchestrator.scheduler.scheduler import Scheduler
from orchestrator.scheduler.trial import Status
from orchestrator.stoppers import make_stopper
from search_spaces import Choice, Float, Int, Space

OBJECTIVE = Objective("val_accuracy", "max")
SPACE = Space(
    learning_rate=Float(1e-4, 1, "log", group=1),
    optimizer=Choice(["sgd", "adam"]),
    momentum=Float(0.5, 0.98, "reverse_log", when={"optimizer": ["sgd"]}),
    layers=Int(1, 3),
)
EPOCHS = 27


def curve(assignment: Assignment, epoch: int) -> tuple[dict[str, float], float]:
    """Best at a rate of 0.01; slower with more layers, which tell nothing of the quality."""
    configuration = assignment.configuration
    quality = 0.9 - 0.1 * abs(log10(configuration["learning_rate"]) + 2)
    return {"val_accuracy": quality * (1 - 0.7**epoch)}, 5.0 + 2.0 * configuration["layers"]


class Counting(SimulatedBackend):
    events = 0

    def wait(self) -> Sequence[Event]:
        self.events += 1
        return super().wait()


def measure(trials: int, workers: int, stopper: str, profile: bool) -> None:
    scheduler = Scheduler(
        OBJECTIVE,
        make_sampler("random", SPACE, 0, trials),
        make_stopper(stopper, EPOCHS, OBJECTIVE, trials),
        Limits(trials=trials),
        max_epochs=EPOCHS,
        seed=0,
    )
    backend = Counting(curve, OBJECTIVE, workers)
    profiler = cProfile.Profile() if profile else None
    began, cpu_began = time.perf_counter(), time.process_time()
    if profiler:
        profiler.enable()
    drive(scheduler, backend, None)
    if profiler:
        profiler.disable()
        pstats.Stats(profiler).sort_stats("tottime").print_stats(45)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu_began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    state = scheduler.state
    print(
        f"{trials:>9,} trials  {workers:>6,} workers  {backend.events:>10,} events  {seconds:6.1f} s"
        f" ({cpu:.1f} s of CPU)  {cpu / backend.events * 1e6:5.1f} µs of CPU/event"
        f"  {peak:5.2f} GiB  {state.epochs_trained:>10,} epochs  {state.count(Status.COMPLETED):>6,} completed"
        f"  makespan {backend.now:,.0f} s",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    parser.add_argument("--workers", type=int, default=10_000)
    parser.add_argument("--stopper", default="asha:grace=1")
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    for trials in given.trials:
        # A process each, so that the peaks of memory are their own.
        workers = max(1, min(given.workers, trials // 100))
        child = multiprocessing.Process(target=measure, args=(trials, workers, given.stopper, given.profile))
        child.start()
        child.join()


if __name__ == "__main__":
    main()
