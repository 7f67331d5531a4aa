"""What the pool and a worker send each other: commands in, messages out."""

from typing import Literal

import msgspec

from orchestrator.assignment import Assignment, Checkpoint, Configuration
from orchestrator.scheduler.events import AnyEvent, LossCause


class Message(msgspec.Struct, frozen=True, tag=True):
    pass


class Ready(Message, frozen=True):
    """The worker has imported what it needs. `reaches_storage`: it reads and writes checkpoints itself."""

    node: str
    reaches_storage: bool
    gpus: tuple[str, ...] = ()
    """What TensorFlow calls those that it sees; not known of a `train` function, which may do without TensorFlow."""
    gpu_ids: str = ""
    """What Ray calls those that it gave the worker: "0", or "0,1"."""
    memory_limits: tuple[int, ...] = ()
    """MiB that it may take of each; none where it may take them whole."""


class Broken(Message, frozen=True):
    """The worker cannot work, and ends."""

    reason: str
    cause: LossCause = "died"


class WornOut(Message, frozen=True):
    """The worker should be replaced."""

    reason: str


WarningKind = Literal["no GPU", "no memory limit", "idle GPU"]


class Warned(Message, frozen=True):
    """What the user should know; one of a kind is enough for a run, whichever worker says it."""

    kind: WarningKind
    text: str


class Said(Message, frozen=True):
    """A fact about a trial, whose `at` the backend sets on arrival."""

    event: AnyEvent


class Stored(Message, frozen=True):
    """A checkpoint's file, from a worker that does not reach where it belongs."""

    name: str
    content: bytes


class Exported(Message, frozen=True):
    """The answer to `Export`: a `.keras` file, or why there is none."""

    content: bytes | None
    problem: str


AnyMessage = Ready | Broken | WornOut | Warned | Said | Stored | Exported


class PauseTrial(msgspec.Struct, frozen=True, tag=True):
    trial: int
    attempt: int


class Export(msgspec.Struct, frozen=True, tag=True):
    """Build the model of a configuration with the best weights of its checkpoint."""

    configuration: Configuration
    seed: int
    checkpoint: Checkpoint


Command = Assignment | PauseTrial | Export

encode_messages = msgspec.msgpack.Encoder().encode
decode_messages = msgspec.msgpack.Decoder(list[AnyMessage]).decode
