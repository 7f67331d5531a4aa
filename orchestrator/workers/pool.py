"""A pool of workers: started, commanded, listened to, replaced when one is lost."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError

from orchestrator.workers.actor import MOST_CALLS, Setup, Worker
from orchestrator.workers.messages import AnyMessage, Broken, Command, Ready, decode_messages

CONCURRENCY = {"commands": MOST_CALLS, "stops": 1, "messages": 1}


@dataclass(frozen=True, slots=True)
class Lost:
    """The worker's process is gone; another one takes its place."""

    reason: str


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
    data: ray.ObjectRef
    size: int
    members: dict[int, Member] = field(default_factory=dict)
    started: int = 0

    def start(self) -> None:
        for _ in range(self.size):
            self._start_one()

    def run(self, worker: int, title: str, commands: Sequence[Command], files: dict[str, bytes]) -> None:
        """Send commands, carried out in order; the call is seen in Ray's dashboard under its title."""
        if (member := self.members.get(worker)) is not None:
            member.actor.run.options(name=title).remote(member.commands_sent, list(commands), files)
            member.commands_sent += len(commands)

    def stop(self, worker: int, trial: int, attempt: int) -> None:
        if (member := self.members.get(worker)) is not None:
            member.actor.stop.remote(trial, attempt)

    def poll(self, timeout: float) -> list[tuple[int, AnyMessage | Lost]]:
        """What workers have said, in each one's order; waits up to `timeout` seconds for something."""
        waiting = {member.messages: number for number, member in self.members.items()}
        ready, _ = ray.wait(list(waiting), num_returns=1, timeout=max(timeout, 0.0), fetch_local=False)
        if ready and len(waiting) > 1:
            ready, _ = ray.wait(list(waiting), num_returns=len(waiting), timeout=0, fetch_local=False)
        said: list[tuple[int, AnyMessage | Lost]] = []
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
            return [self._lose(number, _reason(error))]
        heard: list[AnyMessage | Lost] = []
        for message in messages:
            if isinstance(message, Broken):
                return [*heard, self._lose(number, message.reason)]
            if isinstance(message, Ready):
                self.members[number].ready = message
            heard.append(message)
        return heard

    def _lose(self, number: int, reason: str) -> Lost:
        ray.kill(self.members.pop(number).actor)
        self._start_one()
        return Lost(reason)

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


def _reason(error: Exception) -> str:
    """Why a worker is gone, on one line."""
    if isinstance(error, RayActorError) and error.preempted:
        return "its node was preempted"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next(
        (line for line in lines if "died" in line or "exit" in line), lines[0] if lines else "its process ended"
    )
