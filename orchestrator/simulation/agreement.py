"""Whether simulation and reality agree: a real run in virtual time, with the durations and worker joins it recorded.

Every fact of the journal is taken as the answer to a decision, a duration after it: reports, checkpoints and endings to
the last `Train`, `Pause` or `Stop` of their attempt before them, a proposal to its `Propose`, a reached time to its
`WakeAt`. Workers that come and go, and a wish to stop, are nobody's answer and happen at their times. Then the run
is driven anew: whatever the scheduler decides gets its recorded answer after the recorded duration.

Facts of the same time come in their recorded order. A decision at exactly its recorded time has its answers exactly at
theirs: times are shifted by how much later it was decided, and nothing is added up, so that no rounding reorders them.
"""

import heapq
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from orchestrator.driver import drive
from orchestrator.journal import read_journal
from orchestrator.scheduler.events import ConfigurationProposed, Event, SamplerExhausted, TimeReached, TrialEvent
from orchestrator.scheduler.instructions import Instruction, Pause, Propose, Record, Stop, Suspend, Train, WakeAt
from orchestrator.scheduler.scheduler import Scheduler

Key = tuple[Any, ...]
"""Whom a decision and its answers are about."""


class Differs(Exception):
    """A decision that is not the recorded one; the message shows both."""


class Answers:
    """To one recorded decision: its facts, each with its place in the journal."""

    def __init__(self, kind: type[Record], decided_at: float) -> None:
        self.kind = kind
        self.decided_at = decided_at
        self.facts: list[tuple[int, Event]] = []


class RecordedBackend:
    """Answers decisions as a journal says they were answered."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.now = 0.0
        self._pending: list[tuple[float, int, Event]] = []
        self._answers: dict[Key | None, deque[Answers]] = defaultdict(deque)
        last: dict[Key, Answers] = {}
        now = 0.0
        for place, record in enumerate(records):
            if isinstance(record, Event):
                now = record.at
                key = _asked_by(record)
                if key in last:
                    last[key].facts.append((place, record))
                elif key is None:
                    heapq.heappush(self._pending, (record.at, place, record))
            elif (key := _asks(record)) is not None:
                last[key] = Answers(type(record), record.time if isinstance(record, WakeAt) else now)
                self._answers[key].append(last[key])

    def wait(self) -> Sequence[Event]:
        if not self._pending:
            raise Differs("nothing is left to happen: the recorded run was decided otherwise")
        self.now, _, event = heapq.heappop(self._pending)
        return [event]

    def carry_out(self, instructions: Sequence[Instruction]) -> None:
        for instruction in instructions:
            waiting = self._answers.get(_asks(instruction), deque())
            while waiting and waiting[0].kind is not type(instruction) and not waiting[0].facts:
                waiting.popleft()  # A pause that was undone in the same breath is not carried out.
            if not waiting:
                continue
            answers = waiting.popleft()
            decided_at = instruction.time if isinstance(instruction, WakeAt) else self.now
            for place, fact in answers.facts:
                at = fact.at + (decided_at - answers.decided_at)
                heapq.heappush(self._pending, (at, place, msgspec.structs.replace(fact, at=at)))


def _asks(record: Record) -> Key | None:
    match record:
        case Train(assignment=assignment):
            return "trial", assignment.trial, assignment.attempt
        case Pause() | Stop() | Suspend():
            return "trial", record.trial, record.attempt
        case Propose():
            return "proposal", record.number
        case WakeAt():
            return ("time",)
    return None


def _asked_by(event: Event) -> Key | None:
    match event:
        case TrialEvent():
            return "trial", event.trial, event.attempt
        case ConfigurationProposed() | SamplerExhausted():
            return "proposal", event.number
        case TimeReached():
            return ("time",)
    return None


def simulate_again(records: Sequence[Record], scheduler: Scheduler) -> None:
    """Drive a scheduler in its initial state through a recorded run.

    Raises:
        Differs: At the first record that is not the one in the journal.
    """
    expected = iter(enumerate(records, start=2))

    def compare(found: Iterable[Record]) -> None:
        for record in found:
            line, recorded = next(expected, (None, None))
            if record != recorded and repr(record) != repr(recorded):  # NaN is not equal to itself
                raise Differs(f"line {line} of the journal is {recorded}, the simulation says {record}")

    drive(scheduler, RecordedBackend(records), None, compare)


def check_agreement(run_dir: Path, scheduler: Scheduler) -> None:
    """Whether a finished run, simulated with what it recorded, makes the same decisions.

    Args:
        run_dir: Of the run.
        scheduler: As the run began with: of the same study, settings and seed.

    Raises:
        Differs: With the first difference.
        UserError: The journal cannot be read.
    """
    simulate_again(list(read_journal(run_dir)[1]), scheduler)
