"""The shipped studies: listed without importing anything, and trained."""

import gzip
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.errors import UserError
from orchestrator.studies import fashion_cnn, shipped
from orchestrator.studies.digits_mlp import fit, study
from orchestrator.training.data import Data, check_data
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
def _one_thread(tensorflow: None) -> None:
    pass


@pytest.fixture(scope="module")
def clothes() -> Data:
    try:
        return check_data(fashion_cnn.data())
    except UserError as error:
        pytest.skip(str(error))


def test_names_and_descriptions() -> None:
    assert [name for name, _ in shipped()] == ["digits_mlp", "fashion_cnn"]
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


def test_clothes_are_kept_apart(clothes: Data) -> None:
    assert clothes.test is not None
    pairs = (clothes.train, clothes.validation, clothes.test)
    assert [len(y) for _, y in pairs] == [10_000, 2_500, 10_000]
    (images, labels), (validation, _), _ = pairs
    assert images.shape[1:] == (28, 28) and images.dtype == np.uint8 and images.max() == 255
    assert np.allclose(np.bincount(labels) / len(labels), 0.1, atol=0.015)
    alike = {x.tobytes() for x in images} & {x.tobytes() for x in validation}
    assert len(alike) <= 2, "the original itself holds a few pictures twice"


CNN = {"filters": 8, "dense_units": 32, "blocks": 2, "kernel_size": 3, "dropout": 0.1}


@pytest.mark.parametrize("configuration", [ADAM, SGD | {"learning_rate": 0.03}], ids=["adam", "sgd"])
def test_clothes_can_be_told_apart(clothes: Data, configuration: dict[str, Any]) -> None:
    from tests.training.support import assignment, train

    space = fashion_cnn.study.space
    configuration = {name: value for name, value in (configuration | CNN).items() if name in space}
    space.check(configuration)
    done = train(fashion_cnn.study, assignment(2, max_epochs=2, configuration=configuration), clothes)
    assert done.ending == Completed("reached epoch 2")
    assert max(metrics["val_accuracy"] for metrics in done.link.curve.values()) > 0.7


def test_every_network_of_the_space_can_be_built() -> None:
    space = fashion_cnn.study.space
    for unit in (0.0, 1.0):
        configuration = space.configuration(dict.fromkeys(space, unit))
        assert fashion_cnn.build(configuration).output_shape == (None, 10)


def test_fashion_mnist_where_keras_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "datasets" / "fashion-mnist"
    folder.mkdir(parents=True)
    for part, rows in (("train", 3), ("t10k", 2)):
        images = bytes(16) + bytes(range(1, 1 + rows)) * 784
        (folder / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(images))
        (folder / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(bytes(8) + bytes(range(rows))))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (images, labels), (test_images, test_labels) = fashion_cnn.fashion_mnist()
    assert images.shape == (3, 28, 28) and images.flat[0] == 1 and labels.tolist() == [0, 1, 2]
    assert test_images.shape == (2, 28, 28) and test_labels.tolist() == [0, 1]


def test_fashion_mnist_that_is_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(fashion_cnn, "DEBIANS", tmp_path / "none")
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path))
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # Where nobody listens.
    with pytest.raises(UserError) as caught:
        fashion_cnn.data()
    (line,) = str(caught.value).splitlines()
    assert line.startswith("Fashion-MNIST is not here and cannot be downloaded (")
    assert line.endswith(
        "install Debian's or Ubuntu's package dataset-fashion-mnist, or put its four files into "
        f"{tmp_path / 'datasets' / 'fashion-mnist'}"
    )
