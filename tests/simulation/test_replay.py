"""Runs on recorded curves, beside what can be worked out by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.assignment import Configuration
from orchestrator.errors import UserError
from orchestrator.journal import read_journal
from orchestrator.samplers import Exhausted, Sampler, make_sampler
from orchestrator.simulation.command import read_curves
from orchestrator.simulation.curves import Curves, Rows, read_npz
from orchestrator.simulation.replay import Choices, Replay, replay
from orchestrator.simulation.rows import ROW, NearestRow, RowOrder
from tests.scheduler.support import whole
from tests.simulated_runs import SPACE, simulated
from tests.simulation.support import EPOCHS, ROWS, arrays, write

NAN = np.nan


def curves_of(tmp_path: Path, **changes: Any) -> Curves:
    return read_npz(write(tmp_path / "curves.npz", **changes))


def by_hand(arrays: dict[str, Any], seed: int, budget: float) -> dict[str, Any]:
    """One worker that never stops a trial, over the rows in the agreed order."""
    value, seconds = arrays["value"][0], arrays["seconds"][0]
    generator = np.random.default_rng(seed)
    now, best = 0.0, -np.inf
    found: dict[str, Any] = {"started": 0, "completed": 0, "epochs": 0, "trace": []}
    while True:
        for row in generator.permutation(len(value)):
            found["started"] += 1
            for epoch in range(value.shape[1]):
                now += seconds[row, epoch]
                if now > budget:
                    return found
                found["epochs"] += 1
                if value[row, epoch] > best:
                    best = value[row, epoch]
                    found["trace"].append((now, int(row), epoch + 1, best))
            found["completed"] += 1


@pytest.mark.parametrize("trainings", [0.9, 3.0, 12.0])
@pytest.mark.parametrize("seed", [0, 7])
def test_no_stopping_is_what_it_is_by_hand(trainings: float, seed: int, tmp_path: Path) -> None:
    curves = curves_of(tmp_path)
    found = replay(curves, 0, seed, Choices(stopper="none", trainings=trainings))
    budget = trainings * arrays()["seconds"][0].sum(axis=1).mean()
    hand = by_hand(arrays(), seed, budget)
    assert found.makespan == found.cost == pytest.approx(budget)
    assert (found.started, found.completed, found.epochs) == (hand["started"], hand["completed"], hand["epochs"])
    assert (found.stopped, found.busy) == (0, 1.0)
    np.testing.assert_allclose(found.trace, hand["trace"])


def unit(tmp_path: Path, **choices: Any) -> Replay:
    """An epoch takes a second, a training four."""
    return replay(curves_of(tmp_path, seconds=None), 0, 0, Choices(**{"stopper": "none", "trainings": 1, **choices}))


def test_an_epoch_that_ends_on_the_budget_counts(tmp_path: Path) -> None:
    found = unit(tmp_path)
    assert (found.started, found.completed, found.epochs, found.makespan) == (1, 1, EPOCHS, 4.0)


def test_workers_share_the_budget(tmp_path: Path) -> None:
    found = unit(tmp_path, workers=2, trainings=4)
    assert (found.makespan, found.cost, found.completed, found.busy) == (8.0, 16.0, 4, 1.0)


def test_a_start_costs_what_is_given(tmp_path: Path) -> None:
    found = unit(tmp_path, trainings=5, start_cost=6.0)
    assert (found.completed, found.epochs) == (2, 2 * EPOCHS), "a start and four epochs are ten seconds"
    assert found.trace[0][0] == 7.0


def test_a_resume_costs_what_is_given(tmp_path: Path) -> None:
    choices = {"stopper": "asha:grace=1,eta=2", "trainings": 10}
    free, dear = unit(tmp_path, **choices), unit(tmp_path, **choices, resume_cost=3.0)
    assert free.cost == dear.cost == 40.0
    assert dear.epochs < free.epochs
    assert dear.stopped == 0 and dear.started > dear.completed, "what is not through when the budget ends could go on"


def test_a_diverged_epoch_costs_its_time_and_is_not_reported(tmp_path: Path) -> None:
    value = np.full((2, ROWS, EPOCHS), 0.5)
    value[0, :, 1:] = NAN
    found = replay(curves_of(tmp_path, seconds=None, value=value), 0, 0, Choices(stopper="none", trainings=2.5))
    assert (found.started, found.epochs, found.completed, found.stopped) == (5, 5, 0, 0)
    assert (found.makespan, found.cost) == (10.0, 10.0)
    assert len(found.trace) == 1


def test_smaller_is_better(tmp_path: Path) -> None:
    values = [value for *_, value in unit_min(tmp_path).trace]
    assert values == sorted(values, reverse=True) and values[-1] == arrays()["value"][0].min()


def unit_min(tmp_path: Path) -> Replay:
    return replay(curves_of(tmp_path, direction=np.array("min")), 0, 0, Choices(stopper="none", trainings=8))


def test_further_passes_are_by_the_same_generator() -> None:
    sampler, generator = RowOrder(4, seed=5), np.random.default_rng(5)
    order = [row for _ in range(3) for row in generator.permutation(4).tolist()]
    assert [sampler.configuration(trial)[ROW] for trial in range(12)] == order


class Given(Sampler):
    def __init__(self, rows: Rows, *configurations: Configuration) -> None:
        super().__init__(rows.space, 0)
        self.given = configurations
        self.told: list[Any] = []

    def configuration(self, trial: int) -> Configuration:
        if trial >= len(self.given):
            raise Exhausted("no more")
        return self.given[trial]

    def begun(self, trial: int, configuration: Configuration) -> None:
        self.told.append((trial, configuration))


def test_the_nearest_row_that_was_not_used_stands_for_a_draw(tmp_path: Path) -> None:
    rows = curves_of(tmp_path).rows
    assert isinstance(rows, Rows)
    near_last = {"learning_rate": 0.09, "layers": 5}
    given = Given(rows, *[near_last] * (ROWS + 1))
    sampler = NearestRow(given, rows)
    drawn = [sampler.configuration(trial) for trial in range(ROWS + 1)]
    assert [configuration[ROW] for configuration in drawn] == [4, 3, 2, 1, 0, 4], "all of them, then again"
    sampler.begun(0, drawn[0])
    assert given.told == [(0, {"learning_rate": pytest.approx(0.1), "layers": 5})], "what was trained, not drawn"


@pytest.mark.parametrize("sampler", ["random", "sobol", "grid:points=3", "zoom", "staged"])
def test_samplers_draw_in_the_space_of_the_file(sampler: str, tmp_path: Path) -> None:
    found = replay(curves_of(tmp_path), 0, 0, Choices(sampler=sampler, stopper="none", trainings=ROWS))
    assert {row for _, row, _, _ in found.trace} <= set(range(ROWS)) and found.completed >= ROWS - 1


def test_what_makes_no_sense_is_told(tmp_path: Path) -> None:
    curves = curves_of(tmp_path)
    with pytest.raises(UserError, match=r"stopper is 'asa': use one of .*did you mean 'asha'"):
        replay(curves, 0, 0, Choices(stopper="asa"))
    with pytest.raises(UserError, match=r"sampler is 'rondom': use one of .*did you mean 'random'"):
        replay(curves, 0, 0, Choices(sampler="rondom"))
    with pytest.raises(UserError, match="no space to search in: hp holds NaN"):
        replay(curves_of(tmp_path, hp=np.full((ROWS, 2), NAN)), 0, 0, Choices(sampler="random"))
    with pytest.raises(UserError) as told:
        Choices(workers=0, trainings=NAN, start_cost=-1, resume_cost=np.inf)
    assert [line.split()[0] for line in str(told.value).splitlines()] == [
        *("workers", "trainings", "start-cost", "resume-cost")
    ]


@pytest.mark.parametrize("name", ["random", "sobol", "grid", "zoom", "staged"])
def test_no_sampler_draws_the_same_point_again_because_a_row_stood_for_it(name: str, tmp_path: Path) -> None:
    rows = curves_of(tmp_path).rows
    assert isinstance(rows, Rows)
    sampler = make_sampler(name, rows.space, 0)
    near = NearestRow(sampler, rows)
    drawn = []
    for trial in range(ROWS):
        drawn.append(sampler.configuration(trial))
        near.begun(trial, near.configuration(trial))
    assert len({repr(configuration) for configuration in drawn}) == ROWS


# The journal of a run as curves.


def test_a_run_as_curves(tmp_path: Path) -> None:
    run = simulated(tmp_path, 3, trials=12, epochs=9, stopper="asha:grace=1")
    (tmp_path / "study.json").write_text(json.dumps({"space": SPACE.to_json()}))
    curves = read_curves(tmp_path)
    told = whole(run.state.objective, read_journal(tmp_path)[1])
    reported = [trial for trial in told.trials if trial.curve]
    assert (curves.tasks, curves.epochs, curves.objective) == (["toy"], 9, run.state.objective)
    assert isinstance(curves.rows, Rows) and curves.lengths is not None
    for row, trial in enumerate(reported):
        length = curves.lengths[row]
        assert length == trial.epoch
        np.testing.assert_array_equal(
            curves.value[0, row, :length], [report.metrics["val_accuracy"] for report in trial.curve]
        )
        np.testing.assert_allclose(curves.seconds[0, row, :length].cumsum(), [report.seconds for report in trial.curve])
        assert curves.rows.configurations[row] == trial.configuration
    assert curves.resume_cost == 0.0 and curves.start_cost is not None and not curves.start_cost.any()
    assert curves.note.endswith("curves end before their training did: simulated trials end there")


def test_what_was_not_recorded_is_no_value(tmp_path: Path) -> None:
    """Zeros there would be better than every loss."""
    simulated(tmp_path, 3, trials=12, epochs=9, stopper="asha:grace=1")
    curves = read_curves(tmp_path)
    assert curves.best(0) == max(np.nanmax(values) for values in curves.value[0])
    assert np.isnan(curves.value[0]).any() and not (curves.value == 0).any()


def test_a_trial_ends_where_its_record_does(tmp_path: Path) -> None:
    simulated(tmp_path, 3, trials=12, epochs=9, stopper="asha:grace=1")
    curves = read_curves(tmp_path)
    assert curves.lengths is not None
    found = replay(curves, 0, 0, Choices(stopper="none", trainings=1000))
    passes = found.completed // len(curves.lengths)
    assert found.epochs == pytest.approx(passes * curves.lengths.sum(), rel=0.01)


def test_a_run_without_reports_has_no_curves(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no run directory"):
        read_curves(tmp_path)
