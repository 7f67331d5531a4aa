"""What a study's `data()` returns, checked once so that a mistake is told in words instead of by TensorFlow.

TensorFlow is not imported here: arrays are also made and checked where it is not needed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from orchestrator.errors import UserError

Arrays = NDArray[Any] | dict[str, NDArray[Any]]
Pair = tuple[Arrays, Arrays]

NAMES = (("x_train", "y_train"), ("x_val", "y_val"), ("x_test", "y_test"))
SHAPE = "data() must return ((x_train, y_train), (x_val, y_val)), optionally with (x_test, y_test)"
UNUSABLE_KINDS = "OMmV"
MOST_PARTS = 16
"""Of a tuple or list; longer ones hold rows."""
TENSORFLOWS_DATASETS = "tensorflow.python.data."


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Data:
    """Compared by identity: what a worker derives from it is kept beside it."""

    train: Pair
    validation: Pair
    test: Pair | None = None


def check_data(value: object) -> Data:
    """The arrays of a study that has `build`. UserError with a line for each way in which they are wrong."""
    if not isinstance(value, (tuple, list)) or len(value) not in (2, 3):
        raise UserError(f"{SHAPE}; it returned {described(value)}")
    for part in value:
        if not isinstance(part, (tuple, list)) or len(part) != 2:
            raise UserError(f"{SHAPE}; one of the pairs is {described(part)}")
    problems: list[str] = []
    pairs: list[Pair] = []
    for names, (x, y) in zip(NAMES, value, strict=False):
        pair = (_arrays(names[0], x, problems), _arrays(names[1], y, problems))
        problems += _pair_problems(names, pair)
        pairs.append(pair)
    for names, pair in zip(NAMES[1:], pairs[1:], strict=False):
        for side in (0, 1):
            problems += _difference(NAMES[0][side], pairs[0][side], names[side], pair[side])
    if problems:
        raise UserError("\n".join(f"data(): {problem}" for problem in problems))
    return Data(*pairs)


def refuse_datasets(value: object) -> None:
    """UserError where there is a `tf.data.Dataset` in what is to be sent to the workers."""
    if holds_dataset(value):
        raise UserError(
            "data() returned a tf.data.Dataset, which cannot be sent to the workers: set data_per_worker=True in the "
            "study, so that each worker makes its own"
        )


def holds_dataset(value: object) -> bool:
    """In tuples, lists and dicts too."""
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, (tuple, list)):
        return len(value) <= MOST_PARTS and any(map(holds_dataset, value))
    return any(kind.__module__.startswith(TENSORFLOWS_DATASETS) for kind in type(value).__mro__)


def _arrays(name: str, value: object, problems: list[str]) -> Arrays:
    if isinstance(value, Mapping):
        if not value:
            problems.append(f"{name} is an empty dict")
        return {str(key): _array(f"{name}[{key!r}]", item, problems) for key, item in value.items()}
    return _array(name, value, problems)


def _array(name: str, value: object, problems: list[str]) -> NDArray[Any]:
    """As NumPy sees it; an empty array stands for what could not be read."""
    if isinstance(value, (tuple, list)) and any(isinstance(item, np.ndarray) and item.ndim for item in value):
        problems.append(f"{name} is a list of arrays: use a dict of arrays for several inputs, or numpy.stack for rows")
        return np.empty(0)
    try:
        array = np.asarray(value)
    except Exception as error:
        problems.append(f"{name} ({type(value).__name__}) is not an array: {str(error).splitlines()[0]}")
        return np.empty(0)
    if array.dtype.kind in UNUSABLE_KINDS and not _is_small_float(array.dtype):
        problems.append(f"{name} ({type(value).__name__}) has dtype {array.dtype}: convert it to numbers or strings")
    elif array.ndim == 0:
        problems.append(f"{name} is {described(value)}, not an array")
    elif not len(array):
        problems.append(f"{name} is empty")
    else:
        return array
    return np.empty(0)


def _is_small_float(dtype: np.dtype[Any]) -> bool:
    """bfloat16 and its kin, which NumPy takes for raw bytes."""
    return dtype.kind == "V" and dtype.names is None and not dtype.name.startswith("void")


def _pair_problems(names: tuple[str, str], pair: Pair) -> Iterator[str]:
    labelled = [item for name, arrays in zip(names, pair, strict=True) for item in _each(name, arrays)]
    rows = [(label, len(array)) for label, array in labelled if len(array)]
    for label, count in rows[1:]:
        if count != rows[0][1]:
            yield f"{rows[0][0]} has {rows[0][1]} rows, {label} has {count}"


def _difference(name: str, arrays: Arrays, other_name: str, others: Arrays) -> Iterator[str]:
    """Validation and test rows must look like those the model is trained on."""
    if isinstance(arrays, dict) != isinstance(others, dict):
        kinds = ["a dict of arrays" if isinstance(one, dict) else "an array" for one in (arrays, others)]
        yield f"{name} is {kinds[0]}, {other_name} is {kinds[1]}"
        return
    if isinstance(arrays, dict) and isinstance(others, dict) and set(arrays) != set(others):
        yield f"{name} has the keys {', '.join(sorted(arrays))}, {other_name} has {', '.join(sorted(others))}"
        return
    known = {label.removeprefix(name): array for label, array in _each(name, arrays)}
    for label, array in _each(other_name, others):
        model = known[label.removeprefix(other_name)]
        if len(model) and len(array) and model.shape[1:] != array.shape[1:]:
            yield f"rows of {name} have the shape {model.shape[1:]}, rows of {label} {array.shape[1:]}"


def _each(name: str, arrays: Arrays) -> list[tuple[str, NDArray[Any]]]:
    if isinstance(arrays, dict):
        return [(f"{name}[{key!r}]", array) for key, array in arrays.items()]
    return [(name, arrays)]


def described(value: object) -> str:
    if value is None:
        return "None"
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    shape = getattr(value, "shape", None)
    return f"{type(value).__name__}{f' of shape {tuple(shape)}' if shape is not None else ''}"
