"""Named values: `Choice` and `Fixed`. Both round-trip exactly through the unit interval."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, ClassVar

from search_spaces.domain import Domain
from search_spaces.scales import middle, share
from search_spaces.values import Scalar, identity, plain, problem_of, quoted, shown


@dataclass(frozen=True, eq=False, repr=False)
class Choice(Domain):
    """One of a list of names, numbers, True, False and None, all as likely. 1 and True are two choices, 1 and 1.0 one.

    Other objects are named here and looked up by name in `build`.
    """

    kind: ClassVar[str] = "choice"
    values: Sequence[Scalar]

    def from_unit(self, unit: float) -> Scalar:
        unit = self._require_unit(unit)
        return self.values[share(unit, len(self.values))]

    def to_unit(self, value: Scalar) -> float:
        self._require_value(value)
        sought = identity(plain(value))
        return middle([identity(known) for known in self.values].index(sought), len(self.values))

    def contains(self, value: Any) -> bool:
        self.require_sound()
        value = plain(value)
        return problem_of(value) is None and any(identity(known) == identity(value) for known in self.values)

    @property
    def default_value(self) -> Scalar:
        """`default`, or else the first value."""
        default: Scalar = self.values[0] if self.default is ... else self.default
        return default

    def _in_words(self) -> str:
        return " | ".join(map(shown, self.values))

    def _arguments(self) -> dict[str, Any]:
        return {"values": list(self.values)}

    def _settle(self) -> Iterator[str]:
        given: Any = self.values
        self._set("values", ())
        if isinstance(given, AbstractSet):
            yield f"values is {quoted(given)}, which has no order: use a list"
            return
        if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
            yield f"values is {quoted(given)}: use a list, such as Choice(['relu', 'tanh'])"
            return
        listed = tuple(plain(value) for value in given)
        self._set("values", listed)
        if not listed:
            yield "values is empty: name at least one"
        yield from filter(None, map(problem_of, listed))
        yield from _repeats([value for value in listed if problem_of(value) is None])


@dataclass(frozen=True, eq=False, repr=False)
class Fixed(Domain):
    """A single value that every configuration has, so that it is recorded with the others."""

    kind: ClassVar[str] = "fixed"
    value: Scalar

    def from_unit(self, unit: float) -> Scalar:
        self._require_unit(unit)
        return self.value

    def to_unit(self, value: Scalar) -> float:
        self._require_value(value)
        return 0.5

    def contains(self, value: Any) -> bool:
        self.require_sound()
        value = plain(value)
        return problem_of(value) is None and identity(value) == identity(self.value)

    def _in_words(self) -> str:
        return f"= {shown(self.value)}"

    def _arguments(self) -> dict[str, Any]:
        return {"value": self.value}

    def _settle(self) -> Iterator[str]:
        self._set("value", plain(self.value))
        if problem := problem_of(self.value):
            yield f"value {problem}"


def _repeats(values: list[Scalar]) -> Iterator[str]:
    for (_, value), times in Counter(map(identity, values)).items():
        if times > 1:
            yield f"values has {value!r} more than once: leave one of them"
