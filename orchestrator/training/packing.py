"""Trees of arrays and plain values as the bytes of one `.npz` file, which is read back without pickle."""

import io
import json
from typing import Any

import ml_dtypes
import numpy as np

Tree = Any
"""Arrays, numbers, strings, booleans and None, in lists, tuples and dicts with strings for keys."""

STRUCTURE = "structure"


def pack(tree: Tree) -> bytes:
    """TypeError for what is no tree."""
    arrays: dict[str, Any] = {}
    structure = json.dumps(_structure(tree, arrays))
    arrays[STRUCTURE] = np.frombuffer(structure.encode(), np.uint8)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def unpack(content: bytes) -> Tree:
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return _tree(json.loads(file[STRUCTURE].tobytes()), file)


def is_tree(value: object) -> bool:
    try:
        _structure(value, {})
    except TypeError:
        return False
    return True


def copied(tree: Tree) -> Tree:
    """Nothing that changes in one is seen in the other."""
    if isinstance(tree, list):
        return [copied(item) for item in tree]
    if isinstance(tree, tuple):
        return tuple(copied(item) for item in tree)
    if isinstance(tree, dict):
        return {key: copied(item) for key, item in tree.items()}
    return tree.copy() if isinstance(tree, np.ndarray) else tree


def _structure(value: Any, arrays: dict[str, Any]) -> Any:
    """The tree as JSON: arrays as their names in the file; dicts and tuples marked, so that none is mistaken."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, list):
        return [_structure(item, arrays) for item in value]
    if isinstance(value, tuple):
        return {"tuple": [_structure(item, arrays) for item in value]}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"dict": {key: _structure(item, arrays) for key, item in value.items()}}
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        name = f"array{len(arrays)}"
        # NumPy's format knows bfloat16 and its kin only as raw bytes.
        foreign = value.dtype.kind == "V"
        arrays[name] = value.view(f"u{value.dtype.itemsize}") if foreign else value
        return {"array": name, "dtype": value.dtype.name if foreign else None}
    raise TypeError(f"cannot be packed: {type(value).__name__}")


def _tree(structure: Any, file: Any) -> Tree:
    if isinstance(structure, list):
        return [_tree(item, file) for item in structure]
    if not isinstance(structure, dict):
        return structure
    if "dict" in structure:
        return {key: _tree(item, file) for key, item in structure["dict"].items()}
    if "tuple" in structure:
        return tuple(_tree(item, file) for item in structure["tuple"])
    array = file[structure["array"]]
    return array if structure["dtype"] is None else array.view(getattr(ml_dtypes, structure["dtype"]))
