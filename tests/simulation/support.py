"""Small files of curves."""

from pathlib import Path
from typing import Any

import numpy as np

TASKS, ROWS, EPOCHS = 2, 5, 4


def arrays(**changes: Any) -> dict[str, Any]:
    """Of 2 tasks, 5 configurations and 4 epochs; a change to None leaves an array out."""
    generator = np.random.default_rng(3)
    rates = np.geomspace(1e-4, 1e-1, ROWS)
    given: dict[str, Any] = {
        "task": np.array(["first", "second"]),
        "hp_names": np.array(["learning_rate", "layers"]),
        "hp": np.column_stack([rates, np.arange(1, ROWS + 1)]),
        "value": generator.random((TASKS, ROWS, EPOCHS)),
        "seconds": 1 + generator.random((TASKS, ROWS, EPOCHS)),
        "direction": np.array("max"),
        "metric": np.array("val_accuracy"),
        "hp_low": np.array([1e-4, 1]),
        "hp_high": np.array([1e-1, 5]),
        "hp_scale": np.array(["log", "linear"]),
        "hp_integer": np.array([False, True]),
    }
    return {name: value for name, value in (given | changes).items() if value is not None}


def write(path: Path, **changes: Any) -> Path:
    np.savez(path, **arrays(**changes))
    return path
