"""What a `Study` refuses: the configurations to start from."""

import pytest

from orchestrator import Float, Int, Space, Study, UserError

SPACE = Space(rate=Float(0.1, 1.0), layers=Int(1, 3), constraints={"small": lambda c: c["layers"] * c["rate"] < 2})


def study(start):
    return Study(space=SPACE, train=lambda configuration, ctx: None, objective="val", direction="max", start=start)


def problems(start):
    with pytest.raises(UserError) as caught:
        study(start)
    return str(caught.value).splitlines()


def test_configurations_to_start_from():
    best = {"rate": 0.5, "layers": 2}
    assert study([best]).start == [best]
    assert study([]).start == []


@pytest.mark.parametrize("start", [{"rate": 0.5, "layers": 2}, "best", [1], None])
def test_anything_but_a_list_of_configurations(start):
    (line,) = problems(start)
    assert line.startswith(f"Study: start is {type(start).__name__}: use a list of configurations")


def test_all_that_is_wrong_is_told_with_its_place():
    start = [
        {"rate": 0.5, "layers": 2},
        {"rate": 7, "layers": 1},
        {"rate": 1.0, "layers": 3},
        {"rate": 0.5, "layers": 2},
    ]
    missing, refused, again = problems(start)
    assert missing.startswith("Study: start[1]: ") and "rate" in missing
    assert refused == "Study: start[2] is not allowed by small: change it, or leave it out"
    assert again == "Study: start[3] is start[0] again: leave one of them out"


# Functions that could not be called as they will be.


async def asynchronous(configuration, ctx):
    pass


def lazy(configuration, ctx):
    yield 1


@pytest.mark.parametrize(
    ("functions", "line"),
    [
        ({"train": lambda configuration: None}, "train cannot be called as train(configuration, ctx): too many positi"),
        ({"train": asynchronous}, "train is async, or has a yield: use a plain function, which does its work when it"),
        ({"train": lazy}, "train is async, or has a yield: use a plain function"),
        ({"build": lambda: None, "data": lambda: None}, "build cannot be called as build(configuration): too many"),
        ({"train": print, "data": lambda x: x}, "data cannot be called as data(): missing a required argument: 'x'"),
        ({"train": print, "fit": lambda: {"verbose": 0}}, "fit cannot be called as fit(configuration): too many pos"),
        ({"train": print, "name": 3}, "name is 3: use a text, or leave it out"),
    ],
)
def test_functions_that_could_not_be_called(functions, line):
    with pytest.raises(UserError) as caught:
        Study(space=SPACE, objective="val", direction="max", **functions)
    (told,) = str(caught.value).splitlines()
    assert told.startswith(f"Study: {line}")


def test_functions_of_any_kind_will_do():
    class Builder:
        def __call__(self, configuration, units=3):
            return units

    Study(space=SPACE, build=Builder(), data=dict, objective="val", direction="max")
