"""Real runs: instructions become calls of the pool, and what workers say becomes events."""

import time
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

import msgspec

from orchestrator.assignment import Assignment, Checkpoint, Configuration
from orchestrator.files import write_whole
from orchestrator.samplers import Exhausted, Sampler
from orchestrator.scheduler.events import (
    ConfigurationProposed,
    Event,
    RunStarted,
    SamplerExhausted,
    StopRequested,
    TimeReached,
    WorkerJoined,
    WorkerLost,
)
from orchestrator.scheduler.instructions import Discard, Instruction, Pause, Propose, Stop, Train, WakeAt
from orchestrator.scheduler.trial import Trial
from orchestrator.workers.messages import AnyMessage, Export, Exported, PauseTrial, Ready, Said, Stored
from orchestrator.workers.pool import Lost, Pool

LONGEST_WAIT = 0.25
"""Seconds; then the driver gets a turn, so that displays move and signals are heard."""
WHILE_ASKING = 0.01
"""The same while a slow sampler is at work, for a worker may wait for it."""


class RayBackend:
    def __init__(self, pool: Pool, run_dir: Path, sampler: Sampler) -> None:
        self.pool = pool
        self.sampler = sampler
        self.checkpoints = run_dir / "checkpoints"
        self._began = time.monotonic()
        self._wake_at: float | None = None
        self._own: list[Event] = [RunStarted(at=0.0)]
        """Events that no worker says."""
        self._aside = ThreadPoolExecutor(1, "sampler")
        """Where a slow sampler is asked, so that nothing waits for it."""
        self._proposals: deque[tuple[int, Future[Configuration]]] = deque()

    @property
    def now(self) -> float:
        return time.monotonic() - self._began

    def request_stop(self, reason: str) -> None:
        """May be called from a signal handler."""
        self._own.append(StopRequested(at=self.now, reason=reason))

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
        while self._proposals and self._proposals[0][1].done():
            events.append(_proposed(*self._proposals.popleft(), now))
        for worker, message in said:
            if (event := self._event_of(worker, message, now)) is not None:
                events.append(event)
        if self._wake_at is not None and now >= self._wake_at:
            self._wake_at = None
            events.append(TimeReached(at=now))
        return events

    def _event_of(self, worker: int, message: AnyMessage | Lost, now: float) -> Event | None:
        match message:
            case Said():
                return msgspec.structs.replace(message.event, at=now)
            case Ready():
                return WorkerJoined(at=now, worker=worker, node=message.node)
            case Lost():
                return WorkerLost(at=now, worker=worker, reason=message.reason)
            case Stored():
                write_whole(self.checkpoints / message.name, message.content)
        return None

    def carry_out(self, instructions: Sequence[Instruction]) -> None:
        for instruction in instructions:
            match instruction:
                case Stop() if instruction.worker is not None:
                    self.pool.stop(instruction.worker, instruction.trial, instruction.attempt)
                case Propose():
                    asked = self._aside.submit(self.sampler.configuration, instruction.number)
                    self._proposals.append((instruction.number, asked))
                case WakeAt():
                    self._wake_at = instruction.time
        commands = [step for step in instructions if isinstance(step, Train | Pause)]
        for worker, steps in groupby(sorted(commands, key=lambda step: step.worker), key=lambda step: step.worker):
            self._command(worker, list(steps))
        for discard in (step for step in instructions if isinstance(step, Discard)):
            (self.checkpoints / discard.checkpoint.name).unlink(missing_ok=True)

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
        """The content of checkpoints, for a worker that does not see the run directory."""
        member = self.pool.members.get(worker)
        if member is None or member.ready is None or member.ready.sees_run_dir:
            return {}
        paths = [self.checkpoints / checkpoint.name for checkpoint in needed]
        return {path.name: path.read_bytes() for path in paths if path.exists()}

    def export(self, trial: Trial, idle: Iterable[int], timeout: float) -> Exported:
        """The model of a trial's best epoch, built by an idle worker; asked once the run is finished."""
        ready = [number for number in idle if number in self.pool.members]
        if not ready or trial.checkpoint is None:
            return Exported(None, "no worker is left" if trial.checkpoint else "its weights were not saved")
        command = Export(trial.configuration, trial.assignment.seed, trial.checkpoint)
        self.pool.run(
            ready[0], f"trial-{trial.number} export", [command], self._files_for(ready[0], [trial.checkpoint])
        )
        deadline = time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0:
            for worker, message in self.pool.poll(min(left, LONGEST_WAIT)):
                if isinstance(message, Exported):
                    return message
                if isinstance(message, Lost) and worker == ready[0]:
                    return Exported(None, f"its worker was lost: {message.reason}")
        return Exported(None, f"no answer within {timeout:g} s")


def _proposed(number: int, proposal: "Future[Configuration]", now: float) -> Event:
    try:
        return ConfigurationProposed(at=now, number=number, configuration=proposal.result())
    except Exhausted as exhausted:
        return SamplerExhausted(at=now, number=number, reason=str(exhausted))


def _title(commands: Sequence[Assignment | PauseTrial]) -> str:
    """How the call is named in Ray's dashboard."""
    titles = [c.title if isinstance(c, Assignment) else f"trial-{c.trial} pause" for c in commands]
    return titles[-1] if len(titles) <= 2 else f"{titles[0]} and {len(titles) - 1} more"
