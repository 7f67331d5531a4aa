"""One trial that somebody wants to end, whatever it is doing."""

import pytest

from orchestrator.scheduler.events import TrialStopRequested
from orchestrator.scheduler.legality import IllegalRecord
from tests.scheduler.support import (
    begun,
    checkpoint,
    completed,
    joined,
    lost,
    paused_and_saved,
    released,
    reported,
    resumed,
    stop,
    stop_requested,
    suspend,
    train,
)

ASKED = "asked to stop by ann@home"


def trial_stop_requested(trial: int, at: float = 0.0) -> TrialStopRequested:
    return TrialStopRequested(at=at, trial=trial, reason=ASKED)


def test_a_running_one_ends_as_stopped_and_its_worker_is_free() -> None:
    brain = begun("none", workers=1, trials=9)
    assert brain.tell(trial_stop_requested(0)) == [stop(0, worker=0, reason=ASKED), train(1, worker=0)]
    assert (brain.status(0), brain.state.trials[0].reason) == ("stopped", ASKED)
    assert brain.tell(released(0)) == []


def test_a_queued_one_is_never_begun() -> None:
    brain = begun("none", workers=1, epochs=1, trials=40)
    brain.tell(reported(0, 1, 0.5, at=0.001), completed(0, at=0.001))
    first, second, *_ = brain.state.workers[0].queue
    assert brain.tell(trial_stop_requested(second, at=0.002)) == [stop(second, worker=0)]
    assert (brain.status(first), brain.status(second)) == ("running", "stopped")
    assert second not in brain.state.workers[0].queue


def test_a_paused_one_is_not_promoted_any_more() -> None:
    brain = begun("asha:grace=1", workers=1, trials=3)
    brain.tell(reported(0, 1, 0.9), paused_and_saved(0, 1))
    assert brain.tell(trial_stop_requested(0)) == [stop(0, worker=None, reason=ASKED)]
    brain.tell(reported(1, 1, 0.2), paused_and_saved(1, 1))
    assert brain.tell(reported(2, 1, 0.1))[-1] == train(1, start=checkpoint(1, 1))


def test_one_whose_worker_was_lost_does_not_go_on() -> None:
    brain = begun("none", workers=1, trials=2)
    brain.tell(lost(0))
    assert brain.tell(trial_stop_requested(0)) == [stop(0, worker=None)]
    assert brain.tell(joined(1)) == [train(1, worker=1)]


def test_of_one_that_has_ended_nothing_changes() -> None:
    brain = begun("none", workers=1, trials=2)
    brain.tell(reported(0, 9, 0.5), completed(0))
    assert brain.tell(trial_stop_requested(0)) == []
    assert brain.status(0) == "completed"


def test_it_stands_when_the_run_is_ending() -> None:
    """The trial was suspended with the others; once the run is resumed it is stopped, and does not go on."""
    brain = begun("none", workers=1, trials=2)
    assert suspend(0) in brain.tell(stop_requested())
    assert brain.tell(trial_stop_requested(0)) == []
    brain.tell(released(0))
    assert brain.state.finished is not None
    assert brain.tell(resumed()) == [stop(0, worker=None, reason=ASKED)]


def test_the_first_who_asked_is_named() -> None:
    brain = begun("none", workers=1, trials=2)
    brain.tell(stop_requested(), trial_stop_requested(0))
    assert brain.state.to_stop == {0: ASKED}


def test_there_has_to_be_such_a_trial() -> None:
    brain = begun("none", workers=1, trials=2)
    with pytest.raises(IllegalRecord, match="trials are numbered in order"):
        brain.tell(trial_stop_requested(7))
