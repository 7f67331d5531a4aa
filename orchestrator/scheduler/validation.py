"""Whether a state agrees with itself: every index is derived anew from the trials and the workers."""

from math import inf

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
    ready = [n for n in by_status[Status.WAITING] if trials[n].holder is None]
    assert list(state.ready) == [n for n in ready if not trials[n].needs_fresh_worker]
    assert list(state.ready_for_fresh) == [n for n in ready if trials[n].needs_fresh_worker]
    assert sorted(state.heard) == by_status[Status.RUNNING]
    assert not any(trials[number].status.ended for number in state.to_stop)
    assert state.parting.keys() <= state.held and not state.parting.keys() & state.heard.keys()
    assert list(state.parting.values()) == sorted(state.parting.values())
    assert list(state.heard.values()) == sorted(state.heard.values())
    assert list(state.ranking) == sorted((-t.score, t.number) for t in trials if t.score is not None)
    saved = [t for t in trials if t.status.ended and t.checkpoint is not None]
    assert list(state.ended_saved) == [t.number for t in saved]
    scored = [(-t.safe_score, t.number) for t in saved if t.safe_score is not None and t.score is not None]
    assert list(state.saved) == sorted(scored)
    spare = [t for t in trials if t.status is Status.PAUSED and t.checkpoint is not None and t.holder is None]
    assert list(state.spare) == sorted((inf if t.score is None else -t.score, t.number) for t in spare)
    workers = state.workers.values()
    assert list(state.idle) == sorted(w.number for w in workers if not w.queue and w.leaving is None)
    assert all(state.workers[number].leaving is not None for number in state.leaving)
    live = [t for t in trials if not t.status.ended]
    assert all(t.previous is None for t in trials if t.status.ended)
    kept = [c for t in trials for c in (t.checkpoint, t.previous) if c is not None] + [*state.superseded.values()]
    assert state.checkpoint_bytes == sum(checkpoint.bytes for checkpoint in kept), kept
    assert all(t.checkpoint is not None for t in live if t.previous is not None)
    assert not state.proposing & state.proposals.keys()
    assert all(number >= state.drawn for number in state.proposals)
    assert sum(trial.is_repeat for trial in trials) == sum(state.repeats.values())
    for worker in workers:
        assert worker.holds == {trial.number for trial in trials if trial.holder == worker.number}
        for place, number in enumerate(worker.queue):
            assert trials[number].holder == worker.number
            assert trials[number].status is (Status.WAITING if place else Status.RUNNING), number
