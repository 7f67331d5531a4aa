"""By importance: what each stage draws, keeps and leaves alone."""

import pytest

from orchestrator.assignment import Configuration
from orchestrator.samplers.staged import StagedSampler, groups_of
from search_spaces import Choice, Domain, Fixed, Float, Int, Space
from tests.samplers.narrowing_runs import Life

SPACE = Space(
    rate=Float(1e-4, 1, "log", group=1),
    momentum=Float(0.5, 0.98, "reverse_log", group=2, default=0.9),
    batch=Choice([16, 32, 64], group=2, default=32),
    layers=Int(1, 5, group=3),
    activation=Choice(["relu", "tanh"]),
    classes=Fixed(10),
)
DEFAULTS = {"rate": pytest.approx(0.01), "momentum": 0.9, "batch": 32, "layers": 3, "activation": "relu", "classes": 10}
STAGES = [(0, {"rate"}), (6, {"momentum", "batch"}), (15, {"layers"}), (21, {"activation"})]
"""Of 68 trials: where each begins, and what it draws anew."""
LAST = 27


def far(configuration: Configuration) -> float:
    """Best at a high rate and a low momentum."""
    return SPACE["rate"].to_unit(configuration["rate"]) - SPACE["momentum"].to_unit(configuration["momentum"])


def differing(configurations: list[Configuration]) -> set[str]:
    return {name for name in configurations[0] if len({configuration[name] for configuration in configurations}) > 1}


def test_each_stage_draws_its_group_keeps_near_to_what_won_and_leaves_the_rest_alone() -> None:
    life = Life(StagedSampler(SPACE, 0, 68), far)
    life.live(68)
    known: set[str] = set()
    for (begins, group), ends in zip(STAGES, [*(begins for begins, _ in STAGES[1:]), LAST], strict=True):
        stage = life.begun[begins:ends]
        assert differing(stage) == known | group
        for name in set(SPACE) - known - group:
            assert stage[0][name] == DEFAULTS[name]
        known |= group
    assert differing(life.begun[LAST:]) == known
    later = [SPACE["rate"].to_unit(configuration["rate"]) for configuration in life.begun[6:LAST]]
    assert min(later) > 0.5, "kept near to the best rates"


def test_defaults_are_exact() -> None:
    assert StagedSampler(SPACE, 0).configuration(0)["momentum"] == 0.9


@pytest.mark.parametrize(
    ("domains", "groups"),
    [
        pytest.param({"a": 1, "b": 2, "c": 1}, [["a", "c"], ["b"]], id="in the order of the groups"),
        pytest.param({"a": None, "b": 4}, [["b"], ["a"]], id="without a group: last"),
        pytest.param({"a": None, "b": None}, [["a", "b"]], id="no groups"),
        pytest.param({"a": 3}, [["a"]], id="one"),
    ],
)
def test_the_groups(domains: dict[str, int | None], groups: list[list[str]]) -> None:
    space: dict[str, Domain] = {name: Float(0, 1, group=group) for name, group in domains.items()}
    assert groups_of(Space(space | {"fixed": Fixed(1, group=1)})) == groups


@pytest.mark.parametrize(
    ("trials", "begins"),
    [
        pytest.param(60, [0, 7, 17, 24], id="proportions"),
        pytest.param(None, [0, 5, 12, 17], id="no limit"),
        pytest.param(1, [0, 1, 2, 3], id="one trial is of stage 1"),
        pytest.param(1000, [0, 114, 285, 399], id="many"),
    ],
)
def test_where_the_stages_begin(trials: int | None, begins: list[int]) -> None:
    plan = StagedSampler(Space({name: SPACE[name] for name in list(SPACE)[:4]}), 0, trials).plan
    assert [planned.begins for planned in plan[:4]] == begins
    assert plan[0].name == "stage 1 of 4" and plan[3].name.startswith("stage 4, round 1 of ")


def test_with_no_group_all_is_drawn_from_the_beginning() -> None:
    sampler = StagedSampler(Space(a=Float(0, 1), b=Float(0, 1)), 0, 10)
    assert differing([sampler.configuration(trial) for trial in range(4)]) == {"a", "b"}


def test_stages_begin_on_many_workers_although_nothing_is_known() -> None:
    life = Life(StagedSampler(SPACE, 0, 68), far, workers=100)
    life.live(68)
    assert life.adaptations == {}
    assert differing(life.begun[LAST:]) == set(SPACE) - {"classes"}
    rates = [SPACE["rate"].to_unit(configuration["rate"]) for configuration in life.begun[LAST:]]
    assert min(rates) < 0.2 and max(rates) > 0.8


def test_the_reason_names_what_is_done_with_each_hyperparameter() -> None:
    life = Life(StagedSampler(SPACE, 0, 68), far)
    life.live(7)
    (adaptation,) = life.adaptations.values()
    best = max(range(6), key=lambda trial: far(life.begun[trial]))
    assert adaptation.settings["around"][0] == best and adaptation.settings["reach"] == {"rate": 0.3}
    start, _, rest = adaptation.reason.partition("; rate ")
    assert start.startswith(f"stage 2 of 5: near trials {best}, ") and start.endswith("the best of 6 that have a score")
    assert "; anew: momentum, batch; at their defaults: layers, activation" in rest
