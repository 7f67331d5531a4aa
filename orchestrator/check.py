"""`check`: one trial of a study rehearsed in this process, so that mistakes show before a cluster is taken.

Nothing is written, and Ray is not started. What is found is shown as it is found, so that of a study that fails it is
known how far it got.
"""

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from numpy import isfinite
from numpy.typing import NDArray

from orchestrator.assignment import Configuration
from orchestrator.display.words import counted, duration
from orchestrator.draws import training_seed
from orchestrator.errors import RunFailed, UserError
from orchestrator.settings import Settings, resolve
from orchestrator.study import Study

if TYPE_CHECKING:
    from orchestrator.training.data import Arrays, Data
    from orchestrator.training.link import Failed
    from orchestrator.training.pipelines import Pipelines
    from orchestrator.training.rehearsal import Model, Rehearsal

MOST_SEARCHED = 2**30
"""Bytes of an array that are searched for what is no number."""

Show = Callable[[str], None]


def check(study: Study | str | Path, *, show: Show, complain: Show, seconds: float = 60.0, **settings: Any) -> None:
    """Rehearse a trial of the study, and show what is found.

    Args:
        study: As of `launch`.
        show: Takes each line of what is found.
        complain: Takes each line of the user's traceback.
        seconds: The time that a `train` function has for its first report.
        **settings: As of `launch`.

    Raises:
        UserError: The study or a setting is wrong, or (RunFailed) its functions are.
    """
    if not 0 < seconds < math.inf:
        raise UserError(f"seconds is {seconds}: use a number above 0")
    from orchestrator.assembly import find_study, make_scheduler
    from orchestrator.training import devices

    # As in a worker, also where the study itself imports TensorFlow first.
    os.environ.update({name: value for name, value in devices.QUIET.items() if name not in os.environ})
    os.environ["KERAS_BACKEND"] = "tensorflow"
    loaded, source = find_study(study)
    resolved = resolve(loaded.settings, settings)
    scheduler = make_scheduler(loaded, resolved)
    configuration = dict(loaded.start[0]) if loaded.start else scheduler.sampler.configuration(0)
    for line in _study_lines(loaded, source.file.path if source else "", resolved, configuration):
        show(line)
    warnings = loaded.space.warnings()
    try:
        with _silent_errors():
            prepared = devices.prepare(resolved.cpus_per_trial, resolved.gpus)
        if resolved.gpus and not prepared.gpus:
            warnings.append("TensorFlow sees no GPU here: times are those of the CPU")
    except RuntimeError as error:
        warnings.append(f"{error}; times may be others in a worker")
    try:
        _rehearse(loaded, resolved, configuration, seconds, show, complain, warnings)
    finally:
        for line in warnings:
            show(f"warning: {line}")
    show(_row("result", "in order: a trial of this study can be trained"))


@contextmanager
def _silent_errors() -> Iterator[None]:
    """For the libraries below TensorFlow, which greet on the error stream while it is imported."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _rehearse(
    study: Study,
    settings: Settings,
    configuration: Configuration,
    seconds: float,
    show: Show,
    complain: Show,
    warnings: list[str],
) -> None:
    from orchestrator.training.link import Diverged, Failed
    from orchestrator.training.rehearsal import rehearse_fit, rehearse_loop

    data = _load(study, configuration, complain)
    seed = training_seed(settings.seed, 0)
    if study.build is not None:
        for line in _data_lines(data, warnings):
            show(line)
        found = rehearse_fit(study, configuration, seed, settings.epochs, data)
        lines = _fit_lines(study, configuration, data, found)
    else:
        found = rehearse_loop(study, configuration, seed, settings.epochs, data, seconds)
        lines = _loop_lines(found)
    for line in [*lines, *_result_lines(study, found)]:
        show(line)
    match found.ending:
        case Failed():
            _fail(found.ending, complain)
        case Diverged():
            raise RunFailed(
                f"this configuration diverged at once: {found.ending.reason}: look for NaN and large numbers in the "
                "data, or try another configuration with --seed"
            )
        case None if not found.metrics:
            raise RunFailed(
                f"train has reported nothing within {duration(seconds)}: call ctx.report at the end of each epoch, or "
                "give its first epoch more time with --seconds"
            )
    warnings += _restart_warnings(found)


def _load(study: Study, configuration: Configuration, complain: Show) -> Any:
    """The data, checked where `fit` is to read it."""
    from orchestrator.training.data import check_data, refuse_datasets
    from orchestrator.training.failures import failed
    from orchestrator.training.own_data import make_data

    if study.data is None:
        return None
    try:
        data = make_data(study, configuration) if study.data_per_worker else study.data()
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        _fail(failed(error), complain)
    if study.data_per_worker:
        return data
    refuse_datasets(data)
    return data if study.train is not None else check_data(data)


def _fail(failure: "Failed", complain: Show) -> NoReturn:
    where = f" ({failure.where})" if failure.where else ""
    if failure.bad_study:
        raise RunFailed(f"{failure.message}{where}")
    for line in failure.traceback.splitlines():
        complain(line)
    raise RunFailed(f"{failure.error}{': ' * bool(failure.message)}{failure.message}{where}")


def _row(name: str, text: str) -> str:
    return f"{name:<14} {text}"


def _study_lines(study: Study, path: str, settings: Settings, configuration: Configuration) -> Iterator[str]:
    goal = "maximise" if study.objective.direction == "max" else "minimise"
    name = study.name or Path(path or "study").stem
    yield _row("study", f"{name}: {goal} {study.objective.name}, {counted(len(study.space), 'hyperparameter')}")
    which = "start[0]" if study.start else f"what the first trial gets, seed {settings.seed}"
    yield _row("configuration", which)
    width = max(map(len, configuration))
    yield from (f"  {name:<{width}}  {value}" for name, value in configuration.items())


def _data_lines(data: "Data | Pipelines", warnings: list[str]) -> Iterator[str]:
    from orchestrator.training.data import NAMES
    from orchestrator.training.pipelines import Pipelines, described_parts

    if isinstance(data, Pipelines):
        for place, line in enumerate(described_parts(data)):
            yield _row("" if place else "data", line)
        return
    label = "data"
    for names, pair in zip(NAMES, (data.train, data.validation, data.test), strict=True):
        for name, arrays in zip(names, pair or (), strict=False):
            for title, array in _each(name, arrays):
                rows = f"rows of shape {array.shape[1:]}" if array.ndim > 1 else "numbers"
                yield _row(label, f"{title}: {len(array):,} {rows}, {array.dtype}")
                label = ""
                if array.dtype.kind == "f" and array.nbytes <= MOST_SEARCHED and not isfinite(array).all():
                    warnings.append(f"{title} holds NaN or infinity")


def _each(name: str, arrays: "Arrays") -> list[tuple[str, NDArray[Any]]]:
    if isinstance(arrays, dict):
        return [(f"{name}[{key!r}]", array) for key, array in arrays.items()]
    return [(name, arrays)]


def _fit_lines(
    study: Study, configuration: Configuration, data: "Data | Pipelines", found: "Rehearsal"
) -> Iterator[str]:
    from orchestrator.training.data import Data

    if found.model is not None:
        yield from _model_lines(found.model)
    if found.first_batch_seconds is None:
        return
    steps = found.batches
    if isinstance(data, Data):
        size = configuration.get("batch_size", study.batch_size)
        first = data.train[0]
        rows = len(next(iter(first.values())) if isinstance(first, dict) else first)
        last = f", the last one of {rows % size}" if rows % size else ""
        yield _row("batches", f"{steps:,} of {size} rows in an epoch{last}")
    elif steps is not None:
        yield _row("batches", f"{steps:,} in an epoch")
    times = [f"first batch {_time(found.first_batch_seconds)} with tracing"]
    if found.build_seconds is not None:
        times.insert(0, f"model built in {_time(found.build_seconds)}")
    if found.batch_seconds is not None:
        times.append(f"then {_time(found.batch_seconds)} each")
    if found.validation_seconds is not None:
        times.append(f"validation about {_time(found.validation_seconds)}")
    yield _row("times", ", ".join(times))
    if steps is not None and found.batch_seconds is not None and found.validation_seconds is not None:
        yield _row("an epoch", f"about {_time(steps * found.batch_seconds + found.validation_seconds)}")


def _model_lines(model: "Model") -> Iterator[str]:
    kinds = ", ".join(f"{number} {kind}" for kind, number in model.layers.items())
    yield _row("model", f"{model.kind} of {counted(sum(model.layers.values()), 'layer')}: {kinds}")
    fixed = model.parameters - model.trainable
    yield _row("parameters", f"{model.parameters:,}, of which {model.trainable:,} are trained and {fixed:,} are not")
    yield _row("memory", f"{_size(model.bytes)}, and {_size(model.optimizer_bytes)} of the optimizer")
    yield _row("output", model.output)


def _loop_lines(found: "Rehearsal") -> Iterator[str]:
    if found.report_seconds is not None:
        yield _row("times", f"first report after {_time(found.report_seconds)}")


def _result_lines(study: Study, found: "Rehearsal") -> Iterator[str]:
    if found.metrics:
        yield _row("metrics", ", ".join(f"{name} {value:.4g}" for name, value in found.metrics.items()))
        yield _row("objective", f"{study.objective.name} is among them")
    if found.checkpoint_bytes is not None:
        yield _row("a checkpoint", _size(found.checkpoint_bytes))


def _restart_warnings(found: "Rehearsal") -> Iterator[str]:
    if found.ending is None:
        yield "train did not come back in time after its first report: leave the epoch where ctx.should_stop is true"
    elif found.checkpoint_bytes is None:
        yield "nothing is saved: a trial that pauses or loses its worker begins anew; call ctx.save in each epoch"
    elif found.export_problem is not None:
        yield f"there will be no best/model.keras: {found.export_problem}"


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.3g} ms" if seconds < 0.9995 else duration(seconds)


def _size(number: float) -> str:
    for unit in ("bytes", "kB", "MB"):
        if number < 999.5:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:,.3g} GB"
