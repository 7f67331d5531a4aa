"""The metric that ranks, turned so that larger is better."""

from math import inf, isnan, nan

import pytest

from orchestrator.objective import Objective


def test_larger_is_better_inside() -> None:
    metrics = {"loss": 0.25, "accuracy": 0.75}
    assert Objective("accuracy", "max").score(metrics) == 0.75
    assert Objective("loss", "min").score(metrics) == -0.25


def test_turned_twice_it_is_as_reported() -> None:
    for objective in (Objective("loss", "min"), Objective("loss", "max")):
        for value in (0.25, -1.0, inf, -inf):
            assert objective.turn(objective.turn(value)) == value
        assert isnan(objective.turn(nan))


def test_a_metric_that_is_not_reported_is_missing() -> None:
    with pytest.raises(KeyError, match="loss"):
        Objective("loss", "min").score({"accuracy": 1.0})
