"""The shipped spaces: what they hold, and that they follow our own advice."""

import subprocess
import sys

import pytest

import search_spaces
from search_spaces import load, shipped
from search_spaces.shipped import cnn, mlp


@pytest.mark.parametrize("name", shipped())
def test_shipped_spaces_load_and_need_no_advice(name: str) -> None:
    assert load(name).warnings() == []


COMMON = {
    "learning_rate": 1,
    "optimizer": 2,
    "momentum": 2,
    "beta1": 2,
    "batch_size": 2,
    "learning_rate_decay": 3,
    "batch_normalization": 3,
    "beta2": 4,
    "epsilon": 4,
}


def test_they_have_what_the_notes_name_in_their_groups() -> None:
    assert load("mlp") is mlp.space and load("cnn") is cnn.space
    groups = [{name: domain.group for name, domain in space.items()} for space in (mlp.space, cnn.space)]
    assert groups == [
        COMMON | {"hidden_units": 2, "layers": 3},
        COMMON | {"filters": 2, "dense_units": 2, "blocks": 3, "kernel_size": 3, "dropout": 3},
    ]


@pytest.mark.parametrize("name", shipped())
@pytest.mark.parametrize(
    ("unit", "usual"),
    [
        (0.0, {"optimizer": "sgd", "momentum": 0.9}),
        (1.0, {"optimizer": "adam", "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8}),
    ],
)
def test_the_usual_values_lie_in_the_middle(name: str, unit: float, usual: dict[str, float | str]) -> None:
    space = load(name)
    configuration = space.configuration(dict.fromkeys(space, 0.5) | {"optimizer": unit})
    of_the_optimizer = {"optimizer", "momentum", "beta1", "beta2", "epsilon"} & configuration.keys()
    assert {name: configuration[name] for name in of_the_optimizer} == pytest.approx(usual)


def test_the_public_names_exist_in_order() -> None:
    assert all(hasattr(search_spaces, name) for name in search_spaces.__all__)


def test_the_package_stands_on_the_standard_library() -> None:
    """`--help` reads it, so it must not bring NumPy or anything of ours with it."""
    heavy = "{'numpy', 'orchestrator', 'tensorflow', 'ray', 'pandas'}"
    code = f"import sys, search_spaces; search_spaces.load('mlp'); sys.exit(str({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == "set()"
