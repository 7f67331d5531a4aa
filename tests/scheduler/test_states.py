"""The table of states: each record in each state, written out once more, and what stands beside the table."""

import pytest

from orchestrator.scheduler.events import TrialStopRequested
from orchestrator.scheduler.instructions import Dismiss, Finish, GiveUp, Record
from orchestrator.scheduler.legality import IllegalRecord
from orchestrator.scheduler.trial import TRANSITIONS, Status
from orchestrator.scheduler.validation import validate
from tests.scheduler.records import BEGUN, folded, pause, stop, suspend, train
from tests.scheduler.support import (
    built,
    checkpoint,
    completed,
    damaged,
    delayed,
    discard,
    diverged,
    dump,
    failed,
    joined,
    lost,
    released,
    reported,
    resumed,
    saved,
    started,
)

TABLE = """
                   waiting    running    paused     stopped  completed  diverged  failed
Train              running    running    running    -        -          -         -
Pause              paused     paused     -          -        -          -         -
Suspend            waiting    waiting    -          -        -          -         -
Stop               stopped    stopped    stopped    -        -          -         -
GiveUp             failed     -          failed        -        -          -         -
TrialReported      waiting    running    -          stopped  -          -         -
TrialBuilt         waiting    running    -          stopped  -          -         -
CheckpointSaved    waiting    running    paused     stopped  -          -         -
CheckpointDelayed  waiting    running    paused     stopped  -          -         -
CheckpointDamaged  waiting    waiting    paused     stopped  completed  diverged  failed
TrialReleased      waiting    -          paused     stopped  -          -         -
TrialCompleted     completed  completed  completed  stopped  -          -         -
TrialDiverged      diverged   diverged   diverged   stopped  -          -         -
TrialFailed        failed     failed     failed     stopped  -          -         -
WorkerLost         waiting    waiting    paused     stopped  completed  diverged  failed
TrialStopRequested waiting    running    paused     stopped  completed  diverged  failed
"""
STATUSES, *ROWS = [line.split() for line in TABLE.splitlines() if line]
PAIRS = [(status, row[0], after) for row in ROWS for status, after in zip(STATUSES, row[1:], strict=True)]


SAVED = (*BEGUN, saved(0, 1))
WAYS = {
    "waiting": (*SAVED, suspend(0)),
    "running": SAVED,
    "paused": (*SAVED, pause(0)),
    "stopped": (*SAVED, stop(0)),
    "completed": (*SAVED, completed(0)),
    "diverged": (*SAVED, diverged(0)),
    "failed": (*SAVED, failed(0)),
}


def record_of(kind: str, attempt: int) -> Record:
    return {
        "Train": train(0, after=1, attempt=attempt),
        "Pause": pause(0, attempt),
        "Suspend": suspend(0, attempt),
        "Stop": stop(0, attempt),
        "GiveUp": GiveUp(trial=0, attempt=attempt, reason="its worker was lost 3 times"),
        "TrialReported": reported(0, 2, 0.6, attempt),
        "TrialBuilt": built(0, attempt),
        "CheckpointSaved": saved(0, 1, attempt=attempt),
        "CheckpointDelayed": delayed(0, attempt),
        "CheckpointDamaged": damaged(0, 1, attempt),
        "TrialReleased": released(0, attempt),
        "TrialCompleted": completed(0, attempt),
        "TrialDiverged": diverged(0, attempt=attempt),
        "TrialFailed": failed(0, attempt),
        "WorkerLost": lost(0),
        "TrialStopRequested": TrialStopRequested(at=0.0, trial=0, reason="asked to stop by ann@home"),
    }[kind]


@pytest.mark.parametrize(("status", "kind", "after"), PAIRS)
def test_each_record_in_each_state(status: str, kind: str, after: str) -> None:
    state = folded(*WAYS[status])
    trial = state.trials[0]
    assert trial.status == status
    before = dump(state)
    record = record_of(kind, trial.attempt)
    if after == "-":
        with pytest.raises(IllegalRecord, match=f"trial 0 is {status}"):
            state.apply(record)
        assert dump(state) == before
    else:
        assert state.apply(record)
        validate(state)
        assert trial.status == after


def test_the_table_above_is_the_whole_table() -> None:
    ended = {"completed", "diverged", "failed"}
    ours = {(s, kind): after for s, kind, after in PAIRS if after != "-" and not (s in ended and kind == "WorkerLost")}
    assert {(str(s), kind.__name__): str(after) for (s, kind), after in TRANSITIONS.items()} == ours
    assert {str(status) for status in Status} == set(STATUSES)
    assert {str(status) for status in Status if status.ended} == {*ended, "stopped"}


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (reported(7, 1, 0.5), "there is no such trial"),
        (reported(-1, 1, 0.5), "there is no such trial"),
        (reported(0, 2, 0.5, attempt=2), "attempt 1 is the last one begun"),
        (train(7), "trials are numbered in order, 1 is the next"),
        (pause(7), "numbered in order"),
        (stop(-1), "numbered in order"),
        (train(1, worker=9), "there is no such worker"),
        (train(0, after=1, worker=9), "there is no such worker"),
        (joined(1), "the worker is there already"),
        (discard(7, 1), "there is no such checkpoint"),
        (discard(0, 1), "there is no such checkpoint"),
        (suspend(0, worker=9), "there is no such worker"),
        (Dismiss(worker=9, reason="it is worn out"), "there is no such worker"),
    ],
)
def test_records_of_what_is_not_there_are_illegal(record: Record, words: str) -> None:
    state = folded(*BEGUN)
    before = dump(state)
    with pytest.raises(IllegalRecord, match=words):
        state.apply(record)
    assert dump(state) == before


def test_a_report_without_the_objective_is_illegal() -> None:
    state = folded(*BEGUN)
    before = dump(state)
    report = reported(0, 2, 0.5)
    report.metrics["loss"] = report.metrics.pop("val")
    with pytest.raises(IllegalRecord, match="'val' is not among the metrics"):
        state.apply(report)
    assert dump(state) == before


def test_the_loss_of_a_worker_that_never_joined_is_only_counted() -> None:
    state = folded(*BEGUN, lost(7))
    assert (state.losses_in_a_row, sorted(state.workers)) == (1, [0, 1])


def test_that_a_discarded_checkpoint_was_damaged_is_ignored() -> None:
    """The two cross on their way, as when a run is resumed and makes room at once."""
    state = folded(*BEGUN)
    before = dump(state)
    assert not state.apply(damaged(0, 1))
    assert dump(state) == {**before, "words_ignored": 1}


@pytest.mark.parametrize("word", [reported(0, 3, 0.9), saved(0, 3), released(0), completed(0), diverged(0), failed(0)])
def test_words_of_an_attempt_that_was_given_up_are_counted_and_ignored(word: Record) -> None:
    state = folded(*BEGUN, lost(0), train(0, attempt=2, worker=1), reported(0, 1, 0.4, attempt=2))
    before = dump(state)
    assert not state.apply(word)
    assert state.words_ignored == 1
    assert dump(state) == {**before, "words_ignored": 1}


QUEUED = (started(), joined(0), joined(1), train(0), train(1, queued=True), train(2, queued=True))


def test_a_queued_trial_begins_when_the_one_before_it_ends() -> None:
    state = folded(*QUEUED)
    assert [str(trial.status) for trial in state.trials] == ["running", "waiting", "waiting"]
    for record in (reported(0, 1, 0.5), completed(0)):
        state.apply(record)
    validate(state)
    assert [str(trial.status) for trial in state.trials] == ["completed", "running", "waiting"]
    state.apply(stop(2))
    state.apply(failed(1))
    validate(state)
    assert list(state.idle) == [0, 1] and list(state.workers[0].queue) == []


def test_queued_trials_wait_for_another_worker_when_theirs_is_lost() -> None:
    state = folded(*QUEUED, lost(0))
    assert [str(trial.status) for trial in state.trials] == ["waiting"] * 3
    assert list(state.ready) == [0, 1, 2] and [trial.attempt for trial in state.trials] == [2, 2, 2]
    assert [trial.losses for trial in state.trials] == [1, 0, 0], "only the one in training may be the cause"


def test_a_worker_is_idle_as_soon_as_its_trial_paused_and_holds_it_until_it_lets_go() -> None:
    state = folded(*BEGUN, pause(0))
    assert list(state.idle) == [0, 1] and state.held == {0}
    state.apply(released(0))
    assert state.held == set() and state.trials[0].holder is None and state.trials[0].worker == 0


def test_reports_after_a_stop_are_kept() -> None:
    state = folded(*BEGUN, stop(0), reported(0, 2, 0.9), saved(0, 2), released(0))
    trial = state.trials[0]
    assert (trial.epoch, trial.score, trial.status, trial.reason) == (2, 0.9, "stopped", "to end")
    assert state.best is trial and trial.checkpoint == checkpoint(0, 2)


@pytest.mark.parametrize(
    ("last_word", "score"),
    [
        pytest.param(completed(0), 0.5, id="completed"),
        pytest.param(released(0), 0.5, id="released"),
        pytest.param(diverged(0), None, id="diverged: its weights are lost"),
        pytest.param(failed(0), None, id="failed: its weights are lost"),
        pytest.param(lost(0), None, id="lost: its weights are lost"),
    ],
)
def test_a_stopped_trial_stays_so_whatever_its_last_words_are(last_word: Record, score: float | None) -> None:
    state = folded(*BEGUN, stop(0), last_word)
    assert (state.trials[0].status, state.trials[0].reason, state.trials[0].score) == ("stopped", "to end", score)
    assert state.held == set()
    state = folded(*BEGUN, saved(0, 1), reported(0, 2, 0.3), stop(0), last_word)
    assert state.trials[0].score == 0.5, "those are in the checkpoint"


def test_after_the_end_nothing_follows() -> None:
    state = folded(started(), Finish(outcome="done", reason="no more"))
    with pytest.raises(IllegalRecord, match="after the run was finished"):
        state.apply(joined(0))
    assert state.apply(resumed()) and state.finished is None, "but that the run is resumed"
