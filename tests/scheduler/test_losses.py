"""Workers are lost at every moment: losses are not failures, and what is in a checkpoint is not lost."""

import pytest

from orchestrator.scheduler.instructions import GiveUp
from tests.scheduler.support import (
    Brain,
    begun,
    checkpoint,
    completed,
    discard,
    end_run,
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
    stop_requested,
    suspend,
    train,
    wake_at,
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
    assert brain.state.trials[0].attempt == 2 and brain.state.trials[0].score == 0.5, "no result is lost"
    brain.tell(reported(1, 1, 0.1), paused_and_saved(1, 1))
    assert brain.tell(reported(2, 1, 0.2, attempt=2)) == [
        pause(2),
        train(0, worker=1, attempt=3, after_epoch=0, to_epoch=3, start=None, reason="promoted: epoch 1, rank 1 of 3"),
    ]
    assert brain.state.trials[0].score is None
    assert brain.tell(reported(0, 1, 0.0, attempt=3), reported(0, 2, 0.0, attempt=3)) == []


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


def lose_in_a_row(brain: Brain, workers: list[int]) -> None:
    for worker in workers:
        brain.tell(lost(worker), joined(worker + 1))


def test_a_trial_whose_worker_is_lost_three_times_has_failed() -> None:
    brain = begun("none", workers=1, trials=2)
    brain.tell(reported(0, 1, 0.5), saved(0, 1))
    lose_in_a_row(brain, [0, 1])
    reason = "its worker was lost 3 times: its node died"
    given_up = GiveUp(trial=0, attempt=4, reason=reason)
    assert brain.tell(reported(0, 2, 0.5, attempt=3), lost(2)) == [given_up, discard(0, 1)]
    assert (brain.status(0), brain.state.trials[0].reason) == ("failed", reason)
    assert brain.state.trials[0].score is None and brain.state.trials[0].failure is None
    assert brain.tell(joined(3)) == [train(1, worker=3)]
    assert len(brain.state.ranking) == 0


def test_a_trial_that_got_further_in_between_has_not() -> None:
    """Preempted again and again, it saves a checkpoint now and then: it is not the cause."""
    brain = begun("none", workers=1, trials=2)
    for step in range(4):
        lose_in_a_row(brain, [2 * step, 2 * step + 1])
        attempt = brain.state.trials[0].attempt
        brain.tell(reported(0, step + 1, 0.5, attempt=attempt), saved(0, step + 1, attempt=attempt))
    assert (brain.status(0), brain.state.trials[0].attempt) == ("running", 9)
    lose_in_a_row(brain, [8, 9, 10])
    assert brain.status(0) == "failed"


def test_failing_so_it_counts_at_no_rung() -> None:
    brain = begun("asha", workers=1, trials=9)
    for trial, value in enumerate((0.9, 0.1, 0.2)):
        brain.tell(reported(trial, 1, value), paused_and_saved(trial, 1))
    assert brain.state.trials[0].status == "running"
    brain.tell(lost(0), joined(1), lost(1), joined(2), lost(2))
    assert brain.status(0) == "failed"
    assert "rank 1 of 2" in brain.stopper.standing(2)


def test_three_lost_trials_are_no_reason_to_end_the_run() -> None:
    """Trials 0 to 2 fail since their workers died three times each: no exception of the user's."""
    brain = begun("none", workers=1, trials=4)
    for worker in range(9):
        brain.tell(reported(worker // 3, 1, 0.5, attempt=worker % 3 + 1), lost(worker), joined(worker + 1))
    assert [brain.status(trial) for trial in range(4)] == ["failed", "failed", "failed", "running"]


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


def lose_again_and_again(brain: Brain, worker: int) -> None:
    """The worker with this number, and each that takes its place, until the run ends."""
    while brain.state.ending is None:
        brain.tell(lost(worker))
        worker += 1000
        if brain.state.ending is None:
            brain.tell(joined(worker))


@pytest.mark.parametrize(("workers", "losses"), [(1, 6), (2, 8), (4, 12)])
def test_four_losses_in_a_row_and_two_more_for_each_worker_end_the_run(workers: int, losses: int) -> None:
    brain = begun("none", workers=workers, trials=100)
    lose_again_and_again(brain, 0)
    assert brain.state.ending == end_run("failed", reason=f"{losses} workers were lost in a row without a report")
    assert "its node died" in brain.state.ending.reason


def test_workers_that_never_join_end_the_run() -> None:
    brain = Brain("none")
    brain.tell(started(), [lost(number) for number in range(3)])
    assert brain.tell(lost(3)) == [
        end_run("failed", reason="4 workers were lost in a row"),
        finish("failed", reason="4 workers were lost in a row"),
    ]


def test_a_report_shows_that_work_is_done() -> None:
    brain = begun("none", workers=2, trials=100)
    for number in range(2, 60):
        brain.tell(reported(0, number, 0.5), lost(number - 1), joined(number))
    assert brain.state.finished is None


def test_an_end_for_lost_workers_stands_whatever_is_reported_then() -> None:
    """Worker 0 lives on, and its last report arrives when all is stopped already."""
    brain = begun("none", workers=2, trials=9)
    lose_again_and_again(brain, 1)
    assert brain.status(0) == "waiting"
    assert brain.tell(reported(0, 1, 0.5)) == []
    assert brain.tell(joined(7)) == []
    assert brain.tell(released(0)) == [finish("failed", reason="lost in a row")]


# Together with other things.


def test_a_lost_worker_during_the_end_of_a_run_is_waited_for_no_longer() -> None:
    brain = begun("none", workers=2, trials=9)
    assert brain.tell(stop_requested())[1:3] == [suspend(0, worker=0), suspend(1, worker=1)]
    assert brain.tell(released(0)) == []
    assert brain.tell(lost(1)) == [finish("interrupted")]


def test_a_trial_that_waits_for_a_worker_when_the_run_ends_waits_on() -> None:
    brain = begun("none", workers=2, trials=9)
    brain.tell(lost(0))
    assert brain.tell(stop_requested(at=1.0))[1:] == [suspend(1, worker=1), wake_at(21.0)]
    assert brain.tell(released(1)) == [finish("interrupted")]
    assert (brain.status(0), brain.status(1)) == ("waiting", "waiting")


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
