"""Who trains what next, as lists of events: beginning, judging, pausing, promoting, queueing."""

from typing import Any

import pytest

from orchestrator.scheduler.instructions import Pause, Train, without_undone_pauses
from tests.scheduler.support import (
    Brain,
    begun,
    checkpoint,
    completed,
    discard,
    diverged,
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
    stop_sampling,
    train,
    wake_at,
)


@pytest.mark.parametrize(("stopper", "to_epoch"), [("none", 9), ("asha", 1), ("median", 1)])
def test_each_worker_that_joins_gets_a_new_configuration(stopper: str, to_epoch: int) -> None:
    brain = Brain(stopper, seed=3)
    assert brain.tell(started()) == []
    for number in range(3):
        (given,) = brain.tell(joined(number + 10))
        assert given == train(
            number,
            worker=number + 10,
            attempt=1,
            configuration={"number": number},
            after_epoch=0,
            to_epoch=to_epoch,
            max_epochs=9,
            start=None,
            repeat_of=None,
            keep_above=None,
            queued=False,
            reason="a new configuration",
        )
    assert len({trial.assignment.seed for trial in brain.state.trials}) == 3


def test_a_report_within_an_assignment_decides_nothing() -> None:
    assert begun("none").tell(reported(0, 1, 0.5), reported(0, 2, 0.5)) == []


def test_no_more_trials_than_the_limit() -> None:
    brain = begun("none", workers=2, trials=1)
    assert [trial.number for trial in brain.state.trials] == [0]
    assert brain.tell(*[reported(0, epoch, 0.5) for epoch in range(1, 10)], completed(0)) == [finish("done")]


def test_under_median_a_trial_goes_on_in_memory_with_a_reason() -> None:
    brain = begun("median", workers=6)
    assert brain.tell(reported(0, 1, 0.5)) == [
        train(0, worker=0, attempt=1, after_epoch=1, to_epoch=2, start=None, reason="0 other trials are too few")
    ]
    brain.tell(reported(trial, 1, 0.5) for trial in range(1, 5))
    assert brain.tell(reported(5, 1, 0.4)) == [
        stop(5, worker=5, reason="best 0.4 is worse than the median 0.5 of 5 others at epoch 1"),
        train(6, worker=5, after_epoch=0),
    ]
    assert brain.tell(reported(0, 2, 0.4)) == [train(0, after_epoch=2, to_epoch=3)]


def test_a_report_that_is_no_finite_number_is_not_judged() -> None:
    for stopper in ("asha", "median"):
        brain = begun(stopper, workers=2, trials=2)
        assert brain.tell(reported(0, 1, float("nan"))) == []
        assert brain.tell(diverged(0)) == []
        assert brain.status(0) == "diverged"


def test_at_a_rung_a_trial_pauses_and_its_worker_is_free_like_any_other() -> None:
    brain = begun()
    assert brain.tell(reported(0, 1, 0.5)) == [
        pause(0, worker=0, attempt=1, reason="epoch 1, rank 1 of 1; the top 0 go on"),
        train(1, worker=0),
    ]
    assert brain.tell(paused_and_saved(0, 1)) == []


def test_a_trial_promoted_at_once_goes_on_in_the_workers_memory() -> None:
    brain = begun()
    brain.tell(reported(0, 1, 0.1), paused_and_saved(0, 1), reported(1, 1, 0.2), paused_and_saved(1, 1))
    decided = brain.tell(reported(2, 1, 0.3))
    assert decided == [
        pause(2, worker=0),
        train(2, worker=0, attempt=1, after_epoch=1, to_epoch=3, start=None, reason="rank 1 of 3, within the top 1"),
    ]
    assert without_undone_pauses(decided) == decided[1:], "the pause is undone in the same breath"
    assert brain.tell(reported(2, 2, 0.3)) == []
    assert brain.tell(reported(2, 3, 0.3)) == [pause(2, reason="epoch 3, rank 1 of 1; the top 0 go on"), train(3)]


def test_only_undone_pauses_are_left_out() -> None:
    brain = begun()
    decided = brain.tell(reported(0, 1, 0.1))
    assert without_undone_pauses(decided) == decided
    brain.tell(paused_and_saved(0, 1), reported(1, 1, 0.05), paused_and_saved(1, 1))
    decided = brain.tell(reported(2, 1, 0.0))
    assert decided == [pause(2), train(0, start=checkpoint(0, 1))]
    assert without_undone_pauses(decided) == decided, "another trial resumed from its checkpoint undoes nothing"


def test_a_promotable_trial_goes_to_another_worker_only_once_it_is_let_go() -> None:
    brain = begun(trials=3)
    brain.tell(reported(0, 1, 0.5), reported(1, 1, 0.1))
    assert brain.tell(reported(2, 1, 0.2)) == [pause(2)], "trial 0 is promotable, but worker 0 holds it still"
    assert brain.tell(saved(0, 1)) == []
    assert brain.tell(released(0)) == [train(0, worker=0, attempt=1, after_epoch=1, to_epoch=3, start=checkpoint(0, 1))]


def test_without_a_checkpoint_a_promoted_trial_starts_again() -> None:
    """A loop of the user's own that saves nothing."""
    brain = begun(trials=3)
    brain.tell(reported(0, 1, 0.5), released(0), reported(1, 1, 0.1), released(1))
    assert brain.tell(reported(2, 1, 0.2)) == [pause(2), train(0, attempt=2, after_epoch=0, to_epoch=3, start=None)]
    assert brain.tell(reported(0, 1, 0.4, attempt=2), reported(0, 2, 0.4, attempt=2)) == []
    assert brain.tell(reported(0, 3, 0.6, attempt=2)) == [pause(0, reason="epoch 3, rank 1 of 1"), train(0, to_epoch=9)]


def test_an_idle_worker_prefers_lost_trials_then_promotions_then_new_ones() -> None:
    brain = begun(workers=2, trials=9)
    brain.tell(reported(0, 1, 0.5), paused_and_saved(0, 1))
    brain.tell(reported(1, 1, 0.4), paused_and_saved(1, 1))
    brain.tell(lost(1))
    assert [brain.status(trial) for trial in range(4)] == ["paused", "paused", "running", "waiting"]
    assert brain.tell(reported(2, 1, 0.1), *paused_and_saved(2, 1)) == []
    assert brain.state.trials[3].worker == 0, "worker 0 took the lost one although trial 0 was promotable"
    assert brain.tell(joined(2)) == [train(0, worker=2, start=checkpoint(0, 1))]
    assert brain.tell(joined(3)) == [train(4, worker=3)]


def test_the_worker_with_the_lowest_number_comes_first() -> None:
    brain = begun(workers=2, trials=3)
    brain.tell(reported(0, 1, 0.5), reported(2, 1, 0.5), reported(1, 1, 0.5))
    assert list(brain.state.idle) == [0, 1]
    assert brain.tell(released(0)) == [train(0, worker=0)]


def test_a_stale_word_does_not_resume_a_trial_that_its_worker_is_letting_go() -> None:
    """Trial 0 is promotable and held by an idle worker that was told to save it; then a word of its first attempt."""
    brain = begun(workers=2, trials=3)
    brain.tell(lost(0), reported(1, 1, 0.1), paused_and_saved(1, 1))
    brain.tell(reported(0, 1, 0.5, attempt=2))
    assert brain.tell(reported(2, 1, 0.2)) == [pause(2, worker=1)]
    assert brain.status(0) == "paused" and brain.state.trials[0].holder == 1
    assert brain.tell(reported(0, 1, 0.5, attempt=1)) == []
    assert brain.tell(paused_and_saved(0, 1, attempt=2)) == [train(0, start=checkpoint(0, 1, attempt=2))]


def test_a_sampler_without_more_configurations_ends_sampling() -> None:
    brain = begun("none", numbers=1, trials=None)
    assert brain.tell(reported(0, 9, 0.5), completed(0)) == [
        stop_sampling(reason="there are 1 numbers"),
        finish("done", reason="there are 1 numbers"),
    ]
    assert [trial.number for trial in brain.state.trials] == [0]


def test_a_sampler_without_any_configuration_ends_the_run() -> None:
    brain = begun("none", workers=0, numbers=0)
    assert brain.tell(joined(0)) == [
        stop_sampling(reason="there are 0 numbers"),
        finish("failed", reason="there are 0 numbers"),
    ]


# Queues.


def brief(stopper: str, seconds: float, epochs: int = 1, **settings: Any) -> tuple[Brain, list[Any]]:
    """A run of trials that each take so many seconds, and what was decided when the first one ended."""
    brain = begun(stopper, epochs=epochs, **settings)
    return brain, brain.tell(
        *[reported(0, epoch, 0.5, at=seconds) for epoch in range(1, epochs + 1)], completed(0, at=seconds)
    )


def test_behind_a_brief_trial_the_next_ones_are_queued() -> None:
    brain, decided = brief("none", 0.001, trials=1000)
    assert decided[0] == train(1, worker=0, queued=False)
    assert decided[1:] == [train(number, worker=0, queued=True, after_epoch=0) for number in range(2, 102)]
    assert [brain.status(trial) for trial in (1, 2, 101)] == ["running", "waiting", "waiting"]
    assert brain.tell(reported(1, 1, 0.5, at=0.002)) == []
    assert brain.tell(completed(1, at=0.002)) == [train(102, worker=0, queued=True)]
    assert brain.status(2) == "running"


@pytest.mark.parametrize(
    ("seconds", "queued"), [(0.0002, 256), (0.001, 100), (0.006, 16), (0.05, 2), (0.2, 1), (1.9, 1), (2.1, 0)]
)
def test_about_a_tenth_of_a_second_of_work_is_queued_or_one_that_takes_longer(seconds: float, queued: int) -> None:
    _, decided = brief("none", seconds, trials=10_000)
    assert len(decided) == 1 + queued


@pytest.mark.parametrize(("workers", "queued"), [(2, 2), (10, 8), (20, 16), (50, 40), (100, 80), (200, 80)])
def test_more_workers_have_more_queued_so_that_together_they_ask_as_often(workers: int, queued: int) -> None:
    brain = begun("none", workers=workers, epochs=1, trials=100_000)
    assert len(brain.tell(reported(0, 1, 0.5, at=0.05), completed(0, at=0.05))) == 1 + queued


def test_what_counts_is_how_long_the_worker_was_at_it_not_when_that_was_heard() -> None:
    brain = begun("none", epochs=1, trials=10_000)
    assert len(brain.tell(reported(0, 1, 0.5, at=0.4), completed(0, at=0.4, seconds=0.001))) == 1 + 100


def test_the_first_trial_of_a_worker_says_little_once_there_are_others() -> None:
    brain = begun("none", workers=2, epochs=1, trials=10_000)
    assert brain.tell(reported(0, 1, 0.5, at=9.0), completed(0, at=9.0, seconds=9.0)) == [train(2, worker=0)]
    assert len(brain.tell(reported(2, 1, 0.5, at=9.0), completed(2, at=9.0, seconds=0.001))) == 1 + 100
    brain.tell(reported(1, 1, 0.5, at=9.0), completed(1, at=9.0, seconds=9.0))
    assert brain.state.trial_seconds == pytest.approx(0.001)


def test_nothing_is_queued_before_it_is_known_that_trials_are_brief() -> None:
    brain = begun("none", epochs=1, trials=100)
    assert brain.tell(reported(0, 1, 0.5, at=0.001)) == []


@pytest.mark.parametrize("end", [failed(0), diverged(0)])
def test_a_trial_that_fails_at_once_says_nothing_of_how_long_others_take(end: Any) -> None:
    brain = begun("none", workers=2, trials=100)
    assert brain.tell(end) == [train(2, worker=0)]
    assert brain.tell(reported(1, 1, 0.5, at=60.0)) == []


def test_how_long_a_trial_takes_is_counted_from_its_first_epoch() -> None:
    """Under median each epoch is an assignment of its own; queued trials must be judged, so at most one is queued."""
    brain = begun("median", epochs=3, trials=100)
    brain.tell(*[reported(0, epoch, 0.5, at=0.8 * epoch) for epoch in (1, 2, 3)])
    assert brain.tell(completed(0, at=2.4)) == [train(1, queued=False)]
    brain.tell(reported(1, 1, 0.5, at=3.2))
    assert brain.tell(reported(1, 2, 0.5, at=4.0)) == [train(1, after_epoch=2)], "a trial takes 2.4 s"


def test_nothing_is_queued_behind_an_assignment_that_must_be_judged() -> None:
    brain = begun("asha", epochs=3, trials=100)
    brain.tell(reported(0, 1, 0.1, at=0.001), paused_and_saved(0, 1))
    brain.tell(reported(1, 1, 0.1, at=0.002), paused_and_saved(1, 1))
    brain.tell(reported(2, 1, 0.2, at=0.003), reported(2, 3, 0.2, at=0.004))
    decided = brain.tell(completed(2, at=0.004))
    assert decided == [train(3, worker=0, queued=False, to_epoch=1)]
    assert brain.tell(reported(3, 1, 0.05, at=0.005)) == [pause(3), train(4, queued=False)]


def test_only_one_trial_that_must_be_judged_is_queued_behind_one_that_ends() -> None:
    brain = begun("asha", epochs=3, trials=100)
    brain.tell(reported(0, 1, 0.1, at=0.001), paused_and_saved(0, 1))
    brain.tell(reported(1, 1, 0.1, at=0.002), paused_and_saved(1, 1))
    brain.tell(reported(2, 1, 0.2, at=0.003), reported(2, 3, 0.2, at=0.004), completed(2, at=0.004))
    brain.tell(reported(3, 1, 0.0, at=0.005), paused_and_saved(3, 1))
    brain.tell(reported(4, 1, 0.0, at=0.006), paused_and_saved(4, 1))
    decided = brain.tell(reported(5, 1, 0.3, at=0.007))
    assert decided == [pause(5), train(5, after_epoch=1, to_epoch=3), train(6, queued=True, to_epoch=1)]
    assert brain.tell(reported(5, 2, 0.3, at=0.008)) == []


def test_the_last_trials_are_left_to_whoever_is_free_first() -> None:
    brain, decided = brief("none", 0.001, trials=9, workers=2)
    assert decided == [train(2, queued=False), train(3, queued=True), train(4, queued=True)], "half of what is left"
    assert brain.tell(completed(1, at=0.001)) == [train(5, worker=1, queued=False), train(6, worker=1, queued=True)]
    assert brain.tell(completed(2, at=0.002), completed(3, at=0.003)) == [], "7 and 8 are as many as there are workers"
    assert brain.tell(completed(4, at=0.004)) == [train(7, worker=0, queued=False)]


def test_one_of_the_first_trials_that_took_long_is_soon_made_up_for() -> None:
    brain, decided = brief("none", 1.9, trials=1000)
    assert len(decided) == 2
    number = 0
    while brain.tell(completed(number := number + 1, at=1.9 + 0.001 * number))[-1].assignment.trial < number + 64:
        assert number < 400


def test_queued_trials_of_a_lost_worker_go_to_another_as_new_attempts() -> None:
    brain, _ = brief("none", 0.001, trials=4, workers=1)
    assert brain.tell(lost(0, at=1.0)) == []
    decided = brain.tell(joined(1, at=2.0))
    assert decided[0] == train(1, worker=1, attempt=2, after_epoch=0, queued=False)
    assert brain.status(2) == "waiting" and brain.state.trials[2].attempt == 2
    assert brain.tell(reported(1, 1, 0.5, attempt=2, at=2.0), completed(1, attempt=2, at=2.0)) == [
        train(2, worker=1, attempt=2)
    ]


def test_a_queued_trial_that_fails_at_once_makes_room_for_the_next() -> None:
    brain, _ = brief("none", 0.001, trials=1000)
    assert brain.tell(failed(1, at=0.002)) == [train(102, queued=True)]
    assert brain.tell(diverged(2, at=0.002)) == [train(103, queued=True)]
    assert brain.status(3) == "running"


def test_what_the_driver_carries_out_keeps_its_order() -> None:
    brain = begun()
    decided = brain.tell(reported(0, 1, 0.5))
    assert [type(step) for step in without_undone_pauses(decided)] == [Pause, Train]


def test_a_time_limit_is_asked_for_once() -> None:
    brain = Brain("none", max_time=60.0)
    assert brain.tell(started()) == [wake_at(60.0)]
    assert brain.tell(joined(0)) == [train(0)]


def test_a_superseded_checkpoint_is_discarded_at_once() -> None:
    brain = begun("none")
    brain.tell(reported(0, 1, 0.5), saved(0, 1), reported(0, 2, 0.5), saved(0, 2), reported(0, 3, 0.5))
    assert brain.tell(saved(0, 3, best=1)) == [discard(0, 1)]
