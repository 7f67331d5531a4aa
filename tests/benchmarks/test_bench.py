"""The side-by-side measurements, without measuring: their arithmetic, and the page made of stored results."""

import json
import re
import sys
from importlib.util import find_spec
from math import inf
from pathlib import Path
from typing import Any

import pytest

from benchmarks.bench import growth, models, startup
from benchmarks.bench.contestants import ours
from benchmarks.bench.figures import (
    Measured,
    Spread,
    best_of,
    differences,
    interval,
    mean_interval,
    measured,
    shown,
    time_to,
)
from benchmarks.bench.page import page
from benchmarks.bench.parts import Options, parts
from benchmarks.bench.rounds import Entry, Failed, Ran, in_turn, run_entry
from benchmarks.bench.searching import ASHA, NO_STOPPING, TUNE
from benchmarks.bench.sections import per_trial, ratios
from benchmarks.bench.training import OURS, PARTS, PLAIN, configurations
from benchmarks.bench.work import Notes, Outcome, Report, Work, gathered

PARTS_BY_LETTER = parts()
ABOUT = {"machine": {"cores": "2"}, "versions": {"ray": "2.60.0"}}


def figures(seconds: float = 10.0, **changes: Any) -> Measured:
    given: dict[str, Any] = {
        "trials": 20,
        "reports": 100,
        "processes": 2,
        "seconds": seconds,
        "whole": seconds + 10,
        "first_report": 9.0,
        "best": {},
        "spent": {},
    }
    return Measured(**given | changes)


def results(*rounds: dict[str, Measured]) -> dict[str, Any]:
    """As they come back from a file."""
    found = {
        "workers": 2,
        "contestants": [OURS, PLAIN],
        "rounds": [{name: one.to_json() for name, one in each.items()} for each in rounds],
    }
    restored: dict[str, Any] = json.loads(json.dumps(found))
    return restored


def searched(*seeds: dict[str, float]) -> dict[str, Any]:
    runs = [{name: figures(to_target=after).to_json() for name, after in seed.items()} for seed in seeds]
    return {"workers": 2, "rounds": [{"target": 0.9, "runs": each} for each in runs]}


def test_a_run_by_hand() -> None:
    outcome = Outcome([Report(104, 0, 0.5), Report(106, 0, 0.7), Report(108, 1, 0.6)], [107, 109], 2)
    found = measured(Ran(outcome, began=100, ended=112), target=0.7)
    assert (found.seconds, found.whole, found.first_report, found.to_target) == (5, 12, 4, 6)
    assert found.rate == 2 / 5
    assert found.best == {0: 0.7, 1: 0.6}
    assert found.waiting is None


def test_what_was_never_reported_takes_for_ever() -> None:
    reports = [Report(3, 0, 0.8), Report(2, 1, 0.9)]
    assert time_to(reports, 0.8) == 2
    assert time_to(reports, 0.95) == inf
    assert best_of(reports) == {0: 0.8, 1: 0.9}


def test_measurements_survive_their_file() -> None:
    one = figures(best={3: 0.5}, spent={"wait": 1.0, "train": 3.0}, to_target=inf)
    assert Measured.from_json(json.loads(json.dumps(one.to_json()))) == one
    assert one.waiting == 0.25


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.0123, "0.0123"), (1.234, "1.23"), (45.67, "45.7"), (1234.5, "1,234"), (inf, "never")],
)
def test_three_digits_count(value: float, text: str) -> None:
    assert shown(value) == text


def test_a_spread_is_the_median_with_the_extremes() -> None:
    assert Spread.of([3.0, 1.0, 2.0]).text() == "2.00 (1.00 to 3.00)"
    assert Spread.of([2.0]).text() == "2.00"
    assert Spread.of([4.0, inf, inf]).text() == "never (4.00 to never)"
    assert Spread.of([]).text() == "–"


def test_the_interval_of_ratios_is_that_of_their_logarithms() -> None:
    mean, low, high = interval([0.5, 2.0])
    assert mean == pytest.approx(1)
    assert low * high == pytest.approx(1)
    assert high == pytest.approx(2**12.706, rel=1e-3)  # t with one degree of freedom.
    assert mean_interval([1.0]) == (-inf, inf)


def test_values_are_compared_configuration_by_configuration() -> None:
    rounds = [
        {"a": figures(best={0: 0.9, 1: 0.8, 2: 0.1}), "b": figures(best={0: 0.8, 1: 0.6})},
        {"a": figures(best={0: 0.5}), "b": figures(best={1: 0.5})},
    ]
    assert differences(rounds, "a", "b") == pytest.approx([0.15])


def test_ratios_are_those_within_a_round() -> None:
    rounds = [{"a": figures(1), "b": figures(10)}, {"a": figures(2)}, {"a": figures(2), "b": figures(4)}]
    assert ratios(rounds, "a", "b", per_trial) == pytest.approx([10, 2])


def test_each_round_is_begun_by_another() -> None:
    work = Work("nothing", 1, 1, 1)
    entries = [Entry(name, name, work) for name in "abc"]
    assert ["".join(entry.name for entry in in_turn(entries, number)) for number in range(4)] == [
        *("abc", "bca", "cab", "abc")
    ]


def test_everybody_gets_the_same_configurations() -> None:
    space = models.SPACES["shapes"]
    drawn = configurations("shapes", 5, seed=1)
    assert drawn == configurations("shapes", 9, seed=1)[:5] != configurations("shapes", 5, seed=2)
    for configuration in drawn:
        space.check(configuration)
    work = Work("shapes", 5, 1, 1, drawn)
    assert [work.number_of({**configuration, "own": 0}) for configuration in drawn] == [0, 1, 2, 3, 4]


def test_work_survives_its_file(tmp_path: Path) -> None:
    work = Work("betas", 2, 5, 2, configurations("betas", 2, seed=0), "asha", 0.9)
    work.write(tmp_path / "work.json")
    assert Work.read(tmp_path / "work.json") == work


def test_the_notes_of_all_processes_are_one_outcome(tmp_path: Path) -> None:
    (tmp_path / "1.notes").write_text("[1.0, 0, 0.5]\n[3.0]\n", encoding="utf-8")
    (tmp_path / "2.notes").write_text("[2.0, 1, 0.6]\n", encoding="utf-8")
    found = gathered(tmp_path)
    assert found == Outcome([Report(1.0, 0, 0.5), Report(2.0, 1, 0.6)], [3.0], 2)
    found.write(tmp_path / "outcome.json")
    assert Outcome.read(tmp_path / "outcome.json") == found
    notes = Notes(tmp_path)
    notes.report(2, 0.7)
    notes.end()
    assert len(gathered(tmp_path).reports) == 3 and len(gathered(tmp_path).ends) == 2


def test_our_outcome_is_read_from_the_journal(tmp_path: Path) -> None:
    listed = configurations("betas", 2, seed=0)
    records = [
        {"type": "Header", "started": 100.0},
        {"type": "WorkerSpent", "at": 0.5, "worker": 0, "seconds": {"start": 9.0}},
        _train(trial=7, configuration=listed[1]),
        {"type": "TrialReported", "at": 1.0, "trial": 7, "metrics": {"val_accuracy": 0.5}},
        {"type": "WorkerSpent", "at": 2.0, "worker": 0, "seconds": {"train": 0.9, "wait": 0.1}},
        {"type": "TrialCompleted", "at": 2.0, "trial": 7},
        _train(trial=8, configuration=listed[0]),
        {"type": "TrialReported", "at": 3.0, "trial": 8, "metrics": {"val_accuracy": "nan"}},
        {"type": "WorkerSpent", "at": 4.0, "worker": 0, "seconds": {"wait": 5.0}},
        {"type": "TrialDiverged", "at": 4.0, "trial": 8},
    ]
    (tmp_path / "journal.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    found = ours.outcome_of(tmp_path, Work("betas", 2, 1, 1, listed))
    assert [(report.at, report.trial) for report in found.reports] == [(101, 1), (103, 0)]
    assert (found.ends, found.processes) == ([102, 104], 1)
    assert found.spent == {"train": 0.9, "wait": 0.1}  # Between the first report and the last start.


def _train(trial: int, configuration: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Train", "worker": 0, "assignment": {"trial": trial, "configuration": configuration}}


def test_a_contestant_that_fails_says_why() -> None:
    with pytest.raises(Failed, match=r"nobody ended with 1:\n(.|\n)*No module named 'benchmarks.bench.contestants.no'"):
        run_entry(Entry("nobody", "no", Work("nothing", 1, 1, 1)), limit=60)


def test_a_contestant_that_hangs_is_ended() -> None:
    with pytest.raises(Failed, match="no end after 0 s"):
        run_entry(Entry("nobody", "no", Work("nothing", 1, 1, 1)), limit=0)


def test_parts_are_lettered_and_their_contestants_are_there() -> None:
    assert list(PARTS_BY_LETTER) == sorted(PARTS_BY_LETTER)
    names = {one.name.partition(":")[0] for part in PARTS for one in part.measure.args[0].contestants}  # type: ignore[attr-defined]
    assert {"ours", "plain"} < names
    assert all(find_spec(f"benchmarks.bench.contestants.{name}") for name in names)


def render(**stored: dict[str, Any]) -> str:
    """Without the spaces that make columns."""
    text = page(PARTS_BY_LETTER, {letter: {**ABOUT, "results": found} for letter, found in stored.items()})
    return re.sub(" +", " ", text)


def test_the_page_has_what_is_there_and_names_what_is_not() -> None:
    ahead = {OURS: figures(1), PLAIN: figures(10)}
    text = render(b=results(ahead, ahead))
    assert "| plain Keras loop | 20 | 1.00 | 10.0 | 20.0 | 1.82 | 9.00 |" in text
    assert "2 rounds, 2 workers" in text
    assert "Not measured yet: `make bench ARGS=d`" in text and "ARGS=b`" not in text
    assert "nowhere in what is measured here" in text
    assert "cores 2, with ray 2.60.0" in text
    assert "$" not in text


def test_the_page_tells_where_we_are_behind() -> None:
    behind = {OURS: figures(10), PLAIN: figures(5)}
    text = render(d=results(behind, behind, behind))
    assert "- (d) a trial, from the first report on: plain Keras loop 0.250 s; orchestrator 0.500 s." in text
    assert "- (d) the whole command: plain Keras loop 15.0 s; orchestrator 20.0 s." in text
    assert "until the first report:" not in text
    assert "0.500 times as fast in the geometric mean of 3 pairs, 95 % interval 0.500 to 0.500" in text


def test_whole_commands_with_other_numbers_of_trials_are_not_compared() -> None:
    text = render(a=results({OURS: figures(10, trials=200), PLAIN: figures(2, first_report=1.0)}))
    assert "| plain Keras loop | 20 | 10.0 | 2.00 | 12.0 | | 1.00 |" in text
    assert "- (a) until the first report: plain Keras loop 1.00 s; orchestrator 9.00 s." in text
    assert "- (a) the whole command" not in text


def test_the_page_tells_what_failed_and_what_workers_did() -> None:
    spent = {"train": 3.0, "wait": 1.0}
    text = render(c=results({OURS: figures(1, spent=spent), PLAIN: figures(2)}, {OURS: figures(1)}))
    assert "plain Keras loop (failed in 1 of 2 rounds)" in text
    assert "train 75.0%, wait 25.0%" in text
    assert "| plain Keras loop (failed) |" in render(c=results({OURS: figures(1)}))


def test_the_page_compares_what_was_trained() -> None:
    rounds = [
        {OURS: figures(best={0: 0.91, 1: 0.5}), PLAIN: figures(best={0: 0.9})},
        {OURS: figures(best={0: 0.9}), PLAIN: figures(best={0: 0.92})},
    ]
    text = render(b=results(*rounds))
    assert "| plain Keras loop | 1 | -0.0050 | -0.1956 to +0.1856 |" in text


def test_a_search_that_never_gets_there_is_told() -> None:
    found = searched(
        {NO_STOPPING: 109.0, ASHA: 19.0, TUNE: 59.0},
        {NO_STOPPING: 209.0, ASHA: inf, TUNE: inf},
        {NO_STOPPING: 109.0, ASHA: 29.0, TUNE: inf},
    )
    text = render(e=found)
    assert "100 (100 to 200)" in text  # Seconds from the first report, after 9.
    assert f"- (e) {ASHA} never found the target with 1 of 3 seeds." in text
    assert "| never (5.00 to never)" in text  # Tune's ratio: 50 s by 10, and never by 20.
    ahead = render(e=searched({NO_STOPPING: 29.0, ASHA: 39.0}))
    assert f"- (e) seconds from the first report to the target: {NO_STOPPING} 20.0; {ASHA} 30.0." in ahead
    assert f"| {TUNE} (failed) |" in ahead


def test_the_page_tells_how_the_driver_grows() -> None:
    def grown(trials: int, cpu: float) -> dict[str, Any]:
        return {
            "trials": trials,
            "reports": 10 * trials,
            "microseconds_per_report": cpu,
            "resident_bytes_per_trial": 2000.0,
            "python_bytes_per_trial": 1000.0,
        }

    rounds = [[grown(100, 20.0), grown(10_000, 25.0)], [grown(100, 40.0), grown(10_000, 44.0)]]
    text = render(f={"rounds": rounds})
    assert "| 10,000 | 100,000 | 34.5 (25.0 to 44.0) | 2,000 | 1,000 |" in text
    assert "CPU time per report with 10,000 trials: 1.18 (1.10 to 1.25) times that with 100." in text


def test_the_page_tells_how_the_driver_grows_with_workers() -> None:
    rounds = [[{"workers": n, "trials": 4, "reports": 40, "microseconds_per_report": 10.0 + n} for n in (2, 20)]]
    text = render(g={"rounds": rounds})
    assert "| 20 | 40 | 30.0 |" in text
    assert "CPU time per report with 20 workers: 2.50 times that with 2." in text


def test_the_page_compares_the_start() -> None:
    rounds = [
        {"script": 10.0, "1 worker": 11.0, "2 workers": 9.0},
        {"script": 10.0, "1 worker": 12.0, "2 workers": 8.0},
    ]
    text = render(s={"rounds": rounds})
    assert "| bare script | 10.0 | 1 |" in text
    assert "| orchestrator, 1 worker | 11.5 (11.0 to 12.0) | 1.15 (1.10 to 1.20) |" in text
    assert "(s) from the command to the first trained batch: bare script 10.0 s; orchestrator, 1 worker 11.5 s." in text


def test_growth_is_measured_in_processes_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    saved: list[dict[str, Any]] = []
    PARTS_BY_LETTER["f"].measure(Options(workers=2, rounds=1, small=True, say=said.append), saved.append)
    (rows,) = saved[-1]["rounds"]
    assert [(row["trials"], row["reports"]) for row in rows] == [(100, 1000), (200, 2000)]
    assert all(row["python_bytes_per_trial"] > 0 for row in rows)
    assert len(said) == 2
    monkeypatch.setattr(growth, "LONGEST", 0.01)
    with pytest.raises(Failed, match="did not end in 0 s"):
        growth.with_trials(100)


def test_a_start_that_fails_says_why() -> None:
    with pytest.raises(Failed, match="no good"):
        startup.seconds_to_first_batch([sys.executable, "-c", "raise SystemExit('no good')"])
