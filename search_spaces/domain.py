"""What every domain has: an importance group, a condition, JSON, and a way to say what is wrong with it."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, ClassVar

from search_spaces.errors import SpaceError
from search_spaces.values import Scalar, plain, problem_of, quoted, shown

_POSITIONAL = ("low", "high", "values", "value")


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Domain(ABC):
    """The values one hyperparameter can have.

    A domain that makes no sense is refused by the `Space` it is given to: only there has it a name for the line to
    begin with, and only there can all that is wrong be told at once. Used by itself, its methods raise.

    Args:
        group: Its importance, 1 (tune first) to 4.
        when: It exists only where every parent named here has one of the values given for it:
            `when={"optimizer": ["adam", "rmsprop"]}`. A single value may stand without a list.
        default: What it stays at while others are tuned; left out, the middle of its scale, of a `Choice` the first.
    """

    kind: ClassVar[str]
    group: int | None = None
    when: Mapping[str, Any] | None = None
    default: Any = ...
    """`...` where it was left out: None may be a choice."""
    problems: tuple[str, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        found = [*self._settle(), *self._settle_group(), *self._settle_when()]
        if not found:
            found += self._settle_default()
        self._set("problems", tuple(found))

    @abstractmethod
    def from_unit(self, unit: float) -> Any:
        """The value at this point of [0, 1]."""

    @abstractmethod
    def to_unit(self, value: Any) -> float:
        """The point of [0, 1] that stands for the value. SpaceError if it is not in the domain."""

    @abstractmethod
    def contains(self, value: Any) -> bool:
        """Whether the hyperparameter can have this value."""

    @property
    def default_value(self) -> Any:
        """`default`, or else the middle of the scale."""
        return self.from_unit(0.5) if self.default is ... else self.default

    def describe(self) -> str:
        """The values in one line for people."""
        return self._in_words() + ("" if self.default is ... else f", default {shown(self.default)}")

    @property
    def conditions(self) -> dict[str, tuple[Scalar, ...]]:
        """`when`, with a tuple of values for each parent; empty where there is none."""
        return dict(self.when or {})

    def to_json(self) -> dict[str, Any]:
        self.require_sound()
        return {"type": self.kind} | self._given()

    def __repr__(self) -> str:
        given = (repr(value) if name in _POSITIONAL else f"{name}={value!r}" for name, value in self._given().items())
        return f"{type(self).__name__}({', '.join(given)})"

    def __eq__(self, other: object) -> bool:
        return self._text() == other._text() if isinstance(other, Domain) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._text())

    def _text(self) -> str:
        """What is compared: as tuples, the values of `Choice([1])` and `Choice([True])` would be equal."""
        return json.dumps([self.kind, self._given()], sort_keys=True, default=repr)

    @abstractmethod
    def _settle(self) -> Iterator[str]:
        """Bring the arguments of this kind into their final form; yield what is wrong with them."""

    @abstractmethod
    def _in_words(self) -> str:
        """All the values, without the default."""

    @abstractmethod
    def _arguments(self) -> dict[str, Any]:
        """The arguments of this kind, in their order, without those that are as if left out."""

    def _given(self) -> dict[str, Any]:
        group = {} if self.group is None else {"group": self.group}
        when = {parent: list(values) for parent, values in self.conditions.items()}
        default = {} if self.default is ... else {"default": self.default}
        return self._arguments() | group | ({"when": when} if when else {}) | default

    def _settle_group(self) -> Iterator[str]:
        self._set("group", plain(self.group))
        if self.group is not None and (type(self.group) is not int or not 1 <= self.group <= 4):
            yield f"group is {quoted(self.group)}: use 1 (tune first), 2, 3 or 4, or leave it out"

    def _settle_when(self) -> Iterator[str]:
        when: Any = self.when
        self._set("when", None)
        if when is None:
            return
        if not isinstance(when, Mapping) or not all(isinstance(parent, str) for parent in when):
            yield f"when is {quoted(when)}: name parent and values, such as when={{'optimizer': ['adam']}}"
            return
        settled = {parent: _listed(values) for parent, values in when.items()}
        self._set("when", settled)
        for parent, values in settled.items():
            if not values:
                yield f"when gives no value for {parent}: name at least one, or leave the condition out"
            for problem in filter(None, map(problem_of, values)):
                yield f"when for {parent}: {problem}"

    def _settle_default(self) -> Iterator[str]:
        if self.default is ...:
            return
        if self.contains(self.default):
            self._set("default", self._settled(self.default))
        else:
            yield f"default is {quoted(self.default)}: use one of its values ({self._in_words()}), or leave it out"

    def _settled(self, value: Any) -> Any:
        """A value of the domain as the domain writes it."""
        return self.from_unit(self.to_unit(value))

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def require_sound(self) -> None:
        """SpaceError, a line each, for what is wrong with the domain itself."""
        if self.problems:
            raise SpaceError("\n".join(f"{type(self).__name__}: {problem}" for problem in self.problems))

    def _require_unit(self, unit: float) -> float:
        self.require_sound()
        if not 0.0 <= unit <= 1.0:
            raise SpaceError(f"{unit!r} is not in the unit interval: use a number from 0 to 1")
        return float(unit)

    def _require_value(self, value: Any) -> None:
        if not self.contains(value):
            raise SpaceError(f"{quoted(value)} is no value of {self!r}")


def _listed(values: Any) -> tuple[Any, ...]:
    """One value or several, as a tuple. A text is one value; a set gets an order, for the fingerprint."""
    values = plain(values)
    if isinstance(values, str | Mapping) or not isinstance(values, Iterable):
        return (values,)
    listed = tuple(plain(value) for value in values)
    return tuple(sorted(listed, key=repr)) if isinstance(values, AbstractSet) else listed
