"""Which checkpoints are kept and which are deleted: what is paused or running, and the best of the ended trials."""

import pytest

from orchestrator.scheduler.instructions import Discard
from tests.scheduler.support import (
    Brain,
    begun,
    checkpoint,
    completed,
    discard,
    diverged,
    failed,
    joined,
    lost,
    paused_and_saved,
    released,
    reported,
    saved,
    stop_requested,
    train,
)


def ended(brain: Brain, trial: int, value: float, *, save: bool = True) -> list[Discard]:
    """A trial reports its one score, saves it and completes; what is discarded on that."""
    at = 60.0 * (trial + 1)
    words = [reported(trial, 9, value, at=at), *([saved(trial, 9, at=at)] if save else []), completed(trial, at=at)]
    return [step for word in words for step in brain.tell(word) if isinstance(step, Discard)]


def test_the_best_ended_trial_keeps_its_checkpoint_and_the_others_lose_theirs() -> None:
    brain = begun("none")
    assert ended(brain, 0, 0.5) == []
    assert ended(brain, 1, 0.4) == [discard(1, 9)]
    assert ended(brain, 2, 0.6) == [discard(0, 9)]
    assert ended(brain, 3, 0.6) == [discard(3, 9)], "the first row of the leaderboard is the lower number"
    assert brain.state.best is brain.state.trials[2] and brain.state.trials[2].checkpoint == checkpoint(2, 9)


def test_no_later_trial_need_save_what_is_worse_than_what_is_kept() -> None:
    brain = begun("none")
    ended(brain, 0, 0.5)
    assert brain.state.trials[1].assignment.keep_above == 0.5
    ended(brain, 1, 0.4, save=False)
    assert brain.state.trials[2].assignment.keep_above == 0.5
    ended(brain, 2, 0.7)
    assert brain.state.trials[3].assignment.keep_above == 0.7


def test_what_is_kept_is_as_the_brain_counts_larger_is_better() -> None:
    brain = begun("none", direction="min")
    ended(brain, 0, 0.5)
    assert brain.state.trials[1].assignment.keep_above == -0.5
    assert ended(brain, 1, 0.4) == [discard(0, 9)]


def test_a_score_that_may_still_be_withdrawn_makes_nothing_useless() -> None:
    """Trial 0 is ahead and saved, but runs; then it diverges, and trial 1 is the first row."""
    brain = begun("none", workers=2, trials=2)
    brain.tell(reported(0, 1, 0.9), saved(0, 1))
    assert ended(brain, 1, 0.3) == []
    assert brain.tell(diverged(0))[0] == discard(0, 1)
    assert brain.state.best is brain.state.trials[1] and brain.state.trials[1].checkpoint == checkpoint(1, 9)


def test_nor_does_it_keep_another_trial_from_being_saved() -> None:
    brain = begun("asha", workers=1, trials=9)
    brain.tell(reported(0, 1, 0.9), paused_and_saved(0, 1))
    assert brain.state.trials[1].assignment.keep_above is None


@pytest.mark.parametrize("end", [failed(0), diverged(0)])
def test_a_trial_without_a_score_keeps_nothing(end: object) -> None:
    brain = begun("none")
    brain.tell(reported(0, 1, 0.5), saved(0, 1))
    assert brain.tell(end)[0] == discard(0, 1)


def test_a_live_trial_keeps_its_last_two() -> None:
    brain = begun("none")
    brain.tell(reported(0, 1, 0.5), saved(0, 1), reported(0, 2, 0.5))
    assert brain.tell(saved(0, 2, best=1)) == [], "the one before stays, should the last turn out damaged"
    assert brain.tell(reported(0, 3, 0.5)) == []
    assert brain.tell(saved(0, 3, best=1)) == [discard(0, 1)]
    decided = brain.tell(reported(0, 4, 0.5, at=60.0), saved(0, 4, at=60.0), completed(0, at=60.0))
    assert decided == [discard(0, 3, best=1), train(1)], "an ended one keeps its last"


def test_but_not_where_it_has_the_same_name() -> None:
    brain = begun("none")
    brain.tell(reported(0, 1, 0.5), saved(0, 1), stop_requested())
    assert brain.tell(saved(0, 1)) == []
    assert brain.tell(released(0))[-1].outcome == "interrupted"
    assert brain.state.trials[0].checkpoint == checkpoint(0, 1)


def test_what_a_running_trial_was_started_from_is_kept_while_it_may_be_lost() -> None:
    brain = begun(workers=1, trials=9)
    for trial, value in enumerate((0.5, 0.4, 0.3)):
        brain.tell(reported(trial, 1, value), paused_and_saved(trial, 1))
    assert brain.state.trials[0].status == "running"
    brain.tell(reported(0, 2, 0.6), lost(0))
    assert brain.tell(joined(1)) == [train(0, attempt=2, start=checkpoint(0, 1))]
    brain.tell(reported(0, 2, 0.6, attempt=2), reported(0, 3, 0.6, attempt=2))
    assert brain.tell(saved(0, 3, attempt=2)) == [], "and as the one before the last"
    assert brain.state.trials[0].previous == checkpoint(0, 1)


def test_all_paused_checkpoints_are_discarded_at_the_end_but_the_best() -> None:
    brain = begun(workers=1, trials=3, epochs=3)
    for trial, value in enumerate((0.2, 0.9, 0.3)):
        brain.tell(reported(trial, 1, value), paused_and_saved(trial, 1))
    decided = brain.tell(reported(1, 3, 0.1), saved(1, 3, best=1), completed(1))
    discarded = [step for step in decided if isinstance(step, Discard)]
    assert discarded == [discard(1, 1), discard(0, 1), discard(2, 1)]
    assert brain.state.best is brain.state.trials[1]


def test_a_run_that_ends_early_discards_nothing() -> None:
    brain = begun(workers=1, trials=4, epochs=9)
    for trial, value in enumerate((0.2, 0.9, 0.3)):
        brain.tell(reported(trial, 1, value), paused_and_saved(trial, 1))
    brain.tell(reported(1, 3, 0.1), saved(1, 3, best=1), released(1))
    decided = brain.tell(stop_requested()) + brain.tell(saved(3, 1), released(3))
    assert decided[-1].outcome == "interrupted"
    assert not [step for step in decided if isinstance(step, Discard)]


def test_the_best_epoch_may_be_in_an_older_checkpoint_than_the_last_epoch() -> None:
    """Promoted, trial 0 gets no better: what it saved at the first rung still holds its best epoch."""
    brain = begun(workers=1, trials=3, epochs=3)
    for trial, value in enumerate((0.5, 0.4, 0.3)):
        brain.tell(reported(trial, 1, value), paused_and_saved(trial, 1))
    brain.tell(reported(0, 2, 0.4), reported(0, 3, 0.4), completed(0))
    assert brain.state.best is brain.state.trials[0]
    assert brain.state.trials[0].checkpoint == checkpoint(0, 1)


def test_each_checkpoint_is_discarded_once() -> None:
    brain = begun("none", workers=1, trials=50)
    names = [step.checkpoint.name for trial in range(50) for step in ended(brain, trial, (trial * 7) % 10)]
    assert len(set(names)) == len(names) == 49
    assert not brain.state.superseded and len(brain.state.ended_saved) == 1
