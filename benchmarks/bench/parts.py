"""What is measured, in lettered parts: each measures into plain JSON, and says its section of the page from that."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Results = dict[str, Any]
Save = Callable[[Results], None]


@dataclass(frozen=True)
class Options:
    workers: int
    rounds: int | None
    """Instead of a part's own number."""
    small: bool
    """Sizes that only show whether it works."""
    say: Callable[[str], None]


@dataclass(frozen=True)
class Part:
    letter: str
    title: str
    minutes: int
    """About so long on two cores."""
    measure: Callable[[Options, Save], None]
    """Gives what it has so far to the function, again and again."""
    section: Callable[[Results], str]
    """Markdown, without a head."""
    losses: Callable[[Results], list[str]]
    """Where this project is not ahead, a line each."""


def parts() -> Mapping[str, Part]:
    """By letter, in the order of the page. A new one is a `Part` in a module's PARTS, and that module's name here."""
    from benchmarks.bench import growth, searching, startup, training

    found = [*training.PARTS, *searching.PARTS, *growth.PARTS, *startup.PARTS]
    return {part.letter: part for part in found}
