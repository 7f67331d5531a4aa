"""Replay every stopper and sampler of ours beside those of the peers, and write docs/search.md with its pictures.

    python -m benchmarks.search [--curves DIR] [--seeds K] [--cache DIR] [--quick] [--out FILE]

Curves recorded elsewhere are read from DIR (or ORCHESTRATOR_CURVES) and skipped, saying so, where there is none; those
in benchmarks/recorded are always replayed. `make search` runs it in an environment with Ray Tune and Optuna.
"""

import argparse
import os
import sys
import time
from importlib.metadata import version
from pathlib import Path

from benchmarks.search.cache import Cache
from benchmarks.search.tasks import RECORDED, CurveFile, read_curves, without_first_epoch

try:
    from benchmarks.search import sampling
    from benchmarks.search.evidence import Evidence, Plan, gather
    from benchmarks.search.methods import our_methods, peers_methods
    from benchmarks.search.page import page
    from benchmarks.search.pictures import draw_regret, draw_speed_up
    from benchmarks.search.tables import overview

    PEERS = peers_methods()
except ImportError as error:
    sys.exit(f"{error.name or error} cannot be imported: `make search` installs it in an environment of its own")

PAGE = Path(__file__).parents[2] / "docs" / "search.md"
FILES = ("lcbench12", "taskset6", "nasbench_nlp")
WORKERS = [1, 4, 32, 100]
RESUME_COSTS, RESUME_WORKERS = (1.0,), (4, 32)
PICTURED = 4
"""Workers in the picture of regret over time."""


def main() -> None:
    options = _options()
    began = time.perf_counter()
    cache = Cache(options.cache)
    if options.cache is not None:
        options.cache.mkdir(parents=True, exist_ok=True)
    files = _files(options.curves, options.cache or Path("build"))
    whole = options.curves is not None and not options.quick and options.half == "reported"
    plan = Plan(
        files=files,
        methods=[*our_methods(), *PEERS],
        workers=[1, 32] if options.quick else WORKERS,
        seeds=1 if options.quick else options.seeds,
        resume_costs=() if options.quick else RESUME_COSTS,
        resume_workers=RESUME_WORKERS,
        tasks_of=lambda file: file.reported if options.half == "reported" else file.chosen_on,
    )
    evidence = gather(plan, cache, _say)
    out = options.out or (PAGE if whole else None)
    if out is None:
        print(overview(evidence))
        _say(f"{PAGE.name} is left as it was: it wants all curves, and all seeds; --out FILE writes what there is")
    else:
        _write(evidence, _samplers(options), options.sampler_seeds, out)
    _say(f"{time.perf_counter() - began:.0f} s in all")


def _write(evidence: Evidence, samplers: str, sampler_seeds: int, out: Path) -> None:
    images = out.parent / "images"
    draw_speed_up(evidence, images / "search-speed-up.svg")
    draw_regret(
        evidence, PICTURED if PICTURED in evidence.workers else evidence.workers[-1], images / "search-regret.svg"
    )
    versions = ", ".join(f"{name} {version(name)}" for name in ("ray", "optuna", "numpy"))
    command = f"python -m benchmarks.search --seeds {evidence.seeds} --sampler-seeds {sampler_seeds}"
    out.write_text(page(evidence, samplers, command, versions), encoding="utf-8")
    _say(f"{out} is written")


def _samplers(options: argparse.Namespace) -> str:
    if options.curves is None or not (options.curves / "lcbench_surrogate.py").exists():
        return "Skipped: there is no lcbench_surrogate.py."
    seeds = min(1, options.sampler_seeds) if options.quick else options.sampler_seeds
    if seeds == 0:
        return "Not measured this time."
    try:
        found = sampling.gather_samplers(options.curves, seeds, options.cache, _say)
    except ModuleNotFoundError as error:
        return f"Skipped: {error.name} is not installed."
    return sampling.samplers_table(found)


def _files(curves: Path | None, folder: Path) -> list[CurveFile]:
    found: list[CurveFile] = []
    for name in FILES:
        path = None if curves is None else curves / f"{name}.npz"
        if path is None or not path.exists():
            _say(
                f"{name}: skipped: {'--curves and ORCHESTRATOR_CURVES are not given' if path is None else f'no {path}'}"
            )
            continue
        found.append(read_curves(path))
        if name == "lcbench12":
            folder.mkdir(parents=True, exist_ok=True)
            found.append(without_first_epoch(found[-1], folder))
    return [*found, *(read_curves(path) for path in sorted(RECORDED.glob("*.npz")))]


def _options() -> argparse.Namespace:
    given = os.environ.get("ORCHESTRATOR_CURVES")
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.search", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--curves", type=Path, default=Path(given) if given else None, metavar="DIR")
    parser.add_argument("--seeds", type=int, default=10, metavar="K", help="for each of six tasks (default: 10)")
    parser.add_argument(
        "--sampler-seeds",
        type=int,
        default=20,
        metavar="K",
        help="for each task of the samplers (default: 20; 0: none)",
    )
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keep what was replayed here, for a rerun")
    parser.add_argument("--quick", action="store_true", help="one seed, 1 and 32 workers; some minutes")
    parser.add_argument("--out", type=Path, metavar="FILE", help=f"default: docs/{PAGE.name}, if all curves are there")
    parser.add_argument("--half", choices=("reported", "chosen"), default="reported", help="which half of the tasks")
    return parser.parse_args()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
