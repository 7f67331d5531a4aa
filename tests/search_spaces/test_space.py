"""From numbers to configurations: conditions, draws, constraints, checks, and how a space reads."""

import pickle
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces import Choice, Fixed, Float, Int, Space, SpaceError

SPACE = Space(
    nesterov=Choice([False, True], when={"momentum_kind": ["plain"], "optimizer": ["sgd"]}),
    momentum_kind=Choice(["none", "plain"], when={"optimizer": ["sgd"]}),
    optimizer=Choice(["sgd", "adam"], group=1),
    beta=Float(0.9, 0.999, "reverse_log", group=2, when={"optimizer": "adam"}),
    units=Int(16, 512, step=16, group=2),
    classes=Fixed(10),
)
MIDDLE = dict.fromkeys(SPACE, 0.5)


def uniforms(seed: int) -> Callable[[int], Sequence[float]]:
    def numbers(k: int) -> list[float]:
        generator = random.Random(f"{seed}/{k}")
        return [generator.random() for _ in SPACE]

    return numbers


def not_adam(configuration: dict[str, Any]) -> bool:
    return bool(configuration["optimizer"] != "adam")


@pytest.mark.parametrize(
    ("units", "active"),
    [
        ({"optimizer": 1.0}, {"optimizer": "adam", "beta": 0.99, "units": 272, "classes": 10}),
        (
            {"optimizer": 0.0, "momentum_kind": 0.0},
            {"momentum_kind": "none", "optimizer": "sgd", "units": 272, "classes": 10},
        ),
        (
            {"optimizer": 0.0, "momentum_kind": 1.0, "nesterov": 0.0},
            {"nesterov": False, "momentum_kind": "plain", "optimizer": "sgd", "units": 272, "classes": 10},
        ),
    ],
)
def test_parents_decide_what_is_active_also_when_defined_later(units: dict[str, float], active: dict[str, Any]) -> None:
    configuration = SPACE.configuration(MIDDLE | units)
    assert list(configuration) == list(active)
    assert configuration == pytest.approx(active)
    SPACE.check(configuration)


def test_true_and_one_are_different_parents_values() -> None:
    space = Space(a=Choice([1, True]), b=Fixed("b", when={"a": [True]}))
    assert space.configuration({"a": 0.0, "b": 0.0}) == {"a": 1}
    assert space.configuration({"a": 1.0, "b": 0.0}) == {"a": True, "b": "b"}


def test_an_inactive_hyperparameter_needs_no_unit_and_an_active_one_does() -> None:
    space = Space(a=Choice([1, 2]), b=Float(0, 1, when={"a": 2}))
    assert space.configuration({"a": 0.2}) == {"a": 1}
    with pytest.raises(SpaceError, match="b is active and has no unit"):
        space.configuration({"a": 0.8})


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=len(SPACE), max_size=len(SPACE)))
def test_every_draw_passes_the_check(numbers: list[float]) -> None:
    configuration = SPACE.draw(lambda k: numbers)
    SPACE.check(configuration)
    assert configuration == SPACE.configuration(dict(zip(SPACE, numbers, strict=True)))
    assert list(configuration) == [name for name in SPACE if name in configuration]


def test_a_draw_takes_the_first_numbers_that_every_constraint_allows() -> None:
    asked = []

    def numbers(k: int) -> list[float]:
        asked.append(k)
        return [k / 10]

    space = Space(x=Float(0, 1), constraints={"large": lambda c: c["x"] >= 0.3})
    assert space.draw(numbers) == {"x": pytest.approx(0.3)}
    assert asked == [0, 1, 2, 3]


def test_draws_end_after_the_redraws_and_name_the_constraint_that_refused_most() -> None:
    space = Space(
        x=Int(0, 9),
        constraints={"even": lambda c: c["x"] % 2 == 0, "odd": lambda c: c["x"] % 2, "not_3": lambda c: c["x"] != 3},
    )
    asked = []

    def numbers(k: int) -> list[float]:
        asked.append(k)
        return [(k % 10) / 10 + 0.05]

    with pytest.raises(SpaceError) as raised:
        space.draw(numbers, redraws=10)
    assert asked == list(range(11))
    assert str(raised.value) == (
        "search space: no configuration met the constraints in 11 draws "
        "(odd refused 6, even refused 5, not_3 refused 1): loosen odd, or narrow the domains it reads to where it holds"
    )


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: SPACE.draw(lambda k: [0.5]), "draw 0 has 1 numbers: give 6"),
        (lambda: SPACE.draw(lambda k: [0.5] * 6, redraws=-1), "redraws is -1: use 0 or more"),
        (lambda: SPACE.draw(lambda k: [1.5] * 6), "1.5 is not in the unit interval"),
    ],
)
def test_a_draw_from_wrong_numbers_is_refused(draw: Callable[[], Any], message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        draw()


def test_constraints_come_by_name_or_as_functions() -> None:
    for constraints in ({"not_adam": not_adam}, [not_adam], (not_adam,), not_adam):
        space = Space(SPACE, constraints=constraints)  # type: ignore[arg-type]
        assert list(space.constraints) == ["not_adam"]
        assert {space.draw(uniforms(seed))["optimizer"] for seed in range(20)} == {"sgd"}
        assert space.refused_by({"optimizer": "adam"}) == ["not_adam"]
        assert space.refused_by({"optimizer": "sgd"}) == []


def test_a_constraint_cannot_change_the_configuration() -> None:
    space = Space(x=Fixed(1), constraints={"meddles": lambda c: c.update(x=2) is None})
    assert space.draw(lambda k: [0.0]) == {"x": 1}


def two_lines(configuration: dict[str, Any]) -> bool:
    raise ValueError("one\n  two")


@pytest.mark.parametrize(
    ("predicate", "message"),
    [
        (lambda c: c["y"] > 0, "constraint it raised KeyError: 'y' for {'x': 1}; 'y' is not active there, or misspelt"),
        (lambda c: c["x"].no, "constraint it raised AttributeError: 'int' object has no attribute 'no' for {'x': 1}"),
        (two_lines, "constraint it raised ValueError: one two for {'x': 1}"),
        (lambda c: 1 / 0, "constraint it raised ZeroDivisionError: division by zero for {'x': 1}"),
        (lambda c: None, "constraint it returned None for {'x': 1}: return True or False"),
        (lambda: True, "constraint it raised TypeError"),
    ],
)
def test_a_constraint_that_fails_is_named_with_its_configuration(predicate: Any, message: str) -> None:
    with pytest.raises(SpaceError) as raised:
        Space(x=Fixed(1), constraints={"it": predicate}).draw(lambda k: [0.0])
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


GOOD = {"optimizer": "adam", "beta": 0.95, "units": 32, "classes": 10}


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        ({}, []),
        ({"units": None}, ["units is None: use a value of Int(16, 512, step=16, group=2)"]),
        ({"units": 33}, ["units is 33: use a value of Int(16, 512, step=16, group=2)"]),
        ({"unitz": 32}, ["'unitz' is not in the search space: leave it out; did you mean 'units'?"]),
        ({"momentum_kind": "none"}, ["momentum_kind exists only where optimizer = sgd: leave it out"]),
        (
            {"nesterov": True, "beta": 2, "classes": True},
            [
                "nesterov exists only where momentum_kind = plain and optimizer = sgd: leave it out",
                f"beta is 2: use a value of {SPACE['beta']!r}",
                "classes is True: use a value of Fixed(10)",
            ],
        ),
        ({"optimizer": "adamw"}, ["optimizer is 'adamw': use a value of Choice(['sgd', 'adam'], group=1)"]),
    ],
)
def test_check_tells_all_that_is_wrong(change: dict[str, Any], lines: list[str]) -> None:
    configuration = GOOD | change
    if not lines:
        SPACE.check(configuration)
        return
    with pytest.raises(SpaceError) as raised:
        SPACE.check(configuration)
    assert str(raised.value).splitlines() == [f"configuration: {line}" for line in lines]


def test_check_tells_what_is_missing() -> None:
    with pytest.raises(SpaceError, match=r"^configuration: classes is missing: use a value of Fixed\(10\)$"):
        SPACE.check({name: value for name, value in GOOD.items() if name != "classes"})


def test_a_space_is_a_mapping_in_the_order_of_definition() -> None:
    assert list(SPACE) == ["nesterov", "momentum_kind", "optimizer", "beta", "units", "classes"]
    assert len(SPACE) == 6 and "units" in SPACE and "unit" not in SPACE
    assert SPACE["units"] == Int(16, 512, step=16, group=2)
    assert Space(dict(SPACE)) == SPACE == Space(**dict(SPACE.items()))  # type: ignore[arg-type]
    assert hash(Space(SPACE)) == hash(SPACE)
    assert Space(dict(reversed(list(SPACE.items())))) != SPACE
    assert dict(SPACE) != SPACE
    with pytest.raises(TypeError):
        SPACE["units"] = Fixed(1)  # type: ignore[index]


def test_positional_names_come_before_keywords_and_may_be_any_identifier() -> None:
    space = Space({"constraints": Fixed(1), "lambda": Fixed(2)}, self=Fixed(3), domains=Fixed(4))
    assert space.draw(lambda k: [0.0] * 4) == {"constraints": 1, "lambda": 2, "self": 3, "domains": 4}


def test_a_space_travels() -> None:
    space = Space(SPACE, constraints=[not_adam])
    again = pickle.loads(pickle.dumps(space))
    assert again == space and again.draw(uniforms(0)) == space.draw(uniforms(0))


def test_the_table_names_domain_scale_group_and_condition() -> None:
    space = Space(
        learning_rate=Float(1e-4, 1, "log", group=1),
        units=Int(16, 512, step=16),
        activation=Choice(["relu", "tanh", "True", True, "1", 1, "a|b"]),
        momentum=Fixed(0.9, when={"activation": ["relu", "tanh"], "units": 16}),
        kernels=Choice([f"kernel_{k}" for k in range(20)]),
        constraints={"fits": lambda c: True, "small": lambda c: True},
    )
    assert str(space).splitlines() == [
        "name           domain                                                        scale   group  condition",
        "learning_rate  0.0001 … 1                                                    log     1",
        "units          16 … 512 step 16                                              linear",
        "activation     relu | tanh | 'True' | True | '1' | 1 | 'a|b'",
        f"{'momentum       = 0.9':<92}activation = relu or tanh and units = 16",
        "kernels        kernel_0 | kernel_1 | kernel_2 | kernel_3 | kernel_4 | kern…",
        "constraints: fits, small",
    ]
    assert space.table()[0] == {
        "name": "learning_rate",
        "domain": "0.0001 … 1",
        "scale": "log",
        "group": "1",
        "condition": "",
    }


def test_a_table_cannot_move_the_cursor() -> None:
    assert "\x1b" not in str(Space(x=Choice(["\x1b[2J", "a\nb"])))
