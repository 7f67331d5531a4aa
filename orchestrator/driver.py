"""The one loop: facts from the backend, decisions from the scheduler, both into the journal, then carried out."""

from collections.abc import Callable

from orchestrator.backends.base import Backend, Hold
from orchestrator.journal import Journal
from orchestrator.scheduler.instructions import Instruction, Record, without_undone_pauses
from orchestrator.scheduler.scheduler import Scheduler

Watcher = Callable[[list[Record]], None]
"""Called after each batch with what was written, to show it."""


def drive(
    scheduler: Scheduler,
    backend: Backend,
    journal: Journal | None,
    watch: Watcher | None = None,
    hold: Hold | None = None,
) -> None:
    """Run until the scheduler finishes. Time passes in `backend.wait`, and in `hold` while nothing can be written."""
    while True:
        records: list[Record] = []
        instructions: list[Instruction] = []
        for event in backend.wait():
            decided = scheduler.handle(event)
            records.append(event)
            records += decided
            instructions += without_undone_pauses(decided) if len(decided) > 1 else decided
            if scheduler.state.finished is not None:
                break
        if journal is not None:
            _write(journal, records, hold)
        backend.carry_out(instructions)
        if watch is not None:
            watch(records)
        if scheduler.state.finished is not None:
            return


def _write(journal: Journal, records: list[Record], hold: Hold | None) -> None:
    """Nothing is carried out that does not stand in the journal: a full disk stops everything until there is room."""
    while True:
        try:
            return journal.append(records)
        except OSError as error:
            if hold is None:
                raise
            hold(f"the journal cannot be written ({error.strerror or error})")
