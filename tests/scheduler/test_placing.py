"""Trials prefer a worker that has compiled a graph of their structure."""

import pytest

from orchestrator.scheduler.events import Event
from orchestrator.scheduler.placing import warm_first
from orchestrator.stoppers import Promotion
from tests.scheduler.support import Brain, begun, built, proposed, released, reported, saved, train, worn_out


def paused(trial: int, value: float, structure: str) -> list[Event]:
    """What a worker says of a trial that pauses after its first epoch."""
    return [built(trial, structure=structure), reported(trial, 1, value), saved(trial, 1), released(trial)]


def brain_of_two() -> Brain:
    """Both workers are idle, for the sampler thinks; worker 0 knows structure a, worker 1 structure b."""
    brain = begun("asha:grace=1", workers=2, slow=True, trials=100)
    brain.tell(proposed(0), proposed(1))
    brain.tell(*paused(0, 0.1, "a"), *paused(1, 0.9, "b"))
    assert list(brain.state.idle) == [0, 1]
    return brain


def test_of_idle_workers_the_one_that_knows_it() -> None:
    brain = brain_of_two()
    assert brain.tell(proposed(2))[0] == train(2, worker=0)
    decided = brain.tell(built(2, structure="a"), reported(2, 1, 0.5))
    assert train(1, worker=1, to_epoch=3) in decided


def to(trial: int, epoch: int) -> Promotion:
    return Promotion(trial, epoch, "promoted")


def order(brain: Brain, *promotions: Promotion) -> list[int]:
    return [promotion.trial for promotion in warm_first(iter(promotions), brain.state)]


@pytest.fixture
def brain() -> Brain:
    """Worker 0 is idle, worker 1, which knows structure b, is at trial 1; paused are 0 and 2 of a, and 3 of b."""
    brain = brain_of_two()
    for trial, value in ((2, 0.05), (3, 0.01)):
        brain.tell(proposed(trial))
        brain.tell(*paused(trial, value, "a"))
    assert list(brain.state.idle) == [0] and brain.state.trials[1].holder == 1
    brain.state.trials[3].structure = "b"
    return brain


def test_one_that_another_worker_knows_waits_for_it(brain: Brain) -> None:
    assert order(brain, to(3, 3), to(2, 3), to(0, 3)) == [2, 3, 0]


def test_no_rung_waits_for_another(brain: Brain) -> None:
    assert order(brain, to(3, 9), to(2, 3)) == [3, 2]


def test_where_nothing_else_is_warm_it_does_not_wait(brain: Brain) -> None:
    brain.state.trials[2].structure = "c"
    assert order(brain, to(3, 3), to(2, 3)) == [3, 2]


def test_nobody_waits_for_a_worker_that_leaves(brain: Brain) -> None:
    brain.tell(worn_out(1))
    assert order(brain, to(3, 3), to(2, 3)) == [3, 2]


def test_what_is_warm_nowhere_keeps_its_place(brain: Brain) -> None:
    brain.state.trials[3].structure = "c"
    assert order(brain, to(3, 3), to(2, 3)) == [3, 2]
    assert order(brain) == []
