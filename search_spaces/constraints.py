"""Predicates over a whole configuration, known by name and by the hash of their source.

The hash is of the function's own source text, found in its file and freed of its indentation. What the function reads
elsewhere (a constant of the module, another function) is not part of it. Where Python cannot show a source (typed at a
prompt, made by `exec`) the name alone counts. Lambdas that begin on one line share a hash of all of them.
"""

import ast
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from textwrap import dedent
from typing import Any

from search_spaces.domain import Domain
from search_spaces.errors import SpaceError
from search_spaces.values import quoted

Predicate = Callable[[dict[str, Any]], bool]
Predicates = Mapping[str, Predicate] | Iterable[Predicate]


@dataclass(frozen=True, slots=True)
class Constraint:
    name: str
    predicate: Predicate
    source_sha256: str | None

    def allows(self, configuration: Mapping[str, Any]) -> bool:
        """SpaceError when the predicate raises or forgets to return."""
        try:
            verdict = self.predicate(dict(configuration))
            allowed = bool(verdict)
        except Exception as error:
            said = " ".join(f"{type(error).__name__}: {error}".split())
            hint = _hint(error, configuration)
            raise SpaceError(f"constraint {self.name} raised {said} for {dict(configuration)!r}{hint}") from error
        if verdict is None:
            raise SpaceError(f"constraint {self.name} returned None for {dict(configuration)!r}: return True or False")
        return allowed

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "source_sha256": self.source_sha256}


def named(predicates: Predicates) -> tuple[list[Constraint], list[str]]:
    """The constraints as given to a `Space`, and what is wrong with them."""
    found: dict[str, Constraint] = {}
    problems = []
    for name, predicate in _pairs(predicates):
        problem = _problem_of(name, predicate)
        if problem is None and name in found:
            problem = f"constraint {name} is given twice: name them apart, constraints={{'name': function}}"
        if problem is None:
            found[name] = Constraint(name, predicate, source_hash(predicate))
        else:
            problems.append(problem)
    return list(found.values()), problems


def source_hash(predicate: Predicate) -> str | None:
    """None where Python cannot show the source."""
    function = inspect.unwrap(predicate)
    try:
        lines, _ = inspect.findsource(function)
        source = "".join(lines)
        tree = ast.parse(source)
    except (OSError, TypeError, SyntaxError):
        return None
    texts = [
        dedent(ast.get_source_segment(source, node, padded=True) or "")
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.Lambda) and _is_of(node, function)
    ]
    return sha256("\n".join(texts).encode()).hexdigest() if texts else None


def _is_of(node: ast.FunctionDef | ast.Lambda, function: Callable[..., Any]) -> bool:
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    name = "<lambda>" if isinstance(node, ast.Lambda) else node.name
    code = function.__code__
    return code.co_name == name and code.co_firstlineno == min(part.lineno for part in (node, *decorators))


def _pairs(predicates: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(predicates, Mapping) and not isinstance(predicates, Domain):
        yield from predicates.items()
    else:
        several = isinstance(predicates, Iterable) and not isinstance(predicates, str)
        for predicate in predicates if several else [predicates]:
            yield getattr(predicate, "__name__", None), predicate


def _problem_of(name: Any, predicate: Any) -> str | None:
    if isinstance(predicate, Domain):
        return f"constraints is {predicate!r}: for a hyperparameter of that name write Space({{'constraints': …}})"
    if not inspect.isfunction(inspect.unwrap(predicate) if callable(predicate) else predicate):
        return f"constraint {quoted(predicate)} is no function: use constraints={{'name': function}}"
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or name == "<lambda>":
        return f"constraint {quoted(name)} needs a name of its own: use constraints={{'name': function}}"
    return None


def _hint(error: Exception, configuration: Mapping[str, Any]) -> str:
    if not isinstance(error, KeyError) or not error.args or error.args[0] in configuration:
        return ""
    return f"; {error.args[0]!r} is not active there, or misspelt: read it by configuration.get({error.args[0]!r})"
