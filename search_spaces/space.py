"""A search space: named domains, conditions between them, constraints over them. Immutable, and without randomness."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from typing import Any, Self

from search_spaces import advice, codec, conditions, table
from search_spaces.constraints import Predicate, Predicates, named
from search_spaces.domain import Domain
from search_spaces.errors import SpaceError
from search_spaces.values import problem_of, quoted

Configuration = dict[str, Any]


class Space(Mapping[str, Domain]):
    """Domains by name, in the order of definition; equal where the fingerprints are.

        Space(
            optimizer=Choice(["sgd", "adam"]),
            learning_rate=Float(1e-4, 1, "log", group=1),
            momentum=Float(0.9, 0.999, "reverse_log", group=2, when={"optimizer": ["sgd"]}),
            constraints={"fast_sgd": lambda c: c["optimizer"] != "sgd" or c["learning_rate"] > 1e-3},
        )

    Args:
        domains: Domains by name, before those given by keyword. The way to a hyperparameter called `constraints`.
        constraints: Predicates over the configuration (a dict of the active hyperparameters): by name, or a list of
            functions that have a name.

    Raises:
        SpaceError: With a line for each thing that is wrong.
    """

    def __init__(
        self, domains: Mapping[str, Domain] | None = None, /, *, constraints: Predicates = (), **by_keyword: Domain
    ) -> None:
        self._domains, refused = _gathered(domains, by_keyword)
        self._constraints, constraint_problems = named(constraints)
        problems = list(refused.values())
        problems += [f"{name}: {problem}" for name, domain in self._domains.items() for problem in domain.problems]
        problems += [*conditions.problems(self._domains, refused), *constraint_problems]
        if not self._domains and not problems:
            problems.append("it is empty: name at least one hyperparameter, Space(learning_rate=Float(…))")
        _refuse("search space", problems)
        self._parents_first = conditions.parents_first(self._domains)

    def configuration(self, units: Mapping[str, float]) -> Configuration:
        """The active hyperparameters, in the order of definition, at these points of the unit interval.

        Parents decide which are active; the others need no unit. Constraints are not asked.
        """
        values: Configuration = {}
        for name in self._parents_first:
            domain = self._domains[name]
            if not domain.when or conditions.is_active(domain, values):
                if name not in units:
                    raise SpaceError(f"{name} is active and has no unit: give a number from 0 to 1 for it")
                values[name] = domain.from_unit(units[name])
        return {name: values[name] for name in self._domains if name in values}

    def draw(self, uniforms: Callable[[int], Sequence[float]], redraws: int = 1000) -> Configuration:
        """The first configuration that every constraint allows.

        `uniforms(k)` gives, for draw k = 0, 1, … `redraws`, a number in [0, 1) for each hyperparameter in the order of
        definition, active or not: so what one of them gets does not depend on whether another is active.

        Raises:
            SpaceError: When no draw is allowed, with how many each constraint refused; when a predicate raises.
        """
        if redraws < 0:
            raise SpaceError(f"redraws is {redraws}: use 0 or more")
        refusals: Counter[str] = Counter()
        for k in range(redraws + 1):
            units = uniforms(k)
            if len(units) != len(self):
                raise SpaceError(f"draw {k} has {len(units)} numbers: give {len(self)}, one for each hyperparameter")
            configuration = self.configuration(dict(zip(self._domains, units, strict=True)))
            refused_by = self.refused_by(configuration)
            if not refused_by:
                return configuration
            refusals.update(refused_by)
        raise SpaceError(_exhausted(refusals, redraws + 1))

    def refused_by(self, configuration: Mapping[str, Any]) -> list[str]:
        """The names of the constraints that do not allow it. SpaceError when a predicate raises."""
        return [constraint.name for constraint in self._constraints if not constraint.allows(configuration)]

    def check(self, configuration: Mapping[str, Any]) -> None:
        """SpaceError, a line each, where a value is missing, unknown, inactive or not in its domain.

        Whether constraints allow the configuration is another question, for `refused_by`.
        """
        _refuse("configuration", list(conditions.misfits(self._domains, configuration)))

    def warnings(self) -> list[str]:
        """What the space would do better otherwise, a line each: see advice.py."""
        return advice.warnings(self._domains)

    def at_bounds(self, best: Sequence[Mapping[str, Any]]) -> list[str]:
        """Where the best configurations, the best first, lie at a bound, a line each: see advice.py."""
        return advice.at_bounds(self._domains, best)

    def table(self) -> list[dict[str, str]]:
        """A row for each hyperparameter: name, domain, scale, group, condition. `str(space)` is the same, aligned."""
        return table.rows(self._domains)

    @property
    def constraints(self) -> dict[str, Predicate]:
        """The predicates by name."""
        return {constraint.name: constraint.predicate for constraint in self._constraints}

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the JSON: the same in every process and on every version of Python."""
        canonical = json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return sha256(canonical.encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """All of it, a predicate as its name and the hash of its source."""
        return codec.encoded(self._domains, self._constraints)

    @classmethod
    def from_json(cls, data: Mapping[str, Any], constraints: Predicates | None = None) -> Self:
        """The space that `to_json` wrote. Its predicates are matched by name and by the hash of their source."""
        domains, recorded = codec.decoded(data)
        space = cls(domains, constraints=() if constraints is None else constraints)
        _refuse("search space", list(codec.changed(recorded, space._constraints)))
        return space

    def __getitem__(self, name: str) -> Domain:
        return self._domains[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._domains)

    def __len__(self) -> int:
        return len(self._domains)

    def __eq__(self, other: object) -> bool:
        return self.fingerprint == other.fingerprint if isinstance(other, Space) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __str__(self) -> str:
        return table.printed(self._domains, self.constraints)

    def __repr__(self) -> str:
        given = [f"{name}={domain!r}" for name, domain in self._domains.items()]
        if self._constraints:
            given.append(f"constraints=[{', '.join(self.constraints)}]")
        return f"Space({', '.join(given)})"


def _gathered(domains: Any, named: Mapping[str, Any]) -> tuple[dict[str, Domain], dict[Any, str]]:
    """The domains as given, those by keyword last, and by name what is wrong with the others."""
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


def _domain_for(given: Any) -> str:
    if isinstance(given, type) and issubclass(given, Domain):
        return f"{given.__name__}(…) with its arguments"
    if isinstance(given, Sequence) and not isinstance(given, str | bytes):
        return f"Choice({quoted(list(given))})"
    return f"Fixed({given!r})" if problem_of(given) is None else "a Float, an Int, a Choice or a Fixed"


def _refuse(what: str, problems: list[str]) -> None:
    if problems:
        raise SpaceError("\n".join(f"{what}: {problem}" for problem in problems))


def _exhausted(refusals: Counter[str], draws: int) -> str:
    ranked = refusals.most_common()
    counts = ", ".join(f"{name} refused {count}" for name, count in ranked)
    return (
        f"search space: no configuration met the constraints in {draws} draws ({counts}): "
        f"loosen {ranked[0][0]}, or narrow the domains it reads to where it holds"
    )
