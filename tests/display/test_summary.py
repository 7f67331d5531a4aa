import io
import re
import shlex

import pytest

from orchestrator.cli import launch
from orchestrator.display.base import Display
from orchestrator.display.events import EventsDisplay
from orchestrator.display.lines import LinesDisplay
from orchestrator.display.live import LiveDisplay
from orchestrator.display.quiet import QuietDisplay
from orchestrator.display.summary import (
    epochs_line,
    failures_line,
    late_words_line,
    next_commands,
    problem_lines,
    workers_line,
)
from orchestrator.scheduler.spending import Spending
from orchestrator.settings import Settings
from tests.display.support import Shown
from tests.scheduler.support import (
    begun,
    completed,
    diverged,
    failed,
    joined,
    lost,
    released,
    reported,
    stop_requested,
)
from tests.simulated_runs import SimulatedRun, simulated


def test_the_first_lines_tell_what_is_run_where(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = Shown(LinesDisplay)
    shown.run(trials=6, epochs=3, max_time=7200.0, target=0.99)
    text = shown.out.getvalue()
    for line in (
        "Starting Ray …",
        "orchestrator 0.1.0 · python 3.11.7 · ray 2.60.0",
        "study      toy: maximise val_accuracy, 4 hyperparameters",
        "cluster    10.0.0.1:6379: 2 nodes, 8 CPUs, 1 GPU",
        "dashboard  http://127.0.0.1:8265",
        "workers    4, each with 2 CPUs, 0.25 GPU",
        "limits     6 trials, 2 h, target 0.99; up to 3 epochs each",
        "search     sampler zoom, stopper adaptive, seed 0",
        "run        runs/toy-1",
        "momentum       0.5 … 0.98  reverse_log         optimizer = sgd",
    ):
        assert line in text.splitlines(), line


def test_the_last_lines_tell_how_it_went_and_what_comes_next(monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    shown = Shown(LinesDisplay)
    run = shown.run(trials=30, epochs=9)
    text = shown.out.getvalue()
    last = text[text.index("Done after") :].splitlines()
    assert last[0].endswith(": all 30 trials ended")
    assert last[2].startswith("rank  trial  status")
    assert "… and 20 more" in last
    assert f"epochs     {run.state.epochs_trained} trained instead of " in text
    assert re.search(r"^workers    busy \d+% of the time$", text, re.MULTILINE)
    assert last[-1].endswith("-m orchestrator launch my_study.py --address auto")
    assert shown.err.getvalue() == ""


def test_first_lines_that_are_too_wide_are_cut(monkeypatch):
    monkeypatch.setenv("COLUMNS", "66")
    versions = {"orchestrator": "0.1.0", "python": "3.11.7", "tensorflow": "2.21.0", "keras": "3.15.1"}
    shown = Shown(LinesDisplay, versions=versions)
    shown.run(trials=3, epochs=1)
    first = next(line for line in shown.lines if line.startswith("orchestrator"))
    assert len(first) == 66 and first.endswith("…")
    space = [line for line in shown.lines if re.match(r"(learning_rate|momentum|layers) ", line)]
    assert len(space) == 3 and max(map(len, space)) <= 66


def test_a_run_that_has_not_failed_has_no_problem():
    assert list(problem_lines(begun("none").state)) == []
    assert list(problem_lines(simulated(trials=3, epochs=2).state)) == []


@pytest.mark.parametrize("kind", [Display, QuietDisplay, LinesDisplay, LiveDisplay, EventsDisplay])
def test_every_kind_tells_a_failure_with_the_users_traceback(kind):
    shown = Shown(kind)
    brain = begun("none", workers=3, trials=3, epochs=3)
    shown.display.open(SimulatedRun(Settings(trials=3, epochs=3)).about(), brain.state)
    events = [failed(trial, where="study.py:7") for trial in range(3)]
    for event in events:
        if brain.state.finished is None:
            brain.tell(event)
            shown.display.watch([event])
    shown.display.close()
    assert shown.err.getvalue().splitlines()[0] == "Traceback …"
    assert shown.err.getvalue().splitlines()[-1].startswith("error: the first 3 trials failed alike: ValueError")
    shown.display.close()
    assert shown.err.getvalue().count("Traceback") == 1


def test_a_mistake_of_the_study_is_told_without_a_traceback():
    brain = begun("none", workers=1, trials=3, epochs=3)
    brain.tell(failed(0, bad_study=True))
    assert brain.state.finished is not None
    assert list(problem_lines(brain.state)) == ["error: no luck in trial 0"]


def test_a_run_that_was_torn_off_has_no_last_lines():
    shown = Shown(LinesDisplay)
    shown.display.close()
    shown.display.open(SimulatedRun(Settings()).about(), begun("none").state)
    before = shown.lines
    shown.display.close()
    assert shown.lines == before


def test_an_output_that_is_gone_does_not_end_the_run():
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    shown = Shown(LinesDisplay)
    shown.display.out = Gone()
    assert shown.run(trials=5, epochs=3).state.finished is not None


# Epochs saved, failures, next commands.


def test_epochs_saved_are_those_that_stopped_trials_did_not_train():
    run = simulated(trials=30, epochs=9)
    trained = run.state.epochs_trained
    unstopped = sum(trial.epoch if trial.status in ("completed", "diverged") else 9 for trial in run.state.trials)
    saved = (unstopped - trained) / unstopped
    assert 0.2 < saved < 0.9
    expected = f"{trained} trained instead of {unstopped}: early stopping saved {saved:.0%}"
    assert epochs_line(run.state, run.settings) == expected


@pytest.mark.parametrize("limit", [{"max_time": 20.0}, {"target": 0.3}])
def test_no_savings_are_claimed_for_a_run_that_was_cut_short(limit):
    run = simulated(trials=200, epochs=9, **limit)
    assert len(run.state.trials) < 200
    assert "the run was cut short" in epochs_line(run.state, run.settings)
    assert "saved 0" not in epochs_line(run.state, run.settings)


def test_no_savings_are_claimed_without_a_stopper():
    run = simulated(trials=5, epochs=3, stopper="none")
    assert epochs_line(run.state, run.settings).endswith(" trained; there was no early stopping")


def test_epochs_trained_twice_are_told():
    brain = begun("none", workers=1, trials=1, epochs=2)
    brain.tell(reported(0, 1, 0.5), lost(0), joined(1), reported(0, 1, 0.5, attempt=2), reported(0, 2, 0.5, attempt=2))
    line = epochs_line(brain.state, Settings(trials=1, epochs=2, stopper="none"))
    assert line.startswith("2 trained (1 epoch twice)")


def test_what_the_workers_time_went_into():
    trials = {"train": 162.0, "trace": 18.0, "build": 8.0, "checkpoint": 6.0, "data": 0.4}
    spent = Spending(trials, 3.6, 2.0, starts=2, starting={"start": 12.0, "data": 0.8})
    assert workers_line(spent, busy_share=1.0) == (
        "busy 97% of the time (train 81%, trace 9%, build 4%, checkpoint 3%), waiting 2%, nothing left to do 1%; "
        "6.4 s each to start"
    )


def test_what_hardly_took_time_is_left_out():
    spent = Spending({"train": 999.0, "checkpoint": 0.1}, 0.5, 0.0, starts=1, starting={"start": 5.0})
    assert workers_line(spent, busy_share=1.0) == "busy 100% of the time (train 100%); 5.0 s to start"


def test_where_workers_do_not_tell_the_busy_share_is_all_that_is_known():
    assert workers_line(None, 0.931) == "busy 93% of the time"
    assert workers_line(None, None) is None
    assert workers_line(Spending({}, 0.0, 0.0, starts=1, starting={"start": 5.0}), None) is None


def test_failures_are_told_by_kind():
    brain = begun("none", workers=4, trials=8, epochs=3)
    assert failures_line(brain.state) is None
    brain.tell(reported(0, 1, 0.5), failed(1), failed(3), diverged(2))
    assert failures_line(brain.state) == (
        "2 trials failed (2 ValueError; trial 1: ValueError: no luck in trial 1 (study.py:1)), 1 trial diverged"
    )


def test_the_next_command_is_one_that_can_be_typed():
    settings = Settings(trials=7, epochs=5, stopper="median", seed=3, gpus_per_trial=0.25, max_time=90.0, target=0.5)
    commands = [line for line in next_commands(SimulatedRun(settings).about(), begun("none").state) if "launch" in line]
    words = shlex.split(commands[0])
    context = launch.make_context("launch", words[words.index("launch") + 1 :])
    given = {name: value for name, value in context.params.items() if value not in (None, False)}
    assert given == {
        "words": ("my studies/toy.py",),
        "trials": 14,
        "epochs": 5,
        "stopper": "median",
        "seed": 4,
        "gpus_per_trial": 0.25,
        "max_time": 180,
        "target": 0.5,
    }
    assert len(commands) == 2


def test_a_study_made_in_python_has_no_command_of_its_own():
    commands = list(next_commands(SimulatedRun(Settings()).about(argument=None), begun("none").state))
    assert not any("launch" in line and "my_study.py" not in line for line in commands)


def test_a_run_that_was_cut_short_tells_how_it_goes_on():
    brain = begun("none")
    brain.tell(stop_requested(), released(0))
    commands = list(next_commands(SimulatedRun(Settings()).about(), brain.state))
    words = shlex.split(next(line for line in commands if " resume " in line))
    assert words[words.index("resume") :] == ["resume", str(SimulatedRun(Settings()).about().run_dir)]


def test_a_run_that_is_done_tells_how_it_is_extended():
    brain = begun("none", trials=1)
    brain.tell(reported(0, 9, 0.5), completed(0))
    assert any(line.endswith(" --trials +1") for line in next_commands(SimulatedRun(Settings()).about(), brain.state))


def test_words_that_came_too_late_are_counted():
    brain = begun("none", trials=1)
    brain.tell(reported(0, 1, 0.5), lost(0), reported(0, 2, 0.5))
    assert late_words_line(brain.state) == "1 word of attempts that had been given up, not counted"
