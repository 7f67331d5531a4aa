"""A pool of workers: started, commanded, listened to, replaced when one is lost; as many as fit and are wanted.

Its size is counted in slices of a node. Most workers hold one; one that is to hold more GPUs than others takes the
place of several. What does not fit while nodes are away is not waited for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import ray
from ray.exceptions import ActorUnavailableError, NodeDiedError, OutOfMemoryError, RayActorError, RayError, RayTaskError

from orchestrator.scheduler.events import LossCause
from orchestrator.training.link import Interruption
from orchestrator.workers.actor import MOST_CALLS, Setup, Worker
from orchestrator.workers.messages import AnyMessage, Broken, Command, Ready, decode_messages
from orchestrator.workers.nodes import ask_for

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
    slices: int = 1
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
    """Slices of all workers together, for now."""
    wanted: int | None = None
    """At most so many, whatever fits."""
    asks: bool = False
    """An autoscaler is told what is wanted."""
    members: dict[int, Member] = field(default_factory=dict)
    started: int = 0
    _dismissed: list[tuple[int, Lost]] = field(default_factory=list)
    """What there is to say of it, at the next poll."""

    @property
    def slices(self) -> int:
        return sum(member.slices for member in self.members.values())

    def start(self) -> None:
        self._ask()
        self._fill()

    def resize(self, room: int) -> None:
        """Nodes have come or gone: as many as fit there by now, but one at least, to be there as soon as it can."""
        self.size = max(room if self.wanted is None else min(room, self.wanted), 1)
        self._fill()
        for number, member in reversed([*self.members.items()]):
            if self.slices > self.size and member.ready is None and member.slices == 1:
                ray.kill(self.members.pop(number).actor)

    def run(self, worker: int, title: str, commands: Sequence[Command], files: dict[str, bytes]) -> None:
        """Send commands, carried out in order; the call is seen in Ray's dashboard under its title."""
        if (member := self.members.get(worker)) is not None:
            member.actor.run.options(name=title).remote(member.commands_sent, list(commands), files)
            member.commands_sent += len(commands)

    def interrupt(self, worker: int, trial: int, attempt: int, how: Interruption) -> None:
        if (member := self.members.get(worker)) is not None:
            member.actor.interrupt.remote(trial, attempt, how)

    def dismiss(self, worker: int, reason: str, slices: int = 1) -> None:
        """End the process of a worker, whatever it is doing. One with so many slices takes its place; with 0, none."""
        if worker not in self.members:
            return
        ray.kill(self.members.pop(worker).actor)
        self._dismissed.append((worker, Lost(reason, "dismissed")))
        if slices > 1:
            self._start_one(slices)
        elif slices == 0 and self.slices < self.size:  # Else it only makes room for a wide one.
            self.size = self.wanted = self.slices
            self._ask()
        self._fill()

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
        self.wanted = 0
        self._ask()
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
        member = self.members.pop(number)
        ray.kill(member.actor)
        if member.slices > 1:
            self._start_one(member.slices)
        self._fill()
        return Lost(reason, cause)

    def _fill(self) -> None:
        while self.slices < self.size:
            self._start_one()

    def _ask(self) -> None:
        if self.asks and self.wanted is not None:
            ask_for(self.setup.size, self.wanted)

    def _start_one(self, slices: int = 1) -> None:
        number = self.started
        self.started += 1
        size = self.setup.size
        if slices > 1:
            size = replace(size, gpus=min(slices * size.gpus, 1.0))
        options = {
            "name": f"{self.name} worker-{number}",
            "scheduling_strategy": "SPREAD",
            "max_restarts": 0,
            "max_task_retries": 0,
            **size.options(),
        }
        setup = replace(self.setup, size=size)
        actor = ray.remote(concurrency_groups=CONCURRENCY)(Worker).options(**options).remote(number, setup, [self.data])
        messages = actor.messages.options(name=f"worker-{number} messages", num_returns="streaming").remote()
        self.members[number] = Member(actor, messages, slices)


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
