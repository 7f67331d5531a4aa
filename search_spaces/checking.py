"""Whether names, domains and values are what a space can work with: what is wrong, a line each."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from search_spaces import conditions, table
from search_spaces.domain import Domain
from search_spaces.errors import nearest
from search_spaces.values import problem_of, quoted


def gathered(domains: Any, named: Mapping[str, Any]) -> tuple[dict[str, Domain], dict[Any, str]]:
    """The domains as given to a `Space`, those by keyword last, and by name what cannot be one."""
    if domains is not None and not isinstance(domains, Mapping):
        return {}, {None: f"{quoted(domains)} is no mapping: use Space(name=domain, …) or Space({{'name': domain, …}})"}
    first = dict(domains or {})
    problems = {name: f"{name} is given twice: leave one of them" for name in first if name in named}
    found = {}
    for name, domain in (first | dict(named)).items():
        if not isinstance(name, str) or not name.isidentifier():
            problems[name] = f"{name!r} is no name: use letters, digits and _, such as learning_rate"
        elif not isinstance(domain, Domain):
            problems[name] = f"{name} is {quoted(domain)}, no domain: use {_domain_for(domain)}"
        else:
            found[name] = domain
    return found, problems


def misfits(domains: Mapping[str, Domain], configuration: Mapping[str, Any]) -> Iterator[str]:
    """What keeps the configuration from being one of these domains. Below a wrong parent nothing is said."""
    sound: dict[str, Any] = {}
    unclear: set[str] = set()
    for name in conditions.parents_first(domains):
        domain = domains[name]
        if unclear & domain.conditions.keys():
            unclear.add(name)
        elif not conditions.is_active(domain, sound):
            if name in configuration:
                yield f"{name} exists only where {table.condition(domain)}: leave it out"
        elif name in configuration and domain.contains(configuration[name]):
            sound[name] = configuration[name]
        else:
            unclear.add(name)
            is_what = f"is {quoted(configuration[name])}" if name in configuration else "is missing"
            yield f"{name} {is_what}: use a value of {domain!r}"
    for name in configuration:
        if name not in domains:
            yield f"{quoted(name)} is not in the search space: leave it out{nearest(name, domains)}"


def _domain_for(given: Any) -> str:
    if isinstance(given, type) and issubclass(given, Domain):
        return f"{given.__name__}(…) with its arguments"
    if isinstance(given, Sequence) and not isinstance(given, str | bytes):
        return f"Choice({quoted(list(given))})"
    return f"Fixed({given!r})" if problem_of(given) is None else "a Float, an Int, a Choice or a Fixed"
