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
