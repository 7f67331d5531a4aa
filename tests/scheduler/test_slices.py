"""Trials that run out of a GPU's memory go on in a wider slice, and the others come back."""

from orchestrator.scheduler.instructions import Dismiss, GiveUp, Train
from tests.scheduler.support import begun, completed, failed, joined, lost, reported, time_reached


def slices_of(instructions):
    return [(step.worker, step.slices) for step in instructions if isinstance(step, Dismiss)]


def quarters(trials=20, **settings):
    """Four workers on one GPU, and one on another."""
    brain = begun("none", workers=0, trials=trials, epochs=1, widest=4, queues=False, **settings)
    brain.tell([joined(worker, gpus="0") for worker in range(4)], joined(4, gpus="1"))
    return brain


def test_the_worker_makes_way_for_a_wider_one_and_a_neighbour_on_its_gpu_makes_room():
    brain = quarters()
    assert slices_of(brain.tell(failed(1, kind="out of memory"))) == [(1, 2)]
    brain.tell(lost(1, cause="dismissed"))
    other_gpu = brain.tell(reported(4, 1, 0.5), completed(4))
    assert [type(step) for step in other_gpu] == [Train], "its slice would be of no use"
    assert slices_of(brain.tell(reported(2, 1, 0.5), completed(2))) == [(2, 0)]
    brain.tell(lost(2, cause="dismissed"))
    assert slices_of(brain.tell(reported(3, 1, 0.5), completed(3))) == [], "one was enough"
    (train,) = brain.tell(joined(5, gpus="0", slices=2))
    assert (train.assignment.trial, train.worker) == (1, 5)


def test_a_wide_worker_gives_back_what_no_trial_needs_any_more():
    brain = quarters()
    brain.tell(failed(1, kind="out of memory"), lost(1, cause="dismissed"), joined(5, gpus="0", slices=2))
    assert slices_of(brain.tell(reported(1, 1, 0.5, attempt=2), completed(1, attempt=2))) == [(5, 1)]


def test_a_slice_widens_to_the_whole_gpu_and_then_the_trial_is_given_up():
    brain = quarters()
    for attempt, (worker, width) in enumerate([(1, 2), (5, 4)], 1):
        decided = brain.tell(failed(1, attempt=attempt, kind="out of memory"))
        assert slices_of(decided) == [(worker, width)]
        brain.tell(lost(worker, cause="dismissed"), joined(worker + 4 if worker == 1 else 6, gpus="0", slices=width))
    decided = brain.tell(failed(1, attempt=3, kind="out of memory"))
    assert any(isinstance(step, GiveUp) for step in decided)
    assert slices_of(decided) == [(6, 1)]


def test_whole_gpus_and_no_gpus_stay_as_they_are():
    brain = begun("none", workers=2, trials=4, epochs=1)
    assert slices_of(brain.tell(failed(0, kind="out of memory"))) == [(0, 1)]


def test_gpu_hours_count_wide_workers_as_what_they_hold():
    brain = begun("none", workers=0, trials=9, epochs=1, widest=4, gpu_hours=1.0, gpus_per_trial=0.25)
    brain.tell(joined(0, gpus="0", slices=4))
    assert brain.tell(time_reached(3599.0)) == []
    assert brain.tell(time_reached(3600.0)) != []
