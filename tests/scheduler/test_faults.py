"""Trials that fail: how often each kind of failure is tried again, and when a run gives up altogether."""

from typing import Any

import pytest

from orchestrator.scheduler.events import FailureKind
from tests.scheduler.support import (
    Brain,
    begun,
    checkpoint,
    completed,
    dismiss,
    diverged,
    end_run,
    failed,
    finish,
    give_up,
    joined,
    lost,
    pause,
    paused_and_saved,
    released,
    reported,
    saved,
    started,
    suspend,
    train,
)

AGAIN: tuple[FailureKind, ...] = ("exception", "storage")


def one_worker(**settings: Any) -> Brain:
    return begun("none", workers=1, **{"trials": 4, "queues": False, **settings})


# Exceptions, and storage that refuses.


@pytest.mark.parametrize("kind", AGAIN)
def test_a_failed_trial_goes_on_from_its_checkpoint(kind: FailureKind) -> None:
    brain = one_worker()
    brain.tell(reported(0, 1, 0.5), saved(0, 1), reported(0, 2, 0.9))
    again = train(0, worker=0, attempt=2, after_epoch=1, start=checkpoint(0, 1), reason="again: ValueError: no luck")
    assert brain.tell(failed(0, kind=kind)) == [again]
    assert brain.state.trials[0].score == 0.5, "what was not saved is withdrawn"
    assert brain.tell(reported(0, 2, 0.6, attempt=2), reported(0, 9, 0.7, attempt=2), completed(0, attempt=2)) == [
        train(1)
    ]
    assert brain.status(0) == "completed"


def test_without_a_checkpoint_it_begins_anew_with_the_same_seed() -> None:
    brain = one_worker()
    seed = brain.state.trials[0].assignment.seed
    brain.tell(reported(0, 1, 0.5))
    assert brain.tell(failed(0, kind="exception")) == [train(0, attempt=2, after_epoch=0, start=None, seed=seed)]


@pytest.mark.parametrize("kind", AGAIN)
def test_with_no_retries_the_first_failure_is_the_last(kind: FailureKind) -> None:
    brain = one_worker(retries=0)
    gone = give_up(0, attempt=2, reason="ValueError: no luck in trial 0")
    assert brain.tell(failed(0, kind=kind)) == [gone, train(1, worker=0)]
    assert (brain.status(0), brain.state.trials[0].reason) == ("failed", "ValueError: no luck in trial 0")


def fail_at(brain: Brain, epoch: int, attempt: int, where: str = "") -> list[Any]:
    """Trial 0 trains from its checkpoint up to `epoch`, saves it, and fails then."""
    words = [reported(0, epoch, 0.5, attempt=attempt), saved(0, epoch, attempt=attempt)]
    return brain.tell(words, failed(0, attempt=attempt, kind="exception", where=where))


def test_the_third_failure_is_the_last_of_two_retries() -> None:
    brain = one_worker()
    assert fail_at(brain, 1, attempt=1) == [train(0, attempt=2, after_epoch=1)]
    assert fail_at(brain, 2, attempt=2) == [train(0, attempt=3, after_epoch=2)]
    decided = fail_at(brain, 3, attempt=3)
    assert decided[0] == give_up(0, attempt=4, reason="ValueError: no luck in trial 0 (3 times)")
    assert decided[-1] == train(1, worker=0) and brain.state.trials[0].score is None
    assert brain.state.trials[0].checkpoint is None, "a failed trial keeps nothing"


def test_the_same_exception_at_the_same_epoch_again_is_the_last() -> None:
    brain = one_worker()
    assert fail_at(brain, 1, attempt=1) == [train(0, attempt=2)]
    decided = brain.tell(failed(0, attempt=2, kind="exception"))
    assert decided[0] == give_up(0, reason="ValueError: no luck in trial 0 (and again when tried once more)")


def test_so_it_is_for_a_trial_that_has_saved_nothing() -> None:
    brain = one_worker()
    brain.tell(reported(0, 1, 0.5), failed(0, kind="exception"), reported(0, 1, 0.5, attempt=2))
    assert brain.tell(failed(0, attempt=2, kind="exception"))[0] == give_up(0, reason="and again")


def test_another_exception_at_the_same_epoch_is_not() -> None:
    brain = one_worker()
    brain.tell(reported(0, 1, 0.5), saved(0, 1), failed(0, kind="exception", where="study.py:1"))
    decided = brain.tell(failed(0, attempt=2, kind="exception", where="study.py:2"))
    assert decided == [train(0, attempt=3, after_epoch=1)]


def test_the_same_exception_after_some_progress_is_not() -> None:
    brain = one_worker()
    assert fail_at(brain, 1, attempt=1, where="study.py:1") == [train(0, attempt=2)]
    assert fail_at(brain, 2, attempt=2, where="study.py:1") == [train(0, attempt=3, after_epoch=2)]


def test_losses_in_between_do_not_use_up_its_retries() -> None:
    brain = one_worker()
    fail_at(brain, 1, attempt=1)
    brain.tell(lost(0), joined(1), lost(1), joined(2))
    assert fail_at(brain, 2, attempt=4) == [train(0, attempt=5, after_epoch=2)]
    assert brain.state.trials[0].losses == 0 and brain.state.trials[0].failures == 2


@pytest.mark.parametrize("kind", ["configuration", "unknown"])
def test_what_would_fail_alike_is_never_tried_again(kind: FailureKind) -> None:
    brain = one_worker()
    assert brain.tell(failed(0, kind=kind)) == [train(1, worker=0)]
    assert brain.status(0) == "failed"


def test_a_failed_trial_goes_on_before_others_begin() -> None:
    brain = begun("none", workers=2, trials=4, queues=False)
    brain.tell(lost(0), failed(1, kind="exception"))
    assert [brain.status(trial) for trial in (0, 1)] == ["running", "waiting"]
    assert brain.tell(joined(2)) == [train(1, worker=2, attempt=2)]


def test_a_trial_that_fails_while_it_is_saved_to_pause_stays_paused() -> None:
    brain = begun(workers=1, trials=9)
    assert brain.tell(reported(0, 1, 0.5)) == [pause(0), train(1)]
    assert brain.tell(failed(0, kind="storage")) == []
    assert (brain.status(0), brain.state.trials[0].attempt, brain.state.trials[0].score) == ("paused", 2, 0.5)
    brain.tell(reported(1, 1, 0.2), paused_and_saved(1, 1))
    assert brain.tell(reported(2, 1, 0.1))[-1] == train(0, attempt=3, after_epoch=0, start=None, reason="promoted")


def test_without_retries_it_has_failed() -> None:
    brain = begun(workers=1, trials=9, retries=0)
    brain.tell(reported(0, 1, 0.5))
    assert brain.tell(failed(0, kind="storage")) == [give_up(0, reason="ValueError: no luck in trial 0")]
    assert brain.status(0) == "failed"
    brain.tell(reported(1, 1, 0.2), paused_and_saved(1, 1))
    assert brain.tell(reported(2, 1, 0.1)) == [pause(2), train(3)], "nor does it count at its rung any more"


def test_a_stopped_trial_that_fails_then_stays_stopped() -> None:
    brain = begun("median", workers=6, trials=9)
    brain.tell(reported(trial, 1, 0.5) for trial in range(5))
    brain.tell(reported(5, 1, 0.1))
    assert brain.tell(failed(5, kind="exception")) == []
    assert brain.status(5) == "stopped" and brain.state.trials[5].failures == 0


def test_diverged_is_no_failure() -> None:
    brain = one_worker(retries=2, max_failures=1)
    assert brain.tell(reported(0, 1, 0.5), diverged(0)) == [train(1)]
    assert brain.status(0) == "diverged" and brain.state.ending is None


def test_late_words_of_an_attempt_that_failed_are_counted_and_ignored() -> None:
    brain = one_worker()
    brain.tell(reported(0, 1, 0.5), failed(0, kind="exception"))
    late = [reported(0, 2, 0.9), saved(0, 2), failed(0, kind="exception"), completed(0), released(0)]
    assert [brain.tell(word) for word in late] == [[]] * 5
    trial = brain.state.trials[0]
    assert (brain.state.words_ignored, brain.status(0), trial.failures, trial.checkpoint) == (5, "running", 1, None)
    assert brain.state.epochs_trained == 1


# Out of memory.


def test_out_of_gpu_memory_is_tried_once_more_in_a_fresh_worker() -> None:
    brain = one_worker()
    brain.tell(reported(0, 1, 0.5), saved(0, 1))
    decided = brain.tell(failed(0, kind="out of memory"))
    assert decided == [dismiss(0, reason="a trial ran out of memory there")]
    assert brain.tell(lost(0, cause="dismissed")) == []
    assert brain.tell(joined(1)) == [train(0, worker=1, attempt=2, after_epoch=1, reason="again: ValueError")]
    decided = brain.tell(failed(0, attempt=2, kind="out of memory"))
    reason = "out of memory again in a fresh worker: ValueError: no luck in trial 0"
    assert give_up(0, reason=reason) in decided and dismiss(1) in decided
    assert brain.state.trials[0].reason == reason and brain.status(0) == "failed"


def test_out_of_host_memory_is_tried_once_more_in_a_fresh_worker() -> None:
    brain = one_worker()
    assert brain.tell(reported(0, 1, 0.5), lost(0, cause="out of memory")) == []
    assert brain.tell(joined(1)) == [train(0, worker=1, attempt=2)]
    assert brain.tell(lost(1, cause="out of memory")) == [give_up(0, reason="out of memory again in a fresh worker")]
    assert brain.state.trials[0].losses == 0


def test_one_of_each_is_twice() -> None:
    brain = one_worker()
    brain.tell(failed(0, kind="out of memory"), lost(0, cause="dismissed"), joined(1))
    assert brain.tell(lost(1, cause="out of memory"))[0] == give_up(0, reason="out of memory again")


def test_it_is_no_use_to_have_retries() -> None:
    brain = one_worker(retries=0)
    brain.tell(failed(0, kind="out of memory"), lost(0, cause="dismissed"))
    assert brain.tell(joined(1)) == [train(0, worker=1, attempt=2)]


def test_a_used_worker_is_none_for_it_while_others_train() -> None:
    brain = begun("none", workers=3, trials=9, queues=False)
    brain.tell(reported(1, 9, 0.5, at=60.0))
    assert brain.tell(failed(0, kind="out of memory", at=60.0)) == [dismiss(0)]
    assert brain.tell(completed(1, at=60.0)) == [train(3, worker=1)], "others go on there"
    assert brain.tell(lost(0, cause="dismissed", at=60.0), joined(3, at=61.0)) == [train(0, worker=3, attempt=2)]


def test_the_last_idle_worker_is_replaced_for_it() -> None:
    """Worker 1 has trained before and has nothing else to do: a fresh one takes its place."""
    brain = begun("none", workers=2, trials=2, queues=False)
    brain.tell(reported(1, 9, 0.5), completed(1))
    assert brain.tell(failed(0, kind="out of memory")) == [dismiss(0)], "whose place will be taken"
    decided = brain.tell(lost(0, cause="dismissed"))
    assert decided == [dismiss(1, reason="trial 0 ran out of memory and goes on in a fresh worker")]
    assert brain.tell(joined(2)) == [train(0, worker=2, attempt=2)]


def test_a_fresh_worker_takes_it_before_others_that_wait() -> None:
    brain = begun("none", workers=3, trials=3, queues=False)
    brain.tell(lost(0), lost(1, cause="out of memory"))
    assert brain.tell(joined(3)) == [train(1, worker=3, attempt=2)]
    assert brain.tell(joined(4)) == [train(0, worker=4, attempt=2)]


def brief(**settings: Any) -> Brain:
    """One worker, trials of a millisecond: several are queued."""
    brain = begun("none", workers=1, epochs=1, trials=40, **settings)
    brain.tell(reported(0, 1, 0.5, at=0.001), completed(0, at=0.001))
    return brain


def test_nothing_is_queued_behind_it() -> None:
    brain = brief()
    assert len(brain.state.workers[0].queue) > 2
    assert brain.tell(lost(0, cause="out of memory", at=0.002)) == []
    assert brain.state.trials[1].memory_failures == 1 and brain.state.trials[2].memory_failures == 0
    assert brain.tell(joined(1, at=0.003)) == [train(1, worker=1, attempt=2)]
    assert list(brain.state.workers[1].queue) == [1]
    assert brain.tell(reported(1, 1, 0.5, attempt=2, at=0.004), completed(1, attempt=2, at=0.004))[0] == train(2)


def test_what_is_queued_when_a_trial_runs_out_of_gpu_memory_is_worked_off() -> None:
    brain = brief()
    behind = list(brain.state.workers[0].queue)[1:]
    assert brain.tell(failed(1, kind="out of memory", at=0.002)) == [], "nothing more is queued there"
    for trial in behind:
        decided = brain.tell(reported(trial, 1, 0.5, at=0.003), completed(trial, at=0.003))
    assert decided[-1] == dismiss(0)
    assert brain.tell(lost(0, cause="dismissed", at=0.004), joined(1, at=0.005)) == [train(1, attempt=2)]


# When it is no use to go on.


@pytest.mark.parametrize("retries", [0, 2])
def test_the_first_three_that_fail_alike_end_the_run_before_they_are_tried_again(retries: int) -> None:
    brain = begun("none", workers=3, trials=9, retries=retries, queues=False)
    brain.tell(failed(0, kind="exception", where="study.py:7"), failed(1, kind="exception", where="study.py:7"))
    if retries:
        assert [brain.state.trials[trial].attempt for trial in range(3)] == [2, 2, 1]
    decided = brain.tell(failed(2, kind="exception", where="study.py:7"))
    assert decided[0] == end_run("failed", reason="the first 3 trials failed alike: ValueError: no luck in trial 0")
    brain.tell(
        *[released(trial.number, attempt=trial.attempt) for trial in brain.state.trials if trial.holder is not None]
    )
    assert brain.state.finished == finish("failed")
    assert [brain.status(trial) for trial in range(3)] == ["failed"] * 3
    assert all("no luck" in trial.reason for trial in brain.state.trials[:3])


def test_not_so_if_one_got_further_meanwhile() -> None:
    brain = begun("none", workers=3, trials=9, queues=False)
    brain.tell(failed(0, kind="exception", where="study.py:7"), failed(1, kind="exception", where="study.py:7"))
    brain.tell(reported(0, 1, 0.5, attempt=2))
    assert brain.tell(failed(2, kind="exception", where="study.py:7")) == [train(2, attempt=2)]


@pytest.mark.parametrize("kind", ["configuration", "exception"])
def test_so_many_failed_trials_end_the_run(kind: FailureKind) -> None:
    brain = begun("none", workers=1, trials=9, max_failures=2, retries=0, queues=False)
    brain.tell(reported(0, 9, 0.5), completed(0), failed(1, kind=kind))
    assert brain.state.ending is None
    reason = "2 trials have failed (--max-failures 2), such as trial 2: ValueError: no luck in trial 2"
    decided = brain.tell(failed(2, kind=kind))
    assert decided[-2:] == [end_run("failed", reason=reason), finish("failed", reason=reason)]
    assert brain.state.best is brain.state.trials[0]


def test_trials_that_are_tried_again_have_not_failed() -> None:
    brain = begun("none", workers=1, trials=9, max_failures=1)
    assert brain.tell(failed(0, kind="exception")) == [train(0, attempt=2)]
    assert brain.tell(failed(0, attempt=2, kind="exception"))[:2] == [give_up(0), end_run("failed")]


def test_a_run_that_fails_gives_up_no_trial_that_has_recovered() -> None:
    brain = begun("none", workers=2, trials=9, max_failures=1, queues=False)
    brain.tell(failed(0, kind="exception"), reported(0, 1, 0.5, attempt=2), saved(0, 1, attempt=2))
    decided = brain.tell(failed(1, kind="configuration"))
    assert decided[:2] == [end_run("failed"), suspend(0)]
    assert brain.tell(released(0, attempt=2)) == [finish("failed")]
    assert brain.status(0) == "waiting"


def test_a_bad_study_is_no_matter_of_retries() -> None:
    brain = begun("none", workers=1)
    assert brain.tell(failed(0, bad_study=True, kind="configuration")) == [
        end_run("failed", reason="no luck in trial 0"),
        finish("failed"),
    ]


# Workers that go.


def test_a_worker_that_is_lost_to_no_fault_of_the_trials_does_not_count() -> None:
    brain = begun("none", workers=1, trials=2, epochs=9, queues=False)
    attempt = 1
    for cause in ("node died", "preempted", "dismissed") * 2:
        brain.tell(reported(0, 1, 0.5, attempt=attempt))
        brain.tell(lost(attempt - 1, cause=cause), joined(attempt))
        attempt += 1
    trial = brain.state.trials[0]
    assert (brain.status(0), trial.attempt, trial.faults) == ("running", 7, 0)


def test_dismissed_workers_are_not_lost_in_a_row() -> None:
    brain = begun("none", workers=1, trials=2, queues=False)
    for worker in range(20):
        brain.tell(lost(worker, cause="dismissed"), joined(worker + 1))
    assert brain.state.losses_in_a_row == 0 and brain.state.ending is None
    brain.tell(lost(20, cause="preempted"))
    assert brain.state.losses_in_a_row == 1


def test_the_reason_of_a_dismissal_does_not_hide_why_the_trial_goes_on() -> None:
    brain = begun("none", workers=1, trials=1, stall_timeout=60.0)
    brain.tell(failed(0, kind="out of memory"), lost(0, cause="dismissed"))
    assert brain.tell(joined(1)) == [train(0, reason="again: ValueError: no luck in trial 0")]


def test_before_any_worker_joins_nothing_can_fail() -> None:
    brain = Brain("none")
    assert brain.tell(started(), lost(3, cause="out of memory")) == []
