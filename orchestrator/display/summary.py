"""What there is to say about a run once it is over."""

import shlex
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields
from math import inf
from pathlib import Path
from statistics import mean, stdev

from orchestrator.display.about import About
from orchestrator.display.news import failure
from orchestrator.display.words import counted, duration, program, resume_command, shown_path
from orchestrator.leaderboard import format_table, leaderboard
from orchestrator.scheduler.spending import Spending, spending
from orchestrator.scheduler.state import State
from orchestrator.scheduler.trial import Status
from orchestrator.settings import Settings

TOP = 10
VERDICTS = {"done": "Done", "failed": "Failed", "interrupted": "Interrupted"}
NOT_REPEATED = ("run_dir", "storage")
"""Settings that the command for another run leaves out."""
LEAST_SHOWN = 0.005
"""Of the workers' time."""


def last_lines(about: About, state: State, busy_share: float | None, width: int | None) -> Iterator[str]:
    assert state.finished is not None
    yield f"{VERDICTS[state.finished.outcome]} after {duration(state.now)}: {state.finished.reason}"
    yield ""
    if state.trials:
        yield from format_table(leaderboard(state, about.space), "table", TOP, width).splitlines()
        yield ""
    model = best_model(about.run_dir)
    rows = {
        "search": "; ".join(about.space.at_bounds([state.trials[n].configuration for _, n in state.ranking[:2]])),
        "repeats": repeats_line(state),
        "stopping": stopping_line(state),
        "epochs": epochs_line(state, about.settings),
        "workers": workers_line(spending(state), busy_share),
        "failures": failures_line(state),
        "late words": late_words_line(state),
        "run": shown_path(about.run_dir),
        "best model": model and shown_path(model),
    }
    yield from (f"{name:<10} {text}" for name, text in rows.items() if text)
    yield ""
    yield from next_commands(about, state)


def repeats_line(state: State) -> str | None:
    """What the best trial reached with other seeds."""
    if not state.repeats:
        return None
    repeated = max(state.repeats, key=lambda number: state.trials[number].score or -inf)
    others = [trial for trial in state.trials if trial.repeat_of == repeated]
    scores = [trial.best.metrics[state.objective.name] for trial in others if trial.score is not None and trial.best]
    if not scores:
        return f"trial {repeated} with other seeds: none of {len(others)} has a score"
    spread = f" ± {stdev(scores):.2g}" if len(scores) > 1 else ""
    times = f"{len(scores)} other seed{'s' * (len(scores) > 1)}"
    return f"trial {repeated} with {times}: {state.objective.name} {mean(scores):.4g}{spread}"


def best_model(run_dir: Path) -> Path | None:
    """Where the best model lies, once it is written."""
    path = run_dir / "best" / "model.keras"
    return path if path.is_file() else None


def problem_lines(state: State) -> Iterator[str]:
    """Why the run failed, with the traceback of the user's code where that is the cause; nothing for other runs."""
    if state.finished is None or state.finished.outcome != "failed":
        return
    failures = [state.trials[number].failure for number in state.by_status[Status.FAILED]]
    if state.bad_study is None and failures and failures[0] is not None:
        yield from failures[0].traceback.splitlines()
    yield from (f"error: {line}" for line in state.finished.reason.splitlines())


@dataclass(frozen=True, slots=True)
class Epochs:
    """Epochs that were trained, each counted once, and those that trials would have trained had none been stopped.

    Trials that completed, diverged or failed would have ended where they did.
    """

    trained: int
    unstopped: int

    @classmethod
    def of(cls, state: State, max_epochs: int) -> "Epochs":
        ended = (Status.COMPLETED, Status.DIVERGED, Status.FAILED)
        trained = sum(trial.epochs for trial in state.trials)
        left = sum(max_epochs - trial.epoch for trial in state.trials if trial.status not in ended)
        return cls(trained, trained + left)


def epochs_line(state: State, settings: Settings) -> str:
    epochs = Epochs.of(state, settings.epochs)
    twice = state.epochs_trained - epochs.trained
    again = f" ({counted(twice, 'epoch')} twice)" if twice > 0 else ""
    trained = f"{epochs.trained:,} trained{again}"
    if settings.stopper == "none" or not epochs.unstopped:
        return f"{trained}; there was no early stopping"
    if state.ending is not None:
        return (
            f"{trained} of {epochs.unstopped:,} with no stopping at all; "
            "the run was cut short, so not all of the rest was saved by early stopping"
        )
    saved = epochs.unstopped - epochs.trained
    return f"{trained} instead of {epochs.unstopped:,}: early stopping saved {saved / epochs.unstopped:.0%}"


def stopping_line(state: State) -> str | None:
    """What the stopper has settled on."""
    return next((adapt.reason for adapt in reversed(state.adaptations) if adapt.part == "stopper"), None)


def workers_line(spent: Spending | None, busy_share: float | None) -> str | None:
    """What their time went into; where they do not tell, only how long they had something to do."""
    if spent is None or spent.total <= 0:
        return None if busy_share is None else f"busy {busy_share:.0%} of the time"
    shares = {activity: seconds / spent.total for activity, seconds in spent.at_trials.items()}
    shown = sorted(((share, activity) for activity, share in shares.items() if share >= LEAST_SHOWN), reverse=True)
    parts = ", ".join(f"{activity} {share:.0%}" for share, activity in shown)
    text = f"busy {spent.busy_share:.0%} of the time" + f" ({parts})" * bool(parts)
    for share, words in ((spent.waiting / spent.total, "waiting"), (spent.over / spent.total, "nothing left to do")):
        if share >= LEAST_SHOWN:
            text += f", {words} {share:.0%}"
    each = " each" if spent.starts > 1 else ""
    return f"{text}; {duration(sum(spent.starting.values()) / spent.starts)}{each} to start"


def failures_line(state: State) -> str | None:
    """How many trials failed and of what, with the first of them."""
    parts = []
    if failed := [state.trials[number] for number in state.by_status[Status.FAILED]]:
        kinds = Counter(trial.failure.error if trial.failure else "lost worker" for trial in failed)
        first = failed[0]
        why = failure(first.failure) if first.failure else first.reason
        kinds_text = ", ".join(f"{number:,} {kind}" for kind, number in kinds.most_common())
        parts.append(f"{counted(len(failed), 'trial')} failed ({kinds_text}; trial {first.number}: {why})")
    if diverged := state.count(Status.DIVERGED):
        parts.append(f"{counted(diverged, 'trial')} diverged")
    return ", ".join(parts) or None


def late_words_line(state: State) -> str | None:
    """What came from workers that were believed lost."""
    ignored = counted(state.words_ignored, "word")
    return f"{ignored} of attempts that had been given up, not counted" if state.words_ignored else None


def next_commands(about: About, state: State) -> Iterator[str]:
    """Commands that can be pasted into a shell as they are."""
    command = program()
    run_dir = shlex.quote(shown_path(about.run_dir))
    yield "What next:"
    if state.finished is not None and state.finished.outcome != "done":
        yield "  # go on where it ended"
        yield f"  {resume_command(about.run_dir)}"
    yield "  # all trials (also as csv, json or markdown: --format), and the best one"
    yield f"  {command} leaderboard {run_dir}"
    yield f"  {command} best {run_dir}"
    if state.finished is not None and state.finished.outcome == "done":
        yield "  # more trials in the same run (also --epochs, --max-time +1h)"
        yield f"  {resume_command(about.run_dir)} --trials +{len(state.trials)}"
    if about.argument is not None:
        yield "  # the same study with twice as many trials, of other configurations"
        yield f"  {command} launch {shlex.join([about.argument, *_twice(about.settings)])}"
    yield "  # a study of your own, on a running Ray cluster"
    yield f"  {command} launch my_study.py --address auto"


def _twice(settings: Settings) -> Iterator[str]:
    """The options of a run twice as long, with another seed."""
    for field in fields(Settings):
        value = getattr(settings, field.name)
        if field.name == "seed":
            value += 1
        elif field.name in ("trials", "max_time", "max_epochs_total", "gpu_hours") and value is not None:
            value *= 2
        if value is not None and value != field.default and field.name not in NOT_REPEATED:
            yield f"--{field.name.replace('_', '-')}"
            if value is not True:
                yield str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
