"""New configurations: those to start from, those of a slow sampler, and a sampler that adapts."""

from typing import Any

import pytest

from orchestrator.scheduler.instructions import Adapt
from orchestrator.scheduler.legality import IllegalRecord
from tests.scheduler.support import (
    Brain,
    begun,
    completed,
    exhausted,
    finish,
    joined,
    propose,
    proposed,
    reported,
    started,
    stop_sampling,
    train,
)


def brain_with(start: list[dict[str, Any]], **settings: Any) -> Brain:
    brain = Brain("none", **settings)
    brain.start = start
    return brain


def test_configurations_to_start_from_come_first() -> None:
    brain = brain_with([{"number": 77}, {"number": 88}], trials=3)
    assert brain.tell(started(), joined(0)) == [
        train(0, configuration={"number": 77}, reason="a configuration to start from")
    ]
    assert brain.tell(joined(1)) == [train(1, configuration={"number": 88})]
    assert brain.tell(joined(2)) == [train(2, configuration={"number": 2}, reason="a new configuration")]


def test_a_slow_sampler_is_asked_for_idle_workers_and_one_ahead() -> None:
    brain = Brain("none", slow=True)
    assert brain.tell(started()) == [propose(0)]
    assert brain.tell(joined(0)) == [propose(1)]
    assert brain.tell(proposed(0)) == [train(0, configuration={"number": 0})]
    assert brain.tell(proposed(1)) == []
    assert brain.tell(joined(1)) == [train(1), propose(2)]


def test_answers_may_come_in_any_order() -> None:
    brain = Brain("none", slow=True)
    assert brain.tell(started(), joined(0), joined(1)) == [propose(2)]
    assert brain.tell(proposed(1)) == []
    assert brain.tell(proposed(0)) == [train(0), train(1)], "the third is on its way"


def test_a_slow_sampler_is_not_asked_beyond_the_limit_nor_for_the_start() -> None:
    brain = brain_with([{"number": 77}], trials=2, slow=True)
    assert brain.tell(started()) == [], "it is to know the configurations to start from"
    assert brain.tell(joined(0)) == [train(0, configuration={"number": 77}), propose(1)]
    assert brain.tell(proposed(1)) == []
    assert brain.tell(joined(1)) == [train(1, configuration={"number": 1})]


def test_a_slow_sampler_that_is_exhausted() -> None:
    brain = Brain("none", slow=True)
    brain.tell(started(), joined(0), proposed(0))
    assert brain.tell(exhausted(1)) == []
    brain.tell(reported(0, 9, 0.5))
    assert brain.tell(completed(0)) == [stop_sampling(reason="there are 1 numbers"), finish("done")]


def test_nobody_proposes_unasked() -> None:
    brain = Brain("none", slow=True)
    brain.tell(started())
    with pytest.raises(IllegalRecord, match="nobody asked for it"):
        brain.tell(proposed(3))


def test_what_a_sampler_changes_is_an_instruction_and_told_back() -> None:
    brain = begun("none", workers=1, adapts=2, trials=4)
    decided = brain.tell(joined(1))
    assert decided == [
        train(1),
        Adapt(part="sampler", settings={"round": 1}, reason="2 trials have begun"),
    ]
    assert brain.state.adaptations == decided[1:]
    folded = Brain("none", adapts=2, trials=4)
    folded.fold([started(), joined(0), decided[1]])
    assert folded.sampler.round == 1  # type: ignore[attr-defined]
