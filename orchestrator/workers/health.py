"""How much memory this worker has to itself, whether it grows from trial to trial, and when it is too much.

Counted is what would be free again without this process: not the run's data, which all workers of a node share, nor
the code of libraries. What forked children still share with it is counted once, as soon as that makes a difference.
"""

import contextlib
import ctypes
import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import psutil

GIB = 2**30
MOST_GROWTH = GIB
MANY_TRIALS = 100
LEAST_GROWTH, SLOW_GROWTH = 64 * 2**20, 0.1
"""What a worker may have grown after many trials: the larger of bytes and a share of what it was."""
FIRST_TO_COMPARE = 2
"""The first trial still imports and allocates what all will use."""
LEAST_AVAILABLE = 0.06
"""Of the machine's memory; Ray kills workers of its own choice at 0.05."""
SECONDS_BETWEEN_LOOKS = 0.15
SECONDS_BETWEEN_COMPARISONS = 1.0
"""There may be a thousand trials in a second."""
MOST_TIME_FOR_CHILDREN = 0.005
"""Finding them means looking through all processes where the kernel does not tell, so it is done less often there."""
PROC = Path("/proc")
CGROUPS = Path("/sys/fs/cgroup")
V1, V2 = ("memory.limit_in_bytes", "memory.usage_in_bytes"), ("memory.max", "memory.current")
RECLAIMABLE = ("inactive_file", "total_inactive_file")


def memory() -> int:
    """Bytes of this process and its descendants."""
    return _together([os.getpid(), *descendants()])


def _together(pids: list[int]) -> int:
    """Of the processes together; what several share after a fork is counted for each."""
    return sum(_private(pid) for pid in pids)


def _proportional(pids: list[int]) -> int:
    """The same, with what is shared after a fork counted once. Takes milliseconds."""
    return sum(min(_private(pid), _pss(pid)) for pid in pids)


def _private(pid: int) -> int:
    """0 when it is gone."""
    try:
        fields = (PROC / str(pid) / "statm").read_bytes().split()
        return (int(fields[1]) - int(fields[2])) * _page_size()
    except (OSError, IndexError):
        pass
    try:
        return int(psutil.Process(pid).memory_info().rss) if not PROC.exists() else 0
    except psutil.Error:
        return 0


def _pss(pid: int) -> int:
    """Anonymous memory, divided among those who share it; without a bound where the kernel does not tell."""
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 2**63
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss_Anon:")), 2**63)


@cache
def _page_size() -> int:
    return os.sysconf("SC_PAGE_SIZE")


def descendants() -> list[int]:
    """The processes that this one has started, and theirs."""
    if next(PROC.glob("self/task/*/children"), None) is None:
        return [child.pid for child in psutil.Process().children(recursive=True)]
    found: list[int] = []
    left = [os.getpid()]
    while left:
        children = list(_children(left.pop()))
        found += children
        left += children
    return found


def _children(pid: int) -> Iterator[int]:
    """A thread's children are its own."""
    for path in PROC.glob(f"{pid}/task/*/children"):
        with contextlib.suppress(OSError):
            yield from map(int, path.read_text().split())


def end_children() -> int:
    """Kill what the user's code has started, with all that it started in turn; how many there were."""
    ended: set[int] = set()
    while left := [pid for pid in descendants() if pid not in ended]:
        for pid in left:
            with contextlib.suppress(psutil.Error):
                psutil.Process(pid).kill()
        ended.update(left)
    return len(ended)


def let_go() -> None:
    """Give back to the system what past trials have left: cycles of objects, and memory that was freed in pieces."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


class Growth:
    """Compares a worker's memory after each trial with that after its second."""

    def __init__(
        self,
        most: int = MOST_GROWTH,
        every: float = SECONDS_BETWEEN_COMPARISONS,
        forget: Callable[[], None] = lambda: None,
    ) -> None:
        """
        Args:
            most: Bytes.
            every: Seconds between comparisons.
            forget: Drops what is only kept to save time; called before a worker is said to have grown.
        """
        self._most = most
        self._every = every
        self._forget = forget
        self._trials = 0
        self._first = 0
        self._compared_at = 0.0

    def after_trial(self) -> str | None:
        """Why the worker should be replaced, if it should."""
        self._trials += 1
        if self._trials <= FIRST_TO_COMPARE:
            self._first = memory()
            return None
        if time.monotonic() - self._compared_at < self._every:
            return None
        self._compared_at = time.monotonic()
        if memory() - self._first <= self._bound():
            return None
        self._forget()
        let_go()
        now = _proportional([os.getpid(), *descendants()])
        if now - self._first <= self._bound():
            return None
        return f"its memory grew from {shown(self._first)} to {shown(now)} in {self._trials} trials"

    def _bound(self) -> int:
        """After many trials starting anew costs little, so a slow growth is ended too."""
        if self._trials < MANY_TRIALS:
            return self._most
        return min(self._most, max(LEAST_GROWTH, int(SLOW_GROWTH * self._first)))


class Watch:
    """A thread that tells once when this worker uses too much memory."""

    def __init__(
        self, on_excess: Callable[[str], None], limit: int | None, cpus: float, node_cpus: float | None = None
    ) -> None:
        """
        Args:
            on_excess: Called with the reason, in the watching thread.
            limit: Bytes that this worker may use; else it may use what there is, until that is nearly all: then its
                fair share.
            cpus: The worker's part of `node_cpus`, which makes its fair share.
        """
        self._on_excess = on_excess
        self._limit = limit
        self._share = min(1.0, cpus / (node_cpus or os.cpu_count() or 1))
        self._children: list[int] = []
        self._look_for_children_at = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(SECONDS_BETWEEN_LOOKS):
            if (reason := self._excess()) is not None:
                self._on_excess(reason)
                return

    def _excess(self) -> str | None:
        pids = [os.getpid(), *self._known_children()]
        if self._limit is not None:
            if _together(pids) <= self._limit or (used := _proportional(pids)) <= self._limit:
                return None
            return f"out of memory: {shown(used)} of at most {shown(self._limit)} (--memory-per-trial)"
        total, available = machine_memory()
        if available >= LEAST_AVAILABLE * total:
            return None
        if _together(pids) <= self._share * total or (used := _proportional(pids)) <= self._share * total:
            return None
        if not _is_largest_worker(used):
            return None
        return f"out of memory: the machine has {shown(available)} left, this worker uses {shown(used)}"

    def _known_children(self) -> list[int]:
        now = time.monotonic()
        if now >= self._look_for_children_at:
            self._children = descendants()
            took = time.monotonic() - now
            self._look_for_children_at = now + max(SECONDS_BETWEEN_LOOKS, took / MOST_TIME_FOR_CHILDREN)
        return self._children


def _is_largest_worker(used: int) -> bool:
    """Of Ray's on this machine: when memory runs out, one going is enough."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            command = process.cmdline()
            is_other = process.pid != os.getpid() and bool(command) and command[0].startswith("ray::")
            if is_other and _private(process.pid) > used:
                return False
    return True


def machine_memory(proc: Path = PROC, cgroups: Path = CGROUPS) -> tuple[int, int]:
    """Total and available bytes, of the machine or of the container that limits this process."""
    total, available = _of_machine(proc)
    for folder, (limit_file, used_file) in _limiting(proc, cgroups):
        try:
            limit = int((folder / limit_file).read_text())
            if limit < total or limit - int((folder / used_file).read_text()) < available:
                used = int((folder / used_file).read_text()) - _reclaimable(folder)
                total, available = min(total, limit), min(available, max(0, limit - used))
        except (OSError, ValueError):
            continue
    return total, available


def _of_machine(proc: Path) -> tuple[int, int]:
    try:
        words = dict(line.split(":") for line in (proc / "meminfo").read_text().splitlines())
        return int(words["MemTotal"].split()[0]) * 1024, int(words["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        whole = psutil.virtual_memory()
        return whole.total, whole.available


@cache
def _limiting(proc: Path, cgroups: Path) -> list[tuple[Path, tuple[str, str]]]:
    """This process's groups and those around them. A container may see its own as the root, whatever its path says."""
    found: list[tuple[Path, tuple[str, str]]] = []
    try:
        lines = (proc / "self" / "cgroup").read_text().splitlines()
    except OSError:
        return []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers not in ("", "memory"):
            continue
        root, files = (cgroups / "memory", V1) if controllers else (cgroups, V2)
        folder = root / path.lstrip("/")
        around = [folder, *(above for above in folder.parents if above == root or root in above.parents)]
        found += [(one, files) for one in around if (one / files[0]).exists()]
    return found


def _reclaimable(folder: Path) -> int:
    """Pages of files that nobody has used lately."""
    for line in (folder / "memory.stat").read_text().splitlines():
        name, _, value = line.partition(" ")
        if name in RECLAIMABLE:
            return int(value)
    return 0


def shown(amount: int) -> str:
    return f"{amount / 1e9:.1f} GB" if amount >= 1e9 else f"{amount / 1e6:.0f} MB"
