from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from orchestrator.errors import UserError
from orchestrator.settings import CHECKS, Settings, problems_of, resolve
from orchestrator.stoppers import STOPPERS


def problem(**given):
    (line,) = problems_of(given)
    return line


def test_the_defaults_are_valid_and_every_setting_is_checked():
    defaults = {field.name: getattr(Settings(), field.name) for field in fields(Settings)}
    assert resolve() == resolve(defaults) == Settings()
    assert list(CHECKS) == list(defaults)


def test_later_layers_win():
    settings = resolve({"trials": 5, "epochs": 9}, {"epochs": 3, "stopper": "none"}, {"epochs": 4})
    assert (settings.trials, settings.epochs, settings.stopper, settings.seed) == (5, 4, "none", 0)


def test_a_wrong_value_that_is_overruled_does_no_harm():
    assert resolve({"trials": 0}, {"trials": 1}).trials == 1


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("trials", np.int64(3), 3),
        ("trials", 1e3, 1000),
        ("trials", 10**30, 10**30),
        ("seed", 2**64 - 1, 2**64 - 1),
        ("seed", np.uint8(7), 7),
        ("cpus_per_trial", 2, 2.0),
        ("cpus_per_trial", 0.3, 0.3),
        ("cpus_per_trial", 1e-4, 1e-4),
        ("gpus_per_trial", 0, 0.0),
        ("gpus_per_trial", np.float32(0.25), 0.25),
        ("gpus_per_trial", 1 / 6, 0.1666),
        ("gpus_per_trial", 0.57, 0.57),
        ("gpus_per_trial", 4, 4.0),
        ("max_time", 90, 90.0),
        ("max_time", "90", 90.0),
        ("max_time", "90s", 90.0),
        ("max_time", "10m", 600.0),
        ("max_time", "1.5h", 5400.0),
        ("max_time", " 2 d ", 172800.0),
        ("checkpoint_every", 0.5, 0.5),
        ("target", -3, -3.0),
        ("run_dir", Path("runs/a"), "runs/a"),
        ("address", "auto", "auto"),
    ],
)
def test_a_value_gets_its_final_type(name, given, expected):
    value = getattr(resolve({name: given}), name)
    assert value == expected and type(value) is type(expected)


@pytest.mark.parametrize("name", ["trials", "workers", "address", "run_dir", "max_time", "target"])
def test_none_where_it_means_something(name):
    assert getattr(resolve({"max_time": 1, name: None} if name != "max_time" else {name: None}), name) is None


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        *[("trials", value) for value in (0, -1, 1.5, True, "3", float("nan"), float("inf"), np.bool_(True))],
        *[("epochs", value) for value in (0, None, 2.5, np.float64("nan"))],
        *[("seed", value) for value in (-1, 2**64, 0.5, None, "x")],
        *[("workers", value) for value in (0, False)],
        *[("cpus_per_trial", value) for value in (0, 0.00001, 1.5, -1, float("nan"), True, None)],
        *[("gpus_per_trial", value) for value in (-0.5, -1e-9, 1e-9, 2.5, "1", float("inf"))],
        *[("max_time", value) for value in (0, "0s", -1, "10 minutes", "m", "", True, float("nan"), "9" * 400)],
        *[("checkpoint_every", value) for value in (0, None)],
        *[("target", value) for value in ("0.9", float("nan"), True)],
        *[("address", value) for value in ("", 6379)],
        *[("run_dir", value) for value in ("", 1)],
        *[("sampler", value) for value in (1, None, [])],
        *[("stopper", value) for value in (1, None, "")],
        *[("repeats", value) for value in (1, "yes", None)],
        *[("max_epochs_total", value) for value in (0, 1.5, "many")],
        *[("gpu_hours", value) for value in (0, -1.0, "2h", float("nan"))],
    ],
)
def test_a_wrong_value_is_named_with_the_fix(name, wrong):
    line = problem(**{name: wrong})
    assert line.startswith(f"{name} is {wrong!r}: use ")


def test_a_misspelt_name_gets_the_nearest():
    assert problem(gpus_per_trail=1) == "there is no setting 'gpus_per_trail'; did you mean 'gpus_per_trial'?"
    assert problem(xyz=1) == "there is no setting 'xyz'"
    known = ", ".join(sorted(STOPPERS))
    assert problem(stopper="ahsa") == f"stopper is 'ahsa': use one of {known}; did you mean 'asha'?"
    assert problem(sampler="randm").endswith("did you mean 'random'?")


def test_a_run_without_any_limit_is_refused():
    assert "never end" in problem(trials=None)
    assert problems_of({"trials": None, "max_time": "1m"}) == problems_of({"trials": None, "target": 0.9}) == []


def test_every_limit_is_one():
    assert problems_of({"trials": None, "max_epochs_total": 9}) == []
    assert problems_of({"trials": None, "gpu_hours": 2, "gpus_per_trial": 1}) == []


def test_gpu_hours_without_a_gpu_are_refused():
    assert problem(gpu_hours=2) == ("gpu_hours is 2, but trials use no GPU: give gpus_per_trial, or max_time instead")


@pytest.mark.parametrize(
    ("given", "points"), [(5, "5"), ("5,x=9", "5,x=9"), ({"x": 9, "y": 2}, "x=9,y=2"), (np.int64(3), "3")]
)
def test_points_of_a_grid(given, points):
    assert resolve({"sampler": "grid", "points": given}).points == points


@pytest.mark.parametrize("wrong", [0, "x=0", "x=many", "", [3], {"x": 1.5}])
def test_points_that_are_none(wrong):
    assert problem(sampler="grid", points=wrong).startswith(f"points is {wrong!r}: ")


def test_points_without_a_grid_are_refused():
    assert problem(points=3) == "points is '3', but the sampler is 'zoom': use 'grid', or leave points out"


@pytest.mark.parametrize(
    ("stopper", "fix"),
    [
        ("asha:eta=1", "eta is 1: use a whole number of at least 2"),
        ("asha:eta=x", "eta is x: use a whole number of at least 2"),
        ("asha:etta=3", "asha has no option 'etta'; did you mean 'eta'? (options: grace, eta)"),
        ("asha:eta=3,eta=4", "eta is given twice: leave one of them"),
        ("asha:", "give an option after 'asha:', or leave the colon out"),
        ("asha+", "use one of "),
        ("asha+halving", "asha and halving both pause trials: use one of them"),
        ("none:3", "none takes no options: leave ':3' out"),
    ],
)
def test_a_stopper_with_wrong_options(stopper, fix):
    assert problem(stopper=stopper).startswith(f"stopper is {stopper!r}: {fix}")


def test_all_problems_are_told_at_once():
    with pytest.raises(UserError) as caught:
        resolve({"trails": 3, "trials": None}, {"epochs": 0, "seed": "x"}, {"stopper": "nune"})
    assert len(str(caught.value).splitlines()) == 5
    assert caught.value.exit_code == 2
