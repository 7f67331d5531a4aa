"""Record the curves of a shipped study: every trial is really trained, to its last epoch.

    python -m benchmarks.search.record [STUDY] [--trials C] [--workers W] [--out FILE.npz]

The committed file, benchmarks/recorded/digits_mlp.npz, was made by it with nothing given. `hp` has each configuration
as a point of the unit cube, by the scales of its search space; a hyperparameter that is not active is NaN.
"""

import argparse
import sys
import tempfile
from importlib import import_module
from pathlib import Path

import numpy as np

from benchmarks.search.tasks import RECORDED
from orchestrator import Study, launch
from orchestrator.journal import read_journal
from orchestrator.scheduler.events import TrialReported
from orchestrator.simulation.curves import units_of


def record(name: str, trials: int, workers: int, out: Path) -> None:
    study: Study = import_module(f"orchestrator.studies.{name}").study
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder) / "run"
        run = launch(name, quiet=True, trials=trials, workers=workers, stopper="none", run_dir=str(run_dir))
        if run.exit_code != 0:
            sys.exit(f"the run did not end well: {run.state.finished}")
        reports = [event for event in read_journal(run_dir)[1] if isinstance(event, TrialReported)]
    # NaN from where a trial diverged.
    value, seconds = np.full((2, len(run.state.trials), max(report.epoch for report in reports)), np.nan, np.float32)
    for report in reports:
        value[report.trial, report.epoch - 1] = report.metrics[study.objective.name]
        seconds[report.trial, report.epoch - 1] = report.seconds
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        out,
        allow_pickle=False,
        task=np.array([name]),
        metric=np.array(study.objective.name),
        direction=np.array(study.objective.direction),
        hp_names=np.array(list(study.space)),
        hp=np.array([units_of(study.space, trial.configuration) for trial in run.state.trials], np.float32),
        value=value[None],
        seconds=seconds[None],
    )
    print(f"{out}: {len(value)} configurations, {out.stat().st_size / 1000:.0f} kB")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.search.record", description=__doc__.splitlines()[0])
    parser.add_argument("study", nargs="?", default="digits_mlp", help="a shipped study (default: digits_mlp)")
    parser.add_argument("--trials", type=int, default=64, help="how many configurations (default: 64)")
    parser.add_argument("--workers", type=int, default=2, help="how many train at once (default: 2)")
    parser.add_argument("--out", type=Path, help="the file to write (default: benchmarks/recorded/STUDY.npz)")
    options = parser.parse_args()
    record(options.study, options.trials, options.workers, options.out or RECORDED / f"{options.study}.npz")


if __name__ == "__main__":
    main()
