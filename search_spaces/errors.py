"""What is wrong with a search space or a configuration, a line for each thing."""

from collections.abc import Iterable
from difflib import get_close_matches


class SpaceError(ValueError):
    """A mistake in a search space, or in a value for it: each line names what, its value and the fix."""


def nearest(word: object, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for a misspelt name, or nothing."""
    close = get_close_matches(word, list(known), n=1) if isinstance(word, str) else []
    return f"; did you mean {close[0]!r}?" if close else ""
