"""Workers are lost at every moment: losses are not failures, and what is in a checkpoint is not lost."""

import pytest

from tests.scheduler.support import (
    Brain,
    begun,
    checkpoint,
    completed,
    discard,
    failed,
    finish,
    joined,
    lost,
    pause,
    paused_and_saved,
    released,
    reported,
    saved,
    started,
    stop,
    stop_requested,
    train,
)


def test_a_running_trial_starts_again_from_its_last_checkpoint_on_another_worker() -> None:
    brain = begun("none", workers=2, trials=2)
    brain.tell(reported(0, 1, 0.5), reported(0, 2, 0.6), saved(0, 2), reported(0, 3, 0.7))
    assert brain.tell(lost(0)) == [], "worker 1 is busy"
    assert brain.status(0) == "waiting"
    assert brain.tell(joined(2)) == [
        train(
            0,
            worker=2,
            attempt=2,
            after_epoch=2,
            to_epoch=9,
            start=checkpoint(0, 2),
            reason="again: its worker was lost: its node died",
        )
    ]
    assert brain.tell(reported(0, 3, 0.65, attempt=2)) == []
    assert brain.state.trials[0].score == 0.65


def test_without_a_checkpoint_it_starts_from_the_beginning() -> None:
    brain = begun("none", trials=1)
    brain.tell(reported(0, 1, 0.5), lost(0))
    assert brain.tell(joined(1)) == [train(0, attempt=2, after_epoch=0, to_epoch=9, start=None)]


def test_a_second_loss_starts_from_the_same_checkpoint() -> None:
    brain = begun("none", trials=1)
    brain.tell(reported(0, 1, 0.5), saved(0, 1), lost(0), joined(1), lost(1))
    assert brain.tell(joined(2)) == [train(0, attempt=3, after_epoch=1, start=checkpoint(0, 1))]


def test_the_first_idle_worker_takes_a_lost_trial_before_anything_else() -> None:
    brain = begun("asha", workers=2, trials=9)
    brain.tell(lost(0))
    assert brain.tell(reported(1, 1, 0.5)) == [pause(1), train(0, worker=1, attempt=2)]


def test_a_paused_trial_that_was_not_saved_stays_paused_and_starts_again_when_promoted() -> None:
    brain = begun(workers=2, trials=4)
    brain.tell(reported(0, 1, 0.5))
    assert brain.state.trials[0].holder == 0
    brain.tell(lost(0))
    assert (brain.status(0), brain.status(2)) == ("paused", "waiting")
    assert brain.state.trials[0].attempt == 2 and brain.state.trials[0].score is None
    brain.tell(reported(1, 1, 0.1), paused_and_saved(1, 1))
    assert brain.tell(reported(2, 1, 0.2, attempt=2)) == [
        pause(2),
        train(0, worker=1, attempt=2, after_epoch=0, to_epoch=3, start=None, reason="promoted: epoch 1, rank 1 of 3"),
    ]
    assert brain.tell(reported(0, 1, 0.0, attempt=2), reported(0, 2, 0.0, attempt=2)) == []


def test_a_paused_trial_that_was_saved_loses_nothing() -> None:
    brain = begun(workers=2, trials=4)
    brain.tell(reported(0, 1, 0.5), saved(0, 1), lost(0))
    trial = brain.state.trials[0]
    assert (trial.status, trial.attempt, trial.score, trial.checkpoint) == ("paused", 2, 0.5, checkpoint(0, 1))
    assert brain.tell(released(0)) == [], "a late word"
    assert brain.state.words_ignored == 1


def test_a_paused_and_released_trial_has_nothing_to_do_with_its_worker() -> None:
    brain = begun(workers=1, trials=4)
    brain.tell(reported(0, 1, 0.5), paused_and_saved(0, 1), lost(0))
    assert (brain.state.trials[0].attempt, brain.status(1)) == (1, "waiting")


def test_what_a_trial_reached_before_it_was_lost_stands_at_its_rungs() -> None:
    """Lost on its way to epoch 3, it is not judged a second time at epoch 1."""
    brain = begun(workers=1, trials=4)
    brain.tell(reported(0, 1, 0.1), paused_and_saved(0, 1), reported(1, 1, 0.2), paused_and_saved(1, 1))
    brain.tell(reported(2, 1, 0.5), reported(2, 2, 0.5), lost(0))
    assert brain.tell(joined(1)) == [train(2, attempt=2, after_epoch=0, to_epoch=3)]
    assert brain.tell(reported(2, 1, 0.0, attempt=2), reported(2, 2, 0.0, attempt=2)) == []
    assert brain.tell(reported(2, 3, 0.4, attempt=2)) == [pause(2, reason="epoch 3, rank 1 of 1"), train(3)]


def test_a_stopped_trial_that_is_lost_stays_stopped() -> None:
    brain = begun("median", workers=6, trials=9)
    brain.tell(reported(trial, 1, 0.5) for trial in range(5))
    brain.tell(reported(5, 1, 0.1))
    assert (brain.status(5), brain.state.trials[5].holder) == ("stopped", 5)
    assert brain.tell(lost(5)) == []
    assert brain.status(5) == "stopped" and brain.state.trials[6].attempt == 2
    assert brain.tell(joined(6)) == [train(6, worker=6, attempt=2)]


def test_a_trial_whose_worker_is_lost_three_times_has_failed() -> None:
    brain = begun("none", workers=1, trials=2)
    brain.tell(lost(0), joined(1), lost(1), joined(2), reported(0, 1, 0.5, attempt=3), saved(0, 1, attempt=3))
    assert brain.tell(lost(2)) == [discard(0, 1, attempt=3)]
    assert brain.status(0) == "failed" and brain.state.trials[0].score is None
    assert brain.tell(joined(3)) == [train(1, worker=3)]
    assert len(brain.state.ranking) == 0


def test_failing_so_it_counts_at_no_rung() -> None:
    brain = begun("asha", workers=1, trials=9)
    for trial, value in enumerate((0.9, 0.1, 0.2)):
        brain.tell(reported(trial, 1, value), paused_and_saved(trial, 1))
    assert brain.state.trials[0].status == "running"
    brain.tell(lost(0), joined(1), lost(1), joined(2), lost(2))
    assert brain.status(0) == "failed"
    assert "rank 1 of 2" in brain.stopper.standing(2)


def test_losses_do_not_count_as_the_first_failures() -> None:
    """Trials 0 to 2 fail since their workers died three times each: no exception of the user's, the run goes on."""
    brain = begun("none", workers=1, trials=4)
    worker = 0
    for attempt in range(1, 10):
        brain.tell(lost(worker))
        worker += 1
        brain.tell(joined(worker), joined(worker + 100), reported(len(brain.state.trials) - 1, 1, 0.5, 1))
        brain.tell(lost(worker + 100))
    assert brain.state.finished is None
    assert attempt == 9


# Workers lost in a row.


def test_a_lost_node_does_not_end_the_run() -> None:
    """All four workers go at once; new ones are on their way."""
    brain = begun("none", workers=4, trials=9)
    brain.tell(reported(0, 1, 0.5))
    assert brain.tell([lost(worker) for worker in range(4)]) == []
    assert brain.tell(joined(4)) == [train(0, worker=4, attempt=2)]


def test_the_loss_of_one_node_of_two_does_not_end_the_run() -> None:
    brain = begun("none", workers=16, trials=40)
    assert brain.tell([lost(worker) for worker in range(8)]) == []
    assert brain.state.finished is None


@pytest.mark.parametrize("workers", [1, 4])
def test_workers_that_are_lost_again_and_again_without_a_report_end_the_run(workers: int) -> None:
    brain = begun("none", workers=workers, trials=100)
    for number in range(workers, 200):
        if brain.state.finished is None:
            brain.tell(lost(number - workers), joined(number) if brain.state.finished is None else [])
    assert brain.state.finished == finish("failed", reason="workers were lost in a row without a report")
    assert "its node died" in brain.state.finished.reason
    losses = brain.state.losses_in_a_row
    assert 4 + 2 * (workers - 1) <= losses <= 4 + 2 * workers


def test_workers_that_never_join_end_the_run() -> None:
    brain = Brain("none")
    brain.tell(started(), [lost(number) for number in range(3)])
    assert brain.tell(lost(3)) == [finish("failed", reason="4 workers were lost in a row")]


def test_a_report_shows_that_work_is_done() -> None:
    brain = begun("none", workers=2, trials=100)
    for number in range(2, 60):
        brain.tell(reported(0, number, 0.5), lost(number - 1), joined(number))
    assert brain.state.finished is None


def test_an_end_for_lost_workers_stands_whatever_is_reported_then() -> None:
    """Worker 0 lives on, and its last report arrives when all is stopped already."""
    brain = begun("none", workers=2, trials=9)
    number = 1
    while brain.status(0) == "running":
        brain.tell(lost(number))
        number += 1
        brain.tell(joined(number) if brain.status(0) == "running" else [])
    assert brain.tell(reported(0, 1, 0.5)) == []
    assert brain.tell(released(0)) == [finish("failed", reason="lost in a row")]


# Together with other things.


def test_a_lost_worker_during_the_end_of_a_run_is_waited_for_no_longer() -> None:
    brain = begun("none", workers=2, trials=9)
    assert brain.tell(stop_requested())[:2] == [stop(0, worker=0), stop(1, worker=1)]
    assert brain.tell(released(0)) == []
    assert brain.tell(lost(1)) == [finish("interrupted")]


def test_a_trial_that_waits_for_a_worker_when_the_run_ends_is_stopped() -> None:
    brain = begun("none", workers=2, trials=9)
    brain.tell(lost(0))
    assert brain.tell(stop_requested())[:2] == [stop(1, worker=1), stop(0, worker=None, reason="was waiting")]


def test_a_failure_after_losses_is_a_failure() -> None:
    brain = begun("none", workers=1, trials=2)
    brain.tell(lost(0), joined(1))
    assert brain.tell(failed(0, attempt=2)) == [train(1, worker=1)]
    assert brain.state.trials[0].reason == "ValueError: no luck in trial 0"


def test_a_trial_lost_after_its_last_epoch_was_saved_is_begun_again_there() -> None:
    """Nothing is left to train; the worker completes it at once."""
    brain = begun("none", workers=1, trials=1, epochs=3)
    brain.tell(*[reported(0, epoch, 0.5) for epoch in (1, 2, 3)], saved(0, 3), lost(0))
    assert brain.tell(joined(1)) == [train(0, attempt=2, after_epoch=3, to_epoch=3, start=checkpoint(0, 3))]
    assert brain.tell(completed(0, attempt=2)) == [finish("done")]
    assert brain.state.trials[0].epoch == 3
