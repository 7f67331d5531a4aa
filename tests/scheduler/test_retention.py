"""How many checkpoints stay, the cap of their bytes, and those that turn out damaged."""

from orchestrator.scheduler.instructions import Discard
from tests.scheduler.support import (
    Brain,
    begun,
    checkpoint,
    completed,
    damaged,
    discard,
    joined,
    lost,
    paused_and_saved,
    released,
    reported,
    saved,
    stop,
    train,
)


def ended(brain: Brain, trial: int, value: float) -> list[Discard]:
    at = 60.0 * (trial + 1)
    words = [reported(trial, 9, value, at=at), saved(trial, 9, at=at), completed(trial, at=at)]
    return [step for word in words for step in brain.tell(word) if isinstance(step, Discard)]


def test_the_best_few_ended_trials_keep_theirs() -> None:
    brain = begun("none", keep=2, trials=9)
    assert ended(brain, 0, 0.5) == [] == ended(brain, 1, 0.3)
    assert brain.state.trials[2].assignment.keep_above == 0.3
    assert ended(brain, 2, 0.4) == [discard(1, 9)]
    assert ended(brain, 3, 0.1) == [discard(3, 9)]
    assert brain.state.best_saved(9) == [brain.state.trials[0], brain.state.trials[2]]


def test_fewer_than_are_kept_make_no_other_useless() -> None:
    brain = begun("none", keep=3, trials=9)
    ended(brain, 0, 0.5)
    ended(brain, 1, 0.4)
    assert brain.state.trials[2].assignment.keep_above is None


# The cap.


def test_beyond_the_cap_the_worst_paused_trial_ends() -> None:
    """Of a byte each, one too many: the best of the ended ones stays, and trial 2 makes room."""
    brain = begun("asha:grace=1,eta=9", workers=1, trials=9, checkpoint_bytes=3)
    brain.tell(reported(0, 1, 0.9), saved(0, 1), completed(0))
    for trial, value in ((1, 0.5), (2, 0.1)):
        brain.tell(reported(trial, 1, value), paused_and_saved(trial, 1))
    assert brain.tell(reported(3, 1, 0.3))[0].trial == 3
    room = "checkpoints take 4e-09 GB of at most 3e-09 GB (--checkpoint-bytes), and it was the worst of 3"
    assert brain.tell(saved(3, 1)) == [stop(2, worker=None, reason=room), discard(2, 1)]
    assert [brain.status(trial) for trial in range(4)] == ["completed", "paused", "stopped", "paused"]
    assert brain.tell(released(3)) == []


def test_ended_trials_make_room_before_paused_ones_do() -> None:
    brain = begun("asha:grace=1,eta=9", workers=1, trials=9, keep=3, checkpoint_bytes=3)
    for trial, value in ((0, 0.9), (1, 0.8), (2, 0.7)):
        brain.tell(reported(trial, 1, value), saved(trial, 1), completed(trial))
    assert brain.state.checkpoint_bytes == 3
    brain.tell(reported(3, 1, 0.1))
    assert brain.tell(saved(3, 1)) == [discard(2, 1)]
    assert brain.tell(released(3)) == [] and brain.status(3) == "paused"


def test_one_that_its_worker_still_has_does_not() -> None:
    brain = begun("asha:grace=1,eta=9", workers=1, trials=9, checkpoint_bytes=0)
    brain.tell(reported(0, 1, 0.5), saved(0, 1))
    assert brain.status(0) == "paused"
    assert brain.tell(released(0))[0] == stop(0, worker=None)


def test_running_trials_and_the_best_few_do_not_end_for_it() -> None:
    brain = begun("none", workers=1, trials=3, checkpoint_bytes=0)
    assert ended(brain, 0, 0.5) == []
    brain.tell(reported(1, 1, 0.5, at=70.0), saved(1, 1, at=70.0))
    assert brain.status(1) == "running" and brain.state.checkpoint_bytes == 2


# Damaged ones.


def test_a_damaged_checkpoint_falls_back_to_the_one_before() -> None:
    brain = begun("none", workers=1, trials=1)
    brain.tell(*[step for epoch in (1, 2) for step in (reported(0, epoch, 0.5), saved(0, epoch))])
    assert brain.tell(lost(0), joined(1)) == [train(0, attempt=2, after_epoch=2, start=checkpoint(0, 2))]
    decided = brain.tell(damaged(0, 2, attempt=2))
    again = train(0, attempt=3, after_epoch=1, start=checkpoint(0, 1), reason="its checkpoint was damaged")
    assert decided == [discard(0, 2), again]
    assert brain.state.trials[0].epoch == 1 and brain.state.trials[0].previous is None


def test_without_one_before_the_trial_begins_anew() -> None:
    brain = begun("none", workers=1, trials=1)
    brain.tell(reported(0, 1, 0.5), saved(0, 1), lost(0, cause="node died"), joined(1))
    decided = brain.tell(damaged(0, 1, attempt=2))
    assert decided == [discard(0, 1), train(0, attempt=3, after_epoch=0, start=None)]
    assert brain.state.trials[0].score is None and brain.state.trials[0].faults == 0


def test_a_damaged_one_before_is_only_forgotten() -> None:
    brain = begun("none", workers=1, trials=1)
    brain.tell(*[step for epoch in (1, 2) for step in (reported(0, epoch, 0.5), saved(0, epoch))])
    assert brain.tell(damaged(0, 1)) == [discard(0, 1)]
    assert (brain.status(0), brain.state.trials[0].attempt, brain.state.trials[0].epoch) == ("running", 1, 2)


def test_that_of_a_paused_trial_leaves_it_paused() -> None:
    brain = begun("asha", workers=1, trials=9)
    brain.tell(reported(0, 1, 0.5), paused_and_saved(0, 1))
    assert brain.tell(damaged(0, 1)) == [discard(0, 1)]
    trial = brain.state.trials[0]
    assert (brain.status(0), trial.attempt, trial.epoch, trial.checkpoint) == ("paused", 2, 1, None)


def test_that_of_an_ended_trial_changes_no_result() -> None:
    brain = begun("none", workers=1, trials=2)
    ended(brain, 0, 0.5)
    assert brain.tell(damaged(0, 9, at=61.0)) == [discard(0, 9)]
    trial = brain.state.trials[0]
    assert (brain.status(0), trial.score, trial.epoch, trial.attempt) == ("completed", 0.5, 9, 1)
    assert brain.state.best is trial and brain.state.best_saved(1) == []
