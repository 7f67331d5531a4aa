"""docs/performance.md: `page.md`, filled in from the results of all parts that there are."""

from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import Any

from benchmarks.bench.parts import Part

TEMPLATE = Path(__file__).with_suffix(".md").read_text(encoding="utf-8")

Stored = Mapping[str, Mapping[str, Any]]
"""By the part's letter: `results`, and the `machine` and `versions` that they are of."""


def page(parts: Mapping[str, Part], stored: Stored) -> str:
    return Template(TEMPLATE).substitute(
        sections="\n\n".join(_section(part, stored) for part in parts.values()),
        losses=_losses(parts, stored),
        machine=_alike([_listed(found["machine"], "{name} {value}") for found in stored.values()]),
        versions=_alike([_listed(found["versions"], "{name} {value}") for found in stored.values()]),
    )


def _section(part: Part, stored: Stored) -> str:
    if part.letter not in stored:
        body = f"Not measured yet: `make bench ARGS={part.letter}`."
    else:
        body = part.section(dict(stored[part.letter]["results"]))
    return f"## ({part.letter}) {part.title}\n\n{body}"


def _losses(parts: Mapping[str, Part], stored: Stored) -> str:
    found = [
        f"- ({letter}) {line}."
        for letter, part in parts.items()
        if letter in stored
        for line in part.losses(dict(stored[letter]["results"]))
    ]
    if not found:
        return "Where this project is behind: nowhere in what is measured here."
    return "\n".join(["Where this project is behind, in the median:", "", *found])


def _listed(pairs: Mapping[str, str], form: str) -> str:
    return ", ".join(form.format(name=name, value=value) for name, value in pairs.items())


def _alike(texts: list[str]) -> str:
    """One, if they are all the same; else all of them."""
    return "; also on ".join(dict.fromkeys(texts)) or "no machine yet"
