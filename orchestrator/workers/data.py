"""The study's data: made once, by a task of the run, held for all of it, and mapped by the workers of each node.

With `data_per_worker` there is nothing to do here.
"""

import traceback
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError

from orchestrator.errors import RunFailed, UserError, first_line
from orchestrator.study import Study
from orchestrator.workers.shipping import Shipped, unship


@dataclass(frozen=True, slots=True)
class Problem:
    message: str
    is_bad_input: bool


def begin_loading(study: Study, shipped: Shipped) -> tuple[ray.ObjectRef | None, ray.ObjectRef | None]:
    """Start `study.data()`: what went wrong with it or None, and the data; no references where workers make their own.
    It needs no CPU to itself, which would be a worker's."""
    if study.data is None or study.data_per_worker:
        return None, None
    task = ray.remote(num_cpus=0, num_returns=2)(_load).options(name="data")
    problem, data = task.remote(shipped)
    return problem, data


def check_loaded(problem: ray.ObjectRef | None) -> None:
    """Wait for the data, if there is any.

    Raises:
        UserError: It does not fit, or (RunFailed) `data()` raised.
    """
    if problem is None:
        return
    try:
        found: Problem | None = ray.get(problem)
    except RayError as error:
        raise RunFailed(f"data() ended its process (out of memory?): {first_line(error)}") from error
    if found is not None:
        raise (UserError if found.is_bad_input else RunFailed)(found.message)


def _load(shipped: Shipped) -> tuple[Problem | None, Any]:
    from orchestrator.training.data import check_data, refuse_datasets

    try:
        study = unship(shipped)
        assert study.data is not None
        data = study.data()
        refuse_datasets(data)
        return None, data if study.train is not None else check_data(data)
    except UserError as error:
        return Problem(str(error), is_bad_input=True), None
    except (Exception, SystemExit) as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        what = f"data() raised {type(error).__name__}: {error}".replace("\n", " ")
        return Problem(f"{what} ({last.filename}, line {last.lineno})", is_bad_input=False), None
