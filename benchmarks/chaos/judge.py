"""What a disturbed run has lost, told from its journal and from the journal as it was when each fault had struck.

Nothing here runs anything. Reports and configurations are counted record by record, apart from the product's own fold;
only whether trials have ended, and how, is asked of it.

An epoch is trained twice when a trial is taken up behind its last reported epoch. Allowed are as many as had been
reported since the last checkpoint should have been saved: those at the end of the attempt that filled one interval,
and one more, which a fault may catch between its report and its saving. Where a checkpoint of the trial was damaged,
or could not be saved (the disk was full), all of it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.assignment import Configuration
from orchestrator.objective import Objective
from orchestrator.scheduler.events import (
    CheckpointDelayed,
    CheckpointSaved,
    TrialCompleted,
    TrialDiverged,
    TrialReported,
)
from orchestrator.scheduler.instructions import Discard, GiveUp, Record, Stop, Train
from orchestrator.scheduler.state import State

Metrics = dict[str, float]
Row = tuple[str, int, float | None]
"""Status, epochs, score."""
UNEXPLAINED = -1
"""In place of a fault: trials that lost their worker before any fault had struck."""


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault that was injected, and the journal as it was then."""

    kind: str
    before: Sequence[Record]
    damaged: frozenset[int] = frozenset()
    """Trials that had a checkpoint damaged."""


@dataclass(frozen=True, slots=True)
class Retraining:
    """A trial that was taken up behind its last reported epoch."""

    strike: int
    trial: int
    epochs: int
    allowed: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run has found out, times and workers aside."""

    configurations: dict[int, tuple[Configuration, int]]
    """And seeds, by trial."""
    curves: dict[tuple[int, int], Metrics]
    """By trial and epoch: the last report of each."""
    rows: dict[int, Row]
    """By trial."""


@dataclass(slots=True)
class Verdict:
    lost: Counter[int] = field(default_factory=Counter)
    """Results that were in the journal when a fault struck and are not there in the end, by strike."""
    duplicated: Counter[int] = field(default_factory=Counter)
    retrainings: list[Retraining] = field(default_factory=list)
    compared: int = 0
    """Reports that the undisturbed run has too."""
    problems: list[str] = field(default_factory=list)


def outcome(records: Sequence[Record], objective: Objective) -> Outcome:
    state = fold(records, objective)
    return Outcome(
        configurations=configurations(records),
        curves={(r.trial, r.epoch): r.metrics for r in records if isinstance(r, TrialReported)},
        rows={trial.number: (str(trial.status), trial.epoch, trial.score) for trial in state.trials},
    )


def fold(records: Iterable[Record], objective: Objective) -> State:
    state = State(objective)
    for record in records:
        state.apply(record)
    return state


def configurations(records: Iterable[Record]) -> dict[int, tuple[Configuration, int]]:
    found: dict[int, tuple[Configuration, int]] = {}
    for record in records:
        if isinstance(record, Train):
            assignment = record.assignment
            found.setdefault(assignment.trial, (assignment.configuration, assignment.seed))
    return found


def judge(
    records: Sequence[Record],
    strikes: Sequence[Strike],
    undisturbed: Outcome,
    objective: Objective,
    checkpoint_every: float,
    *,
    same_decisions: bool,
) -> Verdict:
    """Of a run that has come to its end.

    Args:
        same_decisions: Its stopper decides the same whatever order reports arrive in, so that all rows must be the
            undisturbed run's.
    """
    verdict = Verdict()
    final = fold(records, objective)
    _results_lost(verdict, records, strikes, final, objective)
    _results_duplicated(verdict, records, strikes)
    verdict.retrainings = retrainings(records, strikes, checkpoint_every)
    verdict.problems += [
        f"trial {r.trial}: {r.epochs} epochs trained twice, where {r.allowed} are allowed"
        for r in verdict.retrainings
        if r.epochs > r.allowed
    ]
    if final.finished is None or final.finished.outcome != "done":
        verdict.problems.append(f"the run is not done: {final.finished}")
    verdict.problems += [f"trial {t.number} has not ended: {t.status}" for t in final.trials if not t.status.ended]
    found = outcome(records, objective)
    _compare(verdict, records, found, undisturbed)
    if same_decisions:
        damaged = frozenset[int]().union(*(strike.damaged for strike in strikes))
        _compare_rows(verdict, found.rows, undisturbed.rows, damaged)
    return verdict


def reports(records: Iterable[Record]) -> Counter[tuple[Any, ...]]:
    return Counter(
        (r.trial, r.attempt, r.epoch, tuple(sorted(r.metrics.items()))) for r in records if isinstance(r, TrialReported)
    )


def _results_lost(
    verdict: Verdict, records: Sequence[Record], strikes: Sequence[Strike], final: State, objective: Objective
) -> None:
    """Each result counts once, for the first fault after which it is gone."""
    there = reports(records)
    gone: set[Any] = set()
    for place, strike in enumerate(strikes):
        missing: set[Any] = set(reports(strike.before) - there)
        for trial in fold(strike.before, objective).trials:
            now = final.trials[trial.number].status if trial.number < len(final.trials) else None
            if trial.status.ended and trial.status is not now:
                missing.add((trial.number, f"{trial.status}, now {now}"))
        verdict.problems += [f"lost: {result}" for result in sorted(missing - gone, key=str)]
        verdict.lost[place] += len(missing - gone)
        gone |= missing


def _results_duplicated(verdict: Verdict, records: Sequence[Record], strikes: Sequence[Strike]) -> None:
    """A report of the same attempt and epoch twice, or a trial that ends twice in the same way."""
    seen: set[tuple[Any, ...]] = set()
    for place, record in enumerate(records):
        if isinstance(record, TrialReported):
            key: tuple[Any, ...] = ("report", record.trial, record.attempt, record.epoch)
        elif isinstance(record, TrialCompleted | TrialDiverged):
            key = ("end", record.trial, record.attempt)
        elif isinstance(record, Stop | GiveUp):
            key = ("verdict", record.trial)
        else:
            continue
        if key in seen:
            verdict.duplicated[_strike_before(place, strikes)] += 1
            verdict.problems.append(f"twice in the journal: {key}")
        seen.add(key)


@dataclass(slots=True)
class _Progress:
    """Of one trial, as told record by record."""

    attempt: int = 0
    last: int = 0
    """The epoch that it has reached."""
    seconds: list[float] = field(default_factory=list)
    """What each epoch of its attempt took."""
    unsaved: bool = False
    """A checkpoint could not be saved, and none has been since."""


def retrainings(records: Sequence[Record], strikes: Sequence[Strike], checkpoint_every: float) -> list[Retraining]:
    found: list[Retraining] = []
    trials: defaultdict[int, _Progress] = defaultdict(_Progress)
    for place, record in enumerate(records):
        match record:
            case TrialReported() if record.attempt == trials[record.trial].attempt:
                trials[record.trial].last = record.epoch
                trials[record.trial].seconds.append(record.seconds)
            case CheckpointSaved():
                trials[record.trial].unsaved = False
            case CheckpointDelayed():
                trials[record.trial].unsaved = True
            case Train(assignment=taken):
                trial = trials[taken.trial]
                if (again := trial.last - taken.after_epoch) > 0:
                    strike = _strike_before(place, strikes)
                    whole = trial.unsaved or any(taken.trial in s.damaged for s in strikes[: strike + 1])
                    allowed = trial.last if whole else allowance(trial.seconds, checkpoint_every)
                    found.append(Retraining(strike, taken.trial, again, allowed))
                if taken.attempt != trial.attempt or taken.start is not None:
                    trial.attempt, trial.seconds = taken.attempt, []
                trial.last = taken.after_epoch
    return found


def allowance(seconds: Sequence[float], interval: float) -> int:
    """How many of an attempt's epochs, the last first, may be lost where a checkpoint is due every `interval`."""
    total, epochs = 0.0, 0
    for epoch in reversed(seconds):
        if total >= interval:
            break
        total += epoch
        epochs += 1
    return epochs + 1


def _strike_before(place: int, strikes: Sequence[Strike]) -> int:
    """The last fault that had struck when the record at `place` was written."""
    return max((n for n, strike in enumerate(strikes) if len(strike.before) <= place), default=UNEXPLAINED)


def _compare(verdict: Verdict, records: Sequence[Record], found: Outcome, expected: Outcome) -> None:
    for number in sorted(found.configurations.keys() | expected.configurations.keys()):
        if found.configurations.get(number) != expected.configurations.get(number):
            verdict.problems.append(f"trial {number} has another configuration or seed than in the undisturbed run")
    for record in records:
        if not isinstance(record, TrialReported) or (record.trial, record.epoch) not in expected.curves:
            continue
        verdict.compared += 1
        there = expected.curves[record.trial, record.epoch]
        if record.metrics != there:
            name = f"trial {record.trial}, attempt {record.attempt}, epoch {record.epoch}"
            verdict.problems.append(f"{name}: {record.metrics}, in the undisturbed run {there}")


def _compare_rows(verdict: Verdict, found: dict[int, Row], expected: dict[int, Row], damaged: frozenset[int]) -> None:
    """A trial whose checkpoint was damaged may have lost epochs for good, if nothing asked for them again."""
    for number, row in expected.items():
        other = found.get(number)
        if other != row and not (other and number in damaged and other[0] == row[0] and other[1] < row[1]):
            verdict.problems.append(f"trial {number}: (status, epochs, score) is {other}, in the undisturbed run {row}")


def stray_files(records: Iterable[Record], present: Iterable[str]) -> list[str]:
    """Checkpoint files that no record accounts for, and checkpoints without their file."""
    committed: set[str] = set()
    for record in records:
        if isinstance(record, CheckpointSaved):
            committed.add(record.checkpoint.name)
        elif isinstance(record, Discard):
            committed.discard(record.checkpoint.name)
    files = set(present)
    return [f"checkpoint file without owner: {name}" for name in sorted(files - committed)] + [
        f"checkpoint without its file: {name}" for name in sorted(committed - files)
    ]
