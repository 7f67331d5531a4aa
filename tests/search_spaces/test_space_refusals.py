"""Every mistake in a search space, and the line it is answered with."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from search_spaces import Choice, Fixed, Float, Int, Space, SpaceError, load

A = Choice(["a", "b"])


def fits(configuration: dict[str, Any]) -> bool:
    return True


def of(**domains: Any) -> Callable[[], Space]:
    return lambda: Space(**domains)


def x(kind: Any, *arguments: Any, **named: Any) -> Callable[[], Space]:
    return lambda: Space(x=kind(*arguments, **named))


REFUSALS: list[tuple[Callable[[], Any], str]] = [
    # bounds
    (x(Float, "a", 1), "x: low is 'a': use a finite number"),
    (x(Float, None, 1), "x: low is None: use a finite number"),
    (x(Float, 0, [1]), "x: high is [1]: use a finite number"),
    (x(Float, 0, Fraction(1, 2)), "x: high is Fraction(1, 2): use a finite number"),
    (x(Float, math.nan, 1), "x: low is nan: use a finite number"),
    (x(Float, 0, math.inf), "x: high is inf: use a finite number"),
    (x(Float, False, 1), "x: low is False: use a finite number"),
    (x(Float, np.bool_(False), 1), "x: low is False: use a finite number"),
    (x(Float, 0, 10**400), f"x: high is 1{'0' * 99}…: use a finite number"),
    (x(Float, 1, 0.1), "x: low 1 is above high 0.1: use low=0.1, high=1"),
    (x(Float, 0, 1, "log"), "x: low is 0, but a log scale starts above 0: use a small positive low such as 0.0001"),
    (x(Float, -1, 1, "log"), "x: low is -1, but a log scale starts above 0: use a small positive low such as 0.0001"),
    (x(Float, 0.9, 1, "reverse_log"), "x: high is 1, but reverse_log ends below 1: use a high such as 0.999"),
    (x(Float, 0.9, 2, "reverse_log"), "x: high is 2, but reverse_log ends below 1: use a high such as 0.999"),
    (x(Int, 1.5, 4), "x: low is 1.5, not a whole number: use 2"),
    (x(Int, 1, 4.0), "x: high is 4.0, not a whole number: use 4"),
    (x(Int, 1, "4"), "x: high is '4', not a whole number: use one such as 16"),
    (x(Int, 1, math.nan), "x: high is nan, not a whole number: use one such as 16"),
    (x(Int, True, 4), "x: low is True, not a whole number: use one such as 16"),
    (x(Int, 4, 1), "x: low 4 is above high 1: use low=1, high=4"),
    (x(Int, 0, 4, "log"), "x: low is 0, but a log scale starts above 0: use low=1 or more"),
    (
        x(Int, 0, 10**13),
        "x: high is 10000000000000, beyond what an Int can tell apart: use a Float, or at most 1000000000000",
    ),
    # scales
    (x(Float, 1, 2, "lgo"), "x: scale 'lgo' is unknown; did you mean 'log'? (one of linear, log, reverse_log)"),
    (x(Float, 1, 2, "zzz"), "x: scale 'zzz' is unknown (one of linear, log, reverse_log)"),
    (x(Float, 1, 2, 10), "x: scale 10 is unknown (one of linear, log, reverse_log)"),
    (x(Float, 1, 2, ["log"]), "x: scale ['log'] is unknown (one of linear, log, reverse_log)"),
    (x(Int, 1, 2, "Log"), "x: scale 'Log' is unknown; did you mean 'log'? (one of linear, log)"),
    (
        x(Int, 1, 2, "reverse_log"),
        "x: scale is 'reverse_log', which is for numbers below 1: use 'linear', 'log' or a Float",
    ),
    # steps
    (x(Int, 1, 9, step=0), "x: step is 0: use a whole number of at least 1"),
    (x(Int, 1, 9, step=-2), "x: step is -2: use a whole number of at least 1"),
    (x(Int, 1, 9, step=0.5), "x: step is 0.5: use a whole number of at least 1"),
    (x(Int, 1, 9, step=True), "x: step is True: use a whole number of at least 1"),
    (x(Int, 16, 100, step=16), "x: step 16 from 16 does not reach high 100: use high=96 or high=112"),
    (x(Int, 1, 9, "log", step=2), "x: step 2 goes with the linear scale only: leave it out, or list the values in a"),
    # choices
    (x(Choice, []), "x: values is empty: name at least one"),
    (x(Choice, "relu"), "x: values is 'relu': use a list, such as Choice(['relu', 'tanh'])"),
    (x(Choice, 3), "x: values is 3: use a list, such as Choice(['relu', 'tanh'])"),
    (x(Choice, {"a": 1}), "x: values is {'a': 1}: use a list, such as Choice(['relu', 'tanh'])"),
    (x(Choice, {"a"}), "x: values is {'a'}, which has no order: use a list"),
    (x(Choice, ["a", "b", "a"]), "x: values has 'a' more than once: leave one of them"),
    (x(Choice, [1, 1.0]), "x: values has 1 more than once: leave one of them"),
    (x(Choice, [[1, 2]]), "x: [1, 2] is of type list: use a name for it and map the name in build"),
    (x(Choice, [math.nan]), "x: nan is not finite: use a finite number or a name"),
    (x(Choice, [2**63]), "x: 9223372036854775808 does not fit in 64 bits: use a float or a name"),
    (x(Choice, ["\ud800"]), "x: '\\ud800' holds half of a character: use valid text"),
    (x(Fixed, [1]), "x: value [1] is of type list: use a name for it and map the name in build"),
    (x(Fixed, math.inf), "x: value inf is not finite: use a finite number or a name"),
    # groups
    (x(Fixed, 1, group=0), "x: group is 0: use 1 (tune first), 2, 3 or 4, or leave it out"),
    (x(Fixed, 1, group=5), "x: group is 5: use 1 (tune first), 2, 3 or 4, or leave it out"),
    (x(Fixed, 1, group=True), "x: group is True: use 1 (tune first), 2, 3 or 4, or leave it out"),
    (x(Fixed, 1, group="1"), "x: group is '1': use 1 (tune first), 2, 3 or 4, or leave it out"),
    # defaults
    (x(Float, 0, 1, default=2), "x: default is 2: use one of its values (0 … 1), or leave it out"),
    (x(Float, 0, 1, default=math.nan), "x: default is nan: use one of its values (0 … 1), or leave it out"),
    (x(Float, 0, 1, default=None), "x: default is None: use one of its values (0 … 1), or leave it out"),
    (x(Int, 1, 3, default=1.0), "x: default is 1.0: use one of its values (1 … 3), or leave it out"),
    (x(Choice, ["a"], default="b"), "x: default is 'b': use one of its values (a), or leave it out"),
    (x(Fixed, 3, default=4), "x: default is 4: use one of its values (= 3), or leave it out"),
    (x(Float, 1, 0, default=2), "x: low 1 is above high 0: use low=0, high=1"),
    # conditions
    (x(Fixed, 1, when="a"), "x: when is 'a': name parent and values, such as when={'optimizer': ['adam']}"),
    (x(Fixed, 1, when=np.array([1, 2])), "x: when is array([1, 2]): name parent and values, such as"),
    (x(Fixed, 1, when={1: "a"}), "x: when is {1: 'a'}: name parent and values, such as when={'optimizer': ['adam']}"),
    (of(x=A, y=Fixed(1, when={"x": []})), "y: when gives no value for x: name at least one, or leave the condition"),
    (of(x=A, y=Fixed(1, when={"x": [["a"]]})), "y: when for x: ['a'] is of type list: use a name for it"),
    (
        of(xx=A, y=Fixed(1, when={"xy": "a"})),
        "y: its condition names 'xy', which the space does not have; did you mean",
    ),
    (
        x(Fixed, 1, when={"x": 1}),
        "x: its condition names itself: name another hyperparameter in when, or leave when out",
    ),
    (
        of(x=A, y=Fixed(1, when={"x": ["a", "c"]})),
        "y: its condition wants x = 'c', which is no value of Choice(['a', 'b'])",
    ),
    (
        of(x=Choice([0, 1]), y=Fixed(1, when={"x": True})),
        "y: its condition wants x = True, which is no value of Choice",
    ),
    (
        of(x=Float(0, 1), y=Fixed(1, when={"x": 0.5})),
        "y: its condition names x, a Float, which hardly ever has one exact",
    ),
    (
        of(x=Choice([1], when={"y": 1}), y=Choice([1], when={"z": 1}), z=Choice([1], when={"x": 1})),
        "the conditions of x → z → y → x go in a circle: leave out the condition of one of them",
    ),
    # names
    (lambda: Space(), "it is empty: name at least one hyperparameter, Space(learning_rate=Float(…))"),
    (lambda: Space({}), "it is empty: name at least one hyperparameter, Space(learning_rate=Float(…))"),
    (lambda: Space([("x", A)]), "[('x', Choice(['a', 'b']))] is no mapping: use Space(name=domain, …) or"),  # type: ignore[arg-type]
    (
        lambda: Space({"learning rate": A}),
        "'learning rate' is no name: use letters, digits and _, such as learning_rate",
    ),
    (lambda: Space({"=cmd()": A}), "'=cmd()' is no name: use letters, digits and _, such as learning_rate"),
    (lambda: Space({"": A}), "'' is no name: use letters, digits and _, such as learning_rate"),
    (lambda: Space({3: A}), "3 is no name: use letters, digits and _, such as learning_rate"),  # type: ignore[dict-item]
    (lambda: Space({"x": A}, x=A), "x is given twice: leave one of them"),
    (of(x=0.1), "x is 0.1, no domain: use Fixed(0.1)"),
    (of(x="adam"), "x is 'adam', no domain: use Fixed('adam')"),
    (of(x=["a", "b"]), "x is ['a', 'b'], no domain: use Choice(['a', 'b'])"),
    (of(x=Float), "x is <class 'search_spaces.numeric.Float'>, no domain: use Float(…) with its arguments"),
    (of(x=object), "x is <class 'object'>, no domain: use a Float, an Int, a Choice or a Fixed"),
    # constraints
    (of(x=A, constraints=A), "constraints is Choice(['a', 'b']): for a hyperparameter of that name write Space({'cons"),
    (of(x=A, constraints=3), "constraint 3 is no function: use constraints={'name': function}"),
    (of(x=A, constraints="ab"), "constraint 'ab' is no function: use constraints={'name': function}"),
    (of(x=A, constraints={"c": True}), "constraint True is no function: use constraints={'name': function}"),
    (
        of(x=A, constraints={"c": max}),
        "constraint <built-in function max> is no function: use constraints={'name': function}",
    ),
    (
        of(x=A, constraints=[lambda c: True]),
        "constraint '<lambda>' needs a name of its own: use constraints={'name': f",
    ),
    (of(x=A, constraints={"": fits}), "constraint '' needs a name of its own: use constraints={'name': function}"),
    (
        of(x=A, constraints=[fits, fits]),
        "constraint fits is given twice: name them apart, constraints={'name': function}",
    ),
    # shipped spaces
    (lambda: load("mpl"), "'mpl' is not shipped; did you mean 'mlp'? (one of cnn, mlp)"),
    (lambda: load("zzz"), "'zzz' is not shipped (one of cnn, mlp)"),
]


@pytest.mark.parametrize(("make", "line"), REFUSALS, ids=[line[:60] for _, line in REFUSALS])
def test_each_mistake_gets_one_clear_line(make: Callable[[], Any], line: str) -> None:
    with pytest.raises(SpaceError) as raised:
        make()
    message = str(raised.value)
    assert message.startswith(("search space: " + line, "search space " + line)), message
    assert "\n" not in message


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(SpaceError) as raised:
        Space(
            rate=Float(0, -1, "lgo", group=7),
            units=Int(16, 100, step=16),
            optimizer=["sgd", "adam"],  # type: ignore[arg-type]
            momentum=Fixed(0.9, when={"optimizer": "sgd", "unit": 16}),
            a=Choice([1], when={"b": 1}),
            b=Choice([1], when={"a": 1}),
            c=Choice([1], when={"d": 1}),
            d=Choice([1], when={"c": 1}),
            constraints={"c": 1},  # type: ignore[arg-type]
        )
    lines = str(raised.value).splitlines()
    assert all(line.startswith("search space: ") for line in lines)
    assert [line.removeprefix("search space: ").split(" ")[0] for line in lines] == [
        "optimizer",
        "rate:",
        "rate:",
        "rate:",
        "units:",
        "momentum:",
        "the",
        "the",
        "constraint",
    ]


def test_a_space_error_is_a_value_error() -> None:
    assert issubclass(SpaceError, ValueError)
