"""Real runs: instructions become calls of the pool, and what workers say becomes events."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import groupby

import msgspec

from orchestrator.assignment import Assignment, Checkpoint, Configuration
from orchestrator.backends.base import Hold
from orchestrator.requests import Requests
from orchestrator.samplers import Exhausted, Sampler
from orchestrator.scheduler.events import (
    ConfigurationProposed,
    Event,
    NodeDraining,
    SamplerExhausted,
    StopRequested,
    TimeReached,
    WorkerJoined,
    WorkerLost,
    WorkerWornOut,
)
from orchestrator.scheduler.instructions import (
    Discard,
    Dismiss,
    Instruction,
    Pause,
    Propose,
    Stop,
    Suspend,
    Train,
    WakeAt,
)
from orchestrator.scheduler.trial import Trial
from orchestrator.storage import Storage, why_refused
from orchestrator.workers.messages import AnyMessage, Export, Exported, PauseTrial, Ready, Said, Stored, Warned, WornOut
from orchestrator.workers.nodes import Watch
from orchestrator.workers.pool import Lost, Pool

LONGEST_WAIT = 0.25
"""Seconds; then the driver gets a turn, so that displays move and signals are heard."""
WHILE_ASKING = 0.01
"""The same while a slow sampler is at work, for a worker may wait for it."""


class RayBackend:
    def __init__(
        self,
        pool: Pool,
        sampler: Sampler,
        checkpoints: Storage,
        first: Sequence[Event],
        hold: Hold,
        say: Callable[[str], None],
        discard: Callable[[str], None] | None = None,
        requests: Requests | None = None,
    ) -> None:
        """
        Args:
            pool: The workers.
            sampler: Asked aside when it is slow.
            checkpoints: Where they are.
            first: What is told first; the run's clock begins at their time.
            hold: Called while a checkpoint that came from a worker cannot be written.
            say: Takes a line for whoever watches the run.
            discard: Deletes a checkpoint, now or later.
            requests: What other processes ask of the run.
        """
        self.pool = pool
        self.sampler = sampler
        self.checkpoints = checkpoints
        self._discard = discard or checkpoints.delete
        self._hold = hold
        self._requests = requests
        self._say = say
        self._warned: set[str] = set()
        self._began = time.monotonic() - (first[0].at if first else 0.0)
        self._room = pool.size
        """For so many workers, on all nodes."""
        self._wake_at: float | None = None
        self._own = list(first)
        """Events that no worker says."""
        self._nodes = Watch(pool.setup.size)
        self._aside = ThreadPoolExecutor(1, "sampler")
        """Where a slow sampler is asked, so that nothing waits for it."""
        self._proposals: deque[tuple[int, Future[Configuration]]] = deque()

    @property
    def now(self) -> float:
        return time.monotonic() - self._began

    def request_stop(self, reason: str) -> None:
        """May be called from a signal handler."""
        self._own.append(StopRequested(at=self.now, reason=reason))

    def hold(self, reason: str) -> None:
        """Wait until it is time to try to write again. The run's clock stands still: nobody was listening."""
        began = time.monotonic()
        self._hold(reason)
        self._began += time.monotonic() - began

    def close(self) -> None:
        """Nothing more is asked of the sampler; what it is at is not waited for."""
        self._aside.shutdown(wait=False, cancel_futures=True)

    def wait(self) -> Sequence[Event]:
        timeout = 0.0 if self._own else LONGEST_WAIT if not self._proposals else WHILE_ASKING
        if self._wake_at is not None:
            timeout = min(timeout, self._wake_at - self.now)
        said = self.pool.poll(timeout)
        now = self.now
        events, self._own = self._own, []
        events += [] if self._requests is None else self._requests.events(now)
        if self._nodes.is_time():
            events += self._look_at_nodes(now)
        while self._proposals and self._proposals[0][1].done():
            events.append(_proposed(*self._proposals.popleft(), now))
        for worker, message in said:
            if (event := self._event_of(worker, message, now)) is not None:
                events.append(event)
        if self._wake_at is not None and now >= self._wake_at:
            self._wake_at = None
            events.append(TimeReached(at=now))
        return events

    def _look_at_nodes(self, now: float) -> list[Event]:
        if (room := self._nodes.room()) is not None and room != self._room:
            self._room = room
            self.pool.resize(room)
            if room == 0:
                self._say("warning: no node can hold a worker now: waiting for one that can")
        return [NodeDraining(at=now, node=node, reason=reason) for node, reason in self._nodes.draining()]

    def _event_of(self, worker: int, message: AnyMessage | Lost, now: float) -> Event | None:
        match message:
            case Said():
                # Decoded just now, and nobody has seen it yet: setting its time is cheaper than making another.
                msgspec.structs.force_setattr(message.event, "at", now)
                return message.event
            case Ready():
                slices = self.pool.members[worker].slices
                return WorkerJoined(at=now, worker=worker, node=message.node, gpus=message.gpu_ids, slices=slices)
            case Lost():
                return WorkerLost(at=now, worker=worker, reason=message.reason, cause=message.cause)
            case WornOut():
                return WorkerWornOut(at=now, worker=worker, reason=message.reason)
            case Stored():
                self._store(message)
            case Warned() if message.kind not in self._warned:
                self._warned.add(message.kind)
                self._say(f"warning: {message.text}")
        return None

    def _store(self, file: Stored) -> None:
        while True:
            try:
                return self.checkpoints.write(file.name, file.content)
            except OSError as error:
                self.hold(why_refused(error, self.checkpoints))

    def carry_out(self, instructions: Sequence[Instruction]) -> None:
        if self._requests is not None:
            self._requests.written()
        for instruction in instructions:
            match instruction:
                case Stop() if instruction.worker is not None:
                    self.pool.interrupt(instruction.worker, instruction.trial, instruction.attempt, "stop")
                case Suspend():
                    self.pool.interrupt(instruction.worker, instruction.trial, instruction.attempt, "pause")
                case Dismiss():
                    self.pool.dismiss(instruction.worker, instruction.reason, instruction.slices)
                case Propose():
                    asked = self._aside.submit(self.sampler.configuration, instruction.number)
                    self._proposals.append((instruction.number, asked))
                case WakeAt():
                    self._wake_at = instruction.time
        commands = [(step.worker, step) for step in instructions if isinstance(step, (Train, Pause))]
        to_workers = [(worker, step) for worker, step in commands if worker is not None]
        for worker, steps in groupby(sorted(to_workers, key=_first), key=_first):
            self._command(worker, [step for _, step in steps])
        for discard in (step for step in instructions if isinstance(step, Discard)):
            with suppress(OSError):  # A resume would delete it.
                self._discard(discard.checkpoint.name)

    def _command(self, worker: int, steps: list[Train | Pause]) -> None:
        """Send one worker all it is to do, in one call."""
        commands: list[Assignment | PauseTrial] = []
        needed: list[Checkpoint] = []
        for step in steps:
            if isinstance(step, Train):
                commands.append(step.assignment)
                needed += [step.assignment.start] if step.assignment.start else []
            else:
                commands.append(PauseTrial(step.trial, step.attempt))
        self.pool.run(worker, _title(commands), commands, self._files_for(worker, needed))

    def _files_for(self, worker: int, needed: Iterable[Checkpoint]) -> dict[str, bytes]:
        """The content of checkpoints, for a worker that does not reach them; it will say which are not there."""
        member = self.pool.members.get(worker)
        if member is None or member.ready is None or member.ready.reaches_storage:
            return {}
        files: dict[str, bytes] = {}
        for checkpoint in needed:
            with suppress(OSError):
                files[checkpoint.name] = self.checkpoints.read(checkpoint.name)
        return files

    def export(self, trial: Trial, idle: Iterable[int], timeout: float) -> Exported:
        """The model of a trial's best epoch, built by an idle worker; asked once the run is finished."""
        if trial.checkpoint is None:
            return Exported(None, "its weights were not saved")
        command = Export(trial.configuration, trial.assignment.seed, trial.checkpoint)
        worker = next((number for number in idle if number in self.pool.members), None)
        deadline = time.monotonic() + timeout
        if worker is not None:
            self._export_by(worker, trial, command)
        while (left := deadline - time.monotonic()) > 0:
            for number, message in self.pool.poll(min(left, LONGEST_WAIT)):
                if isinstance(message, Ready) and worker is None:
                    worker = number
                    self._export_by(worker, trial, command)
                elif isinstance(message, Exported):
                    return message
                elif isinstance(message, Lost) and number == worker:
                    return Exported(None, f"its worker was lost: {message.reason}")
        return Exported(None, f"no answer within {timeout:g} s")

    def _export_by(self, worker: int, trial: Trial, command: Export) -> None:
        files = self._files_for(worker, [command.checkpoint])
        self.pool.run(worker, f"trial-{trial.number} export", [command], files)


def _first(pair: tuple[int, Train | Pause]) -> int:
    return pair[0]


def _proposed(number: int, proposal: "Future[Configuration]", now: float) -> Event:
    try:
        return ConfigurationProposed(at=now, number=number, configuration=proposal.result())
    except Exhausted as exhausted:
        return SamplerExhausted(at=now, number=number, reason=str(exhausted))


def _title(commands: Sequence[Assignment | PauseTrial]) -> str:
    """How the call is named in Ray's dashboard."""
    titles = [c.title if isinstance(c, Assignment) else f"trial-{c.trial} pause" for c in commands]
    return titles[-1] if len(titles) <= 2 else f"{titles[0]} and {len(titles) - 1} more"
