"""Mistakes in a study that every trial would share, found only when training starts."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from orchestrator.errors import UserError, nearest


class BadStudy(UserError):
    """`where`: the function of the study that is to be mended, as "file.py:LINE in name"."""

    def __init__(self, message: str, function: Callable[..., Any] | None = None) -> None:
        super().__init__(message)
        code = getattr(function, "__code__", None)
        self.where = f"{Path(code.co_filename).name}:{code.co_firstlineno} in {code.co_name}" if code else ""


def objective_missing(objective: str, reported: Iterable[str], function: Callable[..., Any] | None) -> BadStudy:
    names = sorted(reported)
    return BadStudy(
        f"the objective '{objective}' is not reported; reported are {', '.join(names) or 'no metrics'}"
        f"{nearest(objective, names)}",
        function,
    )
