import doctest

import pytest

from orchestrator.display import words
from orchestrator.display.progress import Progress
from orchestrator.settings import Settings
from tests.display.support import Clock
from tests.scheduler.support import begun, completed, joined, lost, reported
from tests.simulated_runs import SimulatedRun


def test_the_examples_of_words_hold():
    assert doctest.testmod(words).failed == 0
    assert doctest.testmod(words).attempted >= 4


@pytest.mark.parametrize(
    ("seconds", "shown"), [(9.99, "10.0 s"), (59.6, "1 min"), (3600, "1 h"), (90061, "1 d 1 h"), (120, "2 min")]
)
def test_durations_are_rounded_once(seconds, shown):
    assert words.duration(seconds) == shown


def test_amounts_are_short():
    assert [words.quantity(amount) for amount in (2.0, 0.25, 0.3333, 10.0, 128)] == ["2", "0.25", "0.3333", "10", "128"]


def test_the_busy_share_counts_worker_seconds_since_the_first_assignment():
    brain = begun("none", workers=1, trials=3, epochs=2)
    state, clock = brain.state, Clock()
    progress = Progress(state, Settings(trials=3, epochs=2), clock)

    def tell(event):
        brain.tell(event)
        progress.take([event])

    tell(joined(1, at=0))
    assert progress.busy_share is None
    for event in (reported(0, 1, 0.5, at=10), reported(0, 2, 0.5, at=20), completed(0, at=20)):
        tell(event)
    assert progress.busy_share == 1.0
    tell(reported(1, 1, 0.5, at=25))
    tell(reported(1, 2, 0.5, at=30))
    tell(completed(1, at=30))  # Worker 1 has nothing to do from here.
    tell(reported(2, 1, 0.5, at=50))
    assert progress.busy_share == pytest.approx((50 + 30) / (2 * 50))
    clock.now += 10  # Nothing is heard, and time goes on.
    assert progress.now == 60
    assert progress.busy_share == pytest.approx((60 + 30) / (2 * 60))
    tell(lost(1, at=60))
    tell(reported(2, 2, 0.5, at=100))
    assert progress.busy_share == pytest.approx((100 + 30) / (2 * 60 + 40))


@pytest.mark.parametrize("stopper", ["none", "asha", "median"])
def test_the_time_left_is_an_estimate_that_can_be_relied_on(stopper):
    run = SimulatedRun(Settings(trials=60, epochs=27, stopper=stopper))
    progress = Progress(run.state, run.settings, lambda: 0.0)
    estimates = []

    def watch(records):
        progress.take(records)
        estimates.append((run.state.now, progress.seconds_left, progress.settled))

    run.drive(watch)
    end = run.state.now
    assert all(left is None for _, left, settled in estimates if settled < 15)
    later = [(end - now, left) for now, left, _ in estimates if 0.4 * end < now < 0.75 * end]
    assert all(left is not None and 0.4 < left / true < 2.5 for true, left in later)


def test_the_time_left_is_at_most_what_the_limit_leaves():
    brain = begun("none", workers=1, trials=8, epochs=1)
    kinds = {
        "work": Settings(trials=8, epochs=1),
        "either": Settings(trials=8, epochs=1, max_time=60.0),
        "time": Settings(trials=None, epochs=1, max_time=60.0),
        "neither": Settings(trials=None, epochs=1, target=2.0),
    }
    each = {name: Progress(brain.state, settings, lambda: 0.0) for name, settings in kinds.items()}

    def left():
        return {name: progress.seconds_left for name, progress in each.items()}

    for progress in each.values():
        progress.take([joined(0)])
    assert left() == {"work": None, "either": None, "time": 60.0, "neither": None}
    for trial in range(5):
        for event in (reported(trial, 1, 0.5, at=10 * (trial + 1)), completed(trial, at=10 * (trial + 1))):
            brain.tell(event)
            for progress in each.values():
                progress.take([event])
    assert left() == {"work": 30.0, "either": 10.0, "time": 10.0, "neither": None}
