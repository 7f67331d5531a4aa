"""Every sampler and every stopper, once, through real workers."""

from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.journal import read_journal
from orchestrator.run import Run
from orchestrator.samplers import SAMPLERS
from orchestrator.scheduler.instructions import Pause, Stop, Train
from orchestrator.stoppers import STOPPERS

STUDY = """
from orchestrator import Choice, Float, Int, Space, Study

def train(configuration, ctx):
    ctx.restore()
    good = 1 - abs(configuration["rate"] - 0.01) - 0.1 * configuration["layers"]
    for epoch in ctx.epochs:
        ctx.report({"value": good * (1 - 0.5**epoch)})
        ctx.save(epoch=epoch)

study = Study(
    space=Space(
        rate=Float(1e-4, 1, "log", group=1),
        layers=Int(1, 4, group=2),
        optimizer=Choice(["sgd", "adam"], group=2),
        momentum=Float(0.5, 0.99, "reverse_log", group=3, when={"optimizer": "sgd"}),
    ),
    train=train,
    objective="value",
    direction="max",
    start=[{"rate": 0.02, "layers": 2, "optimizer": "adam"}],
)
"""

KINDS = [
    ("random", "asha_stop"),
    ("grid", "halving:eta=2"),
    ("sobol", "hyperband"),
    ("staged", "asha:eta=2,grace=2+patience:2"),
    ("zoom", "median"),
    ("optuna:tpe", "adaptive"),
    ("optuna:cmaes", "none"),
]


def test_none_is_forgotten() -> None:
    samplers = {sampler.partition(":")[0] for sampler, _ in KINDS}
    stoppers = {part.partition(":")[0] for _, stopper in KINDS for part in stopper.split("+")}
    assert samplers == set(SAMPLERS) and stoppers == set(STOPPERS)


@pytest.mark.parametrize(("sampler", "stopper"), KINDS)
def test_a_run(sampler: str, stopper: str, run_study: Callable[..., Run], write_study: Callable[..., Path]) -> None:
    points = "3" if sampler == "grid" else None
    run = run_study(write_study(STUDY), trials=20, epochs=9, sampler=sampler, points=points, stopper=stopper)
    frame = run.leaderboard().sort_values("trial")
    assert run.exit_code == 0 and len(frame) == 20
    assert set(frame["status"]) <= {"completed", "stopped"} and "completed" in set(frame["status"])
    assert frame["rate"].iloc[0] == 0.02, "the configuration to start from"
    space = ["rate", "layers", "optimizer", "momentum"]
    assert not frame[space].duplicated().any()
    instructions = list(read_journal(run.dir)[1])
    assert all(step.reason for step in instructions if isinstance(step, Train | Pause | Stop))
    if stopper != "none":
        assert frame["epochs"].sum() < 20 * 9, "something was saved"
