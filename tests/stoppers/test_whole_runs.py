"""Every stopper through whole runs in virtual time, and their journals folded."""

from random import Random

import pytest

from orchestrator.assignment import Assignment
from orchestrator.backends.simulated import SimulatedBackend
from orchestrator.driver import drive
from orchestrator.objective import Objective
from orchestrator.scheduler.instructions import Adapt, Record
from tests.scheduler.support import Brain, dump

OBJECTIVE = Objective("val", "max")
TEXTS = [
    "none",
    "asha",
    "asha_stop",
    "halving",
    "halving:grace=1,cohort=7",
    "hyperband",
    "median",
    "patience:3",
    "asha:eta=4,grace=3+patience:5",
    "halving+median",
    "hyperband+patience:2",
    "asha_stop+median",
]


def learns_late(assignment: Assignment, epoch: int) -> tuple[dict[str, float], float]:
    """Its first two epochs say nothing of what comes; one trial in twelve diverges."""
    chance = Random(assignment.trial)
    quality, breaks = chance.random(), chance.random() < 1 / 12 and chance.randint(1, 20) <= epoch
    noise = Random(1000 * assignment.trial + epoch).random()
    value = float("nan") if breaks else noise if epoch < 3 else quality * (1 - 0.8**epoch)
    return {"val": value}, 1 + noise / 2


def lived(text: str, workers: int, trials: int = 40, epochs: int = 27) -> tuple[Brain, list[Record]]:
    brain = Brain(text, trials=trials, epochs=epochs, checked=False)
    records: list[Record] = []
    drive(brain, SimulatedBackend(learns_late, OBJECTIVE, workers), None, records.extend)
    return brain, records


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("workers", [1, 7, 50])
def test_a_run_ends_and_its_journal_gives_the_stopper_back(text: str, workers: int) -> None:
    brain, records = lived(text, workers)
    assert brain.state.finished is not None and brain.state.finished.outcome == "done"
    assert len(brain.state.trials) == 40 and all(trial.status.ended for trial in brain.state.trials)
    assert all(trial.reason for trial in brain.state.trials)
    folded = Brain(text, trials=40, epochs=27, checked=False)
    folded.fold(records)
    assert dump(folded.stopper) == dump(brain.stopper)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(("trials", "epochs"), [(1, 27), (2, 2), (5, 1), (1, 1)])
def test_the_smallest_runs(text: str, trials: int, epochs: int) -> None:
    brain, _ = lived(text, 2, trials, epochs)
    assert brain.state.finished is not None and len(brain.state.trials) == trials
    assert any(trial.status == "completed" for trial in brain.state.trials) or "patience" in text


def test_the_first_rung_that_was_chosen_stands_in_the_journal_with_its_reason() -> None:
    _, records = lived("asha", workers=2)
    [adapt] = [record for record in records if isinstance(record, Adapt)]
    assert adapt.part == "stopper" and adapt.settings == {"grace": 3}
    assert adapt.reason.startswith("grace 3: epoch 1 does not predict epoch 9, Spearman ")
