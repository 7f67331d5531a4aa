"""`simulate` as typed."""

import json
import sys
from pathlib import Path

import pytest

from orchestrator import cli
from tests.simulation.support import write

KEYS = "task seed stopper workers started stopped completed epochs cost makespan busy trace"


def test_json_is_an_object_for_each_task_and_seed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "curves.npz")
    assert cli.main(f"simulate --curves {path} --seeds 2 --seed 5 --trainings 3 --stopper none --json".split()) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["task"], row["seed"]) for row in rows] == [("first", 5), ("first", 6), ("second", 5), ("second", 6)]
    assert all(" ".join(row) == KEYS and row["stopper"] == "none" for row in rows)
    assert all(len(step) == 4 for step in rows[0]["trace"])


def test_the_table_has_a_row_for_each_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "curves.npz")
    assert cli.main(["simulate", "--curves", str(path), "--seeds", "3", "--trainings", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["task", "first", "second"]
    assert lines[0].split()[1:3] == ["best", "regret"]


def test_one_line_and_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path / "curves.npz")
    for arguments in (["--curves", str(tmp_path / "no.npz")], ["--curves", str(path), "--task", "frist"]):
        assert cli.main(["simulate", *arguments]) == 2
        captured = capsys.readouterr()
        assert captured.out == "" and len(captured.err.splitlines()) == 1 and captured.err.startswith("error: ")


def test_a_picture_of_regret(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("plotly")
    path, plot = write(tmp_path / "curves.npz"), tmp_path / "regret.html"
    assert cli.main(["simulate", "--curves", str(path), "--trainings", "3", "--plot", str(plot)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"Regret over time: {plot}"
    assert all(task in plot.read_text(encoding="utf-8") for task in ("first", "second"))


def test_without_plotly_it_says_so_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    assert cli.main(["simulate", "--curves", str(tmp_path / "no.npz"), "--plot", "a.html"]) == 2
    assert capsys.readouterr().err == "error: --plot needs plotly: pip install plotly, or leave --plot out\n"
