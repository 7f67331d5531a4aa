"""Part (e): how long until a search has found nearly the best, with and without stopping trials early."""

from collections.abc import Callable
from dataclasses import replace
from math import isfinite
from typing import Any

from tabulate import tabulate

from benchmarks.bench import models
from benchmarks.bench.figures import Measured, Spread, measured, shown
from benchmarks.bench.parts import Options, Part, Results
from benchmarks.bench.rounds import Entry, Failed, in_turn, run_entry
from benchmarks.bench.training import NO_LOGGERS, configurations
from benchmarks.bench.work import Work

NO_STOPPING = "orchestrator, no stopping"
ASHA = "orchestrator, `asha`"
TUNE = "Ray Tune, ASHA, `reuse_actors`, no loggers"
EPOCHS, TRIALS, SEEDS = 27, 100, 10
SMALL_EPOCHS, SMALL_TRIALS = 3, 6
NEARLY = 0.995
LONGEST_RUN = 3600.0
SHORTEST = 1e-3
"""Seconds, of a search whose first report was good enough."""

ABOUT = (
    f"The network of (b), {EPOCHS} epochs, {TRIALS} configurations, the same for all three and in the same order. The "
    f"target is {NEARLY:.1%} of the best validation accuracy that training every one to its end finds; a run ends when "
    "it is reached. Tune's ASHAScheduler with its defaults (first rung at epoch 1, one in four goes on)."
)


def measure(options: Options, save: Callable[[Results], None]) -> None:
    """For each seed without stopping, which sets the target, and then the others in turn.

    Raises:
        Failed: One of ours did.
    """
    models.prepare_mnist()
    epochs, trials = (SMALL_EPOCHS, SMALL_TRIALS) if options.small else (EPOCHS, TRIALS)
    seeds: list[dict[str, Any]] = []
    for seed in range(options.rounds or (1 if options.small else SEEDS)):
        work = Work("betas", trials, epochs, options.workers, configurations("betas", trials, seed), seed=seed)
        ran = run_entry(Entry(NO_STOPPING, "ours", work), LONGEST_RUN)
        target = NEARLY * max(report.value for report in ran.outcome.reports)
        found = {NO_STOPPING: measured(ran, target=target)}
        stopping = replace(work, stopper="asha", target=target)
        entries = [Entry(ASHA, "ours", stopping), Entry(TUNE, "tune:reuse", stopping, NO_LOGGERS)]
        for entry in in_turn(entries, seed):
            try:
                found[entry.label] = measured(run_entry(entry, LONGEST_RUN), target=target)
            except Failed as failed:
                if entry.label != TUNE:
                    raise
                options.say(str(failed))
        for name, one in found.items():
            options.say(f"seed {seed}: {name}: target {target:.4f} after {one.to_target:.1f} s, {one.reports} epochs")
        seeds.append({"target": target, "runs": {name: one.to_json() for name, one in found.items()}})
        save({"workers": options.workers, "rounds": seeds})


def section(results: Results) -> str:
    seeds = _seeds(results)
    rows = []
    for name in (NO_STOPPING, ASHA, TUNE):
        own = [one[name] for one in seeds if name in one]
        if not own:
            rows.append([f"{name} (failed)"])
            continue
        row = [name]
        for time in TIMES.values():
            row.append(Spread.of([time(one) for one in own]).text())
            row.append("1" if name == ASHA else Spread.of(_ratios(seeds, name, time)).text())
        rows.append(row)
    heads = ["", *(head for what in TIMES for head in (what, "times `asha` here"))]
    seeds_line = f"{len(seeds)} seed{'s' if len(seeds) > 1 else ''}; medians, least and most in brackets."
    return "\n\n".join([ABOUT, seeds_line, str(tabulate(rows, heads, tablefmt="github", disable_numparse=True))])


def losses(results: Results) -> list[str]:
    seeds = _seeds(results)
    found = []
    for what, time in TIMES.items():
        behind = [name for name in (NO_STOPPING, TUNE) if Spread.of(_ratios(seeds, name, time)).median < 1]
        found += [f"{what}: {_median(seeds, name, time)}; {_median(seeds, ASHA, time)}" for name in behind]
    never = sum(not isfinite(_whole(one[ASHA])) for one in seeds)
    return found + ([f"{ASHA} never found the target with {never} of {len(seeds)} seeds"] if never else [])


def _median(seeds: list[dict[str, Measured]], name: str, time: Callable[[Measured], float]) -> str:
    return f"{name} {shown(Spread.of([time(one[name]) for one in seeds if name in one]).median)}"


def _seeds(results: Results) -> list[dict[str, Measured]]:
    return [{name: Measured.from_json(one) for name, one in seed["runs"].items()} for seed in results["rounds"]]


def _whole(one: Measured) -> float:
    assert one.to_target is not None
    return one.to_target


def _searching(one: Measured) -> float:
    return _whole(one) - one.first_report


def _ratios(seeds: list[dict[str, Measured]], name: str, time: Callable[[Measured], float]) -> list[float]:
    """How many times as long as ours with `asha`, where one of them found the target at all."""
    pairs = [(time(one[name]), time(one[ASHA])) for one in seeds if name in one]
    return [theirs / (ours or SHORTEST) for theirs, ours in pairs if isfinite(theirs) or isfinite(ours)]


TIMES: dict[str, Callable[[Measured], float]] = {
    "seconds from the first report to the target": _searching,
    "seconds from the command to the target": _whole,
}
PARTS = (Part("e", "The time that a search takes to find nearly the best", 100, measure, section, losses),)
