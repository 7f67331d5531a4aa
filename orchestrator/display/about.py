"""What there is to say about a run before it begins."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.display.words import counted, duration, quantity, shown_path
from orchestrator.objective import Objective
from orchestrator.settings import Settings
from orchestrator.tables import aligned, cut
from search_spaces import Space

SHORTEST_DOMAIN = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSummary:
    """The Ray cluster of a run: what its nodes have together."""

    nodes: int
    cpus: float
    gpus: float
    address: str
    dashboard_url: str | None
    local: bool
    """Started for this run, on this machine."""
    session_dir: str | None = None
    """Where its processes write, if it was started for this run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    study: str
    argument: str | None
    """What names the study on the command line; None for one that was made in Python."""
    run_dir: Path
    objective: Objective
    space: Space
    settings: Settings
    workers: int
    worker_cpus: float
    worker_gpus: float
    cluster: ClusterSummary
    search_size: int | None = None
    """How many configurations the sampler has in all, where it can tell."""
    versions: dict[str, str] = field(default_factory=dict)
    """Of Python and the libraries, by name."""

    @property
    def warnings(self) -> list[str]:
        """What could be done better, a line each."""
        size, trials = self.search_size, self.settings.trials
        lines = self.space.warnings()
        if size is not None and trials is not None and size > trials:
            found = counted(size, "configuration")
            lines.append(f"only {trials:,} of {found} will be tried: give --trials {size}, or fewer points")
        return lines


def first_lines(about: About, width: int) -> Iterator[str]:
    versions = about.versions
    yield cut(" · ".join(f"{name} {version}" for name, version in versions.items()), width)
    yield ""
    goal = "maximise" if about.objective.direction == "max" else "minimise"
    rows = {
        "study": f"{about.study}: {goal} {about.objective.name}, " + counted(len(about.space), "hyperparameter"),
        "cluster": _cluster(about.cluster),
        "dashboard": about.cluster.dashboard_url,
        "workers": f"{about.workers:,}, each with {_resources(about.worker_cpus, about.worker_gpus)}",
        "limits": _limits(about.settings),
        "search": _search(about),
        "run": shown_path(about.run_dir),
    }
    yield from (f"{name:<10} {text}" for name, text in rows.items() if text)
    yield ""
    yield from _space_lines(about.space, width)
    yield from (f"warning: {line}" for line in about.warnings)
    yield ""


def _space_lines(space: Space, width: int) -> Iterator[str]:
    """As the space prints itself; where that is too wide, with long domains cut."""
    rows = space.table()
    texts = {name: [row[name] for row in rows] for name in rows[0]}
    lines = aligned(texts)
    excess = max(map(len, lines)) - width
    if excess > 0:
        widest = max(map(len, texts["domain"]))
        texts["domain"] = [cut(domain, max(widest - excess, SHORTEST_DOMAIN)) for domain in texts["domain"]]
        lines = aligned(texts)
    yield from lines
    if space.constraints:
        yield f"constraints: {', '.join(space.constraints)}"


def _cluster(cluster: ClusterSummary) -> str:
    size = f"{counted(cluster.nodes, 'node')}, {_resources(cluster.cpus, cluster.gpus)}"
    return f"started on this machine: {size}" if cluster.local else f"{cluster.address}: {size}"


def _resources(cpus: float, gpus: float) -> str:
    return f"{_some(cpus, 'CPU')}, {_some(gpus, 'GPU') if gpus else 'no GPU'}"


def _some(amount: float, thing: str) -> str:
    return f"{quantity(amount)} {thing}{'s' * (amount > 1)}"


def _limits(settings: Settings) -> str:
    limits = [
        None if settings.trials is None else counted(settings.trials, "trial"),
        None if settings.max_time is None else duration(settings.max_time),
        None if settings.max_epochs_total is None else f"{counted(settings.max_epochs_total, 'epoch')} in all",
        None if settings.gpu_hours is None else f"{settings.gpu_hours:g} GPU-hours",
        None if settings.target is None else f"target {settings.target:g}",
    ]
    return f"{', '.join(filter(None, limits))}; up to {counted(settings.epochs, 'epoch')} each"


def _search(about: About) -> str:
    settings = about.settings
    points = "" if settings.points is None else f", {settings.points} points"
    size = "" if about.search_size is None else f" ({counted(about.search_size, 'configuration')})"
    return f"sampler {settings.sampler}{points}{size}, stopper {settings.stopper}, seed {settings.seed}"
