import re
from itertools import pairwise
from math import inf

import pytest

from orchestrator.display import make_display
from orchestrator.display.events import EventsDisplay
from orchestrator.display.lines import LinesDisplay
from orchestrator.display.live import LiveDisplay, share_out
from orchestrator.display.news import MOST, News
from orchestrator.display.quiet import QuietDisplay
from orchestrator.errors import UserError
from orchestrator.settings import Settings
from tests.display.support import Shown
from tests.scheduler.support import begun, completed, failed, joined, lost, released, reported, spent, stop_requested
from tests.simulated_runs import SimulatedRun, curve


def of(events, kind):
    return [event for event in events if event["event"] == kind]


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
    assert re.search(r"best 0\.\d+ \(trial \d+, epoch \d+\) · busy \d+% · (about|less than) .* left$", last)


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
    assert finished["worker_seconds"] is None, "simulated workers do not tell"


def test_json_tells_what_the_workers_time_went_into():
    shown = Shown(EventsDisplay)
    brain = begun("none", workers=1, trials=1, epochs=1)
    shown.display.open(SimulatedRun(Settings(trials=1, epochs=1)).about(), brain.state)
    words = [spent(0, 0, start=4, data=1), reported(0, 1, 0.5, at=10), spent(0, 10, wait=1, build=2, train=7)]
    for event in (*words, completed(0, at=11)):
        shown.display.watch([event, *brain.tell(event)])
    shown.display.close()
    assert shown.events[-1]["worker_seconds"] == {"start": 5, "build": 2, "train": 7, "wait": 1, "over": 1}


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
            shown.display.watch([event, *brain.tell(event)])
    (event,) = of(shown.events, "trial_ended")
    assert (event["trial"], event["status"], event["score"]) == (0, "failed", None)


def test_json_tells_the_end_of_a_trial_once():
    shown = Shown(EventsDisplay)
    brain = begun("median", workers=6, trials=9, epochs=9)
    shown.display.open(SimulatedRun(Settings(trials=9, epochs=9)).about(), brain.state)
    brain.tell(reported(trial, 1, 0.5) for trial in range(5))
    for event in (reported(5, 1, 0.1), reported(5, 2, 0.2), released(5)):
        shown.display.watch([event, *brain.tell(event)])
    (event,) = of(shown.events, "trial_ended")
    assert (event["trial"], event["status"]) == (5, "stopped")


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
    assert all(later - earlier >= 0.249 for earlier, later in pairwise(drawn))


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


def test_a_study_that_never_saves_is_told_once():
    brain = begun("asha", workers=1, trials=9, epochs=9)
    brain.tell(reported(0, 1, 0.9), released(0), reported(1, 1, 0.5), released(1))
    promoted = brain.tell(reported(2, 1, 0.4))
    news = News(brain.state)
    (line,) = news.of(promoted)
    assert line.startswith("trial 0 goes on from the start, for nothing of it was saved")
    assert list(news.of(promoted)) == []
