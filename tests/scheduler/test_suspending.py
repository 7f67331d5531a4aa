"""Trials that are saved and let go of, to go on later: a node goes, a worker is worn out, the run ends early."""

import pytest

from tests.scheduler.support import (
    begun,
    checkpoint,
    completed,
    dismiss,
    end_run,
    failed,
    finish,
    joined,
    lost,
    pause,
    released,
    reported,
    resumed,
    saved,
    stop_requested,
    suspend,
    train,
    wake_at,
    worn_out,
)
from tests.scheduler.support import draining as drains


def test_an_idle_worker_of_a_draining_node_is_dismissed_at_once() -> None:
    brain = begun("none", workers=2, trials=1)
    assert brain.tell(drains("a")) == [suspend(0, worker=0, cause="draining"), dismiss(1, reason="it is preempted")]


def test_a_busy_one_saves_its_trial_first() -> None:
    brain = begun("none", workers=1, trials=9, queues=False)
    brain.tell(joined(1, node="b"), reported(0, 1, 0.5))
    assert brain.tell(drains("a")) == [suspend(0, worker=0, cause="draining", reason="it is preempted")]
    assert brain.tell(saved(0, 1)) == []
    assert brain.tell(released(0)) == [dismiss(0, reason="it is preempted")]
    assert brain.tell(lost(0, cause="dismissed")) == []
    brain.tell(reported(1, 9, 0.5))
    assert brain.tell(completed(1)) == [train(0, worker=1, attempt=1, after_epoch=1, start=checkpoint(0, 1))]
    assert brain.state.trials[0].faults == 0


def test_a_node_that_goes_before_its_trial_is_saved_costs_no_try() -> None:
    brain = begun("none", workers=1, trials=9)
    brain.tell(reported(0, 1, 0.5), drains("a"))
    assert brain.tell(lost(0, cause="node died")) == []
    assert brain.tell(joined(1, node="b")) == [train(0, attempt=2, after_epoch=0)]
    assert brain.state.trials[0].faults == 0


def test_a_worker_that_joins_at_a_draining_node_gets_nothing() -> None:
    brain = begun("none", workers=1, trials=9, queues=False)
    brain.tell(drains("b"))
    assert brain.tell(joined(1, node="b")) == [dismiss(1, reason="it is preempted")]
    assert brain.tell(joined(2, node="a")) == [train(1, worker=2)]


def test_what_is_queued_at_a_draining_node_is_let_go_too() -> None:
    brain = begun("none", workers=1, epochs=1, trials=40)
    brain.tell(reported(0, 1, 0.5, at=0.001), completed(0, at=0.001))
    queue = list(brain.state.workers[0].queue)
    assert len(queue) > 2
    assert brain.tell(drains("a", at=0.002)) == [suspend(trial, worker=0) for trial in queue]
    for trial in queue[:-1]:
        assert brain.tell(released(trial, at=0.003)) == []
    assert brain.tell(released(queue[-1], at=0.003)) == [dismiss(0)]
    assert list(brain.state.ready) == queue


def test_a_paused_trial_of_a_draining_node_is_waited_for() -> None:
    brain = begun("asha", workers=1, trials=9)
    brain.tell(reported(0, 1, 0.5))
    assert brain.tell(drains("a")) == [suspend(1, worker=0)]
    assert brain.tell(released(1)) == []
    assert brain.tell(saved(0, 1), released(0)) == [dismiss(0)]
    assert brain.status(0) == "paused"


# Worn out.


def test_a_worn_out_worker_that_is_idle_is_dismissed_at_once() -> None:
    brain = begun("none", workers=2, trials=1)
    assert brain.tell(worn_out(1)) == [dismiss(1, reason="its memory grew")]
    assert 1 not in brain.state.idle
    assert brain.tell(lost(1, cause="dismissed"), joined(2)) == []


def test_one_that_trains_ends_its_trial_first() -> None:
    brain = begun("none", workers=1, trials=9, queues=False)
    assert brain.tell(worn_out(0)) == []
    assert brain.tell(reported(0, 1, 0.5), reported(0, 9, 0.5)) == []
    assert brain.tell(completed(0)) == [dismiss(0, reason="its memory grew")]
    assert brain.tell(lost(0, cause="dismissed"), joined(1)) == [train(1, worker=1)]


def test_its_queue_is_worked_off() -> None:
    brain = begun("none", workers=1, epochs=1, trials=40)
    brain.tell(reported(0, 1, 0.5, at=0.001), completed(0, at=0.001))
    queue = list(brain.state.workers[0].queue)
    assert brain.tell(worn_out(0, at=0.001)) == []
    for trial in queue[:-1]:
        assert brain.tell(reported(trial, 1, 0.5, at=0.002), completed(trial, at=0.002)) == [], "no more is queued"
    assert brain.tell(reported(queue[-1], 1, 0.5, at=0.003), completed(queue[-1], at=0.003)) == [dismiss(0)]


def test_a_trial_that_pauses_there_is_saved_before() -> None:
    brain = begun("asha", workers=1, trials=9)
    brain.tell(worn_out(0))
    assert brain.tell(reported(0, 1, 0.5)) == [pause(0)], "nothing else begins there"
    assert brain.tell(saved(0, 1), released(0)) == [dismiss(0)]


def test_a_worker_that_is_gone_already_can_be_worn_out() -> None:
    brain = begun("none", workers=1, trials=9)
    assert brain.tell(lost(0), worn_out(0)) == []


# Last words of suspended trials.


def interrupted(stopper: str = "none", epoch: int = 1):  # type: ignore[no-untyped-def]
    brain = begun(stopper, workers=1, trials=4, queues=False)
    brain.tell(*[reported(0, done, 0.5, at=float(done)) for done in range(1, epoch + 1)])
    assert brain.tell(stop_requested(at=10.0)) == [end_run("interrupted"), suspend(0, cause="ending"), wake_at(30.0)]
    return brain


def test_its_last_reports_count_and_are_not_judged() -> None:
    brain = begun("asha", workers=1, trials=4)
    assert brain.tell(stop_requested())[:2] == [end_run("interrupted"), suspend(0)]
    assert brain.tell(reported(0, 1, 0.5), saved(0, 1)) == []
    assert brain.tell(released(0)) == [finish("interrupted")]
    assert (brain.status(0), brain.state.trials[0].score) == ("waiting", 0.5)


def test_when_it_goes_on_it_is_judged_first() -> None:
    brain = begun("asha", workers=1, trials=4)
    brain.tell(stop_requested(), reported(0, 1, 0.5), saved(0, 1), released(0), resumed())
    assert brain.tell(joined(1)) == [pause(0, worker=None, reason="epoch 1, rank 1 of 1"), train(1, worker=1)]


@pytest.mark.parametrize(("word", "status"), [(completed(0, at=11.0), "completed"), (failed(0, at=11.0), "failed")])
def test_one_that_ends_in_its_last_batch_has_ended(word: object, status: str) -> None:
    brain = interrupted(epoch=9)
    assert brain.tell(word)[-1].outcome == "interrupted"
    assert brain.status(0) == status


def test_one_that_fails_in_its_last_batch_is_tried_again() -> None:
    brain = interrupted()
    assert brain.tell(failed(0, kind="exception", at=11.0)) == [finish("interrupted")]
    assert (brain.status(0), brain.state.trials[0].failures) == ("waiting", 1)


def test_one_whose_worker_is_lost_before_it_is_saved_has_lost_what_it_learned_since() -> None:
    brain = interrupted()
    assert brain.tell(lost(0, at=11.0)) == [finish("interrupted")]
    trial = brain.state.trials[0]
    assert (brain.status(0), trial.epoch, trial.attempt, trial.losses) == ("waiting", 0, 2, 0)


def test_it_is_suspended_once() -> None:
    brain = interrupted()
    assert brain.tell(stop_requested(at=11.0)) == []
    assert brain.tell(reported(0, 2, 0.5, at=12.0)) == []
