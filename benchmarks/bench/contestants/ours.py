"""This project by its public interface: `launch`, with its journal, leaderboard and run directory."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.bench import models
from benchmarks.bench.work import OBJECTIVE, Outcome, Report, Work
from orchestrator import Study, launch


def run(work: Work, folder: Path) -> Outcome:
    run_dir = folder / "run"
    found = launch(
        _study(work),
        quiet=True,
        trials=work.trials,
        epochs=work.epochs,
        workers=work.workers,
        sampler="random",
        stopper=work.stopper,
        target=work.target,
        seed=work.seed,
        run_dir=str(run_dir),
    )
    if found.exit_code != 0:
        raise RuntimeError(f"the run did not end well: {found.state.finished}")
    return outcome_of(run_dir, work)


def _study(work: Work) -> Study:
    common: dict[str, Any] = {"space": models.SPACES[work.kind], "objective": OBJECTIVE, "direction": "max"}
    if work.kind == "nothing":
        return Study(train=report_only, name="nothing", **common)
    return Study(
        build=models.BUILD[work.kind],
        data=models.LOAD[work.kind],
        batch_size=models.BATCH_SIZE,
        start=work.configurations,
        name=work.kind,
        **common,
    )


def report_only(_: Any, ctx: Any) -> None:
    for epoch in ctx.epochs:
        ctx.report({OBJECTIVE: epoch})


def outcome_of(run_dir: Path, work: Work) -> Outcome:
    """As the run's journal tells it, a JSON object a line, of which the first is about the run."""
    with (run_dir / "journal.jsonl").open(encoding="utf-8") as file:
        header, *records = map(json.loads, file)
    began, now = header["started"], 0.0
    reports: list[Report] = []
    ends: list[float] = []
    processes: set[int] = set()
    spent: Counter[str] = Counter()
    recently: Counter[str] = Counter()
    places: dict[int, int] = {}
    for record in records:
        now = record.get("at", now)
        match record["type"]:
            case "Train":
                processes.add(record["worker"])
                number, configuration = record["assignment"]["trial"], record["assignment"]["configuration"]
                places[number] = work.number_of(configuration) if work.configurations else number
                spent += recently
                recently.clear()
            case "WorkerSpent" if reports:
                recently.update(record["seconds"])
            case "TrialReported":
                value = float(record["metrics"][OBJECTIVE])
                reports.append(Report(began + now, places[record["trial"]], value))
            case "TrialCompleted" | "TrialDiverged":
                ends.append(began + now)
    return Outcome(reports, ends, len(processes), dict(spent))
