import io
import zipfile
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from orchestrator.training.packing import is_tree, pack, unpack


def test_round_trip() -> None:
    tree = {
        "none": None,
        "numbers": [1, 2.5, True, float("inf")],
        "text": "é",
        "pair": (1, "a"),
        "nested": {"dict": {"dtype": "x", "array": [{}]}},
        "empty": [],
    }
    assert unpack(pack(tree)) == tree
    again = unpack(pack({"nested": [{"array": np.arange(3)}, np.float32(1.5)]}))
    assert again["nested"][0]["array"].tolist() == [0, 1, 2]
    assert again["nested"][1] == 1.5


@pytest.mark.parametrize(
    "array",
    [
        np.array(1.5, "float32"),
        np.array(["a", "bc"]),
        np.empty((0, 4), "S1"),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.array([1, 2], ml_dtypes.bfloat16),
        np.array([1, 2], ml_dtypes.float8_e4m3fn),
    ],
)
def test_arrays_keep_type_and_shape(array: Any) -> None:
    again = unpack(pack([array]))[0]
    assert (again.dtype, again.shape) == (array.dtype, array.shape)
    assert np.array_equal(again, array)


@pytest.mark.parametrize("value", [object(), {1: 2}, np.array([object()]), {1, 2}, lambda: 0, 1j])
def test_what_is_no_tree(value: Any) -> None:
    assert not is_tree([value])
    with pytest.raises(TypeError):
        pack(value)


def test_the_file_is_plain_npz() -> None:
    content = pack({"a": np.arange(3)})
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        assert all(name.endswith(".npy") for name in file.namelist())
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        assert {"structure", "array0"} == set(file)
