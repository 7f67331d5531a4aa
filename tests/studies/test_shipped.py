"""The shipped studies: listed without importing anything, and trained."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from orchestrator.studies import shipped
from orchestrator.studies.digits_mlp import fit, study
from orchestrator.training.data import check_data
from orchestrator.training.devices import prepare
from orchestrator.training.link import Completed

ADAM = {
    "learning_rate": 0.003,
    "optimizer": "adam",
    "beta1": 0.9,
    "batch_size": 64,
    "hidden_units": 64,
    "layers": 1,
    "learning_rate_decay": 0.1,
    "batch_normalization": True,
    "beta2": 0.999,
    "epsilon": 1e-8,
}
SGD = {
    "learning_rate": 0.1,
    "optimizer": "sgd",
    "momentum": 0.9,
    "batch_size": 128,
    "hidden_units": 32,
    "layers": 2,
    "learning_rate_decay": 0.01,
    "batch_normalization": False,
}


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    prepare(cpus=1, gpus=0)


def test_names_and_descriptions() -> None:
    assert ("digits_mlp", "A fully connected network that reads scikit-learn's handwritten digits.") in shipped()


def test_listing_imports_nothing_heavy() -> None:
    code = (
        "import sys, orchestrator.studies as s; s.shipped(); "
        "print([n for n in ('tensorflow', 'sklearn', 'ray', 'orchestrator.study') if n in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_digits_are_kept_apart() -> None:
    data = check_data(study.data())
    assert data.test is not None
    pairs = (data.train, data.validation, data.test)
    assert [len(y) for _, y in pairs] == [1078, 359, 360]
    rows = [{x.tobytes() for x in images} for images, _ in pairs]
    assert not (rows[0] & rows[1] or rows[0] & rows[2] or rows[1] & rows[2])
    for images, labels in pairs:
        assert (images.min(), images.max()) == (0, 1)
        shares = np.bincount(labels) / len(labels)
        assert np.allclose(shares, 0.1, atol=0.01)


@pytest.mark.parametrize("configuration", [ADAM, SGD], ids=["adam", "sgd"])
def test_digits_can_be_read(configuration: dict[str, Any]) -> None:
    from tests.training.support import assignment, train

    study.space.check(configuration)
    done = train(study, assignment(5, max_epochs=5, configuration=configuration), check_data(study.data()))
    assert done.ending == Completed("reached epoch 5")
    assert max(metrics["val_accuracy"] for metrics in done.link.curve.values()) > 0.9
    assert done.link.curve[3]["learning_rate"] == pytest.approx(
        configuration["learning_rate"] / (1 + 2 * configuration["learning_rate_decay"]), rel=1e-5
    )


def test_each_trial_has_callbacks_of_its_own() -> None:
    assert fit(ADAM)["callbacks"][0] is not fit(ADAM)["callbacks"][0]
