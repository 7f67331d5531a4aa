"""All that is compared, under one roof: no stopping, our stoppers and the peers' rules."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Literal

from benchmarks.search import ours
from benchmarks.search.cache import Cache
from benchmarks.search.replay import Run, replay
from benchmarks.search.tasks import CurveFile, Task

REPLAY = "1"
"""To be raised with every change of what a replay gives: it is in the names of the cache."""
RUNS_OF_A_TASK = 6
"""Files with fewer tasks get more seeds for each, so that every file has about as many runs."""


@dataclass(frozen=True, eq=False)
class Method:
    name: str
    kind: Literal["none", "ours", "peer"]
    depends_on: str
    """What else its runs depend on: versions, or a fingerprint of the source."""
    run: Callable[[Task, int, int, float], Run]
    """Of a task, with so many workers, a seed, and a resume's cost in epochs of mean length."""
    compared: bool = False
    """Among those that the default is held against."""
    pauses: bool = False
    """So the cost of a resume concerns it."""


class _NoStopping:
    """Trains every row to its end, or to its first NaN."""

    def begin(self, trial: int) -> None:
        pass

    def goes_on(self, trial: int, epoch: int, value: float) -> bool:
        return isfinite(value)

    def complete(self, trial: int, epoch: int, value: float) -> None:
        pass


def _without_stopping(task: Task, workers: int, seed: int, _: float) -> Run:
    return replay(task, _NoStopping(), seed, workers)


NO_STOPPING = Method("no stopping", "none", "", _without_stopping)


def peers_methods() -> list[Method]:
    from benchmarks.search.peers import Peer, peers

    def method(peer: Peer) -> Method:
        def run(task: Task, workers: int, seed: int, _: float) -> Run:
            return replay(task, peer.make(task.epochs, task.direction, seed), seed, workers)

        return Method(peer.name, "peer", peer.version, run, compared=peer.compared)

    return [method(peer) for peer in peers()]


def our_methods() -> list[Method]:
    """The default of `launch` first."""

    def method(stopper: str) -> Method:
        def run(task: Task, workers: int, seed: int, resume: float) -> Run:
            return ours.run(task, stopper, seed, workers, resume)

        return Method(stopper, "ours", ours.fingerprint_of(stopper), run, pauses=ours.pauses(stopper))

    return [method(stopper) for stopper in ours.stoppers()]


def runs_of(
    cache: Cache,
    method: Method,
    file: CurveFile,
    tasks: tuple[Task, ...],
    workers: int,
    seeds: int,
    resume: float = 0.0,
) -> list[tuple[Task, Run]]:
    """`seeds` for each of six tasks, and more where a file has fewer."""
    by_name = {task.name: task for task in tasks}
    each = max(1, round(seeds * max(1.0, RUNS_OF_A_TASK / len(tasks))))
    wanted = [(name, seed) for seed in range(each) for name in by_name]
    key = (method.name, file.name, str(workers), f"{resume:g}", method.depends_on, file.digest, REPLAY)
    runs = cache.runs(key, wanted, lambda name, seed: method.run(by_name[name], workers, seed, resume))
    return [(by_name[name], run) for (name, _), run in zip(wanted, runs, strict=True)]
