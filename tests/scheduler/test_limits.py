"""What ends a run although there would be more to train: epochs in all, GPU-hours, and what comes first of several."""

from tests.scheduler.support import (
    Brain,
    begun,
    completed,
    end_run,
    finish,
    joined,
    lost,
    released,
    reported,
    started,
    suspend,
    time_reached,
    train,
    wake_at,
)


def test_epochs_of_all_trials_count_together() -> None:
    brain = begun("none", workers=2, trials=9, max_epochs_total=3)
    assert brain.tell(reported(0, 1, 0.5), reported(1, 1, 0.5)) == []
    assert brain.tell(reported(0, 2, 0.6)) == [
        end_run("done", reason="epoch limit reached: 3 epochs of at most 3"),
        suspend(0, worker=0),
        suspend(1, worker=1),
        wake_at(20.0),
    ]
    assert brain.tell(released(0), released(1)) == [finish("done", reason="epoch limit reached")]


def test_gpu_hours_are_those_that_workers_hold() -> None:
    """Half a GPU each: one worker for 3,600 s and two for 1,800 s make one GPU-hour."""
    brain = Brain("none", trials=9, gpu_hours=1.0, gpus_per_trial=0.5)
    brain.tell(started())
    assert brain.tell(joined(0, at=100.0)) == [wake_at(7300.0), train(0)]
    assert brain.tell(joined(1, at=3700.0)) == [wake_at(5500.0), train(1)]
    assert brain.tell(time_reached(5500.0))[0] == end_run("done", reason="GPU limit reached: 1 GPU-hours")


def test_a_lost_worker_holds_no_gpu() -> None:
    brain = Brain("none", trials=9, gpu_hours=1.0, gpus_per_trial=1.0)
    brain.tell(started(), joined(0), joined(1))
    assert brain.state.wake_at == 1800.0
    brain.tell(lost(1, at=1200.0))
    assert brain.tell(time_reached(1800.0)) == [wake_at(2400.0)], (
        "half an hour is left, which one worker takes long for"
    )
    assert brain.tell(time_reached(2400.0))[0] == end_run("done", reason="GPU limit reached")


def test_the_earlier_of_two_moments_counts() -> None:
    brain = Brain("none", trials=9, max_time=50.0, gpu_hours=1.0, gpus_per_trial=1.0)
    assert brain.tell(started()) == [wake_at(50.0)]
    assert brain.tell(joined(0)) == [train(0)]
    assert brain.tell(time_reached(50.0))[0] == end_run("done", reason="time limit reached: 50 s")


def test_without_workers_no_gpu_hours_pass() -> None:
    brain = Brain("none", trials=1, gpu_hours=1.0, gpus_per_trial=1.0)
    assert brain.tell(started()) == []
    assert brain.tell(joined(0, at=10_000.0)) == [wake_at(13_600.0), train(0)]
    assert brain.tell(reported(0, 9, 0.5, at=10_001.0), completed(0, at=10_001.0)) == [finish("done")]
