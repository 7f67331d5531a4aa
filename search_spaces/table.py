"""A search space as people read it."""

from collections.abc import Iterable, Mapping, Sequence

from search_spaces import conditions
from search_spaces.domain import Domain
from search_spaces.numeric import Float, Int

COLUMNS = ("name", "domain", "scale", "group", "condition")
_WIDEST_DOMAIN = 60


def rows(domains: Mapping[str, Domain]) -> list[dict[str, str]]:
    return [
        {
            "name": name,
            "domain": _shortened(domain.describe()),
            "scale": domain.scale if isinstance(domain, Float | Int) else "",
            "group": "" if domain.group is None else str(domain.group),
            "condition": conditions.in_words(domain),
        }
        for name, domain in domains.items()
    ]


def printed(domains: Mapping[str, Domain], constraints: Iterable[str]) -> str:
    lines: list[Sequence[str]] = [COLUMNS, *(tuple(row.values()) for row in rows(domains))]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    names = ", ".join(constraints)
    return "\n".join([*table, f"constraints: {names}"] if names else table)


def _shortened(text: str) -> str:
    return text if len(text) <= _WIDEST_DOMAIN else f"{text[: _WIDEST_DOMAIN - 1]}…"
