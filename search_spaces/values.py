"""The values a hyperparameter can have: what survives JSON unchanged, and how they compare and print."""

import math
from typing import Any

Scalar = str | int | float | bool | None
LARGEST_INT = 2**63 - 1
LONGEST_REPR = 100


def plain(value: Any) -> Any:
    """A NumPy scalar as the Python value it holds; anything else as it is."""
    is_numpy_scalar = type(value).__module__ == "numpy" and getattr(value, "shape", None) == ()
    return value.item() if is_numpy_scalar else value


def is_number(value: Any) -> bool:
    """True is no number here, although Python counts it as 1."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def problem_of(value: Any) -> str | None:
    """Why the value cannot be that of a hyperparameter, with the fix; None if it can."""
    if type(value) not in (str, int, float, bool, type(None)):
        return f"{quoted(value)} is of type {type(value).__name__}: use a name for it and map the name in build"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value} is not finite: use a finite number or a name"
    if isinstance(value, int) and abs(value) > LARGEST_INT:
        return f"{value} does not fit in 64 bits: use a float or a name"
    if isinstance(value, str) and any("\ud800" <= character <= "\udfff" for character in value):
        return f"{value!r} holds half of a character: use valid text"
    return None


def identity(value: Any) -> tuple[bool, Any]:
    """Equal for values that are the same choice: 1 and 1.0 are, 1 and True are not."""
    return isinstance(value, bool), value


def shown(value: Scalar) -> str:
    """The value in one line for people: text without quotes where that cannot mislead."""
    if isinstance(value, float):
        return repr(value).removesuffix(".0")
    if isinstance(value, str):
        return value if _reads_as_text(value) else repr(value)
    return repr(value)


def quoted(value: Any) -> str:
    """Whatever somebody gave us, as Python writes it, in one line that is not too long."""
    text = " ".join(repr(value).split())
    return text if len(text) <= LONGEST_REPR else f"{text[:LONGEST_REPR]}…"


def _reads_as_text(value: str) -> bool:
    if value in ("True", "False", "None") or not value.strip() or value != value.strip() or "|" in value:
        return False
    try:
        float(value)
    except ValueError:
        return value.isprintable()
    return False
