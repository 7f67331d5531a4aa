"""Which hyperparameters exist: parents decide, chains are allowed, cycles are not.

A hyperparameter is active where every parent in its `when` is active itself and has one of the values given there.
"""

from collections.abc import Container, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from search_spaces.domain import Domain
from search_spaces.errors import nearest
from search_spaces.numeric import Float
from search_spaces.values import identity, problem_of, quoted, shown

Domains = Mapping[str, Domain]


def is_active(domain: Domain, configuration: Mapping[str, Any]) -> bool:
    """`configuration` holds the active hyperparameters among those that come before this one in `parents_first`."""
    return all(
        parent in configuration and identity(configuration[parent]) in map(identity, values)
        for parent, values in domain.conditions.items()
    )


def in_words(domain: Domain) -> str:
    """Where the hyperparameter exists; empty where always."""
    return " and ".join(f"{parent} = {' or '.join(map(shown, values))}" for parent, values in domain.conditions.items())


def parents_first(domains: Domains) -> list[str]:
    """All names, each after its parents."""
    return list(TopologicalSorter({name: domain.conditions for name, domain in domains.items()}).static_order())


def misfits(domains: Domains, configuration: Mapping[str, Any]) -> Iterator[str]:
    """What keeps the configuration from being one of these domains. Below a wrong parent nothing is said."""
    sound: dict[str, Any] = {}
    unclear: set[str] = set()
    found: dict[str, str] = {}
    for name in parents_first(domains):
        domain = domains[name]
        if unclear & domain.conditions.keys():
            unclear.add(name)
        elif not is_active(domain, sound):
            if name in configuration:
                found[name] = f"exists only where {in_words(domain)}: leave it out"
        elif name in configuration and domain.contains(configuration[name]):
            sound[name] = configuration[name]
        else:
            unclear.add(name)
            is_what = f"is {quoted(configuration[name])}" if name in configuration else "is missing"
            found[name] = f"{is_what}: use a value of {domain!r}"
    yield from (f"{name} {found[name]}" for name in domains if name in found)
    for name in configuration:
        if name not in domains:
            yield f"{quoted(name)} is not in the search space: leave it out{nearest(name, domains)}"


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
