"""A pool of workers: started, commanded, listened to, replaced when one is lost."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, NodeDiedError, OutOfMemoryError, RayActorError, RayError, RayTaskError

from orchestrator.scheduler.events import LossCause
from orchestrator.training.link import Interruption
from orchestrator.workers.actor import MOST_CALLS, Setup, Worker
from orchestrator.workers.messages import AnyMessage, Broken, Command, Ready, decode_messages

CONCURRENCY = {"commands": MOST_CALLS, "interruptions": 1, "messages": 1}


@dataclass(frozen=True, slots=True)
class Lost:
    """The worker's process is gone; another one takes its place."""

    reason: str
    cause: LossCause = "died"


@dataclass
class Member:
    actor: Any
    messages: Any
    commands_sent: int = 0
    ready: Ready | None = None


@dataclass
class Pool:
    """`poll` says what happened; how it travels here is nobody else's business."""

    name: str
    setup: Setup
    data: ray.ObjectRef | None
    """None where there is none, or each worker makes its own."""
    size: int
    members: dict[int, Member] = field(default_factory=dict)
    started: int = 0
    _dismissed: list[tuple[int, Lost]] = field(default_factory=list)
    """What there is to say of it, at the next poll."""

    def start(self) -> None:
        for _ in range(self.size):
            self._start_one()

    def run(self, worker: int, title: str, commands: Sequence[Command], files: dict[str, bytes]) -> None:
        """Send commands, carried out in order; the call is seen in Ray's dashboard under its title."""
        if (member := self.members.get(worker)) is not None:
            member.actor.run.options(name=title).remote(member.commands_sent, list(commands), files)
            member.commands_sent += len(commands)

    def interrupt(self, worker: int, trial: int, attempt: int, how: Interruption) -> None:
        if (member := self.members.get(worker)) is not None:
            member.actor.interrupt.remote(trial, attempt, how)

    def dismiss(self, worker: int, reason: str) -> None:
        """End the process of a worker, whatever it is doing."""
        if worker in self.members:
            self._dismissed.append((worker, self._lose(worker, reason, "dismissed")))

    def poll(self, timeout: float) -> list[tuple[int, AnyMessage | Lost]]:
        """What workers have said, in each one's order; waits up to `timeout` seconds for something."""
        waiting = {member.messages: number for number, member in self.members.items()}
        dismissed, self._dismissed = self._dismissed, []
        timeout = 0.0 if dismissed else max(timeout, 0.0)
        # Ray looks at every worker each time. Where much is said, once is enough.
        ready, _ = ray.wait(list(waiting), num_returns=len(waiting), timeout=0, fetch_local=False)
        if not ready and timeout > 0:
            ready, _ = ray.wait(list(waiting), num_returns=1, timeout=timeout, fetch_local=False)
        said: list[tuple[int, AnyMessage | Lost]] = [*dismissed]
        for generator in ready:
            said += [(waiting[generator], message) for message in self._listen(waiting[generator], generator)]
        return said

    def close(self) -> None:
        """End every worker at once."""
        for member in self.members.values():
            ray.kill(member.actor)
        self.members.clear()

    def _listen(self, number: int, generator: Any) -> list[AnyMessage | Lost]:
        try:
            messages = decode_messages(ray.get(next(generator)))
        except (RayError, StopIteration) as error:
            return [self._lose(number, *_reason(error))]
        heard: list[AnyMessage | Lost] = []
        for message in messages:
            if isinstance(message, Broken):
                return [*heard, self._lose(number, message.reason, message.cause)]
            if isinstance(message, Ready):
                self.members[number].ready = message
            heard.append(message)
        return heard

    def _lose(self, number: int, reason: str, cause: LossCause) -> Lost:
        ray.kill(self.members.pop(number).actor)
        self._start_one()
        return Lost(reason, cause)

    def _start_one(self) -> None:
        number = self.started
        self.started += 1
        options = {
            "name": f"{self.name} worker-{number}",
            "num_cpus": self.setup.cpus,
            "num_gpus": self.setup.gpus,
            "scheduling_strategy": "SPREAD",
            "max_restarts": 0,
            "max_task_retries": 0,
        }
        actor = (
            ray.remote(concurrency_groups=CONCURRENCY)(Worker)
            .options(**options)
            .remote(number, self.setup, [self.data])
        )
        messages = actor.messages.options(name=f"worker-{number} messages", num_returns="streaming").remote()
        self.members[number] = Member(actor, messages)


def _reason(error: Exception) -> tuple[str, LossCause]:
    """Why a worker is gone, on one line."""
    if isinstance(error, RayActorError) and error.preempted:
        return "its node was preempted", "preempted"
    if isinstance(error, ActorUnavailableError):  # A process that ends by itself is told of by its node.
        return "its node cannot be reached any more", "node died"
    cause = error.cause if isinstance(error, RayTaskError) and error.cause is not None else error
    lines = [line.strip() for line in str(cause).splitlines() if line.strip()]
    told = next((line for line in lines if "died" in line or "exit" in line), "") or next(iter(lines), "")
    text = " ".join(lines)
    if isinstance(error, OutOfMemoryError) or "OutOfMemory" in text or "low on memory" in text:
        return "out of memory: Ray ended it because the memory of its node was nearly used up", "out of memory"
    if isinstance(error, NodeDiedError) or "node has died" in text or "node died" in text:
        return "its node died", "node died"
    if not told or "died unexpectedly" in told:
        return "its process ended by itself: an exit, a signal or a crash", "died"
    return told, "died"
