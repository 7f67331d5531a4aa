"""One run of the study: its driver, its workers, its journal, and how long it takes to recover from each fault."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from benchmarks.chaos.judge import Strike, fold
from benchmarks.chaos.processes import STUDY, Driver, Nodes, workers_of
from orchestrator.errors import UserError
from orchestrator.journal import FILE, read_journal
from orchestrator.objective import Objective
from orchestrator.scheduler.instructions import Record
from orchestrator.scheduler.state import State
from orchestrator.scheduler.tolerance import MOST_LOSSES
from orchestrator.scheduler.trial import Status

OBJECTIVE = Objective("val_loss", "min")
TICK = 0.1
SECONDS_TO_END = 10.0
"""For the workers of a driver that died."""
LONGEST_STILLNESS = 150.0
"""Without a new line in the journal: then the run is stuck."""
MOST_RESTARTS = 3
"""Of a driver that ended by itself."""

Sign = Callable[[Sequence[Record], State], bool]
"""Whether a run has recovered, by the records since the fault and the state."""


class Stuck(Exception):
    """The run does not go on."""


@dataclass
class Recovery:
    strike: int
    kind: str
    since: int
    """Records in the journal when it could begin."""
    began: float
    sign: Sign
    seconds: float | None = None


@dataclass
class DisturbedRun:
    folder: Path
    """Where what is said ends up; below the small disk lies the run directory alone."""
    dir: Path
    nodes: Nodes
    settings: Sequence[str]
    strikes: list[Strike] = field(default_factory=list)
    recoveries: list[Recovery] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    state: State = field(default_factory=lambda: State(OBJECTIVE))
    over: bool = False
    _size: int = -1
    _moved: float = 0.0
    _restarts: int = 0
    _doomed: dict[psutil.Process, float] = field(default_factory=dict)
    """Workers that are to end by themselves, and until when."""

    def start(self) -> None:
        self._drive("launch", str(STUDY), "--run-dir", str(self.dir), *self.settings)

    def resume(self) -> None:
        self._drive("resume", str(self.dir))

    def _drive(self, *arguments: str) -> None:
        self._moved = time.monotonic()
        self.driver = Driver(
            self.folder, self.folder / f"{self.dir.name}.txt", [*arguments, "--address", self.nodes.address, "--json"]
        )

    @property
    def recovering(self) -> bool:
        return any(recovery.seconds is None for recovery in self.recoveries)

    def strike(self, kind: str, sign: Sign, began: float, damaged: frozenset[int] = frozenset()) -> None:
        """A fault has struck: note what must not be lost from now on, and when it has recovered."""
        self.read()
        self.strikes.append(Strike(kind, list(self.records), damaged))
        self.recoveries.append(Recovery(len(self.strikes) - 1, kind, len(self.records), began, sign))

    def watch(self, until: Callable[[], bool], seconds: float) -> bool:
        """Look on until something is so, the run is over, or time is up. Whether it is so."""
        deadline = time.monotonic() + seconds
        while not self.over and time.monotonic() < deadline:
            self.look()
            if until():
                return True
            time.sleep(TICK)
        return until()

    def look(self) -> None:
        self.nodes.look_around()
        self.read()
        self._look_at_doomed()
        if (code := self.driver.code) is not None:
            self._ended(code)
        if time.monotonic() - self._moved > LONGEST_STILLNESS:
            raise Stuck(f"nothing new in the journal for {LONGEST_STILLNESS:g} s: {self._where()}")

    def read(self) -> None:
        path = self.dir / FILE
        size = path.stat().st_size if path.exists() else 0
        if size == self._size or size == 0:
            return
        try:
            self.records = list(read_journal(self.dir)[1])
            self.state = fold(self.records, OBJECTIVE)
        except (UserError, ValueError) as error:
            # A line that is being written, or one that was torn and is to be mended by the next driver.
            self.problems += [f"the journal cannot be read: {error}"] if self.over else []
            return
        self._size, self._moved = size, time.monotonic()
        for recovery in self.recoveries:
            if recovery.seconds is None and recovery.sign(self.records[recovery.since :], self.state):
                recovery.seconds = time.monotonic() - recovery.began

    def _ended(self, code: int) -> None:
        self._size = -1
        self.read()
        finished = self.state.finished
        if code == 0 and finished is not None and finished.outcome == "done":
            self.over = True
            now = time.monotonic()
            for recovery in self.recoveries:
                recovery.seconds = now - recovery.began if recovery.seconds is None else recovery.seconds
            return
        self.problems.append(f"the driver ended by itself, exit code {code}: {self.driver.last_words()}")
        self._restarts += 1
        if self._restarts > MOST_RESTARTS:
            raise Stuck(f"the driver ends by itself again and again: {self._where()}")
        self.resume()

    def doom(self) -> set[psutil.Process]:
        """The driver is dead: its workers are to end by themselves."""
        workers = set(workers_of(self.dir).values())
        self._doomed |= dict.fromkeys(workers, time.monotonic() + SECONDS_TO_END)
        return workers

    def _look_at_doomed(self) -> None:
        for process, deadline in [*self._doomed.items()]:
            if not process.is_running():
                del self._doomed[process]
            elif time.monotonic() > deadline:
                del self._doomed[process]
                self.problems.append(f"worker {process.pid} lives {SECONDS_TO_END:g} s after its driver has died")

    def wait_doomed(self) -> None:
        while self._doomed:
            self._look_at_doomed()
            time.sleep(TICK)

    def _where(self) -> str:
        counts = ", ".join(f"{self.state.count(status)} {status}" for status in Status if self.state.count(status))
        return f"{len(self.records)} records, {counts or 'no trials'}"

    def close(self) -> None:
        """End what is left of it."""
        self.driver.kill()
        self.doom()
        self.wait_doomed()


def workers_at(state: State) -> dict[int, int]:
    """Workers that train, and what: of trials that have said something, and that may be lost once more.

    A trial that loses its worker a third time since its last checkpoint fails, as it should.
    """
    found: dict[int, int] = {}
    for number, worker in state.workers.items():
        if worker.queue:
            trial = state.trials[worker.queue[0]]
            if trial.status is Status.RUNNING and trial.epoch and trial.losses < MOST_LOSSES - 1:
                found[number] = trial.number
    return found
