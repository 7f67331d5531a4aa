"""Stoppers by name, and the one that never stops."""

import pytest

from orchestrator.errors import UserError
from orchestrator.objective import Objective
from orchestrator.stoppers import STOPPERS, Stopper, make_stopper
from orchestrator.stoppers.asha import Asha
from orchestrator.stoppers.median import Median

MAX = Objective("val", "max")


def test_stoppers_by_name() -> None:
    kinds = {name: type(make_stopper(name, 9, MAX)) for name in STOPPERS}
    assert kinds == {"none": Stopper, "asha": Asha, "median": Median}


def test_an_unknown_name_is_told_with_the_nearest_one() -> None:
    with pytest.raises(UserError, match=r"no stopper 'medain'; did you mean 'median'\? \(known: asha, median, none\)"):
        make_stopper("medain", 9, MAX)


def test_none_trains_every_trial_to_the_end() -> None:
    stopper = make_stopper("none", 9, MAX)
    assert [stopper.horizon(epoch) for epoch in (0, 1, 8)] == [9, 9, 9]
    assert stopper.judge(0, 1).action == "go on" and stopper.judge(0, 1).reason
    assert list(stopper.promotable()) == [] and list(stopper.finalists()) == []


@pytest.mark.parametrize("name", STOPPERS)
@pytest.mark.parametrize("max_epochs", [1, 2, 3, 10, 27, 100])
def test_from_decision_to_decision_a_trial_reaches_max_epochs(name: str, max_epochs: int) -> None:
    stopper = make_stopper(name, max_epochs, MAX)
    epoch = 0
    while epoch < max_epochs:
        assert epoch < stopper.horizon(epoch) <= max_epochs
        epoch = stopper.horizon(epoch)
    assert epoch == max_epochs
