"""What a user is told of his own exceptions."""

from pathlib import Path
from typing import Any

import keras
import pytest

from orchestrator.study import Study
from orchestrator.training.data import Data
from orchestrator.training.failures import MESSAGE_LIMIT, TRACEBACK_LIMIT
from orchestrator.training.link import Failed
from tests.training.support import assignment, fit_study, loop_study, numbers, tiny, train

HERE = Path(__file__).name


@pytest.fixture(scope="module")
def data() -> Data:
    return numbers()


def failure(study: Study, data: Any) -> Failed:
    ending = train(study, assignment(4), data).ending
    assert isinstance(ending, Failed)
    return ending


class OutOfOrder(Exception):
    pass


def broken(configuration: dict[str, Any]) -> Any:
    raise OutOfOrder("the\n  first \x1b[1mline\x1b[0m")


def test_an_exception_in_build(data: Data) -> None:
    told = failure(fit_study(broken), data)
    line = broken.__code__.co_firstlineno + 1
    assert told.error == f"{__name__}.OutOfOrder"
    assert told.message == "the first line"
    assert told.where == f"{HERE}:{line} in broken"
    assert not told.bad_study
    assert f'line {line}, in broken\n    raise OutOfOrder("the' in told.traceback
    assert "orchestrator" not in told.traceback


def test_the_innermost_line_of_the_users(data: Data) -> None:
    """NumPy raises, his code called it."""
    import numpy as np

    def build(configuration: dict[str, Any]) -> Any:
        return np.linalg.inv(np.zeros((2, 2)))

    told = failure(fit_study(build), data)
    assert told.error == "numpy.linalg.LinAlgError"
    assert told.where == f"{HERE}:{build.__code__.co_firstlineno + 1} in build"
    assert "_raise_linalgerror_singular" in told.traceback


def test_a_layer_that_raises_while_it_is_traced(data: Data) -> None:
    class Picky(keras.Layer):
        def call(self, x: Any) -> Any:
            raise ValueError("never")

    def build(configuration: dict[str, Any]) -> Any:
        model = keras.Sequential([Picky(), keras.layers.Dense(3)])
        model.compile("sgd", "mse")
        return model

    told = failure(fit_study(build), data)
    assert told.error == "ValueError"
    assert "never" in told.message
    assert told.where == f"{HERE}:{Picky.call.__code__.co_firstlineno + 1} in call"


def test_fit_raises_for_shapes_that_do_not_fit(data: Data) -> None:
    def build(configuration: dict[str, Any]) -> Any:
        model = keras.Sequential([keras.Input((99,)), keras.layers.Dense(3)])
        model.compile("sgd", "mse")
        return model

    told = failure(fit_study(build), data)
    assert told.error == "ValueError"
    assert "incompatible" in told.message
    assert told.where
    assert "site-packages" not in told.where


@pytest.mark.parametrize("cause", [SystemExit(3), RecursionError("deep"), MemoryError()])
def test_other_ways_to_end(data: Data, cause: BaseException) -> None:
    def build(configuration: dict[str, Any]) -> Any:
        raise cause

    assert failure(fit_study(build), data).error == type(cause).__name__


def test_an_interrupt_passes(data: Data) -> None:
    def build(configuration: dict[str, Any]) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(fit_study(build), assignment(1), data)


def test_long_words_are_cut(data: Data) -> None:
    def build(configuration: dict[str, Any]) -> Any:
        raise ValueError("word " * 10_000)

    told = failure(fit_study(build), data)
    assert len(told.message) <= MESSAGE_LIMIT
    assert len(told.traceback) <= TRACEBACK_LIMIT + 20
    assert told.traceback.startswith("Traceback")


def test_causes_are_told(data: Data) -> None:
    def build(configuration: dict[str, Any]) -> Any:
        try:
            broken(configuration)
        except OutOfOrder as error:
            raise ValueError("second") from error

    told = failure(fit_study(build), data)
    assert "OutOfOrder" in told.traceback
    assert told.where.endswith("in build")


def test_a_callback_that_raises(data: Data) -> None:
    class Bad(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            raise ZeroDivisionError

    told = failure(fit_study(tiny, fit=lambda _: {"callbacks": [Bad()]}), data)
    assert (told.error, told.message) == ("ZeroDivisionError", "")
    assert told.where.endswith("in on_epoch_end")


def test_a_loop_that_raises() -> None:
    def fit(configuration: dict[str, Any], ctx: Any) -> None:
        for _ in ctx.epochs:
            raise KeyError("lost")

    told = failure(loop_study(fit), None)
    assert (told.error, told.message) == ("KeyError", "'lost'")
    assert told.where.endswith("in fit")
