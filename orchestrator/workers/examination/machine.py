"""What a machine has, told without importing what is looked at. Ray need not be there."""

import re
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from orchestrator.installed import installed
from orchestrator.workers.health import machine_memory

LIBRARIES = ("ray", "tensorflow", "keras", "numpy", "msgspec")
"""What a worker cannot do without."""
SHARED_MEMORY = Path("/dev/shm")
NVIDIA = Path("/proc/driver/nvidia")


@dataclass(frozen=True, slots=True)
class Room:
    """Of a file system, in bytes."""

    path: str
    free: int
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    versions: dict[str, str | None]
    """Of Python and the libraries; None where one is missing."""
    disk: Room
    """Where Ray writes its session and spills objects."""
    shared_memory: Room | None
    """Where Ray keeps its objects, if there is such a place."""
    memory: int
    memory_available: int
    gpu_driver: str | None
    """Version of NVIDIA's kernel driver."""
    gpus: list[str]
    """Models of the cards that this driver has."""


def look(folder: Path) -> Machine:
    """At this machine, as this process sees it.

    Args:
        folder: Where Ray writes, or would.
    """
    memory, available = machine_memory()
    return Machine(
        versions=versions(),
        disk=_room(folder),
        shared_memory=_room(SHARED_MEMORY) if SHARED_MEMORY.is_dir() else None,
        memory=memory,
        memory_available=available,
        gpu_driver=_gpu_driver(NVIDIA),
        gpus=_gpus(NVIDIA),
    )


def versions() -> dict[str, str | None]:
    return installed(LIBRARIES)


def clock() -> float:
    """Seconds since the epoch, as this machine has it."""
    return time.time()


def listening(ports: Iterable[int]) -> list[str]:
    """The addresses where anybody listens at these ports; none where the system does not tell."""
    with suppress(psutil.Error, OSError):
        connections = psutil.net_connections("tcp")
        wanted = set(ports)
        return sorted({c.laddr.ip for c in connections if c.status == psutil.CONN_LISTEN and c.laddr.port in wanted})
    return []


def _room(folder: Path) -> Room:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    usage = psutil.disk_usage(str(existing))
    return Room(str(folder), usage.free, usage.total)


def _gpu_driver(nvidia: Path) -> str | None:
    with suppress(OSError):
        if found := re.search(r"Kernel Module.*?\s(\d+\.[\d.]+)", (nvidia / "version").read_text()):
            return found[1]
    return None


def _gpus(nvidia: Path) -> list[str]:
    models = []
    for path in sorted(nvidia.glob("gpus/*/information")):
        with suppress(OSError):
            if found := re.search(r"^Model:\s*(.+?)\s*$", path.read_text(), re.MULTILINE):
                models.append(found[1])
    return models
