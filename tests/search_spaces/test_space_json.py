"""JSON both ways, and what the fingerprint depends on."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from textwrap import indent
from typing import Any

import pytest

from search_spaces import Choice, Fixed, Float, Int, Space, SpaceError, load
from search_spaces.constraints import Predicate, source_hash

SPACE = Space(
    rate=Float(1e-4, 1, "log", group=1),
    optimizer=Choice(["sgd", "adam", None, True, 1, 0.5]),
    units=Int(16, 512, step=16, when={"optimizer": ["sgd", True]}),
    classes=Fixed(10),
)


def fits(configuration: dict[str, Any]) -> bool:
    return bool(configuration["units"] < 100)


def other(configuration: dict[str, Any]) -> bool:
    return bool(configuration["units"] < 200)


def through_text(space: Space) -> Any:
    return json.loads(json.dumps(space.to_json(), allow_nan=False))


def test_the_json_is_what_other_programs_may_read() -> None:
    assert Space(SPACE, constraints=[fits]).to_json() == {
        "format": 1,
        "hyperparameters": [
            {"name": "rate", "type": "float", "low": 1e-4, "high": 1.0, "scale": "log", "group": 1},
            {"name": "optimizer", "type": "choice", "values": ["sgd", "adam", None, True, 1, 0.5]},
            {
                "name": "units",
                "type": "int",
                "low": 16,
                "high": 512,
                "step": 16,
                "when": {"optimizer": ["sgd", True]},
            },
            {"name": "classes", "type": "fixed", "value": 10},
        ],
        "constraints": [{"name": "fits", "source_sha256": source_hash(fits)}],
    }


@pytest.mark.parametrize("space", [SPACE, load("mlp")])
def test_json_restores_a_space(space: Space) -> None:
    again = Space.from_json(through_text(space))
    assert again == space and list(again) == list(space) and repr(again) == repr(space)


def test_json_restores_a_space_with_its_constraints() -> None:
    space = Space(SPACE, constraints=[fits, other])
    again = Space.from_json(through_text(space), {"fits": fits, "other": other})
    assert again == space and again.constraints == {"fits": fits, "other": other}


@pytest.mark.parametrize(
    ("constraints", "line"),
    [
        (None, "constraint fits comes without its function: give constraints={'fits': …}"),
        ({"fits": other}, "constraint fits is not the function it was: restore it, or make a new space"),
        ([fits, other], "constraint other was not in this space: leave it out, or make a new space"),
    ],
)
def test_other_constraints_than_those_written_are_refused(constraints: Any, line: str) -> None:
    with pytest.raises(SpaceError) as raised:
        Space.from_json(through_text(Space(SPACE, constraints=[fits])), constraints)
    assert str(raised.value) == f"search space: {line}"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (None, "None is not of format 1"),
        ({"format": 2}, "is not of format 1"),
        ({"format": 1}, "is incomplete"),
        ({"format": 1, "hyperparameters": 3, "constraints": []}, "is incomplete"),
        ({"format": 1, "hyperparameters": [3], "constraints": []}, "is incomplete"),
        ({"format": 1, "hyperparameters": [{"type": "fixed"}], "constraints": []}, "is incomplete"),
        ({"format": 1, "hyperparameters": [], "constraints": []}, "it is empty"),
        (
            {"format": 1, "hyperparameters": [{"name": "x", "type": "float", "low": 2, "high": 1}], "constraints": []},
            "search space: x: Float: low 2 is above high 1: use low=1, high=2",
        ),
    ],
)
def test_json_that_is_no_space_is_refused(data: Any, message: str) -> None:
    with pytest.raises(SpaceError) as raised:
        Space.from_json(data)
    assert message in str(raised.value)


def test_the_fingerprint_is_the_same_for_ever() -> None:
    """Runs on disk carry it: if this changes, they no longer resume. The hash seed differs from process to process."""
    assert SPACE.fingerprint == "6c38a7ac424810a0272542e518e5674fcdd725f48d74f13788c6a8433e637f38"


@pytest.mark.parametrize(
    "changed",
    [
        Space(dict(reversed(list(SPACE.items())))),
        Space(dict(SPACE) | {"rate": Float(1e-4, 1, "log")}),
        Space(dict(SPACE) | {"rate": Float(1e-4, 1, group=1)}),
        Space(dict(SPACE) | {"classes": Fixed(10.0)}),
        Space(dict(SPACE) | {"classes": Fixed(10, when={"optimizer": "sgd"})}),
        Space(dict(SPACE) | {"units": Int(16, 512, step=16)}),
        Space(SPACE, constraints=[fits]),
        Space(SPACE, constraints={"fits": other}),
    ],
)
def test_whatever_changes_draws_or_records_changes_the_fingerprint(changed: Space) -> None:
    assert changed.fingerprint != SPACE.fingerprint
    assert changed.fingerprint != Space(SPACE, constraints={"fits": fits, "more": fits}).fingerprint


def test_spellings_of_the_same_space_share_a_fingerprint() -> None:
    space = Space(a=Choice(["x", "y", "z"]), b=Choice([1], group=None, when={"a": {"z", "x"}}), c=Float(0, 1, "linear"))
    assert space == Space(a=Choice(("x", "y", "z")), b=Choice([1], when={"a": ("x", "z")}), c=Float(0.0, 1.0))


Module = Callable[[str], Any]


@pytest.fixture
def module(tmp_path: Path) -> Module:
    """A module made of this source, from a file of its own."""

    def made(source: str) -> Any:
        path = tmp_path / f"module_{len(list(tmp_path.iterdir()))}.py"
        path.write_text(source)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None and spec.loader is not None
        loaded = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
        return loaded

    return made


FUNCTION = "def fits(c):\n    if c:\n        return True\n    return False\n"
LAMBDAS = 'them = {\n    "a": lambda c: c["x"] > 1,\n    "b": lambda c: c["x"] > 2,\n}\n'


def test_the_source_hash_follows_the_function_and_nothing_else(module: Module) -> None:
    plain = source_hash(module(FUNCTION).fits)
    assert plain is not None
    moved = "import functools\n\n@functools.cache\ndef before(): ...\n\n" + FUNCTION + "\nafter = 3\n"
    assert source_hash(module(moved).fits) == plain
    nested = "def make():\n" + indent(FUNCTION, "    ") + "    return fits\n"
    assert source_hash(module(nested).make()) == plain
    decorated = "import functools\n@functools.cache\n" + FUNCTION
    assert source_hash(module(decorated).fits) == plain
    assert source_hash(module(FUNCTION.replace("        return True", "        pass\n    return True")).fits) != plain


def test_lambdas_are_told_apart(module: Module) -> None:
    first = {name: source_hash(predicate) for name, predicate in module(LAMBDAS).them.items()}
    assert first["a"] != first["b"] and None not in first.values()
    second = {name: source_hash(predicate) for name, predicate in module(LAMBDAS.replace("> 2", "> 3")).them.items()}
    assert second["a"] == first["a"] and second["b"] != first["b"]
    on_one_line = module(LAMBDAS.replace("\n    ", " ")).them
    changed = module(LAMBDAS.replace("\n    ", " ").replace("> 2", "> 3")).them
    assert source_hash(on_one_line["b"]) != source_hash(changed["b"])


def test_without_a_source_the_name_counts() -> None:
    names: dict[str, Predicate] = {}
    exec("def typed(configuration): return True", names)
    assert source_hash(names["typed"]) is None
    space = Space(SPACE, constraints=[names["typed"]])
    assert Space.from_json(through_text(space), [names["typed"]]) == space
