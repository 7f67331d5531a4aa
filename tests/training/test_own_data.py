"""Data that a study makes in each worker."""

import random
from typing import Any

import keras
import numpy as np
import pytest

from orchestrator.errors import UserError
from orchestrator.study import Study
from orchestrator.training import batches
from orchestrator.training.data import Data
from orchestrator.training.failures import BadStudy
from orchestrator.training.link import Completed, Failed
from orchestrator.training.own_data import OwnData
from tests.training.support import assignment, fit_study, loop_study, numbers, tiny, train

PAIRS = (numbers().train, numbers().validation)


def own(data: Any, **given: Any) -> Study:
    return fit_study(data=data, data_per_worker=True, **given)


def test_data_without_a_parameter_is_made_once_and_kept() -> None:
    calls = []

    def data() -> Any:
        calls.append(1)
        return PAIRS

    study = own(data)
    made = OwnData(study)
    assert calls == [1], "before the first trial"
    for _ in range(2):
        assert train(study, assignment(1, max_epochs=1), made).ending == Completed("reached epoch 1")
    assert calls == [1]
    assert batches.tensors(made.of({})) is batches.tensors(made.of({})), "and so are its tensors"


def test_data_of_the_configuration_is_made_for_each_trial() -> None:
    calls: list[Any] = []

    def data(configuration: dict[str, Any]) -> Any:
        calls.append(configuration)
        configuration["rate"] = "spoilt"
        return PAIRS

    study = own(data)
    made = OwnData(study)
    assert calls == []
    for rate in (0.01, 0.02):
        given = assignment(1, max_epochs=1, configuration={"rate": rate})
        done = train(study, given, made)
        assert done.ending == Completed("reached epoch 1")
        assert done.link.activities[0] == "data"
        assert given.configuration == {"rate": rate}
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("function", "takes"),
    [
        (lambda: 1, False),
        (lambda configuration: 1, True),
        (lambda c: 1, True),
        (lambda configuration=None: 1, True),
        (lambda folder="data": 1, False),
        (lambda *parts: 1, False),
    ],
)
def test_what_takes_the_configuration(function: Any, takes: bool) -> None:
    assert own(function).data_takes_configuration is takes


def test_all_workers_and_trials_draw_the_same_data() -> None:
    """A split that is drawn without a seed would else make scores of different rows."""

    def data(configuration: dict[str, Any]) -> Any:
        drawn = [np.random.uniform(), random.random(), float(keras.random.uniform(())), 0.0]  # noqa: NPY002
        return PAIRS[0], (np.array([drawn]), np.zeros(1))

    study = own(data)
    first = OwnData(study).of({"rate": 0.01})
    train(study, assignment(1, max_epochs=1, configuration={"rate": 0.01}), OwnData(study))
    again = OwnData(study).of({"rate": 0.02})
    assert np.array_equal(first.validation[0], again.validation[0])


def test_a_trial_trains_as_on_data_that_was_made_once() -> None:
    def data(configuration: dict[str, Any]) -> Any:
        keras.random.uniform(())
        return PAIRS

    done = train(own(data), assignment(2, max_epochs=2), OwnData(own(data)))
    plain = train(fit_study(), assignment(2, max_epochs=2), Data(*PAIRS))
    assert done.link.curve == plain.link.curve


def test_a_loop_gets_whatever_was_made() -> None:
    seen: list[Any] = []

    def loop(configuration: dict[str, Any], ctx: Any) -> None:
        for _ in ctx.epochs:
            seen.append(ctx.data)
            ctx.report({"val_loss": 1.0})

    study = loop_study(loop)
    study.data, study.data_per_worker = lambda configuration: f"data of {configuration['rate']}", True
    assert train(study, assignment(1, max_epochs=1), OwnData(study)).ending == Completed("reached epoch 1")
    assert seen == ["data of 0.01"]


def failure(data: Any) -> Failed:
    study = own(data)
    ending = train(study, assignment(1), OwnData(study)).ending
    assert isinstance(ending, Failed)
    return ending


def unreachable() -> Any:
    raise OSError("no network\nat all")


def missing() -> Any:
    raise UserError("run ./download first")


@pytest.mark.parametrize(
    ("data", "message", "where"),
    [
        (unreachable, "data() raised OSError: no network at all", " in unreachable"),
        (missing, "run ./download first", " in missing"),
        (lambda: exit(3), "data() raised SystemExit: 3", " in <lambda>"),
        (lambda: (PAIRS[0], (PAIRS[1][0], None)), "data(): y_val (NoneType) has dtype object: ", " in <lambda>"),
        (lambda configuration: None, "data() must return ((x_train, y_train), (x_val, y_val))", " in <lambda>"),
    ],
)
def test_mistakes_that_every_trial_would_share(data: Any, message: str, where: str) -> None:
    ending = failure(data)
    assert ending.bad_study
    assert ending.message.startswith(message)
    assert ending.where.startswith("test_own_data.py:") and ending.where.endswith(where)


def test_what_data_raises_for_one_configuration_is_that_trials_failure() -> None:
    def data(configuration: dict[str, Any]) -> Any:
        return {}[configuration["rate"]]

    ending = failure(data)
    assert not ending.bad_study
    assert (ending.error, ending.message, ending.kind) == ("KeyError", "0.01", "configuration")
    assert ending.where.endswith(" in data")


def test_a_mistake_is_told_to_each_trial() -> None:
    made = OwnData(own(missing, build=tiny))
    for _ in range(2):
        with pytest.raises(BadStudy, match=r"run \./download first"):
            made.of({})
