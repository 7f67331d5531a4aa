"""What a run was when its driver ended, and how it differs from the world as it is now."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from orchestrator.assembly import find_study
from orchestrator.attachments import from_text, to_text
from orchestrator.display.words import counted, shown_path
from orchestrator.errors import UserError
from orchestrator.journal import FILE, Header, resumptions_of
from orchestrator.scheduler.events import CheckpointDamaged
from orchestrator.scheduler.limits import SECONDS_PER_HOUR
from orchestrator.scheduler.state import State
from orchestrator.scheduler.trial import Status, Trial
from orchestrator.settings import Settings, resolve
from orchestrator.specs import read_number
from orchestrator.study import Study
from orchestrator.study_file import SourceFile, StudySource, load_shipped, read_study

FIXED = ("sampler", "points", "repeats", "stopper", "seed", "run_dir", "loop", "deterministic", "storage")
"""What a run is: these settings hold from its first record to its last."""
GROWING = ("trials", "epochs", "max_time", "max_epochs_total", "gpu_hours", "max_failures")
"""What can be given as so much more."""
COMPARED = ("tensorflow", "keras")
MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Found:
    """The study as it is now, and what of it differs from what the run was made from, a line each."""

    study: Study
    source: StudySource | None
    name: str
    argument: str | None
    differences: list[str]


def read_description(run_dir: Path) -> dict[str, Any]:
    """`study.json`.

    Raises:
        UserError: It is missing or damaged.
    """
    path = run_dir / "study.json"
    try:
        found = json.loads(path.read_bytes())
        if isinstance(found, dict) and _is_description(found):
            return found
        problem = "it does not describe a study"
    except OSError as error:
        problem = error.strerror or str(error)
    except (ValueError, RecursionError) as error:
        problem = str(error)
    raise UserError(f"{path} cannot be read ({problem}): without it the run cannot be resumed")


def _is_description(found: Mapping[str, Any]) -> bool:
    source, modules = found.get("source"), found.get("modules") or {}
    if not isinstance(source, dict) or not isinstance(modules, dict) or not isinstance(found.get("versions", {}), dict):
        return False
    files = found.get("files") or {}
    return isinstance(files, dict) and all(
        isinstance(text, str) for text in [*source.values(), *modules.values(), *files.values()]
    )


def find_again(run_dir: Path, header: Header, given: Study | str | Path | None, versions: Mapping[str, str]) -> Found:
    """The study of a run: as given, else from the file it was, else (on another machine) from its copy in study.json.

    Raises:
        UserError: It cannot be found, or has another objective.
    """
    description = read_description(run_dir)
    kept: dict[str, str] = description["source"]
    if given is not None:
        study, source = find_study(given)
    elif not kept:
        raise UserError(
            f"the study of {run_dir} was made in Python, not in a file: resume it with "
            "orchestrator.resume(run_dir, study=…)"
        )
    else:
        study, source = _from_file_or_copy(description, kept)
    if (study.objective.name, study.objective.direction) != (header.objective, header.direction):
        now = f"{study.objective.direction} {study.objective.name}"
        raise UserError(
            f"the study's objective is now {now}, the run's is {header.direction} {header.objective}: scores cannot "
            "be compared, so launch another run"
        )
    differences = list(_differences(study, source, kept, description, versions))
    name, argument = str(description.get("study", header.study)), description.get("argument")
    return Found(study, source, name, str(argument) if argument else None, differences)


def _from_file_or_copy(description: Mapping[str, Any], kept: Mapping[str, str]) -> tuple[Study, StudySource]:
    path = next(iter(kept))
    if Path(path).is_file():
        return read_study(Path(path))
    modules = description.get("modules") or {}
    beside = {name: SourceFile(place, kept[place]) for name, place in modules.items() if place in kept}
    source = StudySource(SourceFile(path, kept[path]), beside, from_text(description.get("files") or {}))
    return load_shipped(source), source


def _differences(
    study: Study,
    source: StudySource | None,
    kept: Mapping[str, str],
    description: Mapping[str, Any],
    versions: Mapping[str, str],
) -> Iterator[str]:
    if study.space.fingerprint != description.get("fingerprint"):
        yield "the search space has changed"
    now = {file.path: file.text for file in [source.file, *source.beside.values()]} if source else {}
    changed = sorted({Path(path).name for path in now.keys() | kept.keys() if now.get(path) != kept.get(path)})
    if changed and [*now.values()] != [*kept.values()]:  # The same files may lie elsewhere.
        yield f"the study's code has changed ({', '.join(changed)})"
    files, files_before = to_text(source.files) if source else {}, description.get("files") or {}
    if names := sorted(n for n in files.keys() | files_before.keys() if files.get(n) != files_before.get(n)):
        yield f"the study's files have changed ({', '.join(names)})"
    before = description.get("versions") or {}
    for library in COMPARED:
        if library in before and versions.get(library) != before[library]:
            yield f"{library} is {versions.get(library)}, and was {before[library]}"


def settings_of(
    run_dir: Path, header: Header, changes: Mapping[str, Any], so_far: Callable[[], State]
) -> tuple[Settings, dict[str, Any]]:
    """A run's settings with the changes, and those that did change. `+50` is so much more than before.

    Args:
        run_dir: Of the run.
        header: Of its journal.
        changes: As of `launch`.
        so_far: Tells what the run has done, if that matters.

    Raises:
        UserError: With a line for each thing that is wrong.
    """
    known = {field.name for field in fields(Settings)}
    recorded = {name: value for name, value in header.settings.items() if name in known}
    for resumption in resumptions_of(run_dir):
        recorded |= {name: value for name, value in resumption.settings.items() if name in known}
    before = resolve(recorded)
    if wrong := [name for name in changes if name in FIXED]:
        raise UserError(f"{', '.join(wrong)} cannot change in a run that is resumed: launch another one")
    wanted = {name: _more(name, value, getattr(before, name, None), so_far) for name, value in changes.items()}
    after = resolve(asdict(before), wanted)
    if after.epochs < before.epochs:
        raise UserError(f"epochs is {after.epochs}, and was {before.epochs}: it can only grow in a run that is resumed")
    changed = {name: getattr(after, name) for name in wanted if getattr(after, name) != getattr(before, name)}
    return after, changed


def _more(name: str, value: Any, before: Any, so_far: Callable[[], State]) -> Any:
    if not isinstance(value, str) or not value.startswith("+"):
        return value
    if name not in GROWING:
        raise UserError(f"{name} is {value!r}: only {', '.join(GROWING)} can be given as so much more")
    more = getattr(resolve({name: read_number(value[1:])}), name)
    return (_used(name, so_far()) if before is None else before) + more


def _used(name: str, state: State) -> float:
    """Of what had no limit."""
    used = {
        "trials": state.drawn,
        "max_time": state.now,
        "max_epochs_total": state.epochs_trained,
        "gpu_hours": state.worker_seconds / SECONDS_PER_HOUR,
    }
    return used.get(name, 0)


def damaged_checkpoints(state: State, sizes: Mapping[str, int], max_epochs: int) -> Iterator[CheckpointDamaged]:
    """Those that are missing or have another size than was committed; as seen once the run is resumed."""
    for trial in state.trials:
        for checkpoint in reversed(trial.checkpoints):
            if sizes.get(checkpoint.name) == checkpoint.bytes:
                continue
            size = sizes.get(checkpoint.name)
            reason = "it is missing" if size is None else f"it has {size:,} bytes of {checkpoint.bytes:,}"
            begins_anew = trial.holder is not None or state.reopens(trial, max_epochs)
            yield CheckpointDamaged(
                at=state.now,
                trial=trial.number,
                attempt=trial.attempt + begins_anew,
                name=checkpoint.name,
                reason=reason,
            )


def plan_lines(run_dir: Path, state: State, settings: Settings, lost: Iterable[CheckpointDamaged]) -> Iterator[str]:
    """What resuming will do: what is finished, what goes on and from where, what starts again."""
    damaged = {event.name for event in lost}
    going: list[tuple[Trial, int]] = []
    for trial in state.trials:
        if trial.status in (Status.RUNNING, Status.WAITING) or state.reopens(trial, settings.epochs):
            usable = [checkpoint.epoch for checkpoint in trial.checkpoints if checkpoint.name not in damaged]
            going.append((trial, max(usable, default=0)))
    on = [f"trial {trial.number} from epoch {epoch}" for trial, epoch in going if epoch]
    again = [f"trial {trial.number}" for trial, epoch in going if not epoch]
    finished = sum(trial.status.ended and not state.reopens(trial, settings.epochs) for trial in state.trials)
    left = None if settings.trials is None else max(0, settings.trials - len(state.trials))
    parts = [f"{counted(finished, 'trial')} finished"]
    if paused := state.count(Status.PAUSED):
        parts.append(f"{paused:,} paused")
    if on:
        parts.append(f"{len(on):,} {'go' if len(on) > 1 else 'goes'} on ({_some(on)})")
    if again:
        parts.append(
            f"{len(again):,} start again ({_some(again)})" if len(again) > 1 else f"1 starts again ({again[0]})"
        )
    if left and state.sampling_stopped is None:
        parts.append(f"{left:,} to begin")
    yield f"Resuming {shown_path(run_dir)}: {', '.join(parts)}"
    for event in lost:
        yield f"warning: checkpoint {event.name} is damaged: {event.reason}"


def _some(names: list[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def check_is_run(run_dir: Path) -> None:
    """Before anything is written there.

    Raises:
        UserError: It is none.
    """
    if not (run_dir / FILE).is_file():
        raise UserError(f"{run_dir} is no run directory: there is no {FILE} in it")
