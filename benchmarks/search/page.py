"""docs/search.md: `page.md`, filled in. Every number and every name of a winner is computed."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from string import Template

import numpy as np

from benchmarks.search import samplers, tables
from benchmarks.search.evidence import FLOOR, Evidence, ratio
from benchmarks.search.measures import NEGLIGIBLE
from benchmarks.search.methods import Method
from benchmarks.search.tables import number, percent
from benchmarks.search.tasks import RECORDED, TRAININGS, CurveFile
from orchestrator.settings import Settings

TEMPLATE = Path(__file__).with_suffix(".md").read_text(encoding="utf-8")
FEW = 4
"""So many workers are few."""
SUMMED = (1, 4, 32)
"""The numbers of workers in the sum over all files."""
ABOUT = {
    "lcbench12": "feed-forward networks on OpenML; smooth curves of a surrogate; the first epoch tells nothing",
    "lcbench12 without epoch 1": "the same, seen from epoch 2 on",
    "taskset6": "recurrent text classifiers under Adam; real curves, some diverge; every epoch counts as 1",
    "nasbench_nlp": "recurrent architectures on wikitext-2; real curves and seconds",
    "digits_mlp": "our shipped study, really trained by `python -m benchmarks.search.record`",
}


def page(evidence: Evidence, samplers_part: str, command: str, versions: str) -> str:
    counts = _summed(evidence)
    by_file = (f"{file.name} {tables.ratio_to_peers(evidence, [file], counts):.2f}" for file in evidence.files)
    return Template(TEMPLATE).substitute(
        sampler=Settings().sampler,
        default=evidence.default.name,
        default_mean=number(evidence.mean(evidence.default)),
        files_count=len(evidence.summed),
        apart=_apart(evidence),
        workers=listed(evidence.workers),
        choice=_choice(evidence),
        overview=tables.overview(evidence),
        compared=listed(method.name for method in evidence.methods if method.compared),
        summed=listed(counts),
        ratio=f"{tables.ratio_to_peers(evidence, evidence.summed, counts):.2f}",
        ratio_to_all=f"{tables.ratio_to_peers(evidence, evidence.summed, counts, evidence.peers):.2f}",
        ratio_by_file=", ".join(by_file),
        floor=f"{FLOOR:g}",
        against_peers=tables.against_peers(evidence),
        **_weak_places(evidence),
        losses=_losses(evidence),
        resuming=tables.resuming(evidence) if evidence.resumes else "Not measured this time.",
        two_hills=samplers.TWO_HILLS,
        sampler_trainings=samplers.TRAININGS,
        sampler_workers=samplers.WORKERS,
        samplers=samplers_part,
        files="\n".join(map(_about, evidence.files)),
        runs=min(cell.runs for cell in evidence.cells.values()),
        trainings=TRAININGS,
        negligible=f"{NEGLIGIBLE:g}",
        tasks_count=tables.count(sum(len(file.reported) for file in evidence.files), "task"),
        first_epoch=_first_epoch(evidence),
        all_figures="\n\n".join(f"### {file.name}\n\n{tables.of_file(evidence, file)}" for file in evidence.files),
        command=command,
        versions=versions,
    )


def _choice(evidence: Evidence) -> str:
    """What to take when, by the geometric means of our stoppers over some part of the cells."""

    def row(when: str, method: Method, files: Iterable[CurveFile], counts: Iterable[int]) -> list[str]:
        return [when, f"`{method.name}`", f"{number(evidence.mean(method, counts, files))} times as fast"]

    def best(when: str, files: Sequence[CurveFile], counts: Sequence[int]) -> list[str]:
        found = max(evidence.ours, key=lambda method: evidence.mean(method, counts, files))
        return row(when, found, files, counts)

    few = [w for w in evidence.workers if w <= FEW]
    many = [w for w in evidence.workers if w > FEW]
    rows = [row("you do not know", evidence.default, evidence.summed, evidence.workers)]
    rows += [best(f"{listed(few, 'or')} workers", evidence.summed, few)] if few else []
    rows += [best(f"{listed(many, 'or')} workers", evidence.summed, many)] if many else []
    rows += [best(f"curves like {file.name}: {_like(file)}", [file], evidence.workers) for file in evidence.files]
    safest = min(evidence.ours, key=lambda method: _behind(evidence, method))
    share = percent(_behind(evidence, safest))
    rows.append(["to end behind no stopping would be the worst", f"`{safest.name}`", f"does so in {share} of the runs"])
    return tables.markdown(["when", "the best of ours", "in these replays"], rows)


def _weak_places(evidence: Evidence) -> dict[str, str]:
    """Where the default is not the best."""
    slower, oftener, worse = [], [], []
    for file in evidence.files:
        for workers in evidence.workers:
            ours = evidence.cell(file.name, workers, evidence.default)
            peer = evidence.cell(file.name, workers, evidence.best_peer(file.name, workers))
            slower += [(file.name, workers)] if ratio(ours.speed_up, peer.speed_up) < 1 else []
            oftener += [(file.name, workers)] if ours.lost > peer.lost else []
            worse += [(file.name, workers)] if ours.regret > evidence.none[file.name, workers].regret else []
    return {"slower": _places(slower), "lost_oftener": _places(oftener), "worse_than_none": _places(worse)}


def _losses(evidence: Evidence) -> str:
    return "\n".join(_losses_of(evidence, method) for method in evidence.methods)


def _losses_of(evidence: Evidence, method: Method) -> str:
    places = [(file.name, workers) for file in evidence.files for workers in evidence.workers]
    slow = [(file, workers) for file, workers in places if evidence.cell(file, workers, method).speed_up < 1]
    found = f"a loss on {_places(slow)}" if slow else "no median below 1"
    return f"- {tables.name_of(evidence, method)}: {found}; behind in {percent(_behind(evidence, method))} of the runs."


def _behind(evidence: Evidence, method: Method) -> float:
    return tables.mean(evidence.cell(f.name, w, method).never for f in evidence.summed for w in evidence.workers)


def _apart(evidence: Evidence) -> str:
    names = [file.name for file in evidence.files if file not in evidence.summed]
    if not names:
        return ""
    return (
        f" {listed(names)} is in no sum: it has fewer configurations than the budget trains, so that no stopping tries "
        "them all, and everything hangs on whether the single best one is given up."
    )


def _first_epoch(evidence: Evidence) -> str:
    """How many of the later epochs a trial's first epoch costs, in the median, in our own recorded curves."""
    costs = [
        np.diff(task.elapsed, axis=1) for file in evidence.files if file.path.parent == RECORDED for task in file.tasks
    ]
    return f"{np.median(costs[0][:, 0]) / np.median(costs[0][:, 1:]):.0f}" if costs else "many"


def _summed(evidence: Evidence) -> list[int]:
    return [workers for workers in evidence.workers if workers in SUMMED] or evidence.workers


def _about(file: CurveFile) -> str:
    tasks, first = tables.count(len(file.reported), "task"), file.tasks[0]
    return f"- **{file.name}**: {_like(file)}; {tasks}, {first.rows:,} configurations, {first.epochs} epochs."


def _like(file: CurveFile) -> str:
    return ABOUT.get(file.name, "recorded curves")


def _places(found: list[tuple[str, int]]) -> str:
    """`lcbench12 (1 and 4), taskset6 (32 workers)`."""
    by_file: dict[str, list[int]] = {}
    for file, workers in found:
        by_file.setdefault(file, []).append(workers)
    return ", ".join(f"{file} ({listed(of)})" for file, of in by_file.items()) + " workers" if found else "nowhere"


def listed(parts: Iterable[object], word: str = "and") -> str:
    *first, last = map(str, parts)
    return f"{', '.join(first)} {word} {last}" if first else last
