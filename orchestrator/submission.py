"""`submit`: a launch on the head of a cluster elsewhere, as a job of Ray.

The job's working directory holds the product, so that the head need not have it, and the study with the modules beside
it in a folder of its own, where they may be called anything without hiding a library's. It ends with the job, so what
the run leaves behind has to be elsewhere: in a run directory that outlives the job, or a storage.
"""

import shlex
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator import __version__, studies
from orchestrator.assembly import find_study, make_scheduler
from orchestrator.attachments import write_files
from orchestrator.errors import UserError
from orchestrator.run_dir import slug
from orchestrator.settings import Settings, resolve
from orchestrator.storage import is_url
from orchestrator.study_file import SourceFile, StudySource
from orchestrator.workers.jobs import Jobs
from orchestrator.workers.shipping import product_folders

STUDY = "study"
"""The study's folder in the working directory."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """A job that will run, or runs already."""

    job: str
    jobs: Jobs
    run_dir: str | None
    storage: str | None


def submit(study: str, options: Sequence[str], settings: Mapping[str, Any], *, address: str | None) -> Submitted:
    """Hand a run over to a cluster.

    Args:
        study: As of launch.
        options: The settings as they are typed.
        settings: The same by name; all is checked here, before anything is sent.
        address: Of the cluster's job API: see `Jobs`.

    Raises:
        UserError: The study or a setting is wrong, the run would not outlive its job, or the cluster refuses.
    """
    loaded, source = find_study(study)
    resolved = resolve(loaded.settings, settings)
    _check_outlives(resolved)
    make_scheduler(loaded, resolved)
    assert source is not None
    name = loaded.name or Path(source.file.path).stem
    job = f"{slug(name)}-{time.strftime('%Y%m%d-%H%M%S')}"
    run_dir = resolved.run_dir or f"runs/{job}"
    jobs = Jobs(address)
    with _working_dir(source) as folder:
        named = [] if resolved.run_dir else ["--run-dir", run_dir]  # So that its copy in the storage can be told now.
        command = ["launch", _place_of(source), *options, *named, "--address", "auto"]
        jobs.submit(
            job,
            f"python -m orchestrator {shlex.join(command)}",
            folder,
            {"study": name, "run_dir": run_dir, "storage": resolved.storage or "", "orchestrator": __version__},
        )
    return Submitted(job, jobs, resolved.run_dir, resolved.storage and _url_of(resolved.storage, Path(run_dir).name))


def _check_outlives(settings: Settings) -> None:
    where = {"run_dir": settings.run_dir, "storage": settings.storage}
    given = {name: str(place) for name, place in where.items() if place is not None}
    if not given:
        raise UserError(
            "a job's working directory ends with the job, and the run directory with it: give a --run-dir that the "
            "head and its nodes share, or a --storage"
        )
    for name, place in given.items():
        if not is_url(place) and not Path(place).is_absolute():
            raise UserError(
                f"{name} is {place!r}, which would be in the job's working directory and end with the job: give an "
                "absolute path"
            )


def _url_of(storage: str, run: str) -> str:
    """Of the run's copy, from where it can be resumed."""
    url = storage if is_url(storage) else Path(storage).as_uri()
    return f"{url.rstrip('/')}/{run}"


def _place_of(source: StudySource) -> str:
    """What names the study in the job."""
    path = Path(source.file.path)
    return path.stem if path.parent == Path(studies.__file__).parent else f"{STUDY}/{path.name}"


@contextmanager
def _working_dir(source: StudySource) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="orchestrator-job-") as name:
        folder = Path(name)
        for package in map(Path, product_folders()):
            shutil.copytree(package, folder / package.name, ignore=shutil.ignore_patterns("__pycache__"))
        place = _place_of(source)
        if place.startswith(f"{STUDY}/"):
            _copy(source.file, folder / place)
            for module, file in source.beside.items():
                path = folder.joinpath(STUDY, *module.split("."))
                _copy(file, path / "__init__.py" if file.is_package else path.with_name(f"{path.name}.py"))
            write_files(source.files, folder / STUDY)
        yield folder


def _copy(file: SourceFile, place: Path) -> None:
    """As it is, in the encoding that it declares."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if Path(file.path).is_file():
        shutil.copyfile(file.path, place)
    else:
        place.write_text(file.text)  # A folder that is a package without a file that says so.
