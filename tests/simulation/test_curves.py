"""Files of curves: what is read, and one clear line for what is wrong."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.errors import UserError
from orchestrator.simulation.curves import Rows, read_npz
from search_spaces import Fixed, Float, Int
from tests.simulation.support import EPOCHS, ROWS, TASKS, arrays, write

NAN = np.nan


def test_what_a_file_holds(tmp_path: Path) -> None:
    curves = read_npz(write(tmp_path / "curves.npz"))
    assert curves.tasks == ["first", "second"]
    assert (curves.objective.name, curves.objective.direction, curves.epochs) == ("val_accuracy", "max", EPOCHS)
    np.testing.assert_array_equal(curves.value, arrays()["value"])
    assert curves.full_cost(1) == pytest.approx(arrays()["seconds"][1].sum(axis=1).mean())
    assert curves.best(0) == arrays()["value"][0].max()
    assert isinstance(curves.rows, Rows)
    assert dict(curves.rows.space) == {"learning_rate": Float(1e-4, 1e-1, "log"), "layers": Int(1, 5)}
    assert curves.rows.configurations[0] == {"learning_rate": 1e-4, "layers": 1}
    assert curves.rows.units[0].tolist() == pytest.approx([0.0, 0.1])


def test_an_aborted_curve_costs_nothing_from_its_first_nan_second_on(tmp_path: Path) -> None:
    seconds = np.ones((TASKS, ROWS, EPOCHS))
    seconds[0, 0] = [2, NAN, 5, NAN]
    curves = read_npz(write(tmp_path / "curves.npz", seconds=seconds))
    assert curves.seconds[0, 0].tolist() == [2, 0, 0, 0]
    assert curves.full_cost(0) == (2 + 4 * EPOCHS) / ROWS


def test_without_seconds_an_epoch_is_a_unit(tmp_path: Path) -> None:
    value = arrays()["value"]
    value[0, 0, 1:] = NAN
    curves = read_npz(write(tmp_path / "curves.npz", seconds=None, value=value))
    assert curves.full_cost(0) == EPOCHS, "also of what diverged"


def test_without_a_space_the_ranges_of_the_columns_are_one(tmp_path: Path) -> None:
    without = dict.fromkeys(("hp_low", "hp_high", "hp_scale", "hp_integer"))
    hp = arrays()["hp"]
    hp[:, 1] = 7
    rows = read_npz(write(tmp_path / "curves.npz", **without, hp=hp)).rows
    assert isinstance(rows, Rows)
    assert dict(rows.space) == {"learning_rate": Float(1e-4, 1e-1), "layers": Fixed(7.0)}


def test_a_space_that_makes_no_sense_matters_to_samplers_only(tmp_path: Path) -> None:
    curves = read_npz(write(tmp_path / "curves.npz", hp_names=np.array(["learning-rate", "layers"])))
    assert isinstance(curves.rows, str) and "learning-rate" in curves.rows


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"value": None, "metric": None}, "no array called value, metric"),
    ({"value": np.zeros((TASKS, ROWS))}, r"value has shape \(2, 5\): it needs 3 dimensions"),
    ({"value": np.zeros((TASKS, ROWS + 1, EPOCHS))}, r"value has shape \(2, 6, 4\): with 2 tasks and 5 rows of hp"),
    ({"value": np.zeros((TASKS, ROWS, 0))}, "none of them 0"),
    ({"value": np.full((TASKS, ROWS, EPOCHS), "a")}, "value is of type <U1: it must be numbers"),
    ({"value": np.full((TASKS, ROWS, EPOCHS), NAN)}, "value holds no number at all for task first"),
    ({"value": np.array([[[1]], [[None]]])}, "plain arrays"),
    ({"seconds": np.ones((TASKS, ROWS, 1))}, r"seconds has shape \(2, 5, 1\) and value \(2, 5, 4\)"),
    ({"seconds": -np.ones((TASKS, ROWS, EPOCHS))}, "below 0"),
    ({"seconds": np.full((TASKS, ROWS, EPOCHS), np.inf)}, "infinite"),
    ({"seconds": np.full((TASKS, ROWS, EPOCHS), NAN)}, "no first epoch of task first takes any time"),
    ({"direction": np.array("up")}, "direction is 'up': it must be max or min"),
    ({"task": np.array(["a", "a"])}, "task names a task twice"),
    ({"hp_names": np.array(["a"])}, "hp has 2 columns and hp_names 1 names"),
    ({"hp_low": np.zeros(3)}, r"hp_low has shape \(3,\): it must be \(2,\)"),
]


@pytest.mark.parametrize(("changes", "words"), MISTAKES, ids=lambda part: part if isinstance(part, str) else "")
def test_one_clear_line(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    path = write(tmp_path / "curves.npz", **changes)
    with pytest.raises(UserError, match=words) as told:
        read_npz(path)
    assert str(told.value).startswith(f"{path}: ") and "\n" not in str(told.value)


def test_no_file_no_archive_half_an_archive(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No such file"):
        read_npz(tmp_path / "nowhere.npz")
    path = tmp_path / "text.npz"
    path.write_text("epoch,value\n1,0.5\n")
    with pytest.raises(UserError, match=r"not an \.npz file"):
        read_npz(path)
    whole = write(path).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"a damaged \.npz file"):
        read_npz(path)


def test_the_nearest_task_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no task 'frist'; did you mean 'first'\? \(tasks: first, second\)"):
        read_npz(write(tmp_path / "curves.npz")).task_number("frist")


def test_texts_may_be_bytes(tmp_path: Path) -> None:
    curves = read_npz(write(tmp_path / "curves.npz", direction=np.array(b"min"), task=np.array([b"first", b"second"])))
    assert curves.objective.direction == "min" and curves.tasks == ["first", "second"]
