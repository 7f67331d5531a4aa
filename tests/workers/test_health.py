"""Memory of real processes: this one, and children that it forks."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from orchestrator.workers import health
from orchestrator.workers.health import (
    Growth,
    Watch,
    descendants,
    end_children,
    let_go,
    machine_memory,
    memory,
    shown,
)

MB = 10**6
MUCH = 200 * MB
LONG = 20.0

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"
PARENT = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {SLEEPER!r}]).wait()"
EATER = f"eaten = bytearray(b'x') * {MUCH}; {SLEEPER}"


_started: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def _nothing_from_other_tests() -> Iterator[None]:
    """Neither their garbage, which would be let go while a test measures, nor children."""
    let_go()
    yield
    end_children()
    while _started:
        _started.pop().wait(timeout=LONG)


def started(code: str) -> subprocess.Popen[str]:
    _started.append(process := subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True))
    assert process.stdout is not None
    with process.stdout:
        assert process.stdout.readline() == "up\n"
    return process


def eaten(amount: int = MUCH) -> bytearray:
    return bytearray(b"x") * amount


def test_memory_is_what_this_process_has_to_itself() -> None:
    before = memory()
    held = eaten()
    assert memory() - before == pytest.approx(MUCH, rel=0.1)
    del held
    assert memory() - before < MUCH / 10


def test_files_that_are_mapped_do_not_count(tmp_path: Path) -> None:
    """As the run's data is, in all workers of a node."""
    import mmap

    path = tmp_path / "data"
    path.write_bytes(bytes(MUCH))
    before = memory()
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        assert sum(mapped[:: mmap.PAGESIZE]) == 0
        assert memory() - before < MUCH / 10


def test_memory_of_children_counts() -> None:
    before = memory()
    started(EATER)
    assert memory() - before > MUCH


def test_children_of_children_are_ended() -> None:
    process = started(PARENT)
    (inner,) = psutil.Process(process.pid).children()
    assert set(descendants()) == {process.pid, inner.pid}
    assert end_children() == 2
    assert process.wait(timeout=LONG) == -signal.SIGKILL
    inner.wait(timeout=LONG)
    assert end_children() == 0


def test_growth_is_since_the_second_trial() -> None:
    growth = Growth(most=MUCH // 2, every=0.0)
    kept = []
    for _ in range(2):
        kept.append(eaten())
        assert growth.after_trial() is None
    first = memory()
    assert growth.after_trial() is None
    kept.append(eaten())
    reason = growth.after_trial()
    assert reason is not None and reason.startswith(f"its memory grew from {shown(first)} to ")
    assert reason.endswith(" in 4 trials")


def test_what_only_saves_time_is_dropped_before_a_worker_has_grown() -> None:
    kept = []
    growth = Growth(most=MUCH // 2, every=0.0, forget=kept.clear)
    assert [growth.after_trial() for _ in range(2)] == [None, None]
    kept.append(eaten())
    assert growth.after_trial() is None
    assert kept == []


def test_after_many_trials_a_slow_growth_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "MANY_TRIALS", 4)
    monkeypatch.setattr(health, "LEAST_GROWTH", MUCH // 2)
    monkeypatch.setattr(health, "SLOW_GROWTH", 0.0)
    growth = Growth(every=0.0)
    assert [growth.after_trial() for _ in range(2)] == [None, None]
    kept = eaten()
    assert growth.after_trial() is None
    reason = growth.after_trial()
    assert kept is not None and reason is not None and reason.endswith(" in 4 trials")


def test_what_can_be_let_go_is_no_growth() -> None:
    """Cycles of objects, which Python collects when it likes."""

    class Cycle:
        def __init__(self) -> None:
            self.itself = self
            self.held = eaten()

    growth = Growth(most=MUCH // 2, every=0.0)
    for _ in range(3):
        assert growth.after_trial() is None
    Cycle()
    assert growth.after_trial() is None


def test_many_short_trials_are_not_all_looked_at() -> None:
    growth = Growth(most=MUCH // 2, every=600.0)
    for _ in range(3):
        assert growth.after_trial() is None
    held = eaten()
    assert growth.after_trial() is None
    del held


class Told:
    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.thread = ""
        self._event = threading.Event()

    def __call__(self, reason: str) -> None:
        self.reasons.append(reason)
        self.thread = threading.current_thread().name
        self._event.set()

    def wait(self, seconds: float = LONG) -> bool:
        return self._event.wait(seconds)


@pytest.fixture
def told() -> Told:
    return Told()


def test_a_worker_above_its_limit_is_told_of_once(told: Told) -> None:
    limit = memory() + MUCH // 2
    watch = Watch(told, limit, cpus=1)
    watch.start()
    assert not told.wait(3 * health.SECONDS_BETWEEN_LOOKS)
    held = eaten()
    assert told.wait()
    watch.stop()
    (reason,) = told.reasons
    assert reason == f"out of memory: {shown(memory())} of at most {shown(limit)} (--memory-per-trial)"
    assert told.thread == "memory"
    del held


def test_its_children_are_part_of_it(told: Told) -> None:
    watch = Watch(told, memory() + MUCH // 2, cpus=1)
    watch.start()
    started(EATER)
    assert told.wait()
    watch.stop()


FORKS = f"""
import os, time
from orchestrator.workers.health import Watch, end_children, memory
held = bytearray(b"x") * {MUCH}
limit = memory() + {MUCH // 2}
watch = Watch(print, limit, cpus=1)
if os.fork() == 0:
    time.sleep(600)
assert memory() > limit
watch.start()
time.sleep(1)
watch.stop()
end_children()
print("fine")
"""


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="the kernel does not tell")
def test_what_a_forked_child_shares_is_counted_once() -> None:
    """A child that only loads batches holds, on paper, all that its parent holds."""
    assert subprocess.run([sys.executable, "-c", FORKS], capture_output=True, text=True, check=True).stdout == "fine\n"


def test_without_a_limit_all_goes_well_while_the_machine_has_memory(told: Told) -> None:
    watch = Watch(told, None, cpus=1, node_cpus=10**6)
    watch.start()
    assert not told.wait(3 * health.SECONDS_BETWEEN_LOOKS)
    watch.stop()


def test_without_a_limit_it_is_the_fair_share_when_the_machine_has_no_more(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if it were the case that nearly all is used."""
    monkeypatch.setattr(health, "LEAST_AVAILABLE", 1.0)
    monkeypatch.setattr(health, "_is_largest_worker", lambda used: True)
    fair = Watch(told, None, cpus=1, node_cpus=1)
    fair.start()
    assert not told.wait(3 * health.SECONDS_BETWEEN_LOOKS)
    fair.stop()
    watch = Watch(told, None, cpus=1, node_cpus=10**6)
    watch.start()
    assert told.wait()
    watch.stop()
    assert told.reasons[0].startswith("out of memory: the machine has ")
    assert told.reasons[0].endswith(f" left, this worker uses {shown(memory())}")


def test_only_the_largest_of_rays_workers_goes() -> None:
    _started.append(subprocess.Popen(["ray::Worker.run", "-c", EATER], executable=sys.executable))
    pid = _started[0].pid
    while "ray::Worker.run" not in psutil.Process(pid).cmdline() or health._private(pid) < MUCH:
        time.sleep(0.05)
    assert not health._is_largest_worker(MUCH // 2)
    assert health._is_largest_worker(10**15)


MEMINFO = "MemTotal:       16000000 kB\nMemFree:         1000000 kB\nMemAvailable:    8000000 kB\n"
V2_FILES = {
    "memory.max": "4000000000",
    "memory.current": "3500000000",
    "memory.stat": "anon 1\ninactive_file 1000000000",
}
V1_FILES = {
    "memory.limit_in_bytes": "4000000000",
    "memory.usage_in_bytes": "3500000000",
    "memory.stat": "cache 1\ntotal_inactive_file 1000000000",
}
CONTAINERS = {
    "none": ("0::/", {}),
    "no limit": ("0::/a", {"a": {**V2_FILES, "memory.max": "max"}}),
    "own group": ("0::/a/b", {"a/b": V2_FILES}),
    "the group around": ("0::/a/b", {"a/b": {**V2_FILES, "memory.max": "max"}, "a": V2_FILES}),
    "seen as the root": ("0::/docker/123", {"": V2_FILES}),
    "version 1": ("4:memory:/a\n1:cpu:/\n0::/", {"memory/a": V1_FILES}),
    "version 1 without a limit": (
        "4:memory:/a",
        {"memory/a": {**V1_FILES, "memory.limit_in_bytes": "9223372036854771712"}},
    ),
}


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_containers_limit_is_the_machines(tmp_path: Path, name: str) -> None:
    own, groups = CONTAINERS[name]
    (tmp_path / "proc" / "self").mkdir(parents=True)
    (tmp_path / "proc" / "meminfo").write_text(MEMINFO)
    (tmp_path / "proc" / "self" / "cgroup").write_text(own)
    for folder, files in groups.items():
        (tmp_path / "groups" / folder).mkdir(parents=True, exist_ok=True)
        for file, content in files.items():
            (tmp_path / "groups" / folder / file).write_text(content)
    machine = 16_384_000_000, 8_192_000_000
    expected = machine if name in ("none", "no limit", "version 1 without a limit") else (4 * 10**9, 15 * 10**8)
    assert machine_memory(tmp_path / "proc", tmp_path / "groups") == expected


def test_this_machine() -> None:
    total, available = machine_memory()
    assert 0 < available < total <= psutil.virtual_memory().total


@pytest.mark.parametrize(("amount", "text"), [(2_140_000_000, "2.1 GB"), (999_400_000, "999 MB"), (0, "0 MB")])
def test_amounts(amount: int, text: str) -> None:
    assert shown(amount) == text
