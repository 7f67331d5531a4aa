"""Samplers and stoppers as people write them: `asha`, `asha:eta=4,grace=3`, `patience:5`.

The options of a kind are the keyword-only parameters of its constructor; a value without a name is the first of them.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.errors import nearest


@dataclass(frozen=True, slots=True)
class Spec:
    """A kind by name and the options given for it. ValueError of `read` and of `make` says how to mend it."""

    name: str
    kind: Callable[..., Any]
    options: dict[str, Any]

    def make(self, *arguments: Any, **known: Any) -> Any:
        return self.kind(*arguments, **known, **self.options)


def read(text: str, kinds: Mapping[str, Callable[..., Any]]) -> Spec:
    """The kind that a text names, among those known.

    Raises:
        ValueError: With the fix.
    """
    name, colon, rest = text.strip().partition(":")
    if name not in kinds:
        raise ValueError(f"use one of {', '.join(sorted(kinds))}{nearest(name, kinds)}")
    if colon and not rest.strip():
        raise ValueError(f"give an option after '{name}:', or leave the colon out")
    names, open_ended = _options_of(kinds[name])
    options: dict[str, Any] = {}
    for place, part in enumerate(rest.split(",") if colon else []):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not names and not open_ended:
            raise ValueError(f"{name} takes no options: leave ':{rest}' out")
        if not equals:
            if place > 0 or not names:
                raise ValueError(f"'{part.strip()}' has no name: write {name}:option=value{_known(names)}")
            key, value = names[0], key
        if key not in names and not open_ended:
            raise ValueError(f"{name} has no option '{key}'{nearest(key, names)}{_known(names)}")
        if key in options:
            raise ValueError(f"{key} is given twice: leave one of them")
        options[key] = _value(value)
    return Spec(name, kinds[name], options)


def whole(name: str, value: Any, least: int) -> int:
    """An option that is a whole number. ValueError with the fix."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} is {value}: use a whole number of at least {least}")
    return value


def _options_of(kind: Callable[..., Any]) -> tuple[list[str], bool]:
    parameters = inspect.signature(kind).parameters.values()
    names = [parameter.name for parameter in parameters if parameter.kind is inspect.Parameter.KEYWORD_ONLY]
    return names, any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in parameters)


def _known(names: list[str]) -> str:
    return f" (options: {', '.join(names)})" if names else " (it has no options)"


def _value(text: str) -> Any:
    """A number, true or false where it reads as one."""
    return text.lower() == "true" if text.lower() in ("true", "false") else read_number(text)


def read_number(text: str) -> int | float | str:
    """A number if it reads as one."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text
