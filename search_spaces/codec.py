"""Search spaces as JSON, both ways. The order of hyperparameters counts, so they are a list.

A predicate goes as its name and the hash of its source; whoever reads the space brings the function.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from search_spaces.choices import Choice, Fixed
from search_spaces.constraints import Constraint
from search_spaces.domain import Domain
from search_spaces.errors import SpaceError, nearest
from search_spaces.numeric import Float, Int
from search_spaces.values import quoted

FORMAT = 1
"""Raised when older programs can no longer read what is written; part of the fingerprint."""

_KINDS: dict[str, type[Domain]] = {kind.kind: kind for kind in (Float, Int, Choice, Fixed)}


def encoded(domains: Mapping[str, Domain], constraints: Iterable[Constraint]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "hyperparameters": [{"name": name} | domain.to_json() for name, domain in domains.items()],
        "constraints": [constraint.to_json() for constraint in constraints],
    }


def decoded(data: Any) -> tuple[dict[str, Domain], dict[str, str | None]]:
    """The domains, and for each constraint's name the hash of its source. SpaceError for anything else."""
    if not isinstance(data, Mapping) or data.get("format") != FORMAT:
        raise SpaceError(f"search space: {quoted(data)} is not of format {FORMAT}: give what Space.to_json() wrote")
    try:
        domains = dict(_domain(dict(entry)) for entry in data["hyperparameters"])
        recorded = {entry["name"]: entry["source_sha256"] for entry in data["constraints"]}
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, SpaceError):
            raise
        raise SpaceError(f"search space: {quoted(data)} is incomplete: give what Space.to_json() wrote") from error
    return domains, recorded


def changed(recorded: Mapping[str, str | None], given: Iterable[Constraint]) -> Iterator[str]:
    """Where the predicates given differ from those the space was written with."""
    hashes = {constraint.name: constraint.source_sha256 for constraint in given}
    for name, source in recorded.items():
        if name not in hashes:
            yield f"constraint {name} comes without its function: give constraints={{{name!r}: …}}"
        elif hashes[name] != source:
            yield f"constraint {name} is not the function it was: restore it, or make a new space"
    for name in hashes:
        if name not in recorded:
            yield f"constraint {name} was not in this space: leave it out, or make a new space"


def domain_from_json(data: Any) -> Domain:
    """The domain that `to_json` wrote. SpaceError for anything else."""
    if not isinstance(data, Mapping) or not isinstance(data.get("type"), str):
        raise SpaceError(f"{quoted(data)} is no domain: it needs a type, one of {', '.join(_KINDS)}")
    given = dict(data)
    name = given.pop("type")
    if name not in _KINDS:
        raise SpaceError(f"the domain type {name!r} is unknown{nearest(name, _KINDS)} (one of {', '.join(_KINDS)})")
    try:
        domain = _KINDS[name](**given)
    except TypeError as error:
        raise SpaceError(f"{quoted(data)} is no domain: {error}") from None
    domain.require_sound()
    return domain


def _domain(entry: dict[str, Any]) -> tuple[str, Domain]:
    name: str = entry.pop("name")
    try:
        return name, domain_from_json(entry)
    except SpaceError as error:
        raise SpaceError("\n".join(f"search space: {name}: {line}" for line in str(error).splitlines())) from None
