"""A worker: one warm process that imports TensorFlow and takes the data once, and then trains trial after trial.

Three of its methods are called, each in a concurrency group of its own, while one thread does all the training (Keras'
state belongs to a thread). `run` puts commands in the inbox and returns when they are done, so that Ray's dashboard
shows each trial's calls by name and length. `interrupt` overtakes them. `messages` is a generator that lives as long as
the worker, and through which all that it says travels.

Why a generator (`benchmarks/transport.py`, 8 actors on 2 cores, 4 calls outstanding, medians): 1,450 trials/s against
1,250 with a long poll and 860 with a mailbox actor; a report is with the driver after 1.0 ms against 1.2 and 2.7, and
its 95th percentile, 2 ms, was the lowest of the three in every run. CPU time of the driver is the same within noise;
the mailbox's own process costs as much again.
"""

import hashlib
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import ray

from orchestrator.assignment import Assignment
from orchestrator.scheduler.events import (
    AnyEvent,
    CheckpointDamaged,
    TrialCompleted,
    TrialDiverged,
    TrialFailed,
    TrialReleased,
    WorkerSpent,
)
from orchestrator.storage import open_storage
from orchestrator.study import Study
from orchestrator.training.link import Completed, Diverged, Ending, Failed, Interruption, Loop, Released
from orchestrator.training.redaction import redacted
from orchestrator.workers.gpus import GpuWatch
from orchestrator.workers.health import Growth, Watch, end_children
from orchestrator.workers.link import LATER, Inbox, Outbox, TrialLink
from orchestrator.workers.messages import (
    Broken,
    Command,
    Export,
    Exported,
    PauseTrial,
    Ready,
    Said,
    WornOut,
    encode_messages,
)
from orchestrator.workers.resources import WorkerSize
from orchestrator.workers.saver import Saver
from orchestrator.workers.shipping import Shipped, hide_our_modules, unship
from orchestrator.workers.stopwatch import DIGITS, Stopwatch
from orchestrator.workers.store import Damaged, Store
from orchestrator.workers.title import Title

MOST_CALLS = 64
"""Of `run` at once; the scheduler never queues so many."""
SECONDS_TO_SAY = 2.0
TELL_AFTER_TRIAL, TELL_BEFORE_WAITING = 1.0, 0.1
"""Seconds; how often at most a worker says what its time goes into. The run may end while it waits."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What every worker of a run is made with."""

    study: Shipped
    run_dir: str
    proof: str
    """The hash of `study.json`: who finds it there sees the same run directory as the driver."""
    size: WorkerSize
    checkpoint_every: float
    loop: Loop = "auto"
    storage: str | None = None
    """Of the run, when it is not the run directory."""
    deterministic: bool = False
    gather: float = 0.0
    """Seconds between two times that it says what nobody waits for."""


class Worker:
    _stopwatch: Stopwatch
    """Of the training thread, which makes it."""

    def __init__(self, number: int, setup: Setup, data: list[ray.ObjectRef | None]) -> None:
        self._began = time.monotonic()
        self._number = number
        self._setup = setup
        self._data = data
        self._outbox = Outbox(setup.gather)
        self._inbox = Inbox(self._outbox.hurry)
        _stay_in_session_folder()
        run_dir = Path(setup.run_dir)
        sees_run_dir = _proof(run_dir) == setup.proof and os.access(run_dir / "checkpoints", os.W_OK)
        where = setup.storage or (run_dir if sees_run_dir else None)
        self._store = Store(open_storage(where).folder("checkpoints") if where is not None else None, self._outbox)
        self._saver = Saver(self._outbox)
        self._title = Title()
        self._growth = Growth(forget=_forget_graphs)
        held = ray.get_runtime_context().get_accelerator_ids().get("GPU", [])
        self._gpus = GpuWatch(number, held, self._outbox.put)
        if sees_run_dir:
            _log_to(run_dir / "logs" / f"worker-{number}.log")
        Watch(self._end_out_of_memory, setup.size.memory, setup.size.cpus).start()
        threading.Thread(target=self._live, name="training", daemon=True).start()

    @ray.method(concurrency_group="commands")
    def run(self, number: int, commands: list[Command], files: dict[str, bytes]) -> None:
        """Carry out commands, the first of which is the run's `number`-th to this worker."""
        self._store.received.update(files)
        for place, command in enumerate(commands):
            self._inbox.put(number + place, command)
        self._inbox.wait_done(number + len(commands) - 1)

    @ray.method(concurrency_group="interruptions")
    def interrupt(self, trial: int, attempt: int, how: Interruption) -> None:
        self._inbox.interrupt(trial, attempt, how)

    @ray.method(concurrency_group="messages")
    def messages(self) -> Iterator[bytes]:
        while True:
            yield encode_messages(self._outbox.take())

    def _live(self) -> None:
        """The training thread."""
        try:
            self._stopwatch = Stopwatch("start", self._say_spent, since=self._began)
            study, data = self._prepare()
            self._outbox.put(self._ready())
            self._gpus.look()
            self._stopwatch.tell(then="train")
            while True:
                self._carry_out(self._next(), study, data)
        except BaseException as error:
            with suppress(OSError):  # The log's disk may be what is full.
                traceback.print_exc()
            self._outbox.put(Broken(redacted(f"{type(error).__name__}: {error}")))

    def _ready(self) -> Ready:
        from orchestrator.training import devices

        node, found = ray.get_runtime_context().get_node_id(), devices.found()
        gpus, limits = ((), ()) if found is None else (found.gpus, found.limits)
        gpu_ids = ",".join(map(str, ray.get_runtime_context().get_accelerator_ids()["GPU"]))
        return Ready(node, self._store.storage is not None, gpus, gpu_ids, limits)

    def _next(self) -> Command:
        with self._stopwatch.during("wait"):
            return self._inbox.next()

    def _say_spent(self, seconds: dict[str, float]) -> None:
        self._outbox.put(Said(WorkerSpent(at=LATER, worker=self._number, seconds=seconds)))

    def _end_out_of_memory(self, reason: str) -> None:
        """Before the machine has none left, and Ray or the kernel choose whom to end."""
        end_children()
        self._outbox.put(Broken(reason, cause="out of memory"))
        time.sleep(SECONDS_TO_SAY)
        os.kill(os.getpid(), signal.SIGKILL)

    def _prepare(self) -> tuple[Study, Any]:
        hide_our_modules()
        from orchestrator.training import devices

        slice_of_node = self._setup.size.cpus, self._setup.size.gpus, self._setup.deterministic
        devices.prepare_for_import(*slice_of_node)
        study = unship(self._setup.study)
        if study.build is not None:
            devices.prepare(*slice_of_node)
        with self._stopwatch.during("data"):
            if study.data_per_worker:
                from orchestrator.training.own_data import OwnData

                return study, OwnData(study)
            return study, None if self._data[0] is None else ray.get(self._data[0])

    def _carry_out(self, command: Command, study: Study, data: Any) -> None:
        match command:
            case Assignment() if command.after_epoch > 0 and command.start is None:
                pass  # It was to go on in memory, but had ended; that was said.
            case Assignment():
                self._train(command, study, data)
            case Export():
                self._outbox.put(self._export(command, study))
            case PauseTrial():
                pass  # The trial ended, by itself or by a stop, before the pause arrived; that was said.

    def _train(self, assignment: Assignment, study: Study, data: Any) -> None:
        began = time.monotonic()
        link = TrialLink(assignment, self._inbox, self._outbox, self._store, self._saver, self._stopwatch, self._title)
        if link.interruption() is not None:
            word: AnyEvent = _event_of(Released(), assignment)
        elif (problem := self._fetch_start(assignment, link)) is not None:
            word = problem
        else:
            from orchestrator.training.trial import train_trial

            setup = self._setup
            ending = train_trial(study, assignment, data, link, setup.checkpoint_every, setup.loop)
            seconds = time.monotonic() - began
            word = _event_of(ending, assignment, seconds)
            self._gpus.after_trial(seconds)
        if assignment.start is not None:
            self._store.received.pop(assignment.start.name, None)
        # Before the last word, which may end the run.
        self._stopwatch.tell(every=TELL_BEFORE_WAITING if self._inbox.is_empty else TELL_AFTER_TRIAL)
        link.end(word)
        if (reason := self._growth.after_trial()) is not None:
            self._saver.then(partial(self._outbox.put, WornOut(reason)))

    def _fetch_start(self, assignment: Assignment, link: TrialLink) -> AnyEvent | None:
        """Have the checkpoint that a trial starts from; else the word on why it does not start."""
        if (start := assignment.start) is None:
            return None
        try:
            with link.during("checkpoint"):
                is_here = self._store.fetch(
                    start, delayed=link.delayed, abandoned=lambda: link.interruption() is not None
                )
        except Damaged as damaged:
            identity: dict[str, Any] = {"at": LATER, "trial": assignment.trial, "attempt": assignment.attempt}
            return CheckpointDamaged(**identity, name=start.name, reason=damaged.reason)
        return None if is_here else _event_of(Released(), assignment)

    def _export(self, command: Export, study: Study) -> Exported:
        from orchestrator.training.checkpoint import export_best

        try:
            content = self._store.load(command.checkpoint)
            return Exported(export_best(study, command.configuration, command.seed, content), "")
        except Exception as error:
            traceback.print_exc()
            return Exported(None, redacted(f"{type(error).__name__}: {error}"))


def _event_of(ending: Ending, assignment: Assignment, seconds: float = 0.0) -> AnyEvent:
    identity: dict[str, Any] = {"at": LATER, "trial": assignment.trial, "attempt": assignment.attempt}
    match ending:
        case Completed():
            return TrialCompleted(**identity, reason=ending.reason, seconds=round(seconds, DIGITS))
        case Diverged():
            return TrialDiverged(**identity, epoch=ending.epoch, reason=ending.reason)
        case Failed():
            return TrialFailed(
                **identity,
                error=ending.error,
                message=ending.message,
                where=ending.where,
                traceback=ending.traceback,
                bad_study=ending.bad_study,
                kind=ending.kind,
            )
        case Released():
            return TrialReleased(**identity)


def _forget_graphs() -> None:
    if (cache := sys.modules.get("orchestrator.training.graph_cache")) is not None:
        cache.forget_graphs()


def _proof(run_dir: Path) -> str | None:
    try:
        return hashlib.sha256((run_dir / "study.json").read_bytes()).hexdigest()
    except OSError:
        return None


def _stay_in_session_folder() -> None:
    """Temporary files, AutoGraph's among them, are left to Ray: a worker is killed in the end, and removes nothing."""
    folder = ray._private.worker._global_node.get_session_dir_path()
    # One of our own there, for anybody may write into Ray's.
    os.environ["TMPDIR"] = tempfile.tempdir = tempfile.mkdtemp(prefix="worker-", dir=folder)


def _log_to(path: Path) -> None:
    """What this process prints, and TensorFlow in it, belongs to the run."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
