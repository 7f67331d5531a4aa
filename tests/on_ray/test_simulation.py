"""Simulation beside reality: a real run decides the same in virtual time, is a source of curves, and can be planned."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator.assembly import RELEASE_AFTER
from orchestrator.journal import read_journal
from orchestrator.objective import Objective
from orchestrator.run import Run
from orchestrator.samplers import make_sampler
from orchestrator.scheduler.closing import Closing
from orchestrator.scheduler.instructions import Pause, Train
from orchestrator.scheduler.limits import Limits
from orchestrator.scheduler.scheduler import Scheduler
from orchestrator.scheduler.tolerance import Tolerance
from orchestrator.simulation.agreement import Differs, check_agreement
from orchestrator.simulation.plan import PILOTS, plan
from orchestrator.simulation.recorded import read_run
from orchestrator.simulation.replay import Choices, replay
from orchestrator.stoppers import make_stopper
from search_spaces import Float, Space

Launch = Callable[..., Run]
Write = Callable[..., Path]

STUDY = """
import time
import numpy as np
from orchestrator import Float, Space, Study

def train(configuration, ctx):
    for epoch in ctx.epochs:
        time.sleep(0.01 + 0.02 * configuration["x"])
        ctx.report({"value": configuration["x"] * (1 - 0.5**epoch)})

study = Study(space=Space(x=Float(0, 1)), train=train, objective="value", direction="max", epochs=9)
"""


def brain(stopper: str, seed: int) -> Scheduler:
    objective = Objective("value", "max")
    return Scheduler(
        objective,
        make_sampler("random", Space(x=Float(0, 1)), seed, 12),
        make_stopper(stopper, 9, objective, 12),
        Limits(trials=12),
        max_epochs=9,
        seed=seed,
        tolerance=Tolerance(stall_timeout="auto"),
        closing=Closing(release_after=RELEASE_AFTER),
    )


@pytest.mark.parametrize("stopper", ["asha:grace=1", "median:least=2"])
def test_a_real_run_decides_the_same_in_virtual_time(stopper: str, run_study: Launch, write_study: Write) -> None:
    run = run_study(write_study(STUDY), trials=12, stopper=stopper, seed=3)
    check_agreement(run.dir, brain(stopper, 3))
    with pytest.raises(Differs):
        check_agreement(run.dir, brain(stopper, 4))


def test_a_real_run_is_a_source_of_curves(run_study: Launch, write_study: Write) -> None:
    run = run_study(write_study(STUDY), trials=12, stopper="asha:grace=1", seed=3)
    records: list[Any] = list(read_journal(run.dir)[1])
    curves = read_run(run.dir)
    assert curves.value.shape[2] == 9 and not isinstance(curves.rows, str)
    assert curves.start_cost is not None and (curves.start_cost >= 0).all() and curves.start_cost.any()
    resumed = any(isinstance(record, Train) and record.assignment.start is not None for record in records)
    assert any(isinstance(record, Pause) for record in records) and (curves.resume_cost > 0) == resumed
    found = replay(curves, 0, 0, Choices(stopper="asha:grace=1", workers=2, trainings=10))
    assert found.started > 2 and found.trace


def test_a_plan_trains_a_few_trials_for_real(
    cluster: Any, write_study: Write, capfd: pytest.CaptureFixture[str]
) -> None:
    planned = plan(write_study(STUDY), trials=100, workers=10, stopper="asha:grace=1")
    assert 0 < len(planned.costs.trials) <= PILOTS
    assert any(cost.cold for cost in planned.costs.trials)
    assert planned.makespan.low <= planned.makespan.expected <= planned.makespan.high
    assert 100 <= planned.epochs.expected < 900
    assert planned.gpu_hours.high == 0
    assert capfd.readouterr().out == "", "the pilot is nobody's run"
