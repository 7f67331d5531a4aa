"""What the workers' time went into, and how much of it they waited, by what they say and by when they had trials."""

import pytest

from orchestrator.objective import Objective
from orchestrator.scheduler.events import ConfigurationProposed, Event
from orchestrator.scheduler.instructions import Record
from orchestrator.scheduler.spending import spending, waiting_share
from orchestrator.scheduler.worker import MOST_STRUCTURES
from tests.scheduler.support import Brain, begun, built, completed, joined, lost, reported, resumed, spent, started

VAL = Objective("val", "max")


def lived(brain: Brain, *events: Event) -> list[Record]:
    """The journal of these events."""
    records: list[Record] = []
    for event in events:
        records += [event, *brain.handle(event)]
    return records


def two_workers(*events: Event) -> tuple[Brain, list[Record]]:
    """Three trials of one epoch; the workers are ready after 10 s."""
    brain = Brain("none", trials=3, epochs=1, queues=False)
    first = [started(), joined(0, at=10), spent(0, 10, start=4, data=1), joined(1, at=10), spent(1, 10, start=5)]
    return brain, lived(brain, *first, *events)


END = [
    reported(0, 1, 0.5, at=20),
    spent(0, 20, wait=1, build=2, train=7),
    completed(0, at=20),  # And begins trial 2.
    reported(1, 1, 0.5, at=30),
    spent(1, 30, train=20),
    completed(1, at=30),  # Nothing is left for worker 1.
    reported(2, 1, 0.5, at=50),
    spent(0, 50, wait=3, train=27),
    completed(2, at=50),
]


def test_all_seconds_are_somewhere() -> None:
    brain, _ = two_workers(*END)
    found = spending(brain.state)
    assert found is not None
    assert found.at_trials == {"build": 2, "train": 7 + 20 + 27}
    assert (found.waiting, found.over) == (1 + 3, 20)
    assert (found.starts, found.starting) == (2, {"start": 9, "data": 1})
    assert found.total == 2 * 40
    assert found.busy_share == 56 / 80


def test_what_is_not_told_yet_is_known_by_who_has_a_trial() -> None:
    brain, _ = two_workers(*END[:3], reported(1, 1, 0.5, at=30), completed(1, at=30), lost(1, at=40))
    found = spending(brain.state)
    assert found is not None
    assert found.at_trials == {"build": 2, "train": 7 + 20}, "worker 0 is at trial 2 since 20 s"


def test_a_worker_that_a_trial_could_have_been_given_has_waited() -> None:
    """A slow sampler keeps it waiting."""
    brain = Brain("none", trials=1, epochs=1, queues=False, slow=True)
    lived(brain, started(), joined(0, at=0), spent(0, 0, start=1), joined(1, at=5), spent(1, 5, start=1))
    assert (brain.state.trials, brain.state.idle) == ([], {0, 1})
    before = spending(brain.state)
    assert before is not None and (before.waiting, before.over) == (5, 0)


def test_where_workers_do_not_tell_nothing_is_known() -> None:
    brain = begun("none", trials=1, epochs=1)
    brain.tell(reported(0, 1, 0.5, at=5), completed(0, at=5))
    assert spending(brain.state) is None
    silent = Brain("none", trials=2, epochs=1)
    records = lived(silent, started(), joined(0), reported(0, 1, 0.5, at=5), completed(0, at=6))
    assert waiting_share(records, VAL) is None


def test_waiting_counts_from_the_first_report_until_nothing_is_left_to_start() -> None:
    """Which are 20 s and 30 s here, for worker 0 gets trial 2 five seconds after it was through with trial 0."""
    brain = Brain("none", trials=4, epochs=1, queues=False)
    records = lived(
        brain,
        *[started(), joined(0, at=10), spent(0, 10, start=4), joined(1, at=10), spent(1, 10, start=5)],
        reported(0, 1, 0.5, at=20),
        spent(0, 20, wait=2, train=8),  # Before the first report.
        completed(0, at=20),
        reported(2, 1, 0.5, at=28),
        spent(0, 28, wait=1, train=7),
        completed(2, at=28),
        reported(3, 1, 0.5, at=40),
        spent(0, 40, wait=0.5, train=11.5),
        completed(3, at=40),  # Nothing is left since 28 s.
        reported(1, 1, 0.5, at=50),
        spent(1, 50, train=40),
        completed(1, at=50),
    )
    assert waiting_share(records, VAL) == pytest.approx(1 / (2 * 8))


def test_an_idle_worker_that_says_nothing_has_waited() -> None:
    """Worker 1 gets nothing from 30 s on, although at 50 s there is a trial for worker 0."""
    brain = Brain("none", trials=3, epochs=1, queues=False, slow=True)
    records = lived(brain, started(), joined(0, at=10), spent(0, 10, start=4), joined(1, at=10), spent(1, 10, start=5))

    def proposed(number: int, at: float) -> Event:
        return ConfigurationProposed(at=at, number=number, configuration={"number": number})

    records += lived(
        brain,
        *[proposed(0, 10), proposed(1, 10)],
        *[reported(0, 1, 0.5, at=20), spent(0, 20, train=10), completed(0, at=20)],
        *[reported(1, 1, 0.5, at=30), spent(1, 30, train=20), completed(1, at=30)],
        proposed(2, 50),
        *[reported(2, 1, 0.5, at=60), spent(0, 60, wait=30, train=10), completed(2, at=60)],
    )
    assert waiting_share(records, VAL) == pytest.approx((30 + 20) / (2 * 30))


def test_workers_of_a_driver_that_died_are_counted_until_then() -> None:
    brain = Brain("none", trials=2, epochs=1, queues=False)
    records = lived(brain, started(), joined(0, at=0), spent(0, 0, start=4))
    records += lived(brain, reported(0, 1, 0.5, at=10), spent(0, 10, train=10))
    records += lived(brain, resumed(at=20), joined(0, at=24), spent(0, 24, start=4))
    records += lived(brain, reported(0, 1, 0.5, attempt=2, at=34), spent(0, 34, wait=2, train=8))
    records += lived(brain, completed(0, attempt=2, at=34))
    assert waiting_share(records, VAL) == pytest.approx(2 / (10 + 10))


# Structures.


def test_a_worker_knows_what_it_has_built_the_last_one_first() -> None:
    brain = begun("none", workers=1, trials=12, epochs=1)
    for trial in range(12):
        brain.tell(built(trial, structure=f"layers {trial // 2}"), reported(trial, 1, 0.5), completed(trial))
    state = brain.state
    assert [trial.structure for trial in state.trials[:3]] == ["layers 0", "layers 0", "layers 1"]
    assert list(state.workers[0].structures) == [f"layers {number}" for number in reversed(range(6))]
    state.workers[0].note_structure("layers 2")
    assert list(state.workers[0].structures)[:2] == ["layers 2", "layers 5"]
    for number in range(MOST_STRUCTURES):
        state.workers[0].note_structure(f"others {number}")
    assert len(state.workers[0].structures) == MOST_STRUCTURES and "layers 2" not in state.workers[0].structures
