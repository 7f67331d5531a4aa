"""What the doctor says, a topic each, and how it looks."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from orchestrator.display.words import counted
from orchestrator.tables import visible
from orchestrator.workers.examination.versions import named

Level = Literal["ok", "warning", "failure"]
BAD: tuple[Level, ...] = ("failure", "warning")
COLOURS: dict[Level, str] = {"ok": "green", "warning": "yellow", "failure": "red"}
TOPIC = 14
MOST_TOLD = 3
"""Of what differs from node to node, in a line."""


@dataclass(frozen=True, slots=True)
class Line:
    level: Level
    topic: str
    found: str
    advice: str = ""
    """What to do."""
    table: str = ""


Verdict = tuple[Level, str]


def by_node(topic: str, verdicts: Mapping[str, Verdict], fine: str, advice: str) -> Iterator[Line]:
    """The failures in one line and the warnings in another; `fine` if there are neither."""
    bad = False
    for level in BAD:
        nodes_by_text: dict[str, list[str]] = defaultdict(list)
        for node, (its_level, text) in verdicts.items():
            if its_level == level:
                nodes_by_text[text].append(node)
        if nodes_by_text:
            bad = True
            told = [f"{named(nodes)}: {text}" for text, nodes in nodes_by_text.items()]
            more = f"; and {len(told) - MOST_TOLD} more" if len(told) > MOST_TOLD else ""
            yield Line(level, topic, "; ".join(told[:MOST_TOLD]) + more, advice)
    if not bad:
        yield Line("ok", topic, fine)


def exit_code(lines: Sequence[Line]) -> int:
    return int(any(line.level == "failure" for line in lines))


def as_text(lines: Sequence[Line], style: Callable[[str, Level], str]) -> Iterator[str]:
    """Aligned, what to do below what is wrong, and the sum of it last.

    Args:
        style: Gives a word the colour of its level, or leaves it.
    """
    indent = " " * (9 + TOPIC + 1)
    for line in lines:
        yield f"{style(f'{line.level:<9}', line.level)}{line.topic:<{TOPIC}} {visible(' '.join(line.found.split()))}"
        yield from (f"{indent}{visible(row)}" for row in line.table.splitlines())
        if line.level != "ok" and line.advice:
            yield f"{indent}{visible(line.advice)}"
    yield ""
    numbers = [(level, sum(line.level == level for line in lines)) for level in BAD]
    counts = " and ".join(counted(number, level) for level, number in numbers if number)
    yield counts or "all is well"


def as_records(lines: Sequence[Line]) -> Iterator[dict[str, str]]:
    return map(asdict, lines)
