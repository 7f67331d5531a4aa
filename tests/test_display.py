import doctest
import io
import json
import re
import shlex
from math import inf

import pytest
from rich.console import Console

from orchestrator.cli import launch
from orchestrator.display import make_display, words
from orchestrator.display.base import Display
from orchestrator.display.events import EventsDisplay
from orchestrator.display.lines import LinesDisplay
from orchestrator.display.live import LiveDisplay, share_out
from orchestrator.display.news import MOST
from orchestrator.display.progress import Progress
from orchestrator.display.quiet import QuietDisplay
from orchestrator.display.summary import epochs_line, failures_line, next_commands, problem_lines
from orchestrator.errors import UserError
from orchestrator.settings import Settings
from tests.scheduler.support import begun, completed, diverged, failed, joined, lost, reported, stop_requested
from tests.simulated_runs import SimulatedRun, curve, simulated


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Shown:
    """A display of a kind, and what it wrote."""

    def __init__(self, kind, width=80, height=24, **about):
        self.out, self.err, self.clock = io.StringIO(), io.StringIO(), Clock()
        arguments = {"out": self.out, "err": self.err, "clock": self.clock}
        if kind is LiveDisplay:
            arguments["console"] = Console(file=self.out, force_terminal=True, width=width, height=height)
        self.display = kind(**arguments)
        self.about = about

    def run(self, step=0.0, **settings):
        """A whole simulated run, each batch of which takes `step` seconds."""
        run = SimulatedRun(Settings(**settings))
        self.display.say("Starting Ray …")
        self.display.open(run.about(**self.about), run.state)

        def watch(records):
            self.clock.now += step
            self.display.watch(records)

        run.drive(watch)
        self.display.close()
        return run

    @property
    def lines(self):
        return self.out.getvalue().splitlines()

    @property
    def events(self):
        return [json.loads(line, parse_constant=pytest.fail) for line in self.lines]


def of(events, kind):
    return [event for event in events if event["event"] == kind]


# Words.


def test_the_examples_of_words_hold():
    assert doctest.testmod(words).failed == 0
    assert doctest.testmod(words).attempted >= 4


@pytest.mark.parametrize(
    ("seconds", "shown"), [(9.99, "10.0 s"), (59.6, "1 min"), (3600, "1 h"), (90061, "1 d 1 h"), (120, "2 min")]
)
def test_durations_are_rounded_once(seconds, shown):
    assert words.duration(seconds) == shown


def test_amounts_are_short():
    assert [words.quantity(amount) for amount in (2.0, 0.25, 0.3333, 10.0, 128)] == ["2", "0.25", "0.3333", "10", "128"]


# Progress.


def test_the_busy_share_counts_worker_seconds_since_the_first_assignment():
    brain = begun("none", workers=1, trials=3, epochs=2)
    state, clock = brain.state, Clock()
    progress = Progress(state, Settings(trials=3, epochs=2), clock)

    def tell(event):
        brain.tell(event)
        progress.take([event])

    tell(joined(1, at=0))
    assert progress.busy_share is None
    for event in (reported(0, 1, 0.5, at=10), reported(0, 2, 0.5, at=20), completed(0, at=20)):
        tell(event)
    assert progress.busy_share == 1.0
    tell(reported(1, 1, 0.5, at=25))
    tell(reported(1, 2, 0.5, at=30))
    tell(completed(1, at=30))  # Worker 1 has nothing to do from here.
    tell(reported(2, 1, 0.5, at=50))
    assert progress.busy_share == pytest.approx((50 + 30) / (2 * 50))
    clock.now += 10  # Nothing is heard, and time goes on.
    assert progress.now == 60
    assert progress.busy_share == pytest.approx((60 + 30) / (2 * 60))
    tell(lost(1, at=60))
    tell(reported(2, 2, 0.5, at=100))
    assert progress.busy_share == pytest.approx((100 + 30) / (2 * 60 + 40))


@pytest.mark.parametrize("stopper", ["none", "asha", "median"])
def test_the_time_left_is_an_estimate_that_can_be_relied_on(stopper):
    run = SimulatedRun(Settings(trials=60, epochs=27, stopper=stopper))
    progress = Progress(run.state, run.settings, lambda: 0.0)
    estimates = []

    def watch(records):
        progress.take(records)
        estimates.append((run.state.now, progress.seconds_left, progress.settled))

    run.drive(watch)
    end = run.state.now
    assert all(left is None for _, left, settled in estimates if settled < 15)
    later = [(end - now, left) for now, left, _ in estimates if 0.4 * end < now < 0.75 * end]
    assert all(left is not None and 0.4 < left / true < 2.5 for true, left in later)


def test_the_time_left_is_at_most_what_the_limit_leaves():
    run = simulated(trials=40, epochs=9)
    for settings in (Settings(trials=None, max_time=1e6), Settings(trials=40, epochs=9, max_time=run.state.now)):
        progress = Progress(run.state, settings, lambda: 0.0)
        assert progress.seconds_left in (1e6 - run.state.now, None)
    assert Progress(run.state, Settings(trials=None, target=2.0), lambda: 0.0).seconds_left is None


# What every kind says.


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
        "search     sampler random, stopper asha, seed 0",
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


def test_a_space_that_is_too_wide_has_its_domains_cut(monkeypatch):
    monkeypatch.setenv("COLUMNS", "66")
    shown = Shown(LinesDisplay)
    shown.run(trials=3, epochs=1)
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
    assert line.startswith("2 trained, 1 epoch twice because workers were lost")


def test_failures_are_told_by_kind():
    brain = begun("none", workers=4, trials=8, epochs=3)
    assert failures_line(brain.state) is None
    brain.tell(reported(0, 1, 0.5), failed(1), failed(3), diverged(2))
    assert failures_line(brain.state) == (
        "2 trials failed (2 ValueError; trial 1: ValueError: no luck in trial 1 (study.py:1)), 1 trial diverged"
    )


def test_the_next_command_is_one_that_can_be_typed():
    settings = Settings(trials=7, epochs=5, stopper="median", seed=3, gpus_per_trial=0.25, max_time=90.0, target=0.5)
    commands = [line for line in next_commands(SimulatedRun(settings).about()) if "launch" in line]
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
    commands = list(next_commands(SimulatedRun(Settings()).about(argument=None)))
    assert not any("launch" in line and "my_study.py" not in line for line in commands)


# Each kind.


def test_quiet_says_where_the_leaderboard_is():
    shown = Shown(QuietDisplay)
    shown.run(trials=5, epochs=3)
    assert shown.lines == ["runs/toy-1/leaderboard.csv"]


def test_lines_come_once_a_second_at_most_and_ever_less_often():
    shown = Shown(LinesDisplay)
    run = shown.run(step=0.1, trials=200, epochs=9)
    progress = [line for line in shown.lines if re.match(r"\d+:\d\d", line)]
    assert 10 < len(progress) <= 10 + run.state.now
    first, last = progress[1], progress[-1]
    assert re.match(r"\d+:\d\d  \d+ of 200 trials, 4 running · \d+ epochs? · ", first)
    assert re.search(r"best 0\.\d+ \(trial \d+, epoch \d+\) · busy \d+% · about .* left$", last)


def test_lines_stay_silent_while_nothing_changes():
    shown = Shown(LinesDisplay)
    brain = begun("none", workers=1, trials=3, epochs=3)
    shown.display.open(SimulatedRun(Settings(trials=3, epochs=3)).about(), brain.state)
    before = len(shown.lines)
    for _ in range(100):
        shown.clock.now += 10
        shown.display.watch([])
    assert len(shown.lines) == before + 1


def test_events_that_matter_get_a_line_of_their_own_but_not_without_end():
    shown = Shown(LinesDisplay)
    brain = begun("none", workers=20, trials=40, epochs=3)
    shown.display.open(SimulatedRun(Settings(trials=40, epochs=3)).about(), brain.state)
    events = [reported(0, 1, 0.5), lost(19, at=1), *(failed(trial, at=61) for trial in range(1, 12))]
    for event in [*events, stop_requested(at=62)]:
        brain.tell(event)
        shown.display.watch([event])
    text = shown.out.getvalue()
    assert "0:01  worker 19 was lost: its node died" in text
    assert "1:01  trial 1 failed: ValueError: no luck in trial 1 (study.py:1)" in text
    assert text.count("failed: ValueError") == MOST + 1
    assert "1:02  stopping: interrupted by Ctrl-C" in text


def test_json_is_one_object_a_line():
    shown = Shown(EventsDisplay)
    run = shown.run(step=0.1, trials=30, epochs=9)
    events = shown.events
    assert [event["event"] for event in events[:2]] == ["said", "opened"]
    opened = events[1]
    assert opened["settings"]["trials"] == 30
    assert [row["name"] for row in opened["space"]] == ["learning_rate", "optimizer", "momentum", "layers"]
    ended = of(events, "trial_ended")
    assert sorted(event["trial"] for event in ended) == list(range(30))
    assert {event["status"] for event in ended} == {"completed", "stopped", "diverged"}
    assert all(event["score"] is None for event in ended if event["status"] == "diverged")
    progress = of(events, "progress")
    assert 1 < len(progress) <= 2 + shown.clock.now - 100
    finished = events[-1]
    assert (finished["event"], finished["outcome"]) == ("finished", "done")
    assert finished["best_row"]["trial"] == finished["best"]["trial"] == run.state.best.number
    assert finished["epochs_trained"] == run.state.epochs_trained < finished["epochs_without_stopping"]
    assert finished["best_row"]["rank"] == 1


def test_json_has_no_nan():
    def nan_beside(assignment, epoch):
        metrics, seconds = curve(assignment, epoch)
        return {**metrics, "loss": float("nan"), "other": inf}, seconds

    shown = Shown(EventsDisplay)
    run = SimulatedRun(Settings(trials=2, epochs=2), curve=nan_beside)
    shown.display.open(run.about(), run.state)
    run.drive(shown.display.watch)
    shown.display.close()
    assert shown.events[-1]["best_row"]["loss"] is None
    assert shown.events[-1]["best_row"]["other"] == "inf"


def test_json_tells_a_trial_that_ended_with_its_worker():
    shown = Shown(EventsDisplay)
    brain = begun("none", workers=1, trials=2, epochs=3)
    shown.display.open(SimulatedRun(Settings(trials=2, epochs=3)).about(), brain.state)
    for attempt in (1, 2, 3):
        for event in (reported(0, 1, 0.5, attempt=attempt), lost(attempt - 1), joined(attempt)):
            brain.tell(event)
            shown.display.watch([event])
    (event,) = of(shown.events, "trial_ended")
    assert (event["trial"], event["status"], event["score"]) == (0, "failed", None)


@pytest.mark.parametrize("size", [(100, 30), (80, 24), (80, 12), (60, 9), (40, 6), (20, 3)])
@pytest.mark.parametrize("workers", [1, 4, 100])
def test_the_live_view_fits_the_terminal(size, workers):
    width, height = size
    shown = Shown(LiveDisplay, width, height)
    run = SimulatedRun(Settings(trials=120, epochs=9), workers)
    shown.display.open(run.about(), run.state)
    batches, heights = 0, set()

    def watch(records):
        nonlocal batches
        batches += 1
        shown.display.watch(records)
        if batches % 50 == 1:
            lines = str(shown.display._drawn()).splitlines()
            assert max(map(len, lines)) <= width
            heights.add(len(lines))

    run.drive(watch)
    shown.display.close()
    assert len(heights) > 1 or height < 14
    assert max(heights) <= max(height - 1, 5)


def test_the_live_view_cuts_and_says_so():
    shown = Shown(LiveDisplay)
    run = SimulatedRun(Settings(trials=200, epochs=27, target=0.9), workers=50)
    shown.display.open(run.about(), run.state)
    views = []

    def watch(records):
        shown.display.watch(records)
        views.append([line for line, _ in shown.display.view(100, 24)])

    run.drive(watch)
    view = views[len(views) // 2]
    assert re.fullmatch(r"toy · \d+:\d\d( · about .* left)?", view[0])
    assert re.match(r"trials  ━*─* \d+ of 200 · ", view[1])
    assert re.match(r"epochs  ━*─* [\d,]+ of at most 5,400$", view[2])
    assert re.match(r"workers ━*─* 50 · busy \d+% of the time$", view[3])
    assert re.match(r"best    val_accuracy 0\.\d+ in trial \d+, epoch \d+ \(target 0\.9\)$", view[4])
    assert view[6].startswith("running  epoch  val_accuracy  worker  configuration")
    assert re.fullmatch(r"… and \d+ more", view[-1])
    assert len(view) == 23
    shown.display.close()


def test_the_live_view_is_drawn_four_times_a_second_at_most():
    shown = Shown(LiveDisplay)
    drawn = []
    original = shown.display._drawn
    shown.display._drawn = lambda: drawn.append(shown.clock.now) or original()
    shown.run(step=0.01, trials=60, epochs=9)
    assert len(drawn) > 5
    assert all(later - earlier >= 0.249 for earlier, later in zip(drawn, drawn[1:], strict=False))


def test_the_live_view_is_gone_before_the_last_lines():
    shown = Shown(LiveDisplay)
    shown.run(step=0.1, trials=30, epochs=9)
    text = shown.out.getvalue()
    assert "\x1b[?25l" in text
    assert text.index("\x1b[?25h") < text.index("Done after")


@pytest.mark.parametrize(
    ("room", "running", "ranked", "shares"),
    [
        (10, 4, 100, (4, 6)),
        (10, 100, 100, (5, 5)),
        (10, 100, 2, (8, 2)),
        (10, 1, 1, (1, 1)),
        (0, 5, 5, (0, 0)),
        (-3, 1, 1, (0, 0)),
    ],
)
def test_running_trials_and_the_top_share_the_room(room, running, ranked, shares):
    assert share_out(room, running, ranked) == shares


def test_the_kind_follows_from_the_terminal_and_what_is_asked_for(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    assert type(make_display()) is LinesDisplay
    assert type(make_display(quiet=True)) is QuietDisplay
    assert type(make_display(as_json=True)) is EventsDisplay
    with pytest.raises(UserError, match="contradict"):
        make_display(quiet=True, as_json=True)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert type(make_display()) is LiveDisplay
    monkeypatch.setenv("TERM", "dumb")
    assert type(make_display()) is LinesDisplay
