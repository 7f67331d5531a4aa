"""A recorded run in virtual time, with its own durations: the same decisions."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from orchestrator.journal import read_journal
from orchestrator.scheduler.events import TrialReported
from orchestrator.scheduler.instructions import Adapt, Pause, Record, Stop
from orchestrator.settings import Settings
from orchestrator.simulation.agreement import Differs, check_agreement, simulate_again
from tests.simulated_runs import SimulatedRun, simulated

SETTINGS: dict[str, Any] = {"trials": 30, "epochs": 9, "stopper": "asha:grace=1"}


def brain(**settings: Any) -> Any:
    return SimulatedRun(Settings(**settings)).scheduler


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize(
    "settings",
    [
        {"stopper": "none"},
        {"stopper": "asha:grace=1"},
        {"stopper": "asha", "trials": 40, "epochs": 27},
        {"stopper": "median"},
        {"stopper": "hyperband"},
        {"stopper": "asha:grace=1+patience:3"},
        {"sampler": "sobol", "stopper": "asha_stop:grace=1"},
        {"max_time": 10.25},
        {"target": 0.5},
    ],
    ids=str,
)
def test_the_same_decisions(settings: dict[str, Any], workers: int, tmp_path: Path) -> None:
    settings = SETTINGS | settings
    simulated(tmp_path, workers, **settings)
    check_agreement(tmp_path, brain(**settings))


def recorded(run_dir: Path) -> list[Record]:
    simulated(run_dir, 4, **SETTINGS)
    return list(read_journal(run_dir)[1])


def test_what_happens_at_one_time_comes_in_the_recorded_order(tmp_path: Path) -> None:
    """Real events arrive in batches that share their time."""
    records = [
        msgspec.structs.replace(record, at=float(int(record.at))) if hasattr(record, "at") else record
        for record in recorded(tmp_path)
    ]
    simulate_again(records, brain(**SETTINGS))


def test_another_seed_is_told(tmp_path: Path) -> None:
    recorded(tmp_path)
    with pytest.raises(Differs, match=r"line \d+ of the journal is Train\("):
        check_agreement(tmp_path, brain(**SETTINGS, seed=1))


def test_another_stopper_is_told(tmp_path: Path) -> None:
    recorded(tmp_path)
    with pytest.raises(Differs, match="line"):
        check_agreement(tmp_path, brain(**SETTINGS | {"stopper": "asha:grace=1,eta=2"}))


def test_durations_count_not_the_order_of_the_journal(tmp_path: Path) -> None:
    """Two reports that arrived in the other order would have been decided otherwise, and are simulated so."""
    records = recorded(tmp_path)
    places = [place for place, record in enumerate(records) if isinstance(record, TrialReported)]
    last = places[-1]
    records[last] = msgspec.structs.replace(records[last], at=0.0)
    with pytest.raises(Differs):
        simulate_again(records, brain(**SETTINGS))


def test_the_records_hold_what_is_to_be_tested(tmp_path: Path) -> None:
    simulated(tmp_path, 4, **SETTINGS | {"stopper": "asha", "trials": 40, "epochs": 27})
    kinds = {type(record) for record in read_journal(tmp_path)[1]}
    assert kinds >= {Pause, Stop, Adapt}
