"""How a run ends: done, stopped, hopeless, in time or at its target; and how the last paused trials end."""

from typing import Any

import pytest

from orchestrator.scheduler.instructions import Stop, Suspend
from tests.scheduler.support import (
    Brain,
    begun,
    checkpoint,
    completed,
    diverged,
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
    stop,
    stop_requested,
    suspend,
    time_reached,
    train,
    wake_at,
)


def test_a_run_is_done_when_all_its_trials_have_ended() -> None:
    brain = begun("none", workers=2, trials=2)
    assert brain.tell(reported(0, 9, 0.5), completed(0)) == []
    assert brain.tell(reported(1, 9, 0.5), completed(1)) == [finish("done", reason="all 2 trials ended")]


def test_without_a_score_a_run_has_failed() -> None:
    brain = begun("none", workers=2, trials=2)
    brain.tell(reported(0, 1, 0.5), diverged(0))
    assert brain.tell(failed(1)) == [finish("failed", reason="no trial has a score (1 failed, 1 diverged)")]


def test_a_failed_trial_among_others_does_no_harm() -> None:
    brain = begun("none", workers=2, trials=3)
    assert brain.tell(failed(0)) == [train(2)]
    brain.tell(reported(1, 9, 0.5), completed(1))
    assert brain.tell(failed(2)) == [finish("done")]


# The user, and time.


def test_a_requested_stop_suspends_every_trial_that_is_held_and_waits_for_the_workers() -> None:
    brain = begun(workers=2, trials=9)
    brain.tell(reported(0, 1, 0.5, at=1.0), saved(0, 1, at=1.0), released(0, at=1.0))
    brain.tell(reported(1, 1, 0.5, at=1.0))
    assert brain.tell(stop_requested(at=2.0)) == [
        end_run("interrupted", reason="interrupted by Ctrl-C"),
        suspend(2, worker=0, reason="interrupted by Ctrl-C (was running)"),
        suspend(3, worker=1, reason="interrupted by Ctrl-C (was running)"),
        wake_at(22.0),
    ]
    assert brain.tell(reported(2, 1, 0.9, at=2.1), saved(2, 1, at=2.1), saved(1, 1, at=2.1))[-1:] != [finish("done")]
    assert brain.tell(released(2, at=2.1), released(1, at=2.2)) == []
    assert brain.tell(released(3, at=2.3)) == [finish("interrupted", reason="interrupted by Ctrl-C")]
    assert brain.state.best is brain.state.trials[2] and brain.state.trials[2].checkpoint == checkpoint(2, 1)
    assert [brain.status(trial) for trial in range(4)] == ["paused", "paused", "waiting", "waiting"]


def test_a_stop_before_any_worker_joined() -> None:
    brain = Brain()
    brain.tell(started())
    assert brain.tell(stop_requested()) == [end_run("interrupted"), finish("interrupted")]


def test_workers_that_join_during_the_end_get_nothing() -> None:
    brain = begun("none", workers=1)
    brain.tell(stop_requested(at=1.0))
    assert brain.tell(joined(1, at=2.0)) == []


def test_a_worker_that_never_lets_go_is_given_up_after_a_while() -> None:
    brain = begun("none", workers=2)
    assert brain.tell(stop_requested(at=5.0))[-1] == wake_at(25.0)
    assert brain.tell(released(0, at=6.0)) == []
    assert brain.tell(time_reached(24.9)) == []
    assert brain.tell(time_reached(25.0)) == [finish("interrupted")]
    assert brain.state.held == {1}


def test_a_word_that_comes_after_the_grace_period_ends_the_run_too() -> None:
    brain = begun("none", workers=2)
    brain.tell(stop_requested(at=5.0))
    assert brain.tell(reported(0, 1, 0.5, at=26.0)) == [finish("interrupted")]


def test_the_time_limit_ends_a_run_that_is_done() -> None:
    brain = Brain("none", max_time=60.0)
    assert brain.tell(started()) == [wake_at(60.0)]
    assert brain.tell(joined(0)) == [train(0)]
    assert brain.tell(reported(0, 1, 0.5, at=59.9)) == []
    assert brain.tell(time_reached(60.0)) == [
        end_run("done", reason="time limit reached: 60 s"),
        suspend(0, worker=0, reason="time limit reached: 60 s (was running)"),
        wake_at(80.0),
    ]
    assert brain.tell(reported(0, 2, 0.6, at=60.1), released(0, at=60.1)) == [
        finish("done", reason="time limit reached: 60 s")
    ]


def test_the_time_limit_holds_whatever_event_comes_first() -> None:
    brain = begun("none", max_time=60.0)
    assert brain.tell(reported(0, 1, 0.5, at=61.0))[0] == end_run("done", reason="time limit")


def test_waking_too_early_is_no_harm() -> None:
    brain = begun("none", max_time=60.0)
    assert brain.tell(time_reached(59.0)) == []
    assert brain.state.wake_at == 60.0


def test_out_of_time_without_a_score_is_a_failure() -> None:
    brain = begun("none", max_time=60.0)
    brain.tell(time_reached(60.0))
    assert brain.tell(released(0, at=61.0)) == [finish("failed", reason="no trial has a score (0 failed, 0 diverged)")]


def test_an_interrupted_run_without_a_score_is_interrupted() -> None:
    brain = begun("none")
    brain.tell(stop_requested())
    assert brain.tell(released(0)) == [finish("interrupted")]


# The target.


@pytest.mark.parametrize(
    ("direction", "target", "missed", "reached"),
    [("max", 0.9, 0.89, 0.9), ("max", 0.9, 0.5, 0.95), ("min", 0.1, 0.11, 0.1), ("min", -1.0, 0.5, -2.0)],
)
def test_the_target_is_in_the_metric_as_reported(direction: str, target: float, missed: float, reached: float) -> None:
    brain = begun("none", workers=2, direction=direction, target=target)
    assert brain.tell(reported(0, 1, missed)) == []
    reason = f"target reached: val {reached:g} in trial 1, epoch 1"
    assert brain.tell(reported(1, 1, reached)) == [
        end_run("done", reason=reason),
        suspend(0, worker=0, reason=f"{reason} (was running)"),
        suspend(1, worker=1),
        wake_at(20.0),
    ]
    assert brain.tell(saved(1, 1), released(1), released(0)) == [finish("done", reason=reason)]


def test_a_target_that_is_reached_stands_although_the_best_is_lost_then() -> None:
    brain = begun("none", workers=2, target=0.9)
    brain.tell(reported(0, 1, 0.2), reported(1, 1, 0.95), released(0))
    assert brain.tell(lost(1)) == [finish("done", reason="target reached: val 0.95")]
    assert brain.state.best is brain.state.trials[0]


def test_no_number_reaches_no_target() -> None:
    brain = begun("none", workers=2, target=0.9)
    assert brain.tell(reported(0, 1, float("inf")), diverged(0)) == [train(2)]


# Hopeless.


def fail_first_three(lines: tuple[str, str, str], **last: Any) -> list[Any]:
    brain = begun("none", workers=3)
    brain.tell(failed(1, where=lines[1]), failed(0, where=lines[0]))
    return brain.tell(failed(2, where=lines[2], **last))


def test_the_same_exception_in_each_of_the_first_three_trials_ends_the_run() -> None:
    decided = fail_first_three(("study.py:7", "study.py:7", "study.py:7"))
    reason = "the first 3 trials failed alike: ValueError: no luck in trial 0"
    assert decided[0] == end_run("failed", reason=reason)
    assert [type(step) for step in decided[1:3]] == [Suspend, Suspend]


def test_exceptions_of_different_lines_do_not() -> None:
    assert fail_first_three(("study.py:7", "study.py:7", "study.py:8")) == [train(5)]


def test_nor_does_it_in_two_of_the_first_three() -> None:
    brain = begun("none", workers=4)
    brain.tell(reported(1, 9, 0.5), completed(1, at=9.0))
    for trial in (0, 2):
        brain.tell(failed(trial, where="study.py:7", at=9.0))
    assert brain.tell(failed(3, where="study.py:7", at=9.0)) == [train(7)]


def test_nor_in_three_later_ones() -> None:
    brain = begun("none", workers=5)
    brain.tell(failed(1, where="study.py:7"), failed(2, where="study.py:7"), failed(3, where="study.py:7"))
    assert brain.state.ending is None
    brain.tell(failed(0, where="study.py:7"))
    assert brain.state.ending == end_run("failed", reason="the first 3 trials failed alike")


def test_a_mistake_that_every_trial_would_share_ends_the_run_at_once() -> None:
    brain = begun("none", workers=2)
    assert brain.tell(failed(1, bad_study=True)) == [
        end_run("failed", reason="no luck in trial 1"),
        suspend(0, worker=0),
        wake_at(20.0),
    ]
    assert brain.tell(released(0)) == [finish("failed", reason="no luck in trial 1")]


def test_not_so_the_last_words_of_a_stopped_trial() -> None:
    brain = begun("median", workers=6, trials=9)
    brain.tell(reported(trial, 1, 0.5) for trial in range(5))
    brain.tell(reported(5, 1, 0.1))
    assert brain.tell(failed(5, bad_study=True)) == []
    assert (brain.status(5), brain.state.ending) == ("stopped", None)
    assert brain.tell(reported(6, 1, 0.1)) == [stop(6, reason="the median 0.5 of 6 others"), train(7)]


# The last paused trials.


def test_when_one_has_completed_the_paused_ones_end_with_their_rank() -> None:
    brain = begun(workers=1, trials=3, epochs=3)
    brain.tell(reported(0, 1, 0.2), paused_and_saved(0, 1), reported(1, 1, 0.1), paused_and_saved(1, 1))
    brain.tell(reported(2, 1, 0.9), reported(2, 2, 0.9), reported(2, 3, 0.9))
    decided = [step for step in brain.tell(completed(2)) if isinstance(step, Stop)]
    assert decided == [
        stop(0, worker=None, reason="paused at epoch 1, rank 2 of 3; the top 1 went on"),
        stop(1, worker=None, reason="paused at epoch 1, rank 3 of 3; the top 1 went on"),
    ]
    assert brain.state.finished == finish("done", reason="all 3 trials ended")


def test_when_none_has_completed_the_best_of_the_highest_rung_trains_to_the_end() -> None:
    brain = begun(workers=1, trials=3)
    brain.tell(reported(0, 1, 0.2), paused_and_saved(0, 1), reported(1, 1, 0.3), paused_and_saved(1, 1))
    brain.tell(reported(2, 1, 0.1), *paused_and_saved(2, 1))
    brain.tell(reported(1, 2, 0.3))
    assert brain.tell(reported(1, 3, 0.0)) == [
        pause(1, reason="epoch 3, rank 1 of 1; the top 0 go on"),
        train(1, worker=0, after_epoch=3, to_epoch=9, start=None, reason="nothing else is left: epoch 3, rank 1 of 1"),
    ]
    decided = brain.tell(reported(1, 9, 0.4), completed(1))
    assert [step for step in decided if isinstance(step, Stop)] == [
        stop(0, reason="rank 2 of 3; the top 1 went on"),
        stop(2, reason="rank 3 of 3"),
    ]
    assert decided[-1] == finish("done")


@pytest.mark.parametrize("end", [failed(1), diverged(1)])
def test_if_it_fails_the_next_one_does(end: Any) -> None:
    brain = begun(workers=1, trials=2)
    brain.tell(reported(0, 1, 0.2), paused_and_saved(0, 1))
    assert brain.tell(reported(1, 1, 0.3)) == [pause(1), train(1, start=None, to_epoch=9, reason="nothing else")]
    assert brain.tell(end) == [train(0, start=checkpoint(0, 1), to_epoch=9, reason="nothing else is left")]
    assert brain.tell(reported(0, 9, 0.2), completed(0)) == [finish("done")]


def test_a_single_trial_trains_to_the_end() -> None:
    brain = begun(trials=1)
    assert brain.tell(reported(0, 1, 0.5)) == [pause(0), train(0, after_epoch=1, to_epoch=9, start=None)]
    assert brain.tell(reported(0, 9, 0.6), completed(0)) == [finish("done", reason="all 1 trials ended")]


def test_if_all_fail_there_is_no_score() -> None:
    brain = begun(trials=1)
    brain.tell(reported(0, 1, 0.5))
    assert brain.tell(diverged(0)) == [finish("failed", reason="no trial has a score (0 failed, 1 diverged)")]


def before_the_last(**settings: Any) -> Brain:
    """Trial 0 has completed 3 epochs, 1 to 3 are paused; 4 (worker 0) and 5 (worker 1) train to the first rung."""
    brain = begun(workers=2, trials=6, epochs=3, **settings)
    for trial, value in enumerate((0.5, 0.4, 0.3)):
        brain.tell(reported(trial, 1, value), paused_and_saved(trial, 1))
    brain.tell(reported(0, 2, 0.6), reported(0, 3, 0.6), completed(0), reported(3, 1, 0.2), paused_and_saved(3, 1))
    assert [trial.holder for trial in brain.state.trials[4:]] == [0, 1]
    return brain


def test_a_promotable_trial_that_its_worker_still_saves_is_waited_for() -> None:
    brain = before_the_last()
    assert brain.tell(reported(4, 1, 0.45)) == [pause(4, reason="rank 2 of 5; the top 1 go on")]
    assert brain.tell(reported(5, 1, 0.1)) == [pause(5, reason="rank 6 of 6; the top 2 go on")]
    assert brain.tell(paused_and_saved(5, 1)) == []
    assert brain.tell(paused_and_saved(4, 1)) == [train(4, to_epoch=3, reason="rank 2 of 6, within the top 2")]


def test_and_so_is_a_worker_for_it() -> None:
    brain = before_the_last()
    brain.tell(reported(4, 1, 0.45), saved(4, 1), lost(0))
    assert brain.tell(reported(5, 1, 0.1)) == [pause(5), train(4, worker=1, start=checkpoint(4, 1))]
    brain = before_the_last()
    brain.tell(reported(4, 1, 0.45), saved(4, 1), lost(0), lost(1))
    assert brain.state.ending is None
    assert brain.tell(joined(2)) == [train(5, worker=2, attempt=2)]


def test_no_finalist_begins_while_a_promotable_trial_is_waited_for() -> None:
    brain = begun(workers=2, trials=3)
    brain.tell(reported(0, 1, 0.5), reported(1, 1, 0.4))
    assert brain.tell(reported(2, 1, 0.1)) == [pause(2)], "trial 0 is promotable, but held"
    assert brain.tell(paused_and_saved(2, 1), paused_and_saved(1, 1)) == []
    assert brain.tell(paused_and_saved(0, 1)) == [train(0, to_epoch=3, reason="promoted")]


def test_the_last_paused_ones_are_let_go_before_the_run_is_finished() -> None:
    brain = before_the_last()
    assert brain.tell(reported(4, 1, 0.15)) == [pause(4)]
    brain.tell(reported(5, 1, 0.1))
    assert brain.status(1) == "running", "two of six: trial 1 is promoted"
    decided = brain.tell(reported(1, 3, 0.7), completed(1, at=7.0))
    assert decided[-1] == wake_at(27.0)
    assert stop(4, worker=0, reason="rank 5 of 6") in decided
    assert brain.tell(released(4, at=8.0)) == []
    assert brain.tell(released(5, at=8.0)) == [finish("done", reason="all 6 trials ended")]


def test_an_end_is_decided_once() -> None:
    brain = begun("none", workers=1, target=0.5)
    assert brain.tell(reported(0, 1, 0.6))[0] == end_run("done")
    assert brain.tell(stop_requested()) == []
    assert brain.tell(released(0)) == [finish("done", reason="target reached")]


def test_training_that_ends_by_itself_where_it_would_pause_has_completed() -> None:
    """An EarlyStopping callback fires at a rung: the pause and the end cross on their way."""
    brain = begun(trials=9)
    assert brain.tell(reported(0, 1, 0.5)) == [pause(0), train(1)]
    assert brain.tell(saved(0, 1), completed(0)) == []
    assert brain.status(0) == "completed" and brain.state.best is brain.state.trials[0]
    assert brain.state.trials[0].checkpoint == checkpoint(0, 1)
    brain.tell(reported(1, 1, 0.2), paused_and_saved(1, 1))
    assert brain.tell(reported(2, 1, 0.1)) == [pause(2), train(3)], "it has the one place, and waits for nothing"


def test_a_loss_that_is_no_number_where_it_would_pause_diverges() -> None:
    brain = begun(trials=9)
    assert brain.tell(reported(0, 1, 0.5, loss=float("nan"))) == [pause(0), train(1)]
    assert brain.tell(diverged(0)) == []
    assert brain.status(0) == "diverged" and brain.state.best is None
    brain.tell(reported(1, 1, 0.2), paused_and_saved(1, 1))
    assert brain.tell(reported(2, 1, 0.1)) == [pause(2), train(3)], "trial 0 has the one place at the first rung"
