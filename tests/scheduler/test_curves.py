"""What a trial has learned: its curve, its best epoch, what a lost worker withdraws, and the ranking that follows."""

from math import inf, nan

import pytest

from orchestrator.scheduler.instructions import Discard
from orchestrator.scheduler.state import State
from orchestrator.scheduler.validation import validate
from tests.scheduler.records import BEGUN, folded, pause, stop, train
from tests.scheduler.support import (
    checkpoint,
    completed,
    diverged,
    failed,
    joined,
    lost,
    released,
    reported,
    saved,
    started,
)


def curve(state: State, trial: int = 0) -> list[tuple[int, float]]:
    return [(report.epoch, report.metrics["val"]) for report in state.trials[trial].curve]


def best(state: State, trial: int = 0) -> tuple[int, float] | None:
    report = state.trials[trial].best
    return report and (report.epoch, report.metrics["val"])


@pytest.mark.parametrize(
    ("direction", "values", "expected"),
    [
        ("max", [0.1, 0.3, 0.2], (2, 0.3)),
        ("min", [0.1, 0.3, 0.2], (1, 0.1)),
        ("max", [0.3, 0.3], (1, 0.3)),
        ("max", [nan, 0.1], (2, 0.1)),
        ("max", [0.1, inf], (1, 0.1)),
        ("min", [0.1, -inf, nan], (1, 0.1)),
        ("max", [nan], None),
    ],
)
def test_the_best_epoch_is_the_first_of_the_best_finite_ones(
    direction: str, values: list[float], expected: tuple[int, float] | None
) -> None:
    reports = [reported(0, epoch, value) for epoch, value in enumerate(values, start=1)]
    state = folded(started(), joined(0), train(0), *reports, direction=direction)
    assert best(state) == expected
    assert state.best is (state.trials[0] if expected else None)


def test_the_first_row_is_the_best_score_and_the_lower_number_wins_ties() -> None:
    three = (started(), joined(0), joined(1), joined(2), train(0), train(1, worker=1), train(2, worker=2))
    state = folded(*three, reported(2, 1, 0.5), reported(1, 1, 0.5), reported(0, 1, 0.4))
    assert state.best is state.trials[1]
    assert list(state.ranking) == [(-0.5, 1), (-0.5, 2), (-0.4, 0)]


@pytest.mark.parametrize("end", [diverged(0), failed(0)])
def test_failed_and_diverged_trials_have_no_score(end: object) -> None:
    state = folded(*BEGUN, end)
    assert state.trials[0].score is None and state.best is None
    assert best(state) == (1, 0.5), "what was reported stays on record"


def test_a_lost_worker_withdraws_what_is_in_no_checkpoint() -> None:
    state = folded(*BEGUN, reported(0, 2, 0.7), saved(0, 2), reported(0, 3, 0.9), reported(0, 4, 0.8))
    assert best(state) == (3, 0.9)
    state.apply(lost(0))
    validate(state)
    assert curve(state) == [(1, 0.5), (2, 0.7)]
    assert best(state) == (2, 0.7) and list(state.ranking) == [(-0.7, 0)]


def test_without_a_checkpoint_all_is_withdrawn() -> None:
    state = folded(*BEGUN, lost(0))
    assert curve(state) == [] and best(state) is None and state.best is None


def test_an_earlier_best_epoch_is_withdrawn_although_its_report_stays() -> None:
    """The checkpoint of epoch 3 holds the best weights of epoch 1: both survive."""
    state = folded(*BEGUN, reported(0, 2, 0.3), reported(0, 3, 0.4), saved(0, 3, best=1), reported(0, 4, 0.6), lost(0))
    assert curve(state) == [(1, 0.5), (2, 0.3), (3, 0.4)] and best(state) == (1, 0.5)


def test_retrained_epochs_replace_the_curve_after_the_checkpoint() -> None:
    state = folded(*BEGUN, reported(0, 2, 0.7), saved(0, 2), reported(0, 3, 0.9), lost(0))
    state.apply(train(0, after=2, attempt=2, worker=1, start=True))
    for report in (reported(0, 3, 0.6, attempt=2), reported(0, 4, 0.65, attempt=2)):
        state.apply(report)
    validate(state)
    assert curve(state) == [(1, 0.5), (2, 0.7), (3, 0.6), (4, 0.65)] and best(state) == (2, 0.7)
    assert state.epochs_trained == 5, "epochs trained twice count twice here"


def test_an_epoch_that_is_reported_once_more_replaces_the_curve_from_there_on() -> None:
    state = folded(*BEGUN, reported(0, 2, 0.7), reported(0, 3, 0.9), reported(0, 2, 0.6))
    assert curve(state) == [(1, 0.5), (2, 0.6)] and best(state) == (2, 0.6)
    assert state.epochs_trained == 4


def test_a_trial_that_starts_again_from_nothing_withdraws_its_curve() -> None:
    """Promoted on another worker, and nothing was saved when it paused."""
    state = folded(*BEGUN, pause(0), released(0), train(0, attempt=2, worker=1))
    assert curve(state) == [] and best(state) is None


def test_losses_are_counted_since_the_last_checkpoint() -> None:
    state = folded(started(), joined(0), train(0), lost(0), joined(1), train(0, attempt=2, worker=1), lost(1))
    assert (state.trials[0].status, state.trials[0].losses) == ("waiting", 2)
    again = (joined(2), train(0, attempt=3, worker=2), reported(0, 1, 0.5, attempt=3), saved(0, 1, attempt=3))
    for record in again:
        state.apply(record)
    validate(state)
    assert state.trials[0].losses == 0


def test_losses_while_paused_or_queued_are_not_held_against_a_trial() -> None:
    state = folded(*BEGUN, pause(0), lost(0))
    assert (state.trials[0].losses, state.trials[0].status) == (0, "paused")


def test_a_later_checkpoint_supersedes_all_but_the_one_before() -> None:
    state = folded(*BEGUN, saved(0, 1), reported(0, 2, 0.7), saved(0, 2))
    trial = state.trials[0]
    assert (trial.checkpoint, trial.previous) == (checkpoint(0, 2), checkpoint(0, 1)) and not state.superseded
    state.apply(saved(0, 3))
    validate(state)
    assert (trial.checkpoint, trial.previous) == (checkpoint(0, 3), checkpoint(0, 2))
    assert list(state.superseded) == [checkpoint(0, 1).name]


def test_a_checkpoint_saved_again_under_its_name_supersedes_nothing() -> None:
    state = folded(*BEGUN, saved(0, 1), stop(0), saved(0, 1))
    assert state.trials[0].checkpoint == checkpoint(0, 1) and not state.superseded


def test_a_checkpoint_is_there_until_it_is_discarded() -> None:
    """Which one that is, is decided by the scheduler: the fold forgets what the journal says, and nothing else."""
    state = folded(*BEGUN, saved(0, 1), completed(0))
    assert state.best_saved(1) == [state.trials[0]] and state.trials[0].safe_score == 0.5
    state.apply(Discard(checkpoint=checkpoint(0, 1)))
    validate(state)
    assert state.trials[0].checkpoint is None and state.best_saved(1) == [] and state.trials[0].safe_score is None


def test_the_checkpoint_of_a_failed_trial_is_nobodys_best() -> None:
    for end in (failed(0), diverged(0)):
        state = folded(*BEGUN, saved(0, 1), end)
        assert list(state.ended_saved) == [0] and state.best_saved(1) == []


def test_only_what_has_ended_is_safe() -> None:
    two = (started(), joined(0), joined(1), train(0), train(1, worker=1))
    state = folded(*two, reported(0, 1, 0.5), saved(0, 1), completed(0), reported(1, 1, 0.6), saved(1, 1))
    assert state.best_saved(2) == [state.trials[0]], "trial 1 may still diverge"
    state.apply(completed(1))
    validate(state)
    assert state.best_saved(1) == [state.trials[1]] and state.best_saved(2) == [state.trials[1], state.trials[0]]


def test_of_two_that_are_equal_the_first_row_is_the_best_saved() -> None:
    two = (started(), joined(0), joined(1), train(0), train(1, worker=1))
    state = folded(*two, reported(1, 1, 0.5), saved(1, 1), completed(1), reported(0, 1, 0.5), saved(0, 1), completed(0))
    assert state.best_saved(1) == [state.best] == [state.trials[0]]
