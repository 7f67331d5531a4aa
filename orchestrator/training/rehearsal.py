"""A trial as a worker would train it, cut short: to see mistakes, shapes and times before a cluster is taken.

Under `fit` it has two epochs of a few batches, so that one of them has nothing left to trace; the last batch of arrays
is as short as it would be. A `train` function runs until its first report.
"""

import math
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from orchestrator.assignment import Assignment, Checkpoint, Configuration
from orchestrator.study import Study
from orchestrator.training import batches
from orchestrator.training.checkpoint import export_best
from orchestrator.training.data import Data, Pair
from orchestrator.training.failures import BadStudy, failed
from orchestrator.training.link import Activity, Ending, Interruption, Verdict
from orchestrator.training.pipelines import Pipelines, batches_in
from orchestrator.training.trial import train_trial

Rows = NDArray[np.int64]

BATCHES = 4
"""Of an epoch."""
EPOCHS = 2


class OutOfTime(BaseException):
    """Not for `except Exception` in a loop of the user's own."""


@dataclass(frozen=True, slots=True)
class Model:
    kind: str
    layers: dict[str, int]
    """How many of each kind there are at the top."""
    parameters: int
    trainable: int
    bytes: int
    optimizer_bytes: int
    output: str
    """Shapes and types."""


@dataclass(slots=True)
class Rehearsal:
    """What came of it; of what was not reached, nothing."""

    ending: Ending | None = None
    """None when a `train` function was out of time."""
    metrics: dict[str, float] = field(default_factory=dict)
    """Of the last report."""
    model: Model | None = None
    checkpoint_bytes: int | None = None
    export_problem: str | None = None
    build_seconds: float | None = None
    first_batch_seconds: float | None = None
    """With the tracing of the graph."""
    batch_seconds: float | None = None
    validation_seconds: float | None = None
    """For as many rows as the study validates on."""
    batches: int | None = None
    """In an epoch of the study."""
    report_seconds: float | None = None
    """Until the first report."""


def rehearse_fit(
    study: Study, configuration: Configuration, seed: int, epochs: int, data: Data | Pipelines
) -> Rehearsal:
    """Never raises what the study raises."""
    few: _FewRows | _FewBatches
    few = _FewBatches(data) if isinstance(data, Pipelines) else _FewRows(data, study, configuration)
    recorder = _Recorder()
    link = _Link()
    began = time.perf_counter()
    assignment = _assignment(configuration, seed, min(EPOCHS, epochs), epochs)
    rehearsed = _Rehearsed(study, few.shorten, recorder)
    ending = train_trial(rehearsed, assignment, few.data, link, checkpoint_every=math.inf)
    found = Rehearsal(ending, link.metrics, batches=few.batches)
    if recorder.fit_at:
        found.build_seconds = recorder.fit_at - began
    found.first_batch_seconds, found.batch_seconds = recorder.batch_seconds()
    if recorder.validations and few.validation_share is not None:
        found.validation_seconds = recorder.validations[-1] / few.validation_share
    if recorder.model is not None:
        found.model = _described(recorder.model, few.inputs)
    _note_checkpoint(found, study, configuration, seed, link)
    return found


def rehearse_loop(
    study: Study, configuration: Configuration, seed: int, epochs: int, data: Any, seconds: float
) -> Rehearsal:
    """Never raises what the study raises. The limit of time holds in the main thread, where signals arrive."""
    link = _Link()
    found = Rehearsal()
    began = time.perf_counter()
    try:
        with _time_limit(seconds):
            assignment = _assignment(configuration, seed, 1, epochs)
            found.ending = train_trial(study, assignment, data, link, checkpoint_every=math.inf)
    except OutOfTime:
        pass
    found.metrics = link.metrics
    if link.reported_at:
        found.report_seconds = link.reported_at - began
    _note_checkpoint(found, study, configuration, seed, link)
    return found


class _Link:
    """Keeps what it is told, and nothing anywhere else. Once there was a report, a loop of the user's own shall end."""

    def __init__(self) -> None:
        self.metrics: dict[str, float] = {}
        self.reported_at = 0.0
        self.content: bytes | None = None

    def built(self, structure: str, reused: bool) -> None:
        pass

    def report(self, epoch: int, metrics: dict[str, float], seconds: float) -> None:
        self.metrics = metrics
        self.reported_at = self.reported_at or time.perf_counter()

    def interruption(self) -> Interruption | None:
        return None

    def verdict(self) -> Verdict:
        return "pause"

    def save(self, pack: Callable[[], tuple[Checkpoint, bytes]]) -> None:
        _, self.content = pack()

    def load(self, checkpoint: Checkpoint) -> bytes:
        raise AssertionError("a rehearsal begins anew")

    def during(self, activity: Activity) -> AbstractContextManager[None]:
        return nullcontext()


class _Recorder(keras.callbacks.Callback):
    """The last of the study's own callbacks."""

    def __init__(self) -> None:
        super().__init__()
        self.fit_at = 0.0
        self.validations: list[float] = []
        self._epoch = 0
        self._began = (0, 0.0)
        self._batches: list[tuple[int, float]] = []
        """Its epoch and the time it took, each."""

    def __deepcopy__(self, memo: Any) -> "_Recorder":
        """Callbacks of a dict are copied for each trial: this one is to be found again."""
        return self

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self._began = batch, time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """`steps_per_execution` batches, if the model sets it."""
        first, began = self._began
        self._batches.append((self._epoch, (time.perf_counter() - began) / (batch - first + 1)))

    def on_test_begin(self, logs: Any = None) -> None:
        self._began = 0, time.perf_counter()

    def on_test_end(self, logs: Any = None) -> None:
        self.validations.append(time.perf_counter() - self._began[1])

    def batch_seconds(self) -> tuple[float | None, float | None]:
        """Of the first batch, and of one of those after it, in the last epoch if there are any."""
        if not self._batches:
            return None, None
        (_, first), *others = self._batches
        later = [seconds for epoch, seconds in others if epoch == self._epoch]
        return first, median(later) if later else None


class _FewRows:
    """Arrays, cut to a few batches."""

    def __init__(self, data: Data, study: Study, configuration: Configuration) -> None:
        size = configuration.get("batch_size", study.batch_size)
        size = size if type(size) is int and size > 0 else 1  # Of what is no size, training tells.
        self._count, others = _count(data.train), _count(data.validation)
        self._rows = _training_rows(self._count, size)
        validation = _spread(others, min(others, batches.VALIDATION_BATCHES_IN_ONE * size))
        self.data = Data(_cut(data.train, self._rows), _cut(data.validation, validation))
        self.batches: int | None = math.ceil(self._count / size)
        self.validation_share: float | None = len(validation) / others

    def inputs(self) -> Any:
        return batches.to_tensors(_cut(self.data.train, np.arange(1)))[0]

    def shorten(self, given: dict[str, Any]) -> None:
        """Sample weights to those of the rows that are trained."""
        if given.get("sample_weight") is not None:
            given["sample_weight"] = keras.tree.map_structure(self._weights, given["sample_weight"])

    def _weights(self, weights: Any) -> Any:
        if len(weights) != self._count:
            raise BadStudy(f"Study(fit=…) gives {len(weights)} sample weights for {self._count} training rows")
        return np.asarray(weights)[self._rows]


class _FewBatches:
    """Pipelines, of which `fit` is to take a few batches."""

    def __init__(self, data: Pipelines) -> None:
        self.data = data
        self.batches: int | None = None
        self.validation_share: float | None = None

    def inputs(self) -> Any:
        batch = next(iter(self.data.train))
        return batch[0] if isinstance(batch, tuple) else batch

    def shorten(self, given: dict[str, Any]) -> None:
        self.batches, _ = _fewer(given, "steps_per_epoch", self.data.train)
        validated, few = _fewer(given, "validation_steps", self.data.validation)
        self.validation_share = None if validated is None else few / validated


def _fewer(given: dict[str, Any], name: str, dataset: tf.data.Dataset) -> tuple[int | None, int]:
    """How many batches there would be, as far as that is known, and how many there will be."""
    steps = given.get(name)
    if steps is None and (count := batches_in(dataset)) == tf.data.UNKNOWN_CARDINALITY:
        given[name] = BATCHES
        return None, BATCHES
    wanted = count if steps is None else steps
    if type(wanted) is not int or wanted < 1:
        return None, BATCHES  # Training tells what is wrong with that.
    given[name] = min(wanted, BATCHES)
    return wanted, given[name]


class _Rehearsed(Study):
    """The study, with a recorder among its callbacks, and arguments of `fit` for the little that is trained."""

    def __init__(self, study: Study, shorten: Callable[[dict[str, Any]], None], recorder: _Recorder) -> None:
        vars(self).update(vars(study))
        self._shorten = shorten
        self._recorder = recorder

    def fit_arguments(self, configuration: Configuration) -> dict[str, Any]:
        self._recorder.fit_at = time.perf_counter()
        given = super().fit_arguments(configuration)
        own = given.get("callbacks")
        given["callbacks"] = [*([] if own is None else keras.tree.flatten(own)), self._recorder]
        self._shorten(given)
        return given


def _assignment(configuration: Configuration, seed: int, to_epoch: int, epochs: int) -> Assignment:
    return Assignment(
        trial=0, attempt=1, configuration=configuration, seed=seed, after_epoch=0, to_epoch=to_epoch, max_epochs=epochs
    )


def _training_rows(count: int, batch_size: int) -> Rows:
    """Whole batches and one as short as the last one would be."""
    wanted = (BATCHES - 1) * batch_size + (count % batch_size or batch_size)
    return _spread(count, min(count, wanted))


def _spread(count: int, wanted: int) -> Rows:
    """Over all the rows, which may be sorted by class."""
    return np.linspace(0, count - 1, wanted).astype(np.int64)


def _count(pair: Pair) -> int:
    return len(keras.tree.flatten(pair)[0])


def _cut(pair: Pair, rows: Rows) -> Any:
    return keras.tree.map_structure(lambda array: array[rows], pair)


def _described(model: keras.Model, inputs: Callable[[], Any]) -> Model:
    optimizer = getattr(model, "optimizer", None)
    return Model(
        kind=type(model).__name__,
        layers=dict(Counter(type(layer).__name__ for layer in model.layers).most_common()),
        parameters=_sum(model.weights),
        trainable=_sum(model.trainable_weights),
        bytes=_bytes(model.weights),
        optimizer_bytes=0 if optimizer is None else _bytes(optimizer.variables),
        output=_output(model, inputs),
    )


def _sum(variables: Any) -> int:
    return sum(math.prod(variable.shape) for variable in variables)


def _bytes(variables: Any) -> int:
    sizes = (np.dtype(keras.backend.standardize_dtype(variable.dtype)).itemsize for variable in variables)
    return sum(size * math.prod(variable.shape) for size, variable in zip(sizes, variables, strict=True))


def _output(model: keras.Model, inputs: Callable[[], Any]) -> str:
    """A model that is no graph of layers has to be called to know."""
    try:
        outputs = keras.tree.flatten(model(inputs(), training=False))
    except Exception:
        return "unknown"
    return ", ".join(f"({', '.join(map(str, ('batch', *one.shape[1:])))}) {one.dtype.name}" for one in outputs)


def _note_checkpoint(found: Rehearsal, study: Study, configuration: Configuration, seed: int, link: _Link) -> None:
    if link.content is None:
        return
    found.checkpoint_bytes = len(link.content)
    try:
        if export_best(study, configuration, seed, link.content) is None:
            found.export_problem = "ctx.save was given no Keras model"
    except Exception as error:
        ending = failed(error)
        found.export_problem = f"{ending.error}: {ending.message}"


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Where signals arrive; again every second, for a loop that catches everything."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: object) -> None:
        raise OutOfTime

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
