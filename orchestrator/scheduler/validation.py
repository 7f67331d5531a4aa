"""Whether a state agrees with itself: every index is derived anew from the trials and the workers."""

from orchestrator.scheduler.state import State
from orchestrator.scheduler.trial import Status


def validate(state: State) -> None:
    """AssertionError where an index disagrees."""
    by_status: dict[Status, list[int]] = {status: [] for status in Status}
    for number, trial in enumerate(state.trials):
        assert trial.number == number
        by_status[trial.status].append(number)
        epochs = [report.epoch for report in trial.curve]
        assert epochs == sorted(set(epochs)), (number, epochs)
        assert trial.best is None or trial.best in trial.curve
        assert trial.status is not Status.RUNNING or trial.holder is not None, number
        assert trial.holder is None or trial.holder in state.workers, number
    assert {status: list(numbers) for status, numbers in state.by_status.items()} == by_status
    trials = state.trials
    assert state.held == {trial.number for trial in trials if trial.holder is not None}
    assert list(state.lost) == [n for n in by_status[Status.WAITING] if trials[n].holder is None]
    assert list(state.ranking) == sorted((-t.score, t.number) for t in trials if t.score is not None)
    assert list(state.ended_saved) == [t.number for t in trials if t.status.ended and t.checkpoint is not None]
    assert list(state.idle) == sorted(w.number for w in state.workers.values() if not w.queue)
    assert not state.proposing & state.proposals.keys()
    assert all(number >= len(trials) for number in state.proposals)
    for worker in state.workers.values():
        for place, number in enumerate(worker.queue):
            assert trials[number].holder == worker.number
            assert trials[number].status is (Status.WAITING if place else Status.RUNNING), number
