import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest

from orchestrator.errors import UserError
from orchestrator.training.data import Data, check_data

X, Y = np.zeros((6, 2)), np.zeros(6, int)
X_VAL, Y_VAL = np.zeros((3, 2)), np.zeros(3, int)


def complaints(value: Any) -> list[str]:
    with pytest.raises(UserError) as caught:
        check_data(value)
    return str(caught.value).splitlines()


def test_pairs_and_triples() -> None:
    data = check_data(((X, Y), (X_VAL, Y_VAL)))
    assert data.train[0] is X
    assert data.test is None
    assert check_data([(X, Y), (X_VAL, Y_VAL), [X, Y]]).test == (X, Y)


def test_lists_and_pandas_become_arrays() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    data = check_data(((frame, [0, 1]), (frame, pd.Series([1, 0]))))
    for arrays in (*data.train, *data.validation):
        assert isinstance(arrays, np.ndarray)
    assert np.array_equal(data.train[0], [[1.0, 3.0], [2.0, 4.0]])


def test_dicts_of_arrays() -> None:
    data = check_data((({"a": X, "b": Y}, Y), ({"a": X_VAL, "b": Y_VAL}, Y_VAL)))
    assert isinstance(data.train[0], dict)
    assert list(data.train[0]) == ["a", "b"]


def test_data_travels() -> None:
    again = pickle.loads(pickle.dumps(Data((X, Y), (X_VAL, Y_VAL))))
    assert np.array_equal(again.train[0], X)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "it returned None"),
        ((X, Y), "one of the pairs is ndarray of shape (6, 2)"),
        ((X, Y, X_VAL, Y_VAL), "it returned a tuple of 4"),
        (((X, Y), (X_VAL, Y_VAL, Y)), "one of the pairs is a tuple of 3"),
        ({"train": (X, Y)}, "it returned dict"),
    ],
)
def test_something_else_than_pairs(value: Any, shown: str) -> None:
    (line,) = complaints(value)
    assert line.startswith("data() must return ((x_train, y_train), (x_val, y_val))")
    assert line.endswith(shown)


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (((X, Y[:4]), (X_VAL, Y_VAL)), "x_train has 6 rows, y_train has 4"),
        (((X, Y), (X_VAL, Y)), "x_val has 3 rows, y_val has 6"),
        (((X, Y), (X_VAL[:, :1], Y_VAL)), "rows of x_train have the shape (2,), rows of x_val (1,)"),
        (((X, Y), (X_VAL, Y_VAL[:, None])), "rows of y_train have the shape (), rows of y_val (1,)"),
        (((X, Y), (X_VAL, Y_VAL), (X[:, :1], Y)), "rows of x_train have the shape (2,), rows of x_test (1,)"),
        (((X, Y), (X_VAL[:0], Y_VAL[:0])), "x_val is empty"),
        (((X, Y), (X_VAL, 3)), "y_val is int, not an array"),
        (((X, Y), (X_VAL, None)), "y_val (NoneType) has dtype object: convert it to numbers or strings"),
        (((X, Y), (X_VAL, Y_VAL.astype("M8[s]"))), "y_val (ndarray) has dtype datetime64[s]: convert it"),
        ((([X, X], Y), (X_VAL, Y_VAL)), "x_train is a list of arrays: use a dict of arrays for several inputs"),
        ((([[1, 2], [3]], Y), (X_VAL, Y_VAL)), "x_train (list) is not an array: setting an array element"),
        ((({"a": X}, Y), (X_VAL, Y_VAL)), "x_train is a dict of arrays, x_val is an array"),
        ((({"a": X}, Y), ({"b": X_VAL}, Y_VAL)), "x_train has the keys a, x_val has b"),
        ((({"a": X, "b": Y[:5]}, Y), ({"a": X_VAL, "b": Y_VAL}, Y_VAL)), "x_train['a'] has 6 rows, x_train['b'] has 5"),
        ((({"a": X}, Y), ({"a": X_VAL[:, :1]}, Y_VAL)), "rows of x_train have the shape (2,), rows of x_val['a'] (1,)"),
        ((({}, Y), ({}, Y_VAL)), "x_train is an empty dict"),
    ],
)
def test_arrays_that_do_not_fit(value: Any, line: str) -> None:
    assert complaints(value)[0].startswith(f"data(): {line}")


def test_every_mistake_is_told_at_once() -> None:
    lines = complaints(((X, Y[:4]), (X_VAL[:0], None)))
    assert len(lines) == 3
