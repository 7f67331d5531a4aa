"""What `staged` and `zoom` share: who is best, what is near, what an adaptation says, and the corners of asking."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.assignment import Configuration
from orchestrator.samplers import Exhausted
from orchestrator.samplers.narrowing import NarrowingSampler, Round
from orchestrator.samplers.staged import StagedSampler
from orchestrator.samplers.zoom import ZoomSampler
from orchestrator.scheduler.instructions import Adapt, Record
from orchestrator.settings import Settings
from search_spaces import Choice, Fixed, Float, Int, Space
from tests.samplers.narrowing_runs import Life, told_again
from tests.simulated_runs import SimulatedRun

SPACE = Space(
    rate=Float(1e-4, 1, "log", group=1),
    optimizer=Choice(["sgd", "adam"], group=2),
    momentum=Float(0.5, 0.98, "reverse_log", group=2, when={"optimizer": ["sgd"]}, default=0.9),
    units=Int(16, 256, "log", group=2),
    layers=Int(1, 3, group=3),
    classes=Fixed(10),
    constraints={"small": lambda c: c["units"] * c["layers"] < 600},
)
LINE = Space(x=Float(0, 1))
BOTH = pytest.mark.parametrize("kind", [StagedSampler, ZoomSampler])


def units_of(configuration: Configuration) -> dict[str, float]:
    return {name: SPACE[name].to_unit(value) for name, value in configuration.items()}


def good(configuration: Configuration) -> float | None:
    """Diverges at high rates; best near the middle of the rate and with adam."""
    unit = SPACE["rate"].to_unit(configuration["rate"])
    return None if unit > 0.9 else -abs(unit - 0.4) - 0.1 * (configuration["optimizer"] == "sgd")


@BOTH
@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32), workers=st.integers(1, 30), trials=st.sampled_from([None, 1, 2, 7, 40]))
def test_configurations_are_new_allowed_and_come_again_when_told_again(
    kind: type[NarrowingSampler], seed: int, workers: int, trials: int | None
) -> None:
    life = Life(kind(SPACE, seed, trials), good, workers)
    for configuration in life.live(trials or 60):
        SPACE.check(configuration)
        assert SPACE.refused_by(configuration) == []
    assert len({tuple(sorted(configuration.items())) for configuration in life.begun}) == len(life.begun)
    again = told_again(life, kind(SPACE, seed, trials))
    number = len(life.begun)
    assert again.adaptation() is None and life.sampler.adaptation() is None
    assert again.configuration(number) == life.sampler.configuration(number)


def after(reports: list[tuple[int, float]], ended: dict[int, float | None], trials: int = 8) -> NarrowingSampler:
    """A sampler whose second round is about to begin; trial t has x = t / 10."""
    sampler = ZoomSampler(LINE, 0, 40, first=8)
    for trial in range(trials):
        sampler.begun(trial, {"x": trial / 10})
    for trial, score in reports:
        sampler.reported(trial, 1, score)
    for trial, last in ended.items():
        sampler.ended(trial, last)
    return sampler


@pytest.mark.parametrize(
    ("reports", "ended", "around"),
    [
        pytest.param([(0, 1.0), (1, 3.0), (2, 2.0)], {1: 3.0}, [1], id="of three, one"),
        pytest.param([(t, -float(t)) for t in range(8)], {7: -7.0}, [0, 1], id="of eight two, running ones among them"),
        pytest.param([(0, 1.0), (1, 1.0)], {1: 1.0}, [0], id="ties go to the lower number"),
        pytest.param([(0, 9.0), (1, 1.0)], {0: None}, [1], id="what diverged does not count"),
        pytest.param([(0, 9.0), (1, 5.0)], {0: 1.0}, [1], id="a best epoch that was withdrawn does not count"),
        pytest.param([(0, 9.0), (0, 1.0), (1, 5.0)], {1: 5.0}, [0], id="the best report counts, not the last"),
        pytest.param([(0, float("nan")), (1, 1.0)], {1: 1.0}, [1], id="NaN is no score"),
    ],
)
def test_who_is_best(reports: list[tuple[int, float]], ended: dict[int, float | None], around: list[int]) -> None:
    adaptation = after(reports, ended).adaptation()
    assert adaptation is not None and adaptation.settings == {"round": 1, "around": around, "reach": {"x": 0.8}}


def test_nothing_changes_before_there_is_a_reason_to() -> None:
    assert after([(0, 1.0)], {0: 1.0}, trials=7).adaptation() is None, "the round has not begun"
    assert after([(0, 1.0)], {}).adaptation() is None, "no worker is free, and later more is known"
    assert after([], {0: None}).adaptation() is None, "nothing has a score"
    assert after([(0, 1.0)], {0: 1.0}, trials=40).adaptation() is None, "no trial is left"
    sampler = after([(0, 1.0)], {})
    sampler.paused(3)
    adaptation = sampler.adaptation()
    assert adaptation is not None and sampler.adaptation() == adaptation
    sampler.adapted(adaptation.settings)
    assert sampler.adaptation() is None


def test_a_round_that_knows_nothing_goes_by_the_one_before() -> None:
    sampler = after([], {})
    assert sampler.configuration(8) == ZoomSampler(LINE, 0, 40, first=8).configuration(8)


def test_near_is_within_reach_of_the_best_few_the_first_most_often() -> None:
    sampler = after([(trial, -float(trial)) for trial in range(8)], {7: -7.0})
    sampler.adapted({"round": 1, "around": [2, 6], "reach": {"x": 0.1}})
    drawn = [sampler.configuration(trial)["x"] for trial in range(8, 308)]
    assert all(abs(x - 0.2) <= 0.1 or abs(x - 0.6) <= 0.1 for x in drawn)
    first = sum(x < 0.4 for x in drawn)
    assert 180 <= first <= 220, "two thirds"
    assert sum(abs(x - 0.2) < 0.05 for x in drawn) > 0.65 * first, "three quarters in the middle half"


@pytest.mark.parametrize(
    ("best", "reach"),
    [
        pytest.param(0.5, 0.2, id="inside: closer"),
        pytest.param(0.62, 0.2, id="still inside"),
        pytest.param(0.79, 0.3, id="at the upper edge: the box moves"),
        pytest.param(0.21, 0.3, id="at the lower edge"),
    ],
)
def test_a_best_value_at_the_edge_of_the_box_moves_the_box(best: float, reach: float) -> None:
    sampler = ZoomSampler(LINE, 0, 40, first=8, rounds=2)
    sampler.plan = [Round(0, "first", 1.0), Round(8, "second", 0.3), Round(24, "third", 0.2)]
    for trial in range(25):
        sampler.begun(trial, {"x": 0.5 if trial < 24 else best})
    sampler.reported(0, 1, 1.0)
    sampler.adapted({"round": 1, "around": [0], "reach": {"x": 0.3}})
    sampler.reported(24, 1, 2.0)
    sampler.ended(24, 2.0)
    adaptation = sampler.adaptation()
    assert adaptation is not None and adaptation.settings == {"round": 2, "around": [24], "reach": {"x": reach}}


@pytest.mark.parametrize(
    ("best", "lines"),
    [
        ([{"rate": 1.0}, {"rate": 0.95}], ["best rate lies at the upper bound 1.0: consider widening"]),
        ([{"rate": 1e-4}, {"rate": 1.01e-4}], ["best rate lies at the lower bound 0.0001: consider widening"]),
        ([{"layers": 3}, {"layers": 3}, {"layers": 1}], ["best layers lies at the upper bound 3: consider widening"]),
        pytest.param([{"layers": 3}], [], id="one alone may be chance"),
        pytest.param([{"layers": 3}, {"layers": 2}], [], id="the second disagrees"),
        pytest.param([{"layers": 3}, {"layers": 1}], [], id="opposite bounds"),
        pytest.param([{"units": 250}, {"units": 256}], [], id="an Int is at its bound only there"),
        pytest.param([{"optimizer": "sgd", "momentum": 0.98, "classes": 10}, {"optimizer": "adam"}], [], id="inactive"),
    ],
)
def test_best_values_at_a_bound_of_their_domain_are_told(best: list[Configuration], lines: list[str]) -> None:
    assert SPACE.at_bounds(best) == lines


def test_what_is_inactive_in_the_best_trial_is_drawn_anew_and_a_choice_by_its_share() -> None:
    sampler = ZoomSampler(SPACE, 0, 400)
    sampler.begun(0, {"rate": 0.01, "optimizer": "adam", "units": 64, "layers": 2, "classes": 10})
    sampler.adapted({"round": 1, "around": [0], "reach": dict.fromkeys(set(SPACE) - {"classes"}, 0.4)})
    drawn = [sampler.configuration(trial) for trial in range(80, 380)]
    counts = Counter(configuration["optimizer"] for configuration in drawn)
    assert 40 <= counts["sgd"] <= 80, "a fifth: 0.4 drawn anew, half of these sgd"
    momentum = [SPACE["momentum"].to_unit(one["momentum"]) for one in drawn if one["optimizer"] == "sgd"]
    assert min(momentum) < 0.2 and max(momentum) > 0.8
    assert {configuration["layers"] for configuration in drawn} == {1, 2, 3}, "an Int reaches its neighbours"


def test_the_reason_has_the_numbers() -> None:
    sampler = ZoomSampler(SPACE, 0, 40, first=8)
    for trial in range(8):
        optimizer = {"optimizer": "adam"} if trial else {"optimizer": "sgd", "momentum": 0.9}
        sampler.begun(trial, {"rate": 0.01, **optimizer, "units": 64, "layers": 3, "classes": 10})
        sampler.reported(trial, 1, -float(trial))
    sampler.ended(0, 0.0)
    adaptation = sampler.adaptation()
    assert adaptation is not None and adaptation.reason == (
        "round 1 of 4: near trials 0, 1, the best of 8 that have a score; optimizer mostly sgd or adam; "
        "best layers lies at the upper bound 3: consider widening"
    )


@BOTH
def test_a_small_space_is_gone_through_and_then_exhausted(kind: type[NarrowingSampler]) -> None:
    space = Space(a=Choice([1, 2, 3, 4], group=1), b=Int(1, 3))
    life = Life(kind(space, 0), lambda configuration: -float(configuration["a"] + configuration["b"]))
    life.live(12)
    assert len({(configuration["a"], configuration["b"]) for configuration in life.begun}) == 12
    with pytest.raises(Exhausted, match="all 12 configurations"):
        life.sampler.configuration(12)
    repeating = Life(kind(space, 0, repeats=True), life.score)
    assert len(repeating.live(40)) == 40


@BOTH
@pytest.mark.parametrize("fails", [lambda c: c["missing"] > 1, lambda c: c["a"] > 1])
def test_a_constraint_that_fails_or_allows_nothing_ends_it_in_words(kind: type[NarrowingSampler], fails: Any) -> None:
    space = Space(a=Float(0.0, 1.0), constraints={"strict": fails})
    with pytest.raises(Exhausted, match="strict"):
        kind(space, 0).configuration(0)


@BOTH
def test_start_configurations_are_told_as_any_other(kind: type[NarrowingSampler]) -> None:
    sampler = kind(SPACE, 0, 20)
    mine = {"rate": 0.05, "optimizer": "adam", "units": 32, "layers": 1, "classes": 10}
    for trial in range(18):
        configuration = mine if trial == 0 else sampler.configuration(trial)
        sampler.begun(trial, configuration)
        sampler.reported(trial, 1, float(trial == 0))
        sampler.ended(trial, float(trial == 0))
        if (adaptation := sampler.adaptation()) is not None:
            assert adaptation.settings["around"][0] == 0
            sampler.adapted(adaptation.settings)
            return
    pytest.fail("no adaptation")


@pytest.mark.parametrize("name", ["staged", "zoom"])
def test_a_scheduler_that_folds_a_run_has_the_same_sampler(name: str) -> None:
    lived, folded = (SimulatedRun(Settings(sampler=name, stopper="asha", trials=70)) for _ in range(2))
    records: list[Record] = []
    lived.drive(watch=records.extend)
    assert sum(isinstance(record, Adapt) and record.part == "sampler" for record in records) > 3
    folded.scheduler.fold(records)
    assert folded.scheduler.sampler.adaptation() == lived.scheduler.sampler.adaptation()
    assert folded.scheduler.sampler.configuration(70) == lived.scheduler.sampler.configuration(70)


def test_the_last_round_is_repeated_without_a_limit() -> None:
    life = Life(ZoomSampler(LINE, 0, first=3, rounds=2), lambda configuration: -abs(configuration["x"] - 0.3))
    life.live(100)
    numbers = [adaptation.settings["round"] for adaptation in life.adaptations.values()]
    assert numbers == list(range(1, len(numbers) + 1)) and len(numbers) > 5
    assert list(life.adaptations.values())[-1].settings["reach"] == {"x": 0.3}
    assert list(life.adaptations.values())[2].reason.startswith("round 2 of 2, time 2: near trials ")
