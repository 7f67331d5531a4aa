"""A plan as people read it."""

from collections.abc import Callable
from dataclasses import astuple
from statistics import median

from orchestrator import tables
from orchestrator.simulation.plan import RUNS, Costs, Expected, Plan

ASSUMED = (
    f"The range is the middle nine tenths of {RUNS} simulated runs.\n"
    "Assumed: starts, epochs and resumes cost there what they cost here; learning curves are power laws of random\n"
    "quality and speed."
)


def plan_text(plan: Plan) -> str:
    """What was measured, what is expected of it, what was assumed."""
    settings, costs = plan.settings, plan.costs
    rows = {
        "makespan": _cells(plan.makespan, duration),
        "epochs": _cells(plan.epochs, lambda number: f"{number:,.0f}"),
        "CPU-hours": _cells(plan.cpu_hours, _hours),
        "GPU-hours": _cells(plan.gpu_hours, _hours),
    }
    columns = dict(zip(("from", "expected", "to"), map(list, zip(*rows.values(), strict=True)), strict=True))
    trials = "Trials" if settings.trials is None else f"{settings.trials:,} trials"
    lines = [
        f"Measured on {len(costs.trials)} trials, medians: {_measured(costs)}.",
        f"{trials} of up to {settings.epochs} epochs on {plan.workers:,} workers, {_how(plan)}:",
        "",
        *tables.aligned({"": list(rows), **columns}, set(columns)),
        "",
        ASSUMED,
    ]
    return "\n".join(lines)


def duration(seconds: float) -> str:
    """In the units that matter.

    >>> [duration(seconds) for seconds in (45.2, 700, 12_000, 191_000)]
    ['45 s', '12 min', '3 h 20 min', '2 d 5 h']
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def _how(plan: Plan) -> str:
    return f"sampler {plan.settings.sampler}, stopper {plan.settings.stopper}"


def _hours(hours: float) -> str:
    return f"{hours:,.3g}" if hours < 1000 else f"{hours:,.0f}"


def _cells(expected: Expected, shown: Callable[[float], str]) -> tuple[str, ...]:
    return tuple(shown(value) for value in astuple(expected))


def _measured(costs: Costs) -> str:
    warm = [trial for trial in costs.trials if not trial.cold] or costs.trials

    def middle(name: str) -> str:
        return f"{median(getattr(trial, name) for trial in warm):.2g} s"

    return (
        f"workers ready after {costs.ready:.2g} s, {middle('start')} to start a trial, {middle('first_epoch')} for its "
        f"first epoch, {middle('later_epoch')} for a later one, {median(costs.resumes):.2g} s to resume one"
    )
