"""Trials that take too long in all, trials that are silent for too long, and workers that never let go."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.scheduler.support import (
    Brain,
    begun,
    checkpoint,
    completed,
    delayed,
    dismiss,
    give_up,
    joined,
    lost,
    pause,
    paused_and_saved,
    released,
    reported,
    saved,
    stop,
    suspend,
    time_reached,
    train,
    wake_at,
)


def one_worker(**settings: Any) -> Brain:
    return begun("none", workers=1, **{"trials": 4, "queues": False, **settings})


# In all: --trial-timeout.


def test_a_trial_that_has_trained_too_long_is_stopped_and_keeps_its_score() -> None:
    brain = one_worker(trial_timeout=100.0)
    assert brain.state.wake_at == 100.0
    brain.tell(reported(0, 1, 0.5, at=60.0))
    assert brain.tell(time_reached(100.0)) == [wake_at(159.0)], "an epoch of one second was all it trained"
    decided = brain.tell(time_reached(159.0))
    timed_out = stop(0, worker=0, timed_out=True, reason="timed out: it has trained longer than 100 s")
    assert decided == [timed_out, wake_at(189.0)], "when the worker is killed"
    assert brain.tell(saved(0, 1, at=160.0)) == []
    assert brain.tell(released(0, at=161.0)) == [dismiss(0, reason="timed out")], "a clean start for the next"
    assert (brain.status(0), brain.state.trials[0].score) == ("stopped", 0.5)
    assert brain.state.best is brain.state.trials[0]
    assert brain.tell(lost(0, at=162.0, cause="dismissed"), joined(1, at=170.0))[-1] == train(1, worker=1)
    assert brain.status(0) == "stopped"


def test_a_worker_that_does_not_let_go_of_it_is_dismissed_after_half_a_minute() -> None:
    brain = one_worker(trial_timeout=100.0)
    brain.tell(reported(0, 1, 0.5, at=1.0), saved(0, 1, at=1.0), reported(0, 2, 0.9, at=2.0), time_reached(200.0))
    assert brain.status(0) == "stopped"
    assert brain.tell(time_reached(229.9)) == []
    assert brain.tell(time_reached(230.0)) == [dismiss(0)]
    assert brain.tell(lost(0, at=231.0, cause="dismissed")) == []
    assert (brain.status(0), brain.state.trials[0].score) == ("stopped", 0.5), "of what it had saved"


def test_its_time_is_that_of_all_its_attempts() -> None:
    """Not what it had to train again, nor the time it waited."""
    brain = one_worker(trial_timeout=4.5, trials=1)
    brain.tell(*[reported(0, epoch, 0.5, at=float(epoch)) for epoch in (1, 2, 3)], saved(0, 2, at=3.0))
    brain.tell(lost(0, at=3.0), joined(1, at=100.0))
    assert brain.state.trials[0].seconds == 2.0
    assert brain.tell(reported(0, 3, 0.5, attempt=2, at=101.0)) == []
    assert brain.tell(reported(0, 4, 0.5, attempt=2, at=102.0)) == []
    assert brain.tell(time_reached(102.4)) == [wake_at(102.5)]
    assert brain.tell(time_reached(102.5))[0] == stop(0, attempt=2, timed_out=True)


def test_a_paused_trial_takes_no_time() -> None:
    brain = begun(workers=1, trials=9, trial_timeout=10.0)
    brain.tell(reported(0, 1, 0.5, at=1.0), saved(0, 1, at=1.0), released(0, at=1.0))
    decided = brain.tell(time_reached(500.0))
    assert decided[0] == stop(1, timed_out=True) and brain.status(0) == "paused"


def test_a_trial_that_takes_long_is_waited_for_as_long_as_there_is_time() -> None:
    brain = one_worker(trial_timeout=100.0)
    for epoch in range(1, 10):
        brain.tell(reported(0, epoch, 0.5, at=10.0 * epoch))
    brain.tell(completed(0, at=99.0), time_reached(100.0))
    assert (brain.status(0), brain.status(1)) == ("completed", "running")


# No report: --stall-timeout.


def test_a_silent_trial_is_suspended_and_goes_on_elsewhere() -> None:
    brain = one_worker(stall_timeout=60.0)
    assert brain.state.wake_at == 60.0
    brain.tell(reported(0, 1, 0.5, at=30.0))
    assert brain.tell(time_reached(60.0)) == [wake_at(90.0)]
    decided = brain.tell(time_reached(90.0))
    assert decided == [suspend(0, worker=0, cause="stalled", reason="no report for 60 s"), wake_at(120.0)]
    assert (brain.status(0), brain.state.trials[0].holder) == ("waiting", 0)
    assert brain.tell(saved(0, 1, at=91.0)) == []
    assert brain.tell(released(0, at=91.0)) == [dismiss(0, reason="no report for 60 s")]
    again = train(0, worker=1, attempt=1, after_epoch=1, start=checkpoint(0, 1), reason="again: no report")
    assert again in brain.tell(lost(0, at=92.0, cause="dismissed"), joined(1, at=100.0))
    assert brain.state.trials[0].stalls == 1


def test_one_that_does_not_let_go_either_is_killed_after_half_a_minute() -> None:
    brain = one_worker(stall_timeout=60.0)
    brain.tell(reported(0, 1, 0.5, at=1.0), saved(0, 1, at=1.0), reported(0, 2, 0.5, at=2.0))
    assert brain.tell(time_reached(62.0))[0] == suspend(0)
    assert brain.tell(time_reached(91.9)) == []
    assert brain.tell(time_reached(92.0)) == [dismiss(0, reason="no report for 60 s")]
    decided = brain.tell(lost(0, at=93.0, cause="dismissed"), joined(1, at=94.0))
    assert train(0, worker=1, attempt=2, after_epoch=1, start=checkpoint(0, 1), reason="again: no report") in decided
    trial = brain.state.trials[0]
    assert (trial.stalls, trial.losses) == (1, 0), "counted once"


def stall(brain: Brain, worker: int, attempt: int, at: float) -> list[Any]:
    """The worker has just begun trial 0 at `at`: it says nothing and is killed, and the next worker joins."""
    brain.tell(time_reached(at + 60.0), time_reached(at + 90.0))
    decided = brain.tell(lost(worker, at=at + 90.0, cause="dismissed"))
    return decided + brain.tell(joined(worker + 1, at=at + 90.0))


@pytest.mark.parametrize("retries", [0, 1, 2])
def test_a_trial_that_stalls_again_and_again_has_failed(retries: int) -> None:
    brain = one_worker(stall_timeout=60.0, retries=retries)
    for attempt in range(retries):
        assert train(0, worker=attempt + 1, attempt=attempt + 2) in stall(brain, attempt, attempt + 1, 100.0 * attempt)
        brain.tell(time_reached(100.0 * (attempt + 1)))
        brain.state.heard[0] = 100.0 * (attempt + 1)
    decided = stall(brain, retries, retries + 1, 100.0 * retries)
    assert decided[0] == give_up(0, reason="timed out") and train(1, worker=retries + 1) in decided
    times = f"timed out {retries + 1} times: " if retries else "timed out: "
    assert brain.state.trials[0].reason == f"{times}no report for 60 s (--stall-timeout)"


def test_reports_in_time_are_no_stall() -> None:
    brain = one_worker(stall_timeout=60.0, epochs=100)
    for epoch in range(1, 100):
        decided = brain.tell(reported(0, epoch, 0.5, at=59.0 * epoch))
        assert decided in ([], [wake_at(59.0 * epoch + 60.0)])
    assert brain.state.trials[0].stalls == 0


def test_of_several_trials_the_silent_one_is_suspended() -> None:
    brain = begun("none", workers=3, trials=3, stall_timeout=60.0, queues=False)
    for at in (20.0, 40.0):
        brain.tell(reported(0, int(at), 0.5, at=at), reported(2, int(at), 0.5, at=at))
    assert brain.tell(time_reached(60.0)) == [suspend(1, worker=1, cause="stalled"), wake_at(90.0)]
    assert [brain.status(trial) for trial in range(3)] == ["running", "waiting", "running"]


def test_auto_waits_for_the_first_report_however_long_it_takes() -> None:
    brain = one_worker(stall_timeout="auto")
    assert brain.state.wake_at is None
    brain.tell(time_reached(100_000.0))
    assert brain.status(0) == "running"
    assert brain.tell(reported(0, 1, 0.5, at=100_000.0)) == [wake_at(100_600.0)], "ten minutes at least"
    assert brain.tell(time_reached(100_599.0)) == []
    assert brain.tell(time_reached(100_600.0))[0] == suspend(0, reason="no report for 600 s")


def test_auto_waits_for_twenty_times_the_longest_epoch_of_any_trial() -> None:
    brain = begun("none", workers=2, trials=2, stall_timeout="auto", queues=False)
    brain.tell(replace(reported(0, 1, 0.5, at=60.0), seconds=60.0))
    assert brain.state.wake_at == 1200.0, "trial 1 was last heard of when it began"
    assert brain.tell(time_reached(1200.0))[0] == suspend(1, reason="no report for 1200 s")


def test_none_waits_for_ever() -> None:
    brain = one_worker(stall_timeout=None)
    brain.tell(reported(0, 1, 0.5))
    assert brain.tell(time_reached(1e9)) == [] and brain.state.wake_at is None


def test_a_checkpoint_that_must_wait_is_no_stall() -> None:
    """The disk is full: whatever the worker has must wait, until there is room."""
    brain = one_worker(stall_timeout=60.0)
    brain.tell(reported(0, 1, 0.5, at=1.0))
    for at in (50.0, 100.0, 150.0):
        brain.tell(delayed(0, at=at))
        assert brain.status(0) == "running"
    assert brain.tell(time_reached(209.0)) in ([], [wake_at(210.0)])
    assert brain.tell(time_reached(210.0))[0] == suspend(0, cause="stalled")


def test_nor_for_the_trial_that_begins_behind_it() -> None:
    brain = begun(workers=1, trials=9, stall_timeout=60.0)
    assert brain.tell(reported(0, 1, 0.5, at=1.0))[:2] == [pause(0), train(1)]
    for at in (50.0, 100.0):
        brain.tell(delayed(0, at=at))
    brain.tell(time_reached(159.0))
    assert (brain.status(0), brain.status(1)) == ("paused", "running")
    assert brain.tell(time_reached(160.0))[0] == dismiss(0, reason="it did not let go of trial 0 for 60 s")


# Workers that never let go.


def test_a_worker_that_never_lets_go_of_a_paused_trial_is_dismissed() -> None:
    brain = begun(workers=1, trials=9, stall_timeout=60.0)
    assert brain.tell(reported(0, 1, 0.5, at=1.0))[:2] == [pause(0), train(1)]
    decided = brain.tell(time_reached(61.0))
    assert decided == [dismiss(0, reason="it did not let go of trial 0 for 60 s (--stall-timeout)"), wake_at(121.0)]
    assert brain.tell(lost(0, at=62.0, cause="dismissed")) == []
    assert (brain.status(0), brain.status(1)) == ("paused", "waiting")
    assert train(1, worker=1, attempt=2) in brain.tell(joined(1, at=63.0))
    assert brain.state.trials[1].faults == 0, "it had not even begun"


def test_nor_gets_it_another_trial_meanwhile() -> None:
    brain = begun("median", workers=6, trials=6, stall_timeout=60.0)
    brain.tell(reported(trial, 1, 0.5, at=1.0) for trial in range(5))
    assert brain.tell(reported(5, 1, 0.1, at=1.0)) == [stop(5)]
    brain.tell(reported(trial, 2, 0.5, at=60.0) for trial in range(5))
    decided = brain.tell(time_reached(61.0))
    assert decided[0] == dismiss(5, reason="it did not let go of trial 5") and 5 not in brain.state.idle
    assert brain.tell(lost(0, at=61.5)) == [], "worker 5 is there no more for all we know"
    assert brain.tell(lost(5, at=62.0, cause="dismissed")) == []
    assert brain.tell(joined(6, at=63.0)) == [train(0, worker=6, attempt=2)]


def test_one_that_lets_go_in_time_is_not() -> None:
    brain = begun(workers=1, trials=9, stall_timeout=60.0)
    brain.tell(reported(0, 1, 0.5, at=1.0), saved(0, 1, at=59.0), released(0, at=59.0))
    assert brain.tell(reported(1, 1, 0.2, at=60.0))[:2] == [pause(1), train(2)]
    assert not brain.state.leaving and brain.state.parting == {1: 60.0}


def test_paused_trials_that_nobody_holds_are_no_matter_of_time() -> None:
    brain = begun(workers=1, trials=2, epochs=9, stall_timeout=60.0)
    brain.tell(reported(0, 1, 0.5), paused_and_saved(0, 1))
    brain.tell(reported(1, 1, 0.4, at=59.0))
    assert brain.state.parting == {1: 59.0}
