"""The replay and its figures, on three rows that can be followed by hand."""

from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.search import ours, tasks
from benchmarks.search.cache import Cache
from benchmarks.search.evidence import Evidence, Plan, gather, geometric_mean
from benchmarks.search.measures import GRID, regret_over_time, worth
from benchmarks.search.methods import NO_STOPPING, Method, runs_of
from benchmarks.search.page import page
from benchmarks.search.replay import Run, replay, rows_in_order
from benchmarks.search.tasks import CurveFile, Task, read_curves, without_first_epoch
from orchestrator.simulation.curves import read_npz
from orchestrator.simulation.replay import Choices
from orchestrator.simulation.replay import replay as simulate

VALUE = [[1.0, 2.0, 3.0], [2.0, 2.0, 5.0], [4.0, nan, nan]]
SECONDS = [[1.0, 1.0, 1.0], [2.0, 2.0, 2.0], [3.0, nan, nan]]
SEED = 5
"""Whose order is 1, 2, 0, then 0, 2, 1."""


@pytest.fixture
def file(tmp_path: Path) -> CurveFile:
    return curves(tmp_path)


def curves(folder: Path, names: tuple[str, ...] = ("a",), **changes: Any) -> CurveFile:
    arrays: dict[str, Any] = {
        "task": np.array(names),
        "metric": np.array("accuracy"),
        "direction": np.array("max"),
        "hp_names": np.array(["x"]),
        "hp": np.array([[0.0], [1.0], [2.0]]),
        "value": np.array([VALUE] * len(names)),
        "seconds": np.array([SECONDS] * len(names)),
    }
    np.savez(folder / "made_up.npz", allow_pickle=False, **arrays | changes)
    return read_curves(folder / "made_up.npz")


class StopBelow:
    """Stops what is below 2 after its first epoch."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int, int]] = []

    def begin(self, trial: int) -> None:
        self.told.append(("begin", trial, 0))

    def goes_on(self, trial: int, epoch: int, value: float) -> bool:
        self.told.append(("asked", trial, epoch))
        return not value < 2

    def complete(self, trial: int, epoch: int, value: float) -> None:
        self.told.append(("complete", trial, epoch))


def test_a_file_by_hand(file: CurveFile) -> None:
    (task,) = file.tasks
    assert task.elapsed.tolist() == [[0, 1, 2, 3], [0, 2, 4, 6], [0, 3, 3, 3]]
    assert task.score.tolist() == [[1, 2, 3], [2, 2, 5], [4, 4, 4]]
    assert (task.best, task.scale, task.budget(2)) == (5, 1, 200)
    assert file.reported == file.tasks and file.chosen_on == ()


def test_smaller_is_better_and_nan_counts_as_nothing(tmp_path: Path) -> None:
    worse = np.array([[[3.0, 1.0, 2.0], [nan, 0.0, 0.0], [2.0, 2.0, 2.0]]])
    (task,) = curves(tmp_path, direction=np.array("min"), value=worse).tasks
    assert task.score.tolist() == [[-3, -1, -1], [-inf, -inf, -inf], [-2, -2, -2]]
    assert (task.best, task.scale) == (-1, 0.5)


def test_choices_are_made_on_every_other_task(tmp_path: Path) -> None:
    file = curves(tmp_path, ("a", "b", "c"))
    assert [task.name for task in file.chosen_on] == ["a", "c"] and [task.name for task in file.reported] == ["b"]


def test_without_the_first_epoch(file: CurveFile, tmp_path: Path) -> None:
    shorter = without_first_epoch(file, tmp_path)
    assert shorter.name == "made_up without epoch 1" and shorter.digest != file.digest
    assert shorter.tasks[0].elapsed.tolist() == [[0, 1, 2], [0, 2, 4], [0, 0, 0]]


def test_rows_come_in_passes() -> None:
    order = rows_in_order(SEED, 3)
    assert [next(order) for _ in range(6)] == [1, 2, 0, 0, 2, 1]


def test_a_replay_by_hand(file: CurveFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows 1 and 2 begin. Row 2 is NaN after its first epoch, at 3, goes on at no cost and is through; row 0 follows,
    stops at 4, begins again and stops at 5; row 2, then begun, is cut. Row 1 is through at 6, and what follows is cut.
    """
    monkeypatch.setattr(tasks, "TRAININGS", 3.5)
    rule, (task,) = StopBelow(), file.tasks
    assert task.budget(2) == 7
    run = replay(task, rule, SEED, 2)
    assert run.trace == [(2, 1, 1, 2), (3, 2, 1, 4), (6, 1, 3, 5)]
    assert (run.begun, run.completed, run.contender) == (6, 2, 1)
    assert run.epochs == 3 + 3 + 1 + 1
    assert [told for told in rule.told if told[0] == "complete"] == [("complete", 1, 3), ("complete", 0, 3)]


def test_an_epoch_that_ends_on_the_budget_counts(file: CurveFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "TRAININGS", 1.5)
    (run,) = [NO_STOPPING.run(task, 1, SEED, 0.0) for task in file.tasks]
    assert file.tasks[0].budget(1) == 6
    assert run.trace[-1] == (6, 1, 3, 5) and run.completed == 1


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("stopper", ["none", "asha:grace=1", "median"])
def test_ours_is_what_simulate_does(file: CurveFile, stopper: str, workers: int) -> None:
    run = ours.run(file.tasks[0], stopper, SEED, workers)
    simulated = simulate(read_npz(file.path), 0, SEED, Choices(stopper=stopper, workers=workers))
    assert run.trace == simulated.trace
    assert (run.begun, run.epochs, run.completed) == (simulated.started, simulated.epochs, simulated.completed)


@pytest.mark.parametrize("workers", [1, 3])
def test_our_none_is_no_stopping(file: CurveFile, workers: int) -> None:
    """But for epochs that are NaN, which ours does not report."""
    none, run = NO_STOPPING.run(file.tasks[0], workers, SEED, 0.0), ours.run(file.tasks[0], "none", SEED, workers)
    assert (run.trace, run.begun, run.contender) == (none.trace, none.begun, none.contender)


def test_going_on_can_cost(file: CurveFile) -> None:
    free, dear = (ours.run(file.tasks[0], "asha:grace=1,eta=2", SEED, 1, resume) for resume in (0.0, 2.0))
    assert dear.epochs < free.epochs


def run_of(*trace: tuple[float, int, int, float], contender: int | None = None) -> Run:
    return Run(0, list(trace), contender, begun=3, epochs=3, completed=1)


@pytest.mark.parametrize(
    ("trace", "contender", "speed_up", "regret", "lost"),
    [
        ([(1, 0, 1, 1.0), (2, 2, 1, 4.0)], None, 4.0, 1.0, False),
        ([(4, 1, 3, 5.0)], 1, 2.0, 0.0, False),
        ([(1, 0, 3, 3.0)], 1, 0.0, 2.0, True),
        ([(1, 0, 3, 3.0)], 0, 0.0, 2.0, False),
        ([], None, 0.0, 10.0, False),
    ],
    ids=["as good, sooner", "better", "worse, and the best was given up", "worse, but never met better", "nothing"],
)
def test_worth(file: CurveFile, trace: Any, contender: int | None, speed_up: float, regret: float, lost: bool) -> None:
    none = run_of((1, 0, 1, 1.0), (8, 2, 1, 4.0))
    found = worth(file.tasks[0], run_of(*trace, contender=contender), none)
    assert (found.speed_up, found.regret, found.lost) == (speed_up, regret, lost)


def test_regret_over_time(file: CurveFile) -> None:
    """The budget is 400: nothing is known before 100, 3 until 200, the best from there on."""
    line = regret_over_time(file.tasks[0], 1, run_of((100, 0, 3, 3.0), (200, 1, 3, 5.0)))
    expected = [10.0 if share * 400 < 100 else 2.0 if share * 400 < 200 else 0.0 for share in GRID]
    assert line.tolist() == expected


def test_a_rerun_does_what_is_new(tmp_path: Path) -> None:
    made: list[tuple[str, int]] = []

    def make(task: str, seed: int) -> Run:
        made.append((task, seed))
        return Run(seed, [(1.0, 2, 3, 0.5 + seed)], None, 1, 1, 0)

    cache, key = Cache(tmp_path), ("asha", "made up", "4", "0")
    first = cache.runs(key, [("a", 0), ("a", 1)], make)
    (path,) = tmp_path.glob("asha-made-up-4-*.jsonl")
    path.write_bytes(path.read_bytes() + b'["a", {"seed":')  # cut short
    again = cache.runs(key, [("a", 0), ("b", 0)], make)
    assert made == [("a", 0), ("a", 1), ("b", 0)] and again[0] == first[0]
    assert cache.runs(key, [("b", 0)], make) == again[1:]
    assert len(made) == 3
    assert cache.runs(("median", *key[1:]), [("b", 0)], make) and len(made) == 4


def test_files_of_few_tasks_get_more_seeds(file: CurveFile) -> None:
    runs = runs_of(Cache(None), NO_STOPPING, file, file.reported, 2, seeds=2)
    assert [run.seed for _, run in runs] == list(range(12))


def test_geometric_mean_of_what_was_never_reached() -> None:
    assert geometric_mean([4.0, 1.0]) == pytest.approx(2.0)
    assert geometric_mean([10.0, 0.0]) == pytest.approx(1.0)


def test_the_page_names_winners_and_losses(file: CurveFile) -> None:
    evidence = gather(_plan(file), Cache(None), lambda line: None)
    text = page(evidence, "no samplers", "a command", "some versions")
    assert "stops trials with `asha:grace=1`" in text and "$" not in text
    assert "| made_up | 2 |" in text and "(peer)" in text
    assert text.count("made_up (2) workers") >= 1


def _plan(file: CurveFile) -> Plan:
    def run(task: Task, workers: int, seed: int, resume: float) -> Run:
        return ours.run(task, "asha:grace=1", seed, workers, resume)

    methods = [
        Method("asha:grace=1", "ours", "", run, pauses=True),
        Method("peer", "peer", "", NO_STOPPING.run, compared=True),
    ]
    return Plan([file], methods, [2], 1, (1.0,), (2,), lambda file: file.reported)


def test_evidence_of_no_stopping_beside_itself(file: CurveFile) -> None:
    evidence: Evidence = gather(_plan(file), Cache(None), lambda line: None)
    (cell,) = [cell for key, cell in evidence.cells.items() if key[2] == "peer"]
    assert (cell.speed_up, cell.quartiles, cell.never, cell.runs) == (1.0, (1.0, 1.0), 0.0, 6)
    assert cell.regret == evidence.none["made_up", 2].regret
