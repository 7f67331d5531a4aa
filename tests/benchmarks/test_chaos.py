"""The parts of the chaos harness that start nothing: what is drawn, and how a journal is judged."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.chaos.disk import fill
from benchmarks.chaos.faults import KINDS, LONGEST_AFTER, draw
from benchmarks.chaos.inject import damage
from benchmarks.chaos.judge import (
    UNEXPLAINED,
    Retraining,
    Strike,
    Verdict,
    allowance,
    judge,
    outcome,
    retrainings,
    stray_files,
)
from benchmarks.chaos.table import Tally
from orchestrator.objective import Objective
from orchestrator.scheduler.events import CheckpointDelayed, RunResumed
from orchestrator.scheduler.instructions import Discard, EndRun, Finish, Record
from orchestrator.scheduler.legality import IllegalRecord
from tests.scheduler.records import stop, train
from tests.scheduler.support import checkpoint, completed, joined, lost, reported, saved, started

OBJECTIVE = Objective("val", "max")
INTERVAL = 2.0
"""Of checkpoints; an epoch takes a second."""
VALUES = {epoch: epoch / 10 for epoch in range(1, 10)}


def epochs(first: int, last: int, attempt: int = 1, trial: int = 0) -> list[Record]:
    return [reported(trial, epoch, VALUES[epoch], attempt=attempt) for epoch in range(first, last + 1)]


def done() -> list[Record]:
    return [EndRun(outcome="done", reason="all trials"), Finish(outcome="done", reason="all trials")]


UNDISTURBED: list[Record] = [started(), joined(0), train(0), *epochs(1, 9), completed(0), *done()]
BEFORE: list[Record] = [started(), joined(0), train(0), *epochs(1, 3), saved(0, 3), *epochs(4, 5)]
"""Until the worker is killed."""
AFTER: list[Record] = [
    lost(0),
    joined(1),
    train(0, 3, attempt=2, worker=1, start=True),
    *epochs(4, 9, attempt=2),
    completed(0, attempt=2),
    *done(),
]


def judged(
    records: Sequence[Record], strikes: Sequence[Strike] = (), undisturbed: Sequence[Record] = UNDISTURBED
) -> Verdict:
    return judge(records, strikes, outcome(undisturbed, OBJECTIVE), OBJECTIVE, INTERVAL, same_decisions=True)


STRIKE = Strike("worker", BEFORE)


class TestDraw:
    def test_the_same_seed_draws_the_same_faults(self) -> None:
        assert draw(3, 40, [*KINDS]) == draw(3, 40, [*KINDS])
        assert draw(3, 40, [*KINDS]) != draw(4, 40, [*KINDS])

    @pytest.mark.parametrize("count", [1, 7, 60])
    def test_kinds_are_shared_out_evenly(self, count: int) -> None:
        counts = Counter(fault.kind for fault in draw(0, count, [*KINDS]))
        assert sum(counts.values()) == count
        assert max(counts.values()) - min(counts[kind] for kind in KINDS) <= 1

    def test_moments_and_victims(self) -> None:
        faults = draw(1, 200, ["driver", "worker"])
        assert {fault.kind for fault in faults if fault.hasty} == {"driver"}
        assert all(0 <= fault.after <= LONGEST_AFTER for fault in faults if not fault.hasty)
        assert {fault.among(3) for fault in faults} == {0, 1, 2}


class TestJudge:
    def test_a_run_that_lost_nothing(self) -> None:
        verdict = judged([*BEFORE, *AFTER], [STRIKE])
        assert verdict.problems == []
        assert verdict.retrainings == [Retraining(strike=0, trial=0, epochs=2, allowed=3)]
        assert verdict.lost.total() == verdict.duplicated.total() == 0
        assert verdict.compared == 11

    def test_a_report_that_is_gone(self) -> None:
        del (records := [*BEFORE, *AFTER])[BEFORE.index(reported(0, 2, 0.2))]
        verdict = judged(records, [STRIKE, Strike("driver", records)])
        assert verdict.lost == {0: 1, 1: 0}
        assert "lost: (0, 1, 2, (('val', 0.2),))" in verdict.problems

    def test_a_trial_that_had_ended_otherwise(self) -> None:
        ended = [*UNDISTURBED[:-3], stop(0)]
        verdict = judged(UNDISTURBED, [Strike("driver", ended)])
        assert verdict.lost == {0: 1}
        assert verdict.problems == ["lost: (0, 'stopped, now completed')"]

    def test_a_report_that_is_there_twice(self) -> None:
        place = UNDISTURBED.index(reported(0, 5, 0.5))
        verdict = judged(
            [*UNDISTURBED[:place], UNDISTURBED[place], *UNDISTURBED[place:]], [Strike("driver", UNDISTURBED[:4])]
        )
        assert verdict.duplicated == {0: 1}
        assert verdict.problems == ["twice in the journal: ('report', 0, 1, 5)"]

    def test_a_trial_that_ends_twice_makes_no_journal(self) -> None:
        with pytest.raises(IllegalRecord, match="trial 0 is completed"):
            judged([*UNDISTURBED[:-2], completed(0), *done()])

    def test_metrics_that_differ(self) -> None:
        records = [*BEFORE, *AFTER]
        records[records.index(reported(0, 4, 0.4, attempt=2))] = reported(0, 4, 0.41, attempt=2)
        assert judged(records).problems[-1].startswith("trial 0, attempt 2, epoch 4: {'val': 0.41}, in the undisturbed")

    def test_a_configuration_that_differs(self) -> None:
        other = [*UNDISTURBED[:-3], completed(0), train(1), *epochs(1, 9, trial=1), completed(1, attempt=1), *done()]
        problems = judged(other).problems
        assert problems == ["trial 1 has another configuration or seed than in the undisturbed run"]

    def test_a_run_that_is_not_done(self) -> None:
        problems = judged(BEFORE).problems
        assert problems[0] == "the run is not done: None"
        assert problems[1] == "trial 0 has not ended: running"
        assert problems[2].startswith("trial 0: (status, epochs, score) is ('running', 5, 0.5), in the undisturbed")

    def test_epochs_of_a_damaged_checkpoint_may_be_lost_for_good(self) -> None:
        stopped = [*BEFORE, stop(0), *done()]
        shorter = [*BEFORE[:-1], stop(0), *done()]
        assert len(judged(shorter, undisturbed=stopped).problems) == 1
        damaged = Strike("checkpoint", BEFORE[:-1], frozenset([0]))
        assert judged(shorter, [damaged], undisturbed=stopped).problems == []


class TestRetrainings:
    def again(self, before: list[Record], after_epoch: int, *strikes: Strike) -> list[Retraining]:
        taken_up = train(0, after_epoch, attempt=2, worker=1, start=True)
        return retrainings([*before, lost(0), joined(1), taken_up], strikes, INTERVAL)

    def test_more_than_an_interval_is_too_much(self) -> None:
        assert self.again(BEFORE, 1, STRIKE) == [Retraining(0, 0, epochs=4, allowed=3)]
        assert any("4 epochs trained twice" in problem for problem in judged(self.too_far(), [STRIKE]).problems)

    def too_far(self) -> list[Record]:
        return [
            *BEFORE,
            lost(0),
            joined(1),
            train(0, 1, attempt=2, worker=1),
            *epochs(2, 9, 2),
            completed(0, 2),
            *done(),
        ]

    def test_none_for_a_trial_that_lost_nothing(self) -> None:
        assert self.again(BEFORE, 5, STRIKE) == []

    def test_before_the_first_fault(self) -> None:
        assert self.again(BEFORE, 3, Strike("driver", [*BEFORE] * 2)) == [Retraining(UNEXPLAINED, 0, 2, 3)]

    def test_all_of_it_where_the_checkpoint_was_damaged_or_could_not_be_saved(self) -> None:
        assert self.again(BEFORE, 0, Strike("checkpoint", BEFORE, frozenset([0]))) == [Retraining(0, 0, 5, 5)]
        delayed = CheckpointDelayed(at=0.0, trial=0, attempt=1, reason="no space left on device")
        assert self.again([*BEFORE, delayed], 0, STRIKE) == [Retraining(0, 0, 5, 5)]
        assert self.again([*BEFORE, delayed, saved(0, 5)], 0, STRIKE) == [Retraining(0, 0, 5, 3)]

    def test_going_on_in_memory_and_a_driver_that_dies_too_are_told_apart(self) -> None:
        going_on = [
            *BEFORE,
            train(0, 5),
            *epochs(6, 6),
            RunResumed(at=1.0),
            joined(1),
            train(0, 3, attempt=2, worker=1),
        ]
        assert retrainings(going_on, [STRIKE], INTERVAL) == [Retraining(0, 0, epochs=3, allowed=3)]

    def test_words_of_an_attempt_that_was_given_up_do_not_count(self) -> None:
        late = [*BEFORE, lost(0), joined(1), train(0, 3, attempt=2, worker=1, start=True), *epochs(6, 6)]
        assert [r.epochs for r in retrainings([*late, train(0, 3, attempt=3, worker=1)], [], INTERVAL)] == [2]

    @pytest.mark.parametrize(
        ("seconds", "allowed"), [([], 1), ([1.0], 2), ([1.0, 1.0, 1.0], 3), ([9.0, 0.5, 0.5], 4), ([0.1] * 50, 21)]
    )
    def test_what_fits_into_an_interval(self, seconds: list[float], allowed: int) -> None:
        assert allowance(seconds, INTERVAL) == allowed


def test_files_of_checkpoints() -> None:
    records = [*BEFORE, saved(0, 5), Discard(checkpoint=checkpoint(0, 3))]
    here = checkpoint(0, 5).name
    assert stray_files(records, [here]) == []
    assert stray_files(records, [here, checkpoint(0, 3).name]) == [
        "checkpoint file without owner: trial-0-attempt-1-epoch-3"
    ]
    assert stray_files(records, []) == ["checkpoint without its file: trial-0-attempt-1-epoch-5"]


@pytest.mark.parametrize("how", [0.0, 0.3, 0.5, 0.99])
def test_damage_leaves_another_file(tmp_path: Path, how: float) -> None:
    path = tmp_path / "trial.npz"
    path.write_bytes(content := bytes(range(200)))
    damage(path, how)
    assert path.read_bytes() != content
    assert len(path.read_bytes()) == 200 if how >= 0.5 else len(path.read_bytes()) < 200


def test_fill_ends_where_there_is_no_room() -> None:
    if Path("/dev/full").exists():
        fill(Path("/dev/full"))


def test_the_table() -> None:
    tally = Tally()
    verdict = judged([*BEFORE, *AFTER], [STRIKE])
    tally.add([STRIKE], {0: 3.5}, verdict)
    lines = tally.table({"disk": "no mount"}).splitlines()
    cells: list[Any] = [line.split() for line in lines]
    assert cells[2] == ["worker", "SIGKILL", "1", "0", "0", "2", "3", "3.5", "3.5"]
    assert lines[3].rstrip() == "disk full: not injected: no mount"
    assert cells[4] == ["all", "1", "0", "0", "2", "3", "3.5", "3.5"]
