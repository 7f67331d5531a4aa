"""The tables of docs/search.md, in Markdown."""

from collections.abc import Iterable, Sequence

from benchmarks.search.evidence import Cell, Evidence, geometric_mean, ratio
from benchmarks.search.methods import Method
from benchmarks.search.tasks import CurveFile


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + "|".join(["---"] * len(heads)) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def name_of(evidence: Evidence, method: Method) -> str:
    if method.kind == "peer":
        return method.name
    return f"`{method.name}` (default)" if method is evidence.default else f"`{method.name}`"


def number(value: float) -> str:
    """A speed-up."""
    if value == 0:
        return "never"
    return f"{value:.1f}" if value < 9.95 else f"{value:.0f}"


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def overview(evidence: Evidence) -> str:
    """A row for each method: the geometric mean over the files, by workers; the weakest cell; the shares."""
    columns = [count(workers, "worker") for workers in evidence.workers]
    rows = [
        [
            name_of(evidence, method),
            *(number(evidence.mean(method, [w])) for w in evidence.workers),
            *_sums(evidence, method),
        ]
        for method in evidence.methods
    ]
    none = [evidence.none[file.name, w] for file in evidence.summed for w in evidence.workers]
    lost, regret = percent(mean(cell.lost for cell in none)), f"{mean(cell.regret for cell in none):.3f}"
    rows.append(["no stopping", *("1" for _ in columns), "", "", lost, regret])
    return markdown(["", *columns, "weakest", "behind", "lost", "regret"], rows)


def _sums(evidence: Evidence, method: Method) -> list[str]:
    file, workers = weakest(evidence, method)
    cells = [evidence.cell(file.name, w, method) for file in evidence.summed for w in evidence.workers]
    worst = evidence.cell(file.name, workers, method).speed_up
    return [
        f"{number(worst)} ({file.name}, {workers})",
        percent(mean(cell.never for cell in cells)),
        percent(mean(cell.lost for cell in cells)),
        f"{mean(cell.regret for cell in cells):.3f}",
    ]


def weakest(evidence: Evidence, method: Method) -> tuple[CurveFile, int]:
    """The file and the number of workers with its lowest median speed-up."""
    places = [(file, workers) for file in evidence.summed for workers in evidence.workers]
    return min(places, key=lambda place: evidence.cell(place[0].name, place[1], method).speed_up)


def against_peers(evidence: Evidence) -> str:
    """The default beside the best peer of each file and number of workers."""
    default = evidence.default
    rows = []
    for file in evidence.files:
        for workers in evidence.workers:
            peer = evidence.best_peer(file.name, workers)
            ours, theirs = evidence.cell(file.name, workers, default), evidence.cell(file.name, workers, peer)
            none = evidence.none[file.name, workers]
            rows.append(
                [
                    file.name,
                    str(workers),
                    number(ours.speed_up),
                    f"{number(theirs.speed_up)} ({peer.name})",
                    f"{ratio(ours.speed_up, theirs.speed_up):.2f}",
                    f"{percent(ours.lost)}, {percent(theirs.lost)}",
                    f"{ours.regret:.3f}, {theirs.regret:.3f}, {none.regret:.3f}",
                ]
            )
    heads = [
        "file",
        "workers",
        "default",
        "best peer",
        "ratio",
        "lost: default, peer",
        "regret: default, peer, no stopping",
    ]
    return markdown(heads, rows)


def ratio_to_peers(
    evidence: Evidence, files: Iterable[CurveFile], workers: Iterable[int], rivals: Sequence[Method] | None = None
) -> float:
    """The geometric mean of the default's ratios to the best peer of each cell."""
    counts = list(workers)
    return geometric_mean(
        ratio(
            evidence.cell(file.name, w, evidence.default).speed_up,
            max(evidence.cell(file.name, w, peer).speed_up for peer in rivals or evidence.rivals),
        )
        for file in files
        for w in counts
    )


def of_file(evidence: Evidence, file: CurveFile) -> str:
    """Every method: the median speed-up with its quartiles, the share of runs that lost the best, the regret."""

    def entry(cell: Cell) -> str:
        low, high = cell.quartiles
        return f"**{number(cell.speed_up)}** ({number(low)}–{number(high)}), {percent(cell.lost)}, {cell.regret:.3f}"

    rows = [
        [name_of(evidence, method), *(entry(evidence.cell(file.name, w, method)) for w in evidence.workers)]
        for method in evidence.methods
    ]
    none = ["no stopping", *(f"1, {percent(cell.lost)}, {cell.regret:.3f}" for cell in _none(evidence, file))]
    return markdown(["", *(count(w, "worker") for w in evidence.workers)], [*rows, none])


def _none(evidence: Evidence, file: CurveFile) -> list[Cell]:
    return [evidence.none[file.name, workers] for workers in evidence.workers]


def resuming(evidence: Evidence) -> str:
    """Stoppers that pause: what is left of the speed-up when going on from a checkpoint costs something."""
    costs = sorted({cost for *_, cost in evidence.resumes})
    counts = sorted({workers for _, workers, *_ in evidence.resumes})
    rows = []
    for method in (method for method in evidence.methods if method.pauses):
        rows.append([name_of(evidence, method), "nothing", *(number(evidence.mean(method, [w])) for w in counts)])
        for cost in costs:
            means = [
                geometric_mean(evidence.resumes[file.name, w, method.name, cost].speed_up for file in evidence.summed)
                for w in counts
            ]
            rows.append(["", f"{cost:g} epoch{'s' * (cost != 1)}", *map(number, means)])
    return markdown(["", "going on costs", *(count(w, "worker") for w in counts)], rows)


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def mean(values: Iterable[float]) -> float:
    known = list(values)
    return sum(known) / len(known)
