"""What workers do for which nothing is left to begin: train the best to the end, repeat it, or leave."""

from orchestrator.display.summary import repeats_line
from orchestrator.draws import training_seed
from orchestrator.scheduler.instructions import Dismiss, Finish, Train, WakeAt
from tests.scheduler.support import (
    Brain,
    begun,
    completed,
    joined,
    lost,
    released,
    reported,
    saved,
    started,
    time_reached,
)


def trains(instructions):
    return [step.assignment for step in instructions if isinstance(step, Train)]


def complete(brain, trial, value, at=0.0):
    """Its one epoch is its last."""
    return brain.tell(reported(trial, 1, value, at=at), completed(trial, at=at))


def test_the_best_is_repeated_with_other_seeds_and_counts_as_no_draw():
    brain = begun("none", trials=2, epochs=1, repeat_best=2, seed=5)
    complete(brain, 0, 0.9)
    (first,) = trains(complete(brain, 1, 0.8))
    assert (first.trial, first.repeat_of, first.configuration) == (2, 0, {"number": 0})
    assert first.seed == training_seed(5, 2)
    (second,) = trains(complete(brain, 2, 0.7))
    assert (second.trial, second.repeat_of) == (3, 0)
    assert [type(step) for step in complete(brain, 3, 0.95)] == [Finish]
    assert brain.state.drawn == 2 and brain.state.repeats == {0: 2}
    assert brain.state.best.number == 3, "a repeat is a trial like others on the leaderboard"


def test_a_new_best_is_repeated_as_often_anew():
    brain = begun("none", workers=2, trials=2, epochs=1, repeat_best=1)
    (first,) = trains(complete(brain, 0, 0.5))
    assert first.repeat_of == 0
    (second,) = trains(complete(brain, 1, 0.6))
    assert second.repeat_of == 1
    complete(brain, 2, 0.1)
    assert isinstance(complete(brain, 3, 0.1)[-1], Finish)


def test_a_repeat_is_not_judged_and_does_not_count_for_others():
    brain = begun("asha:grace=1,eta=3", trials=1, epochs=9, repeat_best=1)
    for epoch in range(1, 10):
        brain.tell(reported(0, epoch, 0.5))
    (repeat,) = trains(brain.tell(saved(0, 9), completed(0)))
    assert (repeat.after_epoch, repeat.to_epoch, repeat.repeat_of) == (0, 9, 0)
    assert brain.tell(reported(1, 1, 0.9)) == []
    assert 1 not in brain.stopper.ladder.arrived


def test_the_sampler_goes_on_where_it_was_when_a_run_with_repeats_is_extended():
    brain = begun("none", trials=1, epochs=1, repeat_best=1)
    complete(brain, 0, 0.9)
    complete(brain, 1, 0.9)
    longer = Brain("none", trials=2, epochs=1, repeat_best=1)
    longer.fold([])
    longer.tell(started(), joined(0))
    complete(longer, 0, 0.9)
    assert longer.state.trials[1].configuration == {"number": 1}


def test_the_best_of_the_paused_are_trained_to_the_end():
    brain = begun("asha:grace=1,eta=3", trials=2, epochs=9, finish_best=2)
    brain.tell(reported(0, 1, 0.1), saved(0, 1), released(0))
    for epoch in range(1, 10):
        brain.tell(reported(1, epoch, 0.9))
    (second,) = trains(brain.tell(completed(1)))
    assert (second.trial, second.to_epoch) == (0, 9)
    assert "number 2 of all" in brain.state.trials[0].reason


def test_workers_are_released_once_nothing_is_left_for_them_but_one_stays():
    brain = begun("none", workers=3, trials=3, epochs=1, release_after=30.0)
    assert complete(brain, 0, 0.5, at=10.0)[-1] == WakeAt(time=40.0)
    complete(brain, 1, 0.5, at=20.0)
    assert brain.tell(time_reached(40.0)) == [
        Dismiss(worker=0, reason="nothing is left for it to train", slices=0),
        WakeAt(time=50.0),
    ]
    brain.tell(lost(0, at=41.0, cause="dismissed"))
    assert brain.tell(time_reached(50.0)) == [Dismiss(worker=1, reason="nothing is left for it to train", slices=0)]
    assert isinstance(complete(brain, 2, 0.5, at=60.0)[-1], Finish)


def test_as_many_stay_as_may_be_promoted_together():
    brain = begun("halving:grace=1,eta=3,cohort=3", workers=3, trials=3, epochs=9, release_after=0.0)
    assert not any(isinstance(step, Dismiss) for step in brain.tell(reported(0, 1, 0.5), saved(0, 1), released(0)))


def test_the_end_tells_what_other_seeds_reached():
    brain = begun("none", trials=1, epochs=1, repeat_best=2)
    complete(brain, 0, 0.9)
    complete(brain, 1, 0.7)
    complete(brain, 2, 0.8)
    assert repeats_line(brain.state) == "trial 0 with 2 other seeds: val 0.75 ± 0.071"
    assert brain.state.trials[1].story == "repeats trial 0: reached the last epoch"
