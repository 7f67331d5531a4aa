"""Another driver goes on: from what stands in the journal, with no worker left, under the limits it is given."""

from orchestrator.scheduler.instructions import Discard, Instruction, Record
from tests.scheduler.support import (
    Brain,
    begun,
    checkpoint,
    completed,
    discard,
    diverged,
    end_run,
    exhausted,
    failed,
    finish,
    joined,
    lost,
    pause,
    paused_and_saved,
    propose,
    proposed,
    released,
    reported,
    resumed,
    saved,
    started,
    stop_requested,
    suspend,
    time_reached,
    train,
    wake_at,
)


def test_each_trial_goes_on_as_it_was() -> None:
    """0 is paused, 1 was running and saved, 2 was running and not, 3 was suspended, 4 is new."""
    brain = begun("none", workers=4, trials=9, queues=False)
    brain.tell(reported(0, 9, 0.5), saved(0, 9), completed(0))
    brain.tell(reported(1, 1, 0.4), saved(1, 1), reported(1, 2, 0.9), reported(2, 1, 0.3))
    assert [brain.status(trial) for trial in range(5)] == ["completed", "running", "running", "running", "running"]
    assert brain.tell(resumed(at=5.0)) == []
    assert [brain.status(trial) for trial in range(5)] == ["completed", *["waiting"] * 4]
    assert not brain.state.workers and not brain.state.held
    decided = brain.tell(joined(4, at=6.0)) + brain.tell(joined(5, at=6.0))
    assert decided == [
        train(1, worker=4, attempt=2, after_epoch=1, start=checkpoint(1, 1)),
        train(2, worker=5, attempt=2, after_epoch=0, start=None),
    ]
    assert (brain.state.trials[0].score, brain.state.trials[0].attempt) == (0.5, 1)
    assert all(trial.faults == 0 for trial in brain.state.trials), "nobody's failure"


def test_paused_trials_stay_paused() -> None:
    brain = begun("asha", workers=1, trials=9)
    brain.tell(reported(0, 1, 0.5), paused_and_saved(0, 1), reported(1, 1, 0.4))
    assert brain.tell(resumed()) == []
    assert [brain.status(trial) for trial in (0, 1, 2)] == ["paused", "paused", "waiting"]
    assert brain.state.trials[0].score == 0.5 and brain.state.trials[0].attempt == 1
    assert brain.state.trials[1].score == 0.4, "although its worker had not saved it yet"
    assert brain.tell(joined(1)) == [train(2, worker=1, attempt=2)]


def test_queued_ones_begin_in_their_order() -> None:
    brain = begun("none", workers=1, epochs=1, trials=10)
    brain.tell(reported(0, 1, 0.5, at=0.001), completed(0, at=0.001))
    assert list(brain.state.workers[0].queue) == [1, 2, 3, 4, 5]
    brain.tell(resumed(at=1.0))
    assert list(brain.state.ready) == [1, 2, 3, 4, 5]
    assert brain.tell(joined(1, at=2.0))[0] == train(1, attempt=2)


def test_a_suspended_trial_that_was_not_let_go_of_is_given_up() -> None:
    brain = begun("none", workers=1, trials=2)
    brain.tell(reported(0, 1, 0.5), stop_requested(at=1.0), time_reached(21.0))
    assert brain.state.finished == finish("interrupted")
    assert brain.tell(resumed(at=21.0)) == [] and brain.state.finished is None
    assert brain.tell(joined(1, at=22.0)) == [train(0, worker=1, attempt=2, after_epoch=0)]


def test_a_trial_that_was_suspended_and_saved_goes_on_in_its_attempt() -> None:
    brain = begun("none", workers=1, trials=2)
    brain.tell(reported(0, 1, 0.5), stop_requested(), saved(0, 1), released(0), resumed())
    assert brain.tell(joined(1)) == [train(0, attempt=1, after_epoch=1, start=checkpoint(0, 1))]


def test_late_words_of_the_driver_before_are_ignored() -> None:
    brain = begun("none", workers=1, trials=2)
    brain.tell(resumed(), joined(1))
    assert brain.tell(reported(0, 1, 0.9)) == [] and brain.state.words_ignored == 1


def test_the_clock_goes_on_where_it_was() -> None:
    """One hour of a limit of two was used up; GPU-hours are those of workers."""
    brain = begun("none", workers=1, trials=9, max_time=7200.0, gpu_hours=9.0, gpus_per_trial=1.0, queues=False)
    brain.tell(reported(0, 1, 0.5, at=3600.0))
    assert brain.tell(resumed(at=3600.0)) == [wake_at(7200.0)]
    assert brain.state.worker_seconds == 3600.0
    brain.tell(joined(1, at=3700.0))
    assert brain.tell(time_reached(7200.0))[0] == end_run("done", reason="time limit reached")


def test_drained_nodes_are_forgotten() -> None:
    brain = begun("none", workers=1, trials=9)
    brain.state.draining["a"] = "it is preempted"
    brain.tell(resumed())
    assert brain.tell(joined(1)) == [train(0, worker=1, attempt=2)]


# A slow sampler.


def test_what_it_was_asked_for_is_asked_anew() -> None:
    brain = Brain("none", slow=True, trials=9, queues=False)
    brain.tell(started(), joined(0), proposed(0))
    assert sorted(brain.state.proposing | brain.state.proposals.keys()) == [1]
    assert brain.tell(resumed()) == [propose(1)]
    brain.tell(proposed(1))
    assert brain.tell(joined(1)) == [train(0, worker=1, attempt=2)], "trials that were begun go first"
    decided = brain.tell(joined(2))
    assert decided[0] == train(1, worker=2) and len(brain.state.trials) == 2
    assert not {0, 1} & brain.state.proposing


def test_what_it_had_given_already_is_used() -> None:
    brain = Brain("none", slow=True, trials=9, queues=False)
    brain.tell(started(), joined(0), proposed(0), proposed(1), resumed())
    assert brain.state.proposals == {1: {"number": 1}}
    brain.tell(joined(1))
    assert train(1, worker=2) in brain.tell(joined(2))


def test_that_it_was_exhausted_stays_so() -> None:
    brain = Brain("none", slow=True, trials=9, queues=False)
    brain.tell(started(), joined(0), proposed(0), exhausted(1))
    assert brain.tell(resumed()) == []
    brain.tell(joined(1), reported(0, 9, 0.5, attempt=2))
    assert brain.tell(completed(0, attempt=2))[-1] == finish("done", reason="there are 1 numbers")


# Torn groups: the fact stands in the journal, the decisions on it do not, or in part.


def test_a_report_without_its_verdict_is_judged_when_the_trial_goes_on() -> None:
    brain = begun("asha", workers=1, trials=9)
    brain.fold([saved(0, 1), reported(0, 1, 0.5)])
    assert brain.status(0) == "running"
    assert brain.tell(resumed()) == []
    assert brain.tell(joined(1)) == [pause(0, worker=None, reason="epoch 1, rank 1 of 1"), train(1, worker=1)]


def test_if_nothing_was_saved_it_is_trained_and_judged_again() -> None:
    brain = begun("asha", workers=1, trials=9)
    brain.fold([reported(0, 1, 0.5)])
    brain.tell(resumed())
    assert brain.tell(joined(1)) == [train(0, attempt=2, after_epoch=0, to_epoch=1)]
    brain.tell(reported(0, 1, 0.4, attempt=2))
    assert (brain.status(0), brain.status(1)) == ("paused", "running")
    assert [report.metrics["val"] for report in brain.state.trials[0].curve] == [0.4]


def test_a_pause_without_what_follows_stands() -> None:
    brain = begun("asha", workers=1, trials=9)
    event = reported(0, 1, 0.5)
    decided = begun("asha", workers=1, trials=9).tell(event)
    brain.fold([event, decided[0]])
    brain.tell(resumed())
    assert brain.status(0) == "paused" and brain.tell(joined(1)) == [train(1, worker=1, attempt=1)]


def test_a_begun_trial_that_no_worker_was_told_of_begins() -> None:
    brain = Brain("none", trials=9)
    decided: list[Instruction] = Brain("none", trials=9).tell(started(), joined(0))
    brain.fold([started(), joined(0), decided[0]])
    brain.tell(resumed())
    assert brain.tell(joined(1)) == [train(0, worker=1, attempt=2, after_epoch=0)]


def test_the_end_of_a_run_is_decided_anew() -> None:
    brain = begun("none", workers=1, trials=1)
    brain.fold([reported(0, 9, 0.5), completed(0)])
    assert brain.tell(resumed()) == [finish("done")]


def test_an_interruption_without_its_end_is_forgotten() -> None:
    brain = begun("none", workers=1, trials=1)
    brain.fold([stop_requested()])
    assert brain.tell(resumed()) == [] and brain.state.ending is None
    assert brain.tell(joined(1)) == [train(0, attempt=2)]


def test_a_superseded_checkpoint_is_discarded_after_all() -> None:
    brain = begun("none", workers=1, trials=1)
    brain.fold([word for epoch in (1, 2, 3) for word in (reported(0, epoch, 0.5), saved(0, epoch))])
    assert brain.tell(resumed()) == [discard(0, 1)]


# Extensions.


def under_other_limits(before: Brain, records: list[Record], **settings: object) -> Brain:
    brain = Brain(**settings)  # type: ignore[arg-type]
    brain.fold(records)
    assert brain.state.finished is not None
    return brain


def lived(brain: Brain, *events: Record) -> list[Record]:
    return [record for event in events for record in (event, *brain.tell(event))]


def whole_run(epochs: int = 3, **settings: object) -> tuple[Brain, list[Record]]:
    """Trials 0 and 1 complete, 2 ends by itself after its first epoch."""
    brain = Brain("none", trials=3, epochs=epochs, queues=False, keep=3, **settings)  # type: ignore[arg-type]
    records = lived(brain, started(), joined(0))
    for trial, last in ((0, epochs), (1, epochs), (2, 1)):
        records += lived(brain, reported(trial, last, 0.5 - trial / 10), saved(trial, last), completed(trial))
    assert brain.state.finished == finish("done")
    return brain, records


def test_more_trials_are_begun() -> None:
    brain = under_other_limits(*whole_run(), stopper="none", trials=5, epochs=3, queues=False, keep=3)
    assert brain.tell(resumed(trials=5)) == []
    assert brain.tell(joined(1)) == [train(3, worker=1, attempt=1)]
    assert [brain.status(trial) for trial in range(3)] == ["completed"] * 3


def test_with_more_epochs_the_kept_ones_go_on_but_not_what_ended_by_itself() -> None:
    brain = under_other_limits(*whole_run(), stopper="none", trials=3, epochs=9, queues=False, keep=3)
    assert brain.tell(resumed(epochs=9)) == []
    assert [brain.status(trial) for trial in range(3)] == ["waiting", "waiting", "completed"]
    assert brain.state.best is brain.state.trials[0]
    on = train(0, attempt=2, after_epoch=3, to_epoch=9, max_epochs=9, reason="again: extended to 9 epochs")
    assert brain.tell(joined(1)) == [on]
    brain.tell(reported(0, 9, 0.8, attempt=2))
    assert train(1, to_epoch=9, start=checkpoint(1, 3)) in brain.tell(completed(0, attempt=2))
    assert [report.epoch for report in brain.state.trials[0].curve] == [3, 9]


def test_a_run_that_was_out_of_time_goes_on_with_more() -> None:
    last = Brain("none", trials=2, max_time=60.0, queues=False)
    records = lived(last, started(), joined(0), reported(0, 1, 0.5, at=9.0), time_reached(60.0), released(0, at=61.0))
    brain = under_other_limits(last, records, stopper="none", trials=2, max_time=120.0, queues=False)
    assert brain.tell(resumed(at=61.0, max_time=120.0)) == [wake_at(120.0)]
    assert brain.tell(joined(1, at=62.0)) == [train(0, worker=1, attempt=2, after_epoch=0)]
    assert brain.tell(time_reached(120.0))[:2] == [end_run("done", reason="120 s"), suspend(0)]


def test_trials_that_were_paused_where_there_is_no_rung_any_more_go_on_in_the_end() -> None:
    """With more trials and epochs hyperband begins at epoch 3: it knows nothing of who waits at epoch 1."""
    last = Brain("hyperband", trials=14, epochs=4, queues=False)
    words = [started(), joined(0), reported(0, 1, 0.5), *paused_and_saved(0, 1), stop_requested(), released(1)]
    settings = {"stopper": "hyperband", "trials": 18, "epochs": 12, "numbers": 2, "queues": False}
    brain = under_other_limits(last, lived(last, *words), **settings)
    brain.tell(resumed(trials=18, epochs=12), joined(1))
    assert [brain.status(trial) for trial in (0, 1)] == ["paused", "running"]
    assert not list(brain.stopper.finalists())
    assert brain.tell(diverged(1))[-1] == train(0, after_epoch=1, to_epoch=12, reason="nothing else is left: the best")


# After a mend.


def fail_alike(brain: Brain, trials: range, attempt: int = 1) -> None:
    for trial in trials:
        if brain.state.ending is None:
            brain.tell(failed(trial, where="study.py:7", attempt=attempt))


def test_the_first_three_are_counted_anew() -> None:
    brain = begun("none", workers=1, trials=20, queues=False)
    fail_alike(brain, range(3))
    assert brain.state.finished == finish("failed", reason="the first 3 trials failed alike")
    assert brain.tell(resumed()) == []
    assert brain.tell(joined(1)) == [train(3, worker=1)]
    fail_alike(brain, range(3, 5))
    assert brain.state.ending is None
    fail_alike(brain, range(5, 6))
    assert brain.state.finished == finish("failed", reason="the first 3 trials failed alike")


def test_a_bad_study_can_be_mended() -> None:
    brain = begun("none", workers=1, trials=20, queues=False)
    brain.tell(failed(0, bad_study=True, kind="configuration"))
    assert brain.state.finished == finish("failed")
    assert brain.tell(resumed(), joined(1)) == [train(1, worker=1)]


def test_losses_in_a_row_are_counted_anew() -> None:
    brain = begun("none", workers=1, trials=20, queues=False)
    for worker in range(5):
        brain.tell(lost(worker, cause="preempted"), joined(worker + 1))
    brain.tell(lost(5, cause="preempted"))
    assert brain.state.finished == finish("failed", reason="lost in a row")
    assert brain.tell(resumed()) == [] and brain.state.losses_in_a_row == 0
    assert brain.tell(joined(9)) == [train(0, worker=9, attempt=7)]


def test_a_finished_run_that_is_resumed_ends_at_once() -> None:
    last, records = whole_run()
    brain = under_other_limits(last, records, stopper="none", trials=3, epochs=3, queues=False, keep=3)
    assert brain.tell(resumed()) == [finish("done", reason="all 3 trials ended")]
    assert not [record for record in records if isinstance(record, Discard)]
