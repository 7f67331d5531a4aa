"""Coarse to fine: the rounds, and that it ends up nearer than random search."""

from statistics import median
from typing import Any

import pytest

from orchestrator.samplers import make_sampler
from orchestrator.samplers.zoom import ZoomSampler
from search_spaces import Fixed, Float, Space
from tests.samplers.narrowing_runs import Life

CUBE = Space({f"x{place}": Float(0, 1) for place in range(5)})


@pytest.mark.parametrize(
    ("trials", "options", "begins"),
    [
        (60, {"first": 12}, [0, 12, 21, 31, 40, 50]),
        (60, {"rounds": 2}, [0, 16, 38]),
        (None, {"first": 10, "rounds": 2}, [0, 10, 29]),
        (16, {}, [0, 16]),
        (5, {}, [0, 16]),
        (1, {}, [0, 16]),
        (1000, {}, [0, *(200 + place * 800 // 20 for place in range(20))]),
    ],
)
def test_the_rounds(trials: int | None, options: dict[str, Any], begins: list[int]) -> None:
    plan = ZoomSampler(CUBE, 0, trials, **options).plan
    assert [planned.begins for planned in plan] == begins
    reaches = [planned.reach for planned in plan[1:]]
    assert reaches[0] == 0.8 and (len(reaches) == 1 or reaches[-1] == pytest.approx(0.3))
    assert reaches == sorted(reaches, reverse=True)


@pytest.mark.parametrize("option", ["first", "rounds"])
@pytest.mark.parametrize("number", [0, -1, 1.5, True, "many"])
def test_numbers_that_make_no_sense_are_refused(option: str, number: Any) -> None:
    with pytest.raises(ValueError, match=rf"{option} is .*: use a whole number of at least 1"):
        ZoomSampler(CUBE, 0, **{option: number})


def test_the_first_round_is_random_search() -> None:
    zoom, random = (make_sampler(name, CUBE, 3, 60) for name in ("zoom", "random"))
    assert [zoom.configuration(trial) for trial in range(16)] == [random.configuration(trial) for trial in range(16)]


def test_it_ends_up_nearer_than_random_search() -> None:
    def score(configuration: dict[str, Any]) -> float:
        return -sum((value - 0.7) ** 2 for value in configuration.values())

    def found(name: str, seed: int) -> float:
        return max(map(score, Life(make_sampler(name, CUBE, seed, 60), score, workers=4).live(60)))

    zoom, random = (median(found(name, seed) for seed in range(8)) for name in ("zoom", "random"))
    assert random < 1.3 * zoom < 0, "at least a third further from the best, which is 0"


def test_a_space_with_nothing_to_tune_has_its_one_configuration() -> None:
    assert ZoomSampler(Space(a=Fixed(3)), 0).configuration(0) == {"a": 3}
