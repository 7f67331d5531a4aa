"""What a failure says about trying again."""

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from orchestrator.training.data import Data
from orchestrator.training.failures import failed
from orchestrator.training.link import Failed
from tests.training.support import FakeLink, after, assignment, fit_study, loop_study, numbers, tiny, train


@pytest.fixture(scope="module")
def data() -> Data:
    return numbers()


class RaiseAt(keras.callbacks.Callback):
    def __init__(self, batch: int) -> None:
        super().__init__()
        self.left = batch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.left -= 1
        if not self.left:
            raise ValueError("now")


@pytest.mark.parametrize(("batch", "kind"), [(1, "configuration"), (2, "exception"), (5, "exception")])
def test_a_configuration_is_good_once_a_batch_was_trained(data: Data, batch: int, kind: str) -> None:
    ending = train(fit_study(fit=lambda _: {"callbacks": [RaiseAt(batch)]}), assignment(4), data).ending
    assert isinstance(ending, Failed)
    assert (ending.kind, ending.bad_study) == (kind, False)


def test_it_stays_good_in_later_attempts(data: Data) -> None:
    study = fit_study(fit=lambda _: {"callbacks": [RaiseAt(5)]})
    first = train(study, assignment(1), data, FakeLink(["pause"]))

    def build(configuration: dict[str, Any]) -> Any:
        raise ValueError("a node without the file")

    ending = train(fit_study(build), after(first, 4), data, first.link).ending
    assert isinstance(ending, Failed)
    assert ending.kind == "exception"


@pytest.mark.parametrize(("reports", "kind"), [(0, "configuration"), (1, "exception")])
def test_of_a_loop_once_an_epoch_was_reported(reports: int, kind: str) -> None:
    def loop(configuration: dict[str, Any], ctx: Any) -> None:
        for epoch in ctx.epochs:
            if epoch > reports:
                raise ValueError("now")
            ctx.report({"val_loss": 1.0})

    ending = train(loop_study(loop), assignment(4), None).ending
    assert isinstance(ending, Failed)
    assert ending.kind == kind


def test_a_mistake_that_all_trials_share(data: Data) -> None:
    ending = train(fit_study(objective="val_acuracy"), assignment(4), data).ending
    assert isinstance(ending, Failed)
    assert (ending.kind, ending.bad_study) == ("configuration", True)


def python_has_none() -> None:
    raise MemoryError


def numpy_has_none() -> None:
    np.empty(2**60, np.uint8)


def tensorflow_has_none() -> None:
    with tf.device("CPU:0"):
        tf.zeros([2**20, 2**20, 2**10])


def a_process_gets_none() -> None:
    raise OSError(errno.ENOMEM, "Cannot allocate memory")


def a_gpu_has_none() -> None:
    raise tf.errors.InternalError(None, None, "Failed copying input tensor: Dst tensor is not initialized.")


def it_is_the_cause() -> None:
    try:
        numpy_has_none()
    except MemoryError as error:
        raise ValueError("no batch") from error


def it_was_being_handled() -> None:
    try:
        numpy_has_none()
    finally:
        raise KeyError("clean-up")


@pytest.mark.parametrize(
    "cause",
    [
        python_has_none,
        numpy_has_none,
        tensorflow_has_none,
        a_process_gets_none,
        a_gpu_has_none,
        it_is_the_cause,
        it_was_being_handled,
    ],
)
def test_out_of_memory(data: Data, cause: Callable[[], None]) -> None:
    def build(configuration: dict[str, Any]) -> Any:
        cause()
        return tiny(configuration)

    ending = train(fit_study(build), assignment(4), data).ending
    assert isinstance(ending, Failed)
    assert ending.kind == "out of memory"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (tf.errors.ResourceExhaustedError, "OOM when allocating tensor with shape[4096,4096] on /gpu:0"),
        (tf.errors.InternalError, "CUDA runtime implicit initialization on GPU:0 failed. Status: out of memory"),
        (tf.errors.InternalError, "failed to allocate 1.00G: CUDA_ERROR_OUT_OF_MEMORY"),
        (tf.errors.InternalError, "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 1234 bytes."),
        (tf.errors.InternalError, "Failed to create cublas handle: CUBLAS_STATUS_ALLOC_FAILED"),
        (tf.errors.InternalError, "Could not create cudnn handle: CUDNN_STATUS_NOT_INITIALIZED"),
        (tf.errors.InternalError, "Blas GEMM launch failed : a.shape=(32, 25088), b.shape=(25088, 8)"),
        (tf.errors.InternalError, "Attempting to perform BLAS operation using StreamExecutor without BLAS support"),
        (tf.errors.FailedPreconditionError, "DNN library initialization failed. Look at the errors above"),
    ],
)
def test_out_of_a_gpus_memory(kind: type[tf.errors.OpError], message: str) -> None:
    assert failed(kind(None, None, message)).kind == "out of memory"
    assert failed(ValueError(message)).kind == "configuration"  # A user may say such things of something else.


@pytest.mark.parametrize("message", ["DNN library is not found.", "Incompatible shapes: [2] vs. [3]"])
def test_other_errors_of_tensorflow(message: str) -> None:
    assert failed(tf.errors.InternalError(None, None, message)).kind == "configuration"


def python_writes() -> None:
    Path("/dev/full").write_text("a word")


def tensorflow_writes() -> None:
    with tf.io.TFRecordWriter("/dev/full") as file:
        file.write(b"a word")


@pytest.mark.parametrize("cause", [python_writes, tensorflow_writes])
def test_a_full_disk(data: Data, cause: Callable[[], None]) -> None:
    def build(configuration: dict[str, Any]) -> Any:
        cause()
        return tiny(configuration)

    ending = train(fit_study(build), assignment(4), data).ending
    assert isinstance(ending, Failed)
    assert ending.kind == "storage"
    assert "No space left on device" in ending.message


def test_other_errors_of_files_are_exceptions(data: Data) -> None:
    def build(configuration: dict[str, Any]) -> Any:
        return Path("/nowhere/at/all").read_text()

    ending = train(fit_study(build), assignment(4), data).ending
    assert isinstance(ending, Failed)
    assert ending.kind == "configuration"
