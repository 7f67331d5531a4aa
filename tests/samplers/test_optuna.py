"""Optuna's samplers: what they are told, what is taken from them, and that nothing of them shows."""

import sys
from math import log10, nan
from typing import Any

import pytest

from orchestrator.samplers import Exhausted, Sampler, make_sampler
from search_spaces import Choice, Domain, Fixed, Float, Int, Space

optuna = pytest.importorskip("optuna")

from optuna.distributions import (  # noqa: E402
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState  # noqa: E402

RUNNING, COMPLETE, PRUNED, FAIL = TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL
SPACE = Space(
    rate=Float(1e-4, 1, "log"),
    momentum=Float(0.9, 0.999, "reverse_log", when={"optimizer": ["sgd"]}),
    optimizer=Choice(["sgd", "adam", True, 1]),
    width=Int(16, 256, "log"),
    depth=Int(2, 8, step=3),
    shape=Choice(["x", "y"], when={"depth": 8}),
    classes=Fixed(10, when={"optimizer": ["adam", "sgd"]}),
)
LINE = Space(x=Float(0, 1), y=Float(0, 1))
KINDS = ["tpe", "tpe,multivariate=true,group=true", "tpe,consider_prior=true", "random", "nsgaii", "nsgaiii", "qmc"]
KINDS += ["cmaes", "cmaes,sigma0=1,restart_strategy=ipop", "gp,n_startup_trials=5"]


def made(kind: str, space: Space = SPACE, seed: int = 0) -> Sampler:
    if kind.startswith("cmaes"):
        pytest.importorskip("cmaes")
    if kind.startswith("gp"):
        pytest.importorskip("torch")
    return make_sampler(f"optuna:{kind}", space, seed)


def begin(sampler: Sampler, trial: int) -> dict[str, Any]:
    configuration = sampler.configuration(trial)
    sampler.begun(trial, configuration)
    return configuration


def known(sampler: Any) -> list[Any]:
    """What Optuna knows once everything has been taken in."""
    sampler.configuration(10**6)
    trials: list[Any] = sampler._study._study.trials
    return trials[:-1]


def score(configuration: dict[str, Any]) -> float:
    return -abs(log10(configuration["rate"]) + 2) - (configuration["optimizer"] == "sgd") - configuration["depth"] / 8


@pytest.mark.parametrize("kind", KINDS)
def test_proposals_are_in_the_space_and_repeat_with_the_seed(kind: str) -> None:
    sampler, again, other = made(kind), made(kind), made(kind, seed=1)
    found = []
    for trial in range(12):
        configuration = begin(sampler, trial)
        SPACE.check(configuration)
        assert list(configuration) == [name for name in SPACE if name in configuration]
        assert begin(again, trial) == configuration
        begin(other, trial)
        for told in (sampler, again):
            told.reported(trial, 1, score(configuration))
            told.ended(trial, score(configuration))
        found.append(configuration)
    assert len({configuration["rate"] for configuration in found}) == 12
    assert begin(other, 12) != begin(sampler, 12)


def test_tpe_looks_where_it_was_good() -> None:
    for seed in range(3):
        sampler = made("tpe", LINE, seed)
        values = []
        for trial in range(50):
            configuration = begin(sampler, trial)
            values.append(-((configuration["x"] - 0.8) ** 2) - (configuration["y"] - 0.3) ** 2)
            sampler.reported(trial, 1, values[-1])
            sampler.ended(trial, values[-1])
        assert sum(values[-20:]) / 20 > sum(values[:10]) / 10 / 4, "a quarter of the distance, squared"


@pytest.mark.parametrize(
    ("domain", "value", "distribution", "parameter"),
    [
        (Float(-1, 3), 2.0, FloatDistribution(-1, 3), 2.0),
        (Float(1e-4, 1, "log"), 0.1, FloatDistribution(1e-4, 1, log=True), 0.1),
        (Float(0.9, 0.999, "reverse_log"), 0.99, FloatDistribution(1 - 0.999, 1 - 0.9, log=True), 1 - 0.99),
        (Float(0.9, 0.999, "reverse_log"), 0.999, FloatDistribution(1 - 0.999, 1 - 0.9, log=True), 1 - 0.999),
        (Float(2, 2), 2.0, FloatDistribution(2, 2), 2.0),
        (Int(2, 8), 5, IntDistribution(2, 8), 5),
        (Int(2, 8, step=3), 5, IntDistribution(2, 8, step=3), 5),
        (Int(2, 8, "log"), 5, IntDistribution(2, 8, log=True), 5),
        (Choice(["a", True, 1, None]), 1.0, CategoricalDistribution([0, 1, 2, 3]), 2),
        (Choice(["a", True, 1, None]), True, CategoricalDistribution([0, 1, 2, 3]), 1),
    ],
)
def test_domains_as_distributions(domain: Domain, value: Any, distribution: BaseDistribution, parameter: Any) -> None:
    sampler = made("random", Space(a=domain, b=Float(0, 1), fixed=Fixed(3)))
    sampler.begun(0, {"a": value, "b": 0.5, "fixed": 3})
    (trial,) = known(sampler)
    assert trial.distributions == {"a": distribution, "b": FloatDistribution(0, 1)}
    assert trial.params == {"a": parameter, "b": 0.5}


def test_conditions_are_followed() -> None:
    sampler = made("random")
    for trial in range(20):
        begin(sampler, trial)
    names = {frozenset(trial.params) for trial in known(sampler)}
    always = {"rate", "optimizer", "width", "depth"}
    assert names == {frozenset(always | some) for some in ({"momentum"}, {"shape"}, {"momentum", "shape"}, set[str]())}


def told(kind: str) -> list[tuple[TrialState, float | None]]:
    """Seven trials: running, ended, paused, gone on from a pause and ended, stopped while paused, diverged, failed."""
    sampler = made(kind, LINE)
    for trial in range(7):
        begin(sampler, trial)
        sampler.reported(trial, 1, -1.0 - trial)
        sampler.reported(trial, 2, -2.0 - trial)
    for trial in (2, 3, 4):
        sampler.paused(trial)
    begin(sampler, 7)
    sampler.reported(3, 3, -0.5)
    sampler.ended(1, -2.0)
    sampler.ended(3, -0.5)
    sampler.ended(4, -5.0)
    sampler.reported(5, 3, nan)
    sampler.ended(5, None)
    sampler.ended(6, None)
    return [(trial.state, trial.value if trial.state in (COMPLETE, PRUNED) else None) for trial in known(sampler)][:7]


def test_what_tpe_is_told() -> None:
    assert told("tpe") == [
        (RUNNING, None),
        (COMPLETE, -2.0),
        (PRUNED, -4.0),
        (COMPLETE, -0.5),
        (PRUNED, -6.0),
        (PRUNED, None),
        (FAIL, None),
    ]


def test_what_others_are_told() -> None:
    assert told("random") == [
        (RUNNING, None),
        (COMPLETE, -2.0),
        (COMPLETE, -3.0),
        (COMPLETE, -0.5),
        (COMPLETE, -5.0),
        (FAIL, None),
        (FAIL, None),
    ]


def test_tpe_ranks_a_paused_trial_by_its_epochs() -> None:
    sampler = made("tpe", LINE)
    begin(sampler, 0)
    for epoch, value in enumerate([0.1, 0.4, 0.3], start=1):
        sampler.reported(0, epoch, value)
        if epoch != 2:
            sampler.paused(0)
    (trial,) = known(sampler)
    assert (trial.state, trial.intermediate_values, trial.value) == (PRUNED, {1: 0.1, 3: 0.3}, 0.3)


def test_a_trial_that_fails_before_its_first_report_has_not_diverged() -> None:
    sampler = made("tpe", LINE)
    begin(sampler, 0)
    sampler.ended(0, None)
    assert [trial.state for trial in known(sampler)] == [FAIL]


def test_configurations_from_elsewhere_are_known() -> None:
    """Start configurations, and those of a journal that was folded."""
    sampler = made("tpe", LINE)
    for trial in range(3):
        sampler.begun(trial, {"x": trial / 4, "y": 0.5})
        sampler.reported(trial, 1, trial / 2)
    sampler.ended(0, 0.0)
    sampler.paused(1)
    assert [(trial.state, trial.params["x"]) for trial in known(sampler)] == [
        (COMPLETE, 0.0),
        (PRUNED, 0.25),
        (RUNNING, 0.5),
    ]


def test_after_a_resume_it_does_not_propose_the_same_again() -> None:
    lived, folded = made("random", LINE), made("random", LINE)
    for trial in range(3):
        folded.begun(trial, begin(lived, trial))
    configuration = folded.configuration(3)
    assert len([trial for trial in known(folded) if trial.state is FAIL]) == 0
    assert configuration not in [begin(made("random", LINE), 0)]


def test_it_may_be_asked_ahead() -> None:
    sampler = made("tpe", Space(kind=Choice(["a", "b", "c"])))
    ahead = [sampler.configuration(trial) for trial in range(3)]
    assert sorted(configuration["kind"] for configuration in ahead) == ["a", "b", "c"]
    assert [sampler.configuration(trial) for trial in range(3)] == ahead, "asked again, it answers as before"
    with pytest.raises(Exhausted, match="all 3 configurations of the search space were tried"):
        sampler.configuration(3)


def test_a_proposal_that_was_not_taken_has_failed() -> None:
    sampler = made("tpe", LINE)
    sampler.configuration(0)
    sampler.begun(0, {"x": 0.25, "y": 0.5})
    dropped, taken = known(sampler)
    assert (dropped.state, taken.state, taken.params) == (FAIL, RUNNING, {"x": 0.25, "y": 0.5})


def test_a_proposal_that_was_tried_meanwhile_is_made_anew() -> None:
    sampler = made("tpe", LINE)
    first = sampler.configuration(1)
    sampler.begun(0, first)
    assert sampler.configuration(1) != first


def test_what_constraints_refuse_is_asked_for_again_and_drawn_in_the_end() -> None:
    some = made("random", Space(dict(LINE), constraints={"less": lambda c: c["x"] < c["y"]}))
    for trial in range(10):
        configuration = begin(some, trial)
        assert configuration["x"] < configuration["y"]
    states = [trial.state for trial in known(some)]
    assert states.count(RUNNING) == 10 and states.count(FAIL) > 3
    few = made("random", Space(dict(LINE), constraints={"few": lambda c: c["x"] + c["y"] < 0.15}))
    configuration = begin(few, 0)
    assert configuration["x"] + configuration["y"] < 0.15
    states = [trial.state for trial in known(few)]
    assert states[:21] == [FAIL] * 20 + [RUNNING]


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("tpee", r"use optuna:KIND with one of .*cmaes, gp, .*, tpe; did you mean 'tpe'\?"),
        ("grid", "use optuna:KIND with one of"),
        ("partialfixed", "use optuna:KIND with one of"),
        ("base", "use optuna:KIND with one of"),
        ("tpe,seed=3", "seed is the run's own: leave it out"),
        ("tpe,n_startup=3", r"optuna:tpe has no option 'n_startup'; did you mean 'n_startup_trials'\? \(options: .*\)"),
        ("tpe,gamma=3", "optuna:tpe has no option 'gamma'"),
        ("tpe,n_startup_trials=many", "n_startup_trials is many: use a value of the type int"),
        ("tpe,multivariate=false,group=true", "optuna:tpe refuses these options: .*group"),
    ],
)
def test_problems(kind: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as refused:
        made(kind)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("package", "kind", "problem"),
    [
        ("optuna", "tpe", r"pip install optuna"),
        ("cmaes", "cmaes", "optuna:cmaes needs cmaes: pip install cmaes"),
        ("torch", "gp", "optuna:gp needs torch: pip install torch"),
    ],
)
def test_a_package_that_is_missing(package: str, kind: str, problem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError, match=problem):
        make_sampler(f"optuna:{kind}", SPACE, 0)


def test_the_kind_may_be_left_out_or_in_capitals() -> None:
    texts = ["optuna", "optuna:tpe", "optuna:TPE", "optuna:kind=tpe"]
    assert len({repr(make_sampler(text, SPACE, 3).configuration(0)) for text in texts}) == 1


def test_what_goes_wrong_at_optuna_ends_sampling_in_one_line() -> None:
    with pytest.raises(Exhausted, match=r"optuna:bruteforce has nothing to propose: ValueError: .*step") as exhausted:
        made("bruteforce").configuration(0)
    assert "\n" not in str(exhausted.value)


def test_it_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    sampler = made("qmc")
    for trial in range(4):
        begin(sampler, trial)
        sampler.reported(trial, 1, 0.5)
        sampler.ended(trial, 0.5)
    assert capfd.readouterr() == ("", "")


def test_it_is_asked_aside() -> None:
    assert made("tpe").slow and not make_sampler("random", SPACE, 0).slow


def test_what_it_is_told_while_it_thinks_is_taken_in_next() -> None:
    """As from another thread: here by a constraint, which is asked in the midst of it."""
    asked: list[dict[str, Any]] = []

    def telling(configuration: dict[str, Any]) -> bool:
        if len(asked) == 1:
            sampler.begun(0, asked[0])
            sampler.reported(0, 1, 0.5)
            sampler.ended(0, 0.5)
        asked.append(configuration)
        return True

    sampler = made("tpe", Space(dict(LINE), constraints={"telling": telling}))
    sampler.configuration(0)
    second = begin(sampler, 1)
    assert second == asked[1] != asked[0]
    assert [(trial.state, trial.value) for trial in known(sampler)] == [(COMPLETE, 0.5), (RUNNING, None)]
