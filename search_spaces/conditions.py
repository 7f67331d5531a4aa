"""Which hyperparameters exist: parents decide, chains are allowed, cycles are not.

A hyperparameter is active where every parent in its `when` is active itself and has one of the values given there.
"""

from collections.abc import Container, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from search_spaces.domain import Domain
from search_spaces.errors import nearest
from search_spaces.numeric import Float
from search_spaces.values import identity, problem_of, quoted

Domains = Mapping[str, Domain]


def is_active(domain: Domain, configuration: Mapping[str, Any]) -> bool:
    """`configuration` holds the active hyperparameters among those that come before this one in `parents_first`."""
    return all(
        parent in configuration and identity(configuration[parent]) in map(identity, values)
        for parent, values in domain.conditions.items()
    )


def parents_first(domains: Domains) -> list[str]:
    """All names, each after its parents; otherwise in the order of definition."""
    placed: dict[str, None] = {}

    def place(name: str) -> None:
        for parent in domains[name].conditions:
            if parent not in placed:
                place(parent)
        placed[name] = None

    for name in domains:
        if name not in placed:
            place(name)
    return list(placed)


def problems(domains: Domains, refused: Container[str] = ()) -> Iterator[str]:
    """What is wrong with the conditions. Of parents that were refused themselves, enough is said elsewhere."""
    for name, domain in domains.items():
        for parent, values in domain.conditions.items():
            if parent not in refused:
                yield from (f"{name}: {problem}" for problem in _parent_problems(name, parent, values, domains))
    yield from _cycles(domains)


def _parent_problems(name: str, parent: str, values: tuple[Any, ...], domains: Domains) -> Iterator[str]:
    if parent == name:
        yield "its condition names itself: name another hyperparameter in when, or leave when out"
    elif parent not in domains:
        yield f"its condition names {parent!r}, which the space does not have{nearest(parent, domains)}"
    elif isinstance(domains[parent], Float):
        yield f"its condition names {parent}, a Float, which hardly ever has one exact value: name a Choice or an Int"
    elif not domains[parent].problems:
        for value in values:
            if problem_of(value) is None and not domains[parent].contains(value):
                yield f"its condition wants {parent} = {quoted(value)}, which is no value of {domains[parent]!r}"


def _cycles(domains: Domains) -> Iterator[str]:
    parents = {
        name: [parent for parent in domain.conditions if parent in domains and parent != name]
        for name, domain in domains.items()
    }
    while True:
        try:
            TopologicalSorter(parents).prepare()
            return
        except CycleError as error:
            cycle: list[str] = error.args[1]
            yield f"the conditions of {' → '.join(cycle)} go in a circle: leave out the condition of one of them"
            for name in cycle:
                parents[name] = []
