"""How a study reaches the workers: as source where it is a file, else by value."""

import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from ray import cloudpickle

from orchestrator.study import Study
from orchestrator.study_file import StudySource, load_shipped

Shipped = StudySource | bytes
PRODUCT = ("orchestrator", "search_spaces")


def product_folders() -> list[str]:
    """Of the product's packages. They need not lie side by side: a job of Ray may have got each as a module."""
    specs = [importlib.util.find_spec(package) for package in PRODUCT]
    return [str(spec.submodule_search_locations[0]) for spec in specs if spec and spec.submodule_search_locations]


def ship(study: Study, source: StudySource | None) -> Shipped:
    if source is not None:
        return source
    with _by_value(study):
        return bytes(cloudpickle.dumps(study))


def unship(shipped: Shipped) -> Study:
    study: Study = load_shipped(shipped) if isinstance(shipped, StudySource) else cloudpickle.loads(shipped)
    return study


def hide_our_modules() -> None:
    """Ray puts the driver's script folder on the path of imports: ours would hide a user's `journal` or `settings`."""
    ours = str(Path(__file__).parents[1])
    sys.path[:] = [entry for entry in sys.path if os.path.realpath(entry or ".") != ours]


@contextmanager
def _by_value(study: Study) -> Iterator[None]:
    """The study's own modules may not exist where the workers are; those of installed libraries do."""
    functions = [study.build, study.train, study.data, study.fit, *study.space.constraints.values()]
    names = {getattr(function, "__module__", None) for function in functions} - {None, "__main__"}
    modules = [module for name in names if (module := sys.modules.get(str(name))) and not _is_installed(module)]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)


def _is_installed(module: ModuleType) -> bool:
    top = module.__name__.partition(".")[0]
    return top in ("orchestrator", "search_spaces") or "site-packages" in (getattr(module, "__file__", None) or "")
