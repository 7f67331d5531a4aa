"""One worker's memory over many trials of the shipped study: does it grow, is it recycled, is anything lost?

    make memory ARGS="--trials 200"

A trial is one epoch, of another model each. Memory is the worker's resident set, read twice a second from outside and
taken as it was when a trial ended. Exit code 1 when it grew by more than a tenth between trial 20 and the last one,
when the worker was recycled more than three times, or when anything was lost.
"""

import argparse
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from orchestrator import launch
from orchestrator.journal import read_journal
from orchestrator.scheduler.events import TrialCompleted, WorkerLost

FIRST = 20
MOST_GROWTH = 0.10
MOST_RECYCLINGS = 3


class Samples(threading.Thread):
    """The resident set of whichever process prints to a worker's log of the run, by time."""

    def __init__(self, logs: Path) -> None:
        super().__init__(daemon=True)
        self._logs = logs
        self.taken: list[tuple[float, int, int]] = []
        """When, of which process, bytes."""
        self.ended = threading.Event()

    def run(self) -> None:
        process: psutil.Process | None = None
        while not self.ended.wait(0.5):
            try:
                if process is None or not process.is_running():
                    process = self._find()
                if process is not None:
                    self.taken.append((time.time(), process.pid, process.memory_info().rss))
            except psutil.Error:
                process = None

    def _find(self) -> psutil.Process | None:
        for process in psutil.process_iter():
            try:
                if any(Path(file.path).parent == self._logs for file in process.open_files()):
                    return process
            except (psutil.Error, OSError):
                continue
        return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=200)
    trials = max(FIRST, parser.parse_args().trials)
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder) / "run"
        samples = Samples((run_dir / "logs").resolve())
        samples.start()
        run = launch(
            "digits_mlp",
            trials=trials,
            epochs=1,
            workers=1,
            sampler="random",
            stopper="none",
            quiet=True,
            run_dir=run_dir,
        )
        samples.ended.set()
        samples.join()
        header, records = read_journal(run.dir)
        events = list(records)
    ended = [header.started + event.at for event in events if isinstance(event, TrialCompleted)]
    lost = [event for event in events if isinstance(event, WorkerLost)]
    recycled = sum(event.cause == "dismissed" for event in lost)
    sizes = [next((s for s in samples.taken if s[0] >= at), samples.taken[-1]) for at in ended]
    for number in sorted({1, FIRST, *range(50, len(sizes) + 1, 50), len(sizes)}):
        _, pid, size = sizes[number - 1]
        print(f"after trial {number:4}: {size / 1e6:7.0f} MB (worker process {pid})")
    growth = sizes[-1][2] / sizes[FIRST - 1][2] - 1
    print(f"from trial {FIRST} to {len(sizes)}: {growth:+.1%}")
    print(
        f"recycled {recycled} times, lost otherwise {len(lost) - recycled}, {len(ended)} of {trials} trials completed"
    )
    is_good = growth <= MOST_GROWTH and recycled <= MOST_RECYCLINGS and len(lost) == recycled and len(ended) == trials
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
