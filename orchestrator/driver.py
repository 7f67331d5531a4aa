"""The one loop: facts from the backend, decisions from the scheduler, both into the journal, then carried out."""

from collections.abc import Callable

from orchestrator.backends.base import Backend
from orchestrator.journal import Journal
from orchestrator.scheduler.instructions import Instruction, Record, without_undone_pauses
from orchestrator.scheduler.scheduler import Scheduler

Watcher = Callable[[list[Record]], None]
"""Called after each batch with what was written, to show it."""


def drive(scheduler: Scheduler, backend: Backend, journal: Journal | None, watch: Watcher | None = None) -> None:
    """Run until the scheduler finishes. Time passes in `backend.wait` alone."""
    while scheduler.state.finished is None:
        records: list[Record] = []
        instructions: list[Instruction] = []
        for event in backend.wait():
            decided = scheduler.handle(event)
            records.append(event)
            records += decided
            instructions += without_undone_pauses(decided)
            if scheduler.state.finished is not None:
                break
        if journal is not None:
            journal.append(records)
        backend.carry_out(instructions)
        if watch is not None:
            watch(records)
