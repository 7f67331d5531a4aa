"""What there is to know of a cluster, or of this machine where there is none. Plain data, without Ray."""

from dataclasses import dataclass, field

from orchestrator.workers.examination.machine import Machine


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What TensorFlow sees in a worker that holds GPUs."""

    held: float
    seen: list[str] = field(default_factory=list)
    problem: str | None = None
    late: bool = False
    """There may be an answer yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFound:
    name: str
    address: str
    cpus: float
    gpus: float
    gpus_free: float
    memory: float
    """Bytes, of which Ray hands out so much."""
    object_store: float
    """Bytes."""
    metrics: str
    """HOST:PORT."""
    metrics_problem: str | None = None
    machine: Machine | None = None
    problem: str | None = None
    """Why it told nothing of itself."""
    asks_for_token: bool | None = None
    clock: float | None = None
    """Seconds ahead of this machine's."""
    clock_error: float = 0.0
    sight: Sight | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    address: str
    """HOST:PORT."""
    problem: str | None
    """Why it does not answer."""
    listens: list[str]
    """Addresses, as far as its machine tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFile:
    path: str
    mode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterFound:
    address: str
    nodes: list[NodeFound]
    lost: list[str]
    """Nodes that died lately and unexpectedly, with the reason."""
    dashboard: Dashboard | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    here: Machine
    token: TokenFile | None = None
    cluster: ClusterFound | None = None
    problem: str | None = None
    """Why there is no cluster where one was expected."""
