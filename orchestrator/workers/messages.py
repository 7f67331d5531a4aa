"""What the pool and a worker send each other: commands in, messages out."""

import msgspec

from orchestrator.assignment import Assignment, Checkpoint, Configuration
from orchestrator.scheduler.events import AnyEvent


class Message(msgspec.Struct, frozen=True, tag=True):
    pass


class Ready(Message, frozen=True):
    """The worker has imported what it needs. `sees_run_dir`: it reads and writes checkpoints there itself."""

    node: str
    sees_run_dir: bool


class Broken(Message, frozen=True):
    """The worker cannot work, and ends."""

    reason: str


class Said(Message, frozen=True):
    """A fact about a trial, whose `at` the backend sets on arrival."""

    event: AnyEvent


class Stored(Message, frozen=True):
    """A checkpoint's file, from a worker that does not see the run directory."""

    name: str
    content: bytes


class Exported(Message, frozen=True):
    """The answer to `Export`: a `.keras` file, or why there is none."""

    content: bytes | None
    problem: str


AnyMessage = Ready | Broken | Said | Stored | Exported


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
