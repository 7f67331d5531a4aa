"""Columns of plain values as text: None is an empty cell.

Names, values and reasons may come from anywhere, so none of them does anything where it is shown: `visible` for
terminals, `for_spreadsheet` for CSV, and Markdown and HTML by their own escapes.
"""

import json
import re
from collections.abc import Mapping, Sequence, Set
from itertools import zip_longest
from math import isfinite
from typing import Any

from tabulate import tabulate

Columns = Mapping[str, Sequence[Any]]
Texts = dict[str, list[str]]

FIRST = ("rank", "trial", "status", "score", "epoch", "epochs")
"""Shown in a table of any width."""
LAST = ("seconds", "worker")
"""Shown if there is room."""
DIGITS = {"score": ".5g", "seconds": ".1f"}
LEAST_REASON, WIDEST_REASON = 12, 60
WIDEST_CELL = 24
GAP = "  "

OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that a terminal acts upon, that turn the order of what is read, or that cannot be written at all."""
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What begins a formula for spreadsheets, the wide forms with it."""
MARKDOWN = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "\\|"}


def visible(text: str, keep: str = "") -> str:
    """Control characters as Python writes them, so that a terminal shows them instead of obeying.

    >>> visible("a\\x1b[2Jb")
    'a\\\\x1b[2Jb'
    """
    return OBEYED.sub(lambda found: found[0] if found[0] in keep else _escaped(found[0]), text)


def one_line(text: str) -> str:
    """For a terminal."""
    return visible(" ".join(text.split()))


def for_spreadsheet(text: str) -> str:
    """As text, whatever it looks like: an apostrophe stands before what a spreadsheet would run.

    >>> for_spreadsheet("=cmd()"), for_spreadsheet("relu")
    ("'=cmd()", 'relu')
    """
    return visible(f"'{text}" if text.startswith(FORMULA) else text, keep="\t\n")


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def as_json(columns: Columns) -> str:
    """A list of records, one a line."""
    records = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    lines = ",\n".join(f"  {_json_line(record)}" for record in records)
    return f"[\n{lines}\n]" if lines else "[]"


def _json_line(record: Mapping[str, Any]) -> str:
    text = json.dumps(plain(record), ensure_ascii=False, allow_nan=False)
    return OBEYED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def plain(value: Any) -> Any:
    """As JSON can have it: NaN is null, and infinity goes by its name, as in the journal."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not isfinite(value):
        return None if value != value else str(value)
    return value


def as_markdown(columns: Columns) -> str:
    def cell(text: str) -> str:
        return "".join(MARKDOWN.get(character, character) for character in text)

    texts = _texts(columns)
    rows = [[cell(text) for text in row] for row in zip(*texts.values(), strict=True)]
    sides = ["right" if _is_numeric(values) else "left" for values in columns.values()] if rows else None
    table: str = tabulate(
        rows, [cell(one_line(name)) for name in texts], "github", colalign=sides, disable_numparse=True
    )
    return table


def as_table(columns: Columns, width: int | None = None, hidden: int = 0) -> str:
    """Aligned for a terminal. Last lines tell how many rows are left out, and what does not fit into `width`."""
    texts = _texts(columns) if width is None else _fitted(_texts(columns), width)
    lines = aligned(texts, {name for name in texts if _is_numeric(columns[name])}, fold=True)
    if hidden:
        lines.append(f"… and {hidden:,} more")
    if missing := [name for name in columns if name not in texts]:
        lines.append(cut(f"Not shown, but in --format csv: {', '.join(map(one_line, missing))}", width))
    return "\n".join(lines)


def short(value: Any, name: str = "") -> str:
    """A cell for people, on one line: numbers with few digits."""
    if value is None:
        return ""
    if isinstance(value, float):
        return format(value, DIGITS.get(name, ".4g"))
    return one_line(str(value))


def cut(text: str, width: int | None) -> str:
    return text if width is None or len(text) <= width else f"{text[: max(width - 1, 0)]}…"


def _texts(columns: Columns) -> Texts:
    return {name: [short(value, name) for value in values] for name, values in columns.items()}


def _is_numeric(values: Sequence[Any]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values if value is not None)


def aligned(texts: Texts, numeric: Set[str] = frozenset(), *, fold: bool = False) -> list[str]:
    """A header and the rows. `fold` breaks names at underscores, for values are mostly shorter than names."""
    parts = [one_line(name).split("_") if fold else [one_line(name)] for name in texts]
    widths = [max(map(len, (*part, *column))) for part, column in zip(parts, texts.values(), strict=True)]

    def line(row: Sequence[str]) -> str:
        padded = (
            text.rjust(width) if name in numeric else text.ljust(width)
            for name, text, width in zip(texts, row, widths, strict=True)
        )
        return GAP.join(padded).rstrip()

    headers = zip_longest(*parts, fillvalue="")
    return [line(row) for row in (*headers, *zip(*texts.values(), strict=True))]


def _width(name: str, column: Sequence[str]) -> int:
    return max(map(len, (*one_line(name).split("_"), *column)))


def _fitted(texts: Texts, width: int) -> Texts:
    """The first columns and a cut reason where there is room, then the others from the left, as many as fit."""
    fitted: Texts = {}
    left = width + len(GAP)

    def take(name: str, widest: int, *, needed: bool = False) -> bool:
        nonlocal left
        column = [cut(text, widest) for text in texts[name]]
        room = left - len(GAP) - _width(name, column)
        if room < 0 and not needed:
            return False
        fitted[name] = column
        left = room
        return True

    for name in FIRST:
        if name in texts:
            take(name, WIDEST_CELL, needed=True)
    reason = min(WIDEST_REASON, (width - 70) // 3)
    if "reason" in texts and reason >= LEAST_REASON:
        take("reason", reason)
    others = [name for name in texts if name not in (*FIRST, *LAST, "reason")]
    if all(take(name, WIDEST_CELL) for name in others):
        for name in LAST:
            if name in texts:
                take(name, WIDEST_CELL)
    order = sorted(fitted, key=lambda name: name == "reason")
    return {name: fitted[name] for name in order}
