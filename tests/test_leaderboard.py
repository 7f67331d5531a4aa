import csv
import io
import json
import math

import pandas as pd
import pytest

from orchestrator import tables
from orchestrator.errors import UserError
from orchestrator.journal import FILE
from orchestrator.leaderboard import RESERVED, format_table, leaderboard, read_leaderboard, read_state, write_csv
from orchestrator.samplers import Sampler
from tests.scheduler.support import Brain, begun, completed, diverged, failed, joined, lost, reported, started
from tests.simulated_runs import SPACE, simulated

NAN = float("nan")


class Given(Sampler):
    """A sampler of given configurations."""

    def __init__(self, *configurations):
        super().__init__(SPACE, seed=0)
        self.configurations = configurations

    def configuration(self, trial):
        return self.configurations[trial]


def brain_with(*configurations, workers=None, **settings):
    brain = Brain("none", trials=len(configurations), epochs=3, **settings)
    brain.sampler = Given(*configurations)
    brain.tell(started(), [joined(worker) for worker in range(workers or len(configurations))])
    return brain


def frame_of(brain, names=("number",)):
    return leaderboard(brain.state, names)


def column(frame, name):
    return [None if pd.isna(value) else value for value in frame[name]]


# Rows.


def test_every_trial_has_its_row_and_those_with_a_score_rank_together():
    brain = begun("none", workers=6, trials=6, epochs=3)
    brain.tell(
        [reported(0, 1, 0.5, at=1), reported(0, 2, 0.7, at=2), reported(0, 3, 0.6, at=3), completed(0, at=3)],
        [reported(1, 1, 0.9, at=4), diverged(1, 2, at=4)],
        [reported(2, 1, 0.8, at=5), failed(2, at=5)],
        [reported(3, 1, 0.7, at=6)],
        [reported(4, 1, NAN, at=7)],
    )
    frame = frame_of(brain)
    assert column(frame, "trial") == [0, 3, 4, 5, 1, 2]
    assert column(frame, "rank") == [1, 2, None, None, None, None]
    assert column(frame, "status") == ["completed", "running", "running", "running", "diverged", "failed"]
    assert column(frame, "score") == [0.7, 0.7, None, None, None, None]
    assert column(frame, "epoch") == [2, 1, None, None, None, None]
    assert column(frame, "epochs") == [3, 1, 1, 0, 1, 1]
    assert column(frame, "seconds") == [3, 1, 1, 0, 1, 1]
    assert column(frame, "worker") == [0, 3, 4, 5, 1, 2]
    assert column(frame, "val") == [0.7, 0.7, None, None, None, None]
    assert column(frame, "reason")[4:] == ["loss became nan", "ValueError: no luck in trial 2"]
    assert all(column(frame, "reason"))


def test_the_score_is_shown_as_reported_where_less_is_better():
    brain = begun("none", workers=3, trials=3, epochs=3, direction="min")
    brain.tell(reported(0, 1, 0.5), reported(1, 1, -2.0), reported(2, 1, 0.25), reported(2, 2, 3.0))
    frame = frame_of(brain)
    assert column(frame, "trial") == [1, 2, 0]
    assert column(frame, "score") == column(frame, "val") == [-2.0, 0.25, 0.5]
    assert column(frame, "epoch") == [1, 1, 1]


def test_epochs_trained_twice_count_once():
    brain = begun("none", workers=2, trials=2, epochs=3)
    brain.tell([reported(0, 1, 0.5, at=1), reported(0, 2, 0.9, at=2), lost(0, at=2), joined(2, at=3)])
    assert column(frame_of(brain), "status") == ["running", "running"]
    brain.tell(reported(0, 1, 0.6, attempt=2, at=4))
    (row,) = frame_of(brain).head(1).to_dict("records")
    assert (row["score"], row["epoch"], row["epochs"], row["seconds"], row["worker"]) == (0.6, 1, 1, 1.0, 2)


def test_a_whole_run_is_ordered_like_its_ranking():
    state = simulated(trials=60, epochs=9).state
    frame = leaderboard(state, SPACE)
    ranked = frame[frame["rank"].notna()]
    assert list(ranked["trial"]) == [number for _, number in state.ranking]
    assert list(ranked["rank"]) == list(range(1, len(ranked) + 1))
    assert list(ranked["score"]) == sorted(ranked["score"], reverse=True)
    assert set(frame["status"]) == {"completed", "stopped", "diverged"}
    assert list(frame["status"][len(ranked) :]) == ["diverged"] * (60 - len(ranked))


def test_a_run_without_trials_has_columns_and_no_rows():
    frame = leaderboard(Brain().state, ["rate"])
    assert list(frame) == [*RESERVED, "rate"] and frame.empty
    for layout in ("table", "csv", "json", "markdown"):
        assert "rate" in format_table(frame, layout, width=200) or layout == "json"
    assert json.loads(format_table(frame, "json")) == []


# Columns.


def test_columns_come_in_order():
    frame = leaderboard(simulated(trials=4, epochs=3).state, SPACE)
    assert list(frame) == [*RESERVED, *SPACE, "loss", "val_accuracy"]
    assert RESERVED == ("rank", "trial", "status", "reason", "score", "epoch", "epochs", "seconds", "worker")


def test_every_column_has_a_type_and_inactive_hyperparameters_are_empty():
    brain = brain_with(
        {"number": 1, "real": 0.5, "mixed": 1, "text": "a", "flag": True, "any": "x", "none": None},
        {"number": 2, "real": 1.0, "mixed": 0.5, "text": "b", "any": 3, "sometimes": 7, "none": "l2"},
    )
    names = ["number", "real", "mixed", "text", "flag", "any", "none", "sometimes", "never"]
    types = {name: str(dtype) for name, dtype in frame_of(brain, names).dtypes.items()}
    assert types == {
        **dict.fromkeys(("rank", "trial", "epoch", "epochs", "worker", "number", "sometimes"), "Int64"),
        **dict.fromkeys(("score", "seconds", "real", "mixed"), "Float64"),
        **dict.fromkeys(("status", "reason", "text"), "string"),
        **dict.fromkeys(("any", "none", "never"), "object"),
        "flag": "boolean",
    }
    frame = frame_of(brain, names)
    assert column(frame, "flag") == [True, None]
    assert column(frame, "sometimes") == [None, 7]
    assert column(frame, "never") == [None, None]


def test_a_metric_whose_name_is_taken_gets_another():
    brain = brain_with({"lr": 1.0, "metric_loss": 2})
    brain.tell(reported(0, 1, 0.5, lr=0.1, rank=7.0, metric_rank=8.0, metric_lr=9.0, loss=3.0, metric_loss=4.0))
    frame = frame_of(brain, ["lr", "metric_loss"])
    metrics = {name: column(frame, name)[0] for name in list(frame)[len(RESERVED) + 2 :]}
    assert metrics == {
        "val": 0.5,
        "metric_metric_lr": 0.1,
        "metric_metric_rank": 7.0,
        "metric_rank": 8.0,
        "metric_lr": 9.0,
        "loss": 3.0,
        "metric_metric_loss": 4.0,
    }
    assert column(frame, "rank") == [1] and column(frame, "lr") == [1.0]


def test_metrics_are_those_of_the_best_epoch_and_may_be_missing():
    brain = begun("none", workers=2, trials=2, epochs=3)
    brain.tell(reported(0, 1, 0.9, loss=1.0), reported(0, 2, 0.1, loss=2.0, late=5.0), reported(1, 1, 0.5, other=NAN))
    frame = frame_of(brain)
    assert list(frame)[len(RESERVED) + 1 :] == ["val", "loss", "other"]
    assert column(frame, "loss") == [1.0, None]
    assert column(frame, "other") == [None, None]


def test_metrics_keep_their_places_while_ranks_change():
    brain = begun("none", workers=2, trials=2, epochs=3)
    brain.tell(reported(0, 1, 0.1, loss=1.0), reported(1, 1, 0.9, other=2.0))
    assert list(frame_of(brain))[len(RESERVED) + 1 :] == ["val", "loss", "other"]


# Files.


def test_the_journal_gives_the_same_leaderboard(tmp_path):
    run = simulated(tmp_path, trials=20, epochs=9)
    pd.testing.assert_frame_equal(read_leaderboard(tmp_path), leaderboard(run.state, SPACE))
    pd.testing.assert_frame_equal(read_leaderboard(str(tmp_path)), leaderboard(run.state, SPACE))


def test_the_journal_can_be_read_while_it_is_written(tmp_path):
    simulated(tmp_path, trials=20, epochs=9)
    lines = (tmp_path / FILE).read_bytes().splitlines(keepends=True)
    (tmp_path / FILE).write_bytes(b"".join(lines[: len(lines) // 2]) + lines[len(lines) // 2][:20])
    frame = read_leaderboard(tmp_path)
    assert 0 < len(frame) <= 20
    assert "running" in set(frame["status"])


def test_a_record_that_cannot_follow_is_damage_and_names_the_line(tmp_path):
    simulated(tmp_path, trials=2, epochs=3)
    lines = (tmp_path / FILE).read_bytes().splitlines(keepends=True)
    (tmp_path / FILE).write_bytes(b"".join([*lines, lines[-1]]))
    with pytest.raises(UserError, match=rf"journal.jsonl, line {len(lines) + 1}: .* after the run was finished"):
        read_state(tmp_path)


def test_a_directory_that_is_none_of_a_run_is_told(tmp_path):
    with pytest.raises(UserError, match="no run directory"):
        read_leaderboard(tmp_path)


def test_csv_keeps_full_precision(tmp_path):
    frame = leaderboard(simulated(trials=12, epochs=9).state, SPACE)
    path = tmp_path / "leaderboard.csv"
    path.write_text("an older one")
    write_csv(frame, path)
    assert path.read_text() == format_table(frame, "csv") + "\n"
    assert [file.name for file in tmp_path.iterdir()] == ["leaderboard.csv"]
    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert [row["reason"] for row in rows] == list(frame["reason"])
    for name in ("score", "learning_rate", "momentum", "loss"):
        assert [float(row[name]) if row[name] else None for row in rows] == column(frame, name)


EVIL = ["=cmd()|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "a\r=1", "\uff1d1", "<script>", "\x1b[2J"]


def test_no_cell_of_a_csv_is_run_by_a_spreadsheet_and_numbers_stay_numbers(tmp_path):
    brain = brain_with(*({"text": text, "number": -place, "real": -0.1 * place} for place, text in enumerate(EVIL)))
    brain.tell(reported(trial, 1, -0.5 * trial, **{"=cmd()": -1.5, "a\x1bb": 2.0}) for trial in range(len(EVIL)))
    brain.tell(failed(0, at=1))
    frame = frame_of(brain, ["text", "number", "real"])
    write_csv(frame, tmp_path / "leaderboard.csv")
    text = (tmp_path / "leaderboard.csv").read_bytes().decode()
    assert text == format_table(frame, "csv") + "\n" and "\x1b" not in text and "\r" not in text
    rows = list(csv.reader(io.StringIO(text)))
    assert len(rows) == 1 + len(EVIL)
    assert "'=cmd()" in rows[0] and "=cmd()" not in rows[0] and r"a\x1bb" in rows[0]
    for cell in (cell for row in rows for cell in row):
        assert not cell.startswith(tables.FORMULA) or float(cell) <= 0, cell

    written = pd.read_csv(tmp_path / "leaderboard.csv")
    for name in ("rank", "trial", "score", "number", "real", "val"):
        assert column(written, name) == column(frame, name), name
    assert column(written, "'=cmd()") == column(frame, "=cmd()")
    assert set(column(written, "text")) >= {"'-2+3", "'@SUM(A1)", "<script>", r"a\r=1"}


def test_integers_of_any_size_have_a_row():
    brain = brain_with({"wide": 10**30}, {"wide": 1})
    assert column(frame_of(brain, ["wide"]), "wide") == [10**30, 1]


def test_a_csv_that_cannot_be_written_leaves_the_older_one(tmp_path):
    frame = leaderboard(Brain().state, ["rate"])
    path = tmp_path / "leaderboard.csv"
    path.write_text("an older one")
    (tmp_path / "leaderboard.csv.new").mkdir()
    with pytest.raises(OSError):
        write_csv(frame, path)
    assert path.read_text() == "an older one"


# Text.


@pytest.mark.parametrize("width", [60, 80, 100, 120, 160, 200])
def test_a_table_fits_and_names_what_it_leaves_out(width):
    frame = leaderboard(simulated(trials=30, epochs=9).state, SPACE)
    text = format_table(frame, "table", 5, width)
    assert max(map(len, text.splitlines())) <= width
    assert "… and 25 more" in text
    header = " ".join(text.splitlines()[:2])
    hidden = text.partition("Not shown, but in --format csv: ")[2].rstrip("…")
    assert all(name.split("_")[0] in header for name in ("rank", "trial", "status", "score", "epoch", "epochs"))
    for name in frame:
        assert name.split("_")[0] in header or name in hidden or len(hidden) > width - 40, name


def test_a_table_of_any_width_shows_everything():
    frame = leaderboard(simulated(trials=5, epochs=9).state, SPACE)
    text = format_table(frame)
    assert "Not shown" not in text and "more" not in text
    assert all(reason in text for reason in frame["reason"])
    assert len(text.splitlines()) == 2 + 5  # learning_rate breaks the header


def test_cells_are_on_one_line_in_a_table_and_in_markdown():
    brain = brain_with({"text": "a|b\nc", "flag": True})
    frame = frame_of(brain, ["text", "flag"])
    assert "a|b c" in format_table(frame)
    assert r" | a\|b c | True " in format_table(frame, "markdown")
    assert len(format_table(frame, "markdown").splitlines()) == 3


@pytest.mark.parametrize("layout", ["table", "csv", "json", "markdown"])
@pytest.mark.parametrize("text", ["\x1b[2J", "\x9b2J", "a\x07b", "\x7f", "\u202eabc", "\x00"])
def test_nothing_shown_drives_a_terminal(layout, text):
    brain = brain_with({"text": text})
    brain.tell(reported(0, 1, 0.5, **{f"name{text}": 1.0}))
    shown = format_table(frame_of(brain, ["text"]), layout, width=200)
    assert tables.OBEYED.sub("", shown.replace("\n", "")) == shown.replace("\n", "")
    assert shown.encode()
    if layout == "json":
        assert json.loads(shown)[0]["text"] == text
        assert json.loads(shown)[0][f"name{text}"] == 1.0


def test_what_no_file_can_hold_is_shown_too():
    assert tables.one_line("a\udcff\n b") == r"a\udcff b"
    assert tables.for_spreadsheet("=\udcff") == r"'=\udcff"
    assert tables.as_json({"a": ["\udcff"]}).encode()


def test_markdown_shows_html_as_text():
    brain = brain_with({"text": "<script>alert(1)</script> & | x"})
    brain.tell(reported(0, 1, 0.5, **{"<img src=x>": 1.0}))
    shown = format_table(frame_of(brain, ["text"]), "markdown")
    assert r"&lt;script&gt;alert(1)&lt;/script&gt; &amp; \| x" in shown
    assert "&lt;img src=x&gt;" in shown and "<" not in shown


def test_json_has_null_for_what_is_missing():
    brain = begun("none", workers=2, trials=2, epochs=3)
    brain.tell(reported(0, 1, 0.1234567890123, big=math.inf, other=NAN))
    first, second = json.loads(format_table(frame_of(brain), "json"))
    assert first["score"] == 0.1234567890123
    assert (first["big"], first["other"], first["number"], first["status"]) == ("inf", None, 0, "running")
    assert second["rank"] is second["score"] is second["val"] is None


def test_plain_values_are_what_json_can_have():
    assert tables.plain({"a": [NAN, math.inf, (1, -math.inf)], "b": None}) == {
        "a": [None, "inf", [1, "-inf"]],
        "b": None,
    }


def test_top_cuts_every_layout():
    frame = leaderboard(simulated(trials=9, epochs=3).state, SPACE)
    assert len(json.loads(format_table(frame, "json", 2))) == 2
    assert len(format_table(frame, "csv", 2).splitlines()) == 1 + 2
    assert len(format_table(frame, "markdown", 2).splitlines()) == 2 + 2
    assert format_table(frame, "table", 99, 80) == format_table(frame, "table", None, 80)
