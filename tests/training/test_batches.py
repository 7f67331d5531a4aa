"""The order of the data: a pure function of (seed, epoch)."""

import gc
import itertools
from typing import Any

import keras
import numpy as np
import pytest

from orchestrator.training import batches
from orchestrator.training.data import Data
from orchestrator.training.session import begin_trial

ROWS = 10


def epochs(count: int, after_epoch: int = 0, *, seed: int = 5, size: int = 4, shuffle: bool = True) -> list[list[Any]]:
    pair = batches.to_tensors((np.arange(ROWS), np.arange(ROWS) * 2.0))
    stream = batches.training_stream(pair, size, seed, after_epoch, shuffle)
    taken = [
        (x.numpy().tolist(), y.numpy().tolist()) for x, y in itertools.islice(stream.dataset, count * stream.steps)
    ]
    assert all(y == [2 * item for item in x] for x, y in taken)
    return [[x for x, _ in taken[start : start + stream.steps]] for start in range(0, len(taken), stream.steps)]


def test_an_epoch_is_all_rows_in_another_order() -> None:
    first, second = epochs(2)
    assert [len(batch) for batch in first] == [4, 4, 2]
    for batches_of_rows in (first, second):
        assert sorted(itertools.chain.from_iterable(batches_of_rows)) == list(range(ROWS))
    assert first != second
    assert epochs(1, seed=6)[0] != first


def test_a_resumed_trial_sees_the_epochs_that_are_left() -> None:
    begin_trial(3)
    assert epochs(2, after_epoch=2) == epochs(4)[2:]


def test_without_shuffling() -> None:
    assert epochs(2, shuffle=False) == [[[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]] * 2


def test_whole_batches_have_a_fixed_size() -> None:
    pair = batches.to_tensors((np.arange(ROWS), np.arange(ROWS)))
    shapes = [batches.training_stream(pair, size, 0, 0, True).dataset.element_spec[0].shape[0] for size in (5, 4)]
    assert shapes == [5, None]


@pytest.mark.parametrize("size", [1, 3, 5, 10, 99])
def test_validation_sees_each_row_once_in_order(size: int) -> None:
    pair = batches.to_tensors(({"a": np.arange(ROWS), "b": np.zeros((ROWS, 2, 3))}, np.arange(ROWS)))
    taken = list(batches.validation_batches(pair, size))
    assert np.concatenate([x["a"] for x, _ in taken]).tolist() == list(range(ROWS))
    assert all(x["b"].shape == (len(y), 2, 3) for x, y in taken)
    assert len(taken) == -(-ROWS // min(size, ROWS))


def test_validation_batches_are_larger_for_small_rows_only() -> None:
    small, large = ((np.zeros((2, width), "float32"), np.zeros(2)) for width in (64, 500_000))
    assert batches.validation_batch_size(batches.to_tensors(small), 16) == 128
    assert batches.validation_batch_size(batches.to_tensors(large), 16) == 16


def test_tensors_are_made_once_and_let_go_with_the_data() -> None:
    data = Data((np.zeros((4, 2)), np.zeros(4, bool)), (np.zeros((2, 2)), np.zeros(2, bool)))
    made = batches.tensors(data)
    assert batches.tensors(data) is made
    assert [keras.backend.standardize_dtype(tensor.dtype) for tensor in made[0]] == ["float32", "bool"]
    kept = len(batches._tensors)
    del data
    gc.collect()
    assert len(batches._tensors) < kept
