"""How each fault is brought about. Each returns whether it could strike; if not, it is tried again a little later."""

import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from benchmarks.chaos.disk import fill
from benchmarks.chaos.disturbed import DisturbedRun, Sign, workers_at
from benchmarks.chaos.faults import Fault
from benchmarks.chaos.processes import workers_of
from orchestrator.scheduler.events import TrialReported, WorkerLost
from orchestrator.scheduler.instructions import Record
from orchestrator.scheduler.state import State
from orchestrator.scheduler.trial import Status

INTERRUPTED = 130
SECONDS_TO_SAVE = 60.0
SHORTEST_FULL, LONGEST_FULL = 2.0, 6.0

Injection = Callable[[DisturbedRun, Fault], bool]


def strike_driver(run: DisturbedRun, fault: Fault) -> bool:
    if not (fault.hasty and run.strikes) and not _is_training(run.state):
        return False
    began = time.monotonic()
    run.driver.kill()
    run.strike(fault.kind, _reported, began)
    run.doom()
    run.resume()
    return True


def strike_worker(run: DisturbedRun, fault: Fault) -> bool:
    return _signal_worker(run, fault, signal.SIGKILL)


def strike_hang(run: DisturbedRun, fault: Fault) -> bool:
    return _signal_worker(run, fault, signal.SIGSTOP)


def _signal_worker(run: DisturbedRun, fault: Fault, number: signal.Signals) -> bool:
    processes, training = workers_of(run.dir), workers_at(run.state)
    if not (victims := sorted(processes.keys() & training.keys())):
        return False
    victim = victims[fault.among(len(victims))]
    began = time.monotonic()
    processes[victim].send_signal(number)
    run.strike(fault.kind, _taken_up(run.state, [victim]), began)
    return True


def strike_node(run: DisturbedRun, fault: Fault) -> bool:
    """Not the head, whose loss is the cluster's; and another takes its place."""
    training = workers_at(run.state)
    at: dict[int, list[int]] = {node: [] for node in list(run.nodes.raylets)[1:]}
    for number, process in workers_of(run.dir).items():
        node = next((node for node in at if run.nodes.raylets[node] == _parent(process)), None)
        if node is not None:
            at[node].append(number)
    # Every one of its workers must be spared the third loss, and one must be at work.
    nodes = [node for node, numbers in at.items() if numbers and all(n in training for n in numbers)]
    if not nodes:
        return False
    victim = nodes[fault.among(len(nodes))]
    began = time.monotonic()
    run.nodes.kill(victim)
    run.strike(fault.kind, _taken_up(run.state, at[victim]), began)
    run.nodes.add(1)
    return True


def strike_ctrl_c(run: DisturbedRun, fault: Fault) -> bool:
    if not _is_training(run.state):
        return False
    began = time.monotonic()
    run.driver.interrupt()
    if not run.driver.wait(SECONDS_TO_SAVE):
        run.problems.append(f"Ctrl-C: the driver has not ended after {SECONDS_TO_SAVE:g} s")
        run.driver.kill()
    elif run.driver.code == 0:
        return False  # It was just about to end.
    elif run.driver.code != INTERRUPTED:
        run.problems.append(f"Ctrl-C: exit code {run.driver.code} instead of {INTERRUPTED}: {run.driver.last_words()}")
    run.strike(fault.kind, _reported, began)
    run.doom()
    run.wait_doomed()
    run.resume()
    return True


def strike_checkpoint(run: DisturbedRun, fault: Fault) -> bool:
    if not _is_training(run.state) or not _checkpoints(run):
        return False
    began = time.monotonic()
    run.driver.kill()
    run.doom()
    run.wait_doomed()
    run.read()
    there = _checkpoints(run)
    damaged: frozenset[int] = frozenset()
    if there:
        trial = sorted(there)[fault.among(len(there))]
        damage(there[trial], fault.how)
        damaged = frozenset([trial])
    run.strike(fault.kind, _reported, began, damaged)
    run.resume()
    return True


def damage(path: Path, how: float) -> None:
    """Cut the file off somewhere, or turn the bits of one of its bytes."""
    content = path.read_bytes()
    place = int(how * 2 % 1 * len(content))
    changed = content[:place] if how < 0.5 else content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :]
    path.write_bytes(changed)


def strike_disk(run: DisturbedRun, fault: Fault) -> bool:
    if not _is_training(run.state):
        return False
    ballast = run.dir.parent / "ballast"
    run.strike(fault.kind, _not_yet, time.monotonic())
    try:
        fill(ballast)
        run.watch(lambda: False, SHORTEST_FULL + fault.how * (LONGEST_FULL - SHORTEST_FULL))
    finally:
        ballast.unlink()
    run.read()
    recovery = run.recoveries[-1]
    recovery.since, recovery.began, recovery.sign = len(run.records), time.monotonic(), _reported
    return True


INJECTIONS: dict[str, Injection] = {
    "driver": strike_driver,
    "worker": strike_worker,
    "node": strike_node,
    "hang": strike_hang,
    "ctrl-c": strike_ctrl_c,
    "checkpoint": strike_checkpoint,
    "disk": strike_disk,
}


def _is_training(state: State) -> bool:
    return bool(state.by_status[Status.RUNNING])


def _checkpoints(run: DisturbedRun) -> dict[int, Path]:
    """Of trials that have not ended, and are not about to: those that may need theirs again."""
    found: dict[int, Path] = {}
    for trial in run.state.trials:
        if not trial.status.ended and trial.checkpoint is not None:
            path = run.dir / "checkpoints" / trial.checkpoint.name
            if path.exists():
                found[trial.number] = path
    return found


def _parent(process: psutil.Process) -> int | None:
    try:
        return int(process.ppid())
    except psutil.Error:
        return None


def _not_yet(_since: Sequence[Record], _state: State) -> bool:
    return False


def _reported(since: Sequence[Record], _state: State) -> bool:
    return any(isinstance(record, TrialReported) for record in since)


def _taken_up(state: State, workers: Sequence[int]) -> Sign:
    """Those workers were noticed to be lost, and what they trained has reported again, is paused, or has ended."""
    training = workers_at(state)
    trials = {training[number]: state.trials[training[number]].attempt for number in workers if number in training}

    def sign(since: Sequence[Record], state: State) -> bool:
        lost = {record.worker for record in since if isinstance(record, WorkerLost)}
        again = {(r.trial, r.attempt) for r in since if isinstance(r, TrialReported)}
        return lost >= {*workers} and all(
            state.trials[number].status not in (Status.WAITING, Status.RUNNING)
            or any(trial == number and attempt > before for trial, attempt in again)
            for number, before in trials.items()
        )

    return sign


def kill_left(run_dir: Path) -> list[int]:
    """Workers that outlived their run."""
    left = workers_of(run_dir)
    for process in left.values():
        os.kill(process.pid, signal.SIGKILL)
    return [process.pid for process in left.values()]
