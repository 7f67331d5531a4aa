"""The laws, in random worlds: whatever happens in whatever order, with each stopper."""

import tempfile
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.draws import training_seed
from orchestrator.driver import drive
from orchestrator.journal import FORMAT, Header, Journal, read_journal
from orchestrator.leaderboard import leaderboard
from orchestrator.scheduler.events import CheckpointSaved, Event, RunResumed, TrialReported
from orchestrator.scheduler.instructions import Discard, Instruction, Pause, Record, Stop, Suspend, Train
from orchestrator.scheduler.state import State
from orchestrator.scheduler.trial import Status
from orchestrator.stoppers import STOPPERS
from tests.scheduler.support import Brain, dump, whole
from tests.scheduler.telling_world import TellingWorld
from tests.scheduler.world import DriverDied, Nature

rates = st.sampled_from([0.0, 0.0, 0.02, 0.2])
natures = st.builds(
    Nature,
    seed=st.integers(0, 2**32),
    workers=st.integers(1, 4),
    direction=st.sampled_from(["max", "min"]),
    pace=st.sampled_from([0.0001, 0.01, 1.0, 5.0]),
    loss=st.sampled_from([0.0, 0.0, 0.02, 0.1]),
    failure=rates,
    divergence=rates,
    early_end=rates,
    stop_request=st.sampled_from([0.0, 0.0, 0.01]),
    trial_stop=st.sampled_from([0.0, 0.0, 0.01, 0.1]),
    upset=st.sampled_from([0.0, 0.02, 0.1]),
    death=st.sampled_from([0.0, 0.01, 0.03]),
    tear=st.sampled_from([0.0, 0.02, 0.1]),
    saves=st.sampled_from([True, True, True, False]),
)
plans = st.fixed_dictionaries(
    {
        "trials": st.integers(1, 30),
        "epochs": st.sampled_from([1, 3, 4, 9]),
        "numbers": st.sampled_from([None, None, 5]),
        "target": st.sampled_from([None, None, None, 0.9]),
        "max_time": st.sampled_from([None, None, None, 20.0]),
        "max_epochs_total": st.sampled_from([None, None, None, 15]),
        "gpu_hours": st.sampled_from([None, None, None, 0.01]),
        "gpus_per_trial": st.just(0.5),
        "slow": st.sampled_from([False, True]),
        "adapts": st.sampled_from([None, 3]),
        "keep": st.integers(1, 3),
        "checkpoint_bytes": st.sampled_from([None, None, 3]),
        "retries": st.integers(0, 2),
        "max_failures": st.sampled_from([None, None, 3]),
        "trial_timeout": st.sampled_from([None, None, 5.0]),
        "stall_timeout": st.sampled_from([5.0, 60.0]),
        "queues": st.booleans(),
        "widest": st.sampled_from([1, 2, 4]),
        "finish_best": st.sampled_from([0, 0, 2]),
        "repeat_best": st.sampled_from([0, 0, 1, 3]),
        "release_after": st.sampled_from([None, 0.0, 5.0]),
    }
)


@dataclass
class Life:
    """A run from its first to its last record."""

    stopper: str
    nature: Nature
    plan: dict[str, Any]
    extension: int | None = None
    """The finished run goes on, with more trials, to so many times the epochs."""
    records: list[Record] = field(default_factory=list)
    moments: list[tuple[int, Any]] = field(default_factory=list)
    """How many records there were at some moments, and all that the brain knew."""
    torn: set[int] = field(default_factory=set)
    """Where the facts stand whose decisions were torn off, in part or all of them."""

    def __post_init__(self) -> None:
        self.brain = self.new_brain()
        self.world = TellingWorld(self.nature, self.brain.state.objective, self.brain.sampler)
        self.tears = Random(self.nature.seed)
        self._live()
        if self.extension is not None:
            self.plan = {**self.plan, "trials": self.plan["trials"] + 4, "epochs": self.plan["epochs"] * self.extension}
            self.moments.clear()
            self._resume({"epochs": self.plan["epochs"]})
            self._live()

    def _live(self) -> None:
        while True:
            try:
                return drive(self.brain, self.world, self, self._watch)  # type: ignore[arg-type]
            except DriverDied:
                self._resume({})

    def _resume(self, changed: dict[str, Any]) -> None:
        """As another driver would, from what stands in the journal."""
        self.brain = self.new_brain()
        self.brain.fold(self.records)
        self.world.sampler = self.brain.sampler
        self.world.delivered = [record for record in self.records if isinstance(record, Event)]
        self.world.revive(self.state, changed)

    def new_brain(self) -> Brain:
        return Brain(self.stopper, direction=self.nature.direction, seed=self.nature.seed, **self.plan)

    @property
    def state(self) -> State:
        return self.brain.state

    @cached_property
    def read_back(self) -> list[Record]:
        """The records, written to a journal and read from it."""
        header = Header(
            format=FORMAT,
            study="world",
            objective="val",
            direction=self.nature.direction,
            seed=self.nature.seed,
            fingerprint="",
            hyperparameters=["number"],
            versions={},
            started=0.0,
            settings={},
        )
        with tempfile.TemporaryDirectory() as folder:
            journal = Journal.create(Path(folder), header)
            journal.append(self.records)
            journal.close()
            return list(read_journal(Path(folder))[1])

    def append(self, records: list[Record]) -> None:
        """As a journal: what is written counts before anything is carried out."""
        if self.tears.random() >= self.nature.tear:
            self.records += records
            return
        self.records += records[: self.tears.randint(0, len(records))]
        facts = [place for place, record in enumerate(self.records) if isinstance(record, Event)]
        self.torn.update(facts[-1:])
        raise DriverDied

    def _watch(self, records: list[Record]) -> None:
        if len(self.records) // 20 > len(self.moments):
            self.moments.append((len(self.records), dump(self.brain)))


def every_trial_ends_exactly_once(life: Life) -> None:
    state = State(life.state.objective)
    ended: dict[int, str] = {}
    for record in life.records:
        state.apply(record)
        now = {trial.number: str(trial.status) for trial in state.trials if trial.status.ended}
        if isinstance(record, RunResumed) and record.settings:
            ended = {number: status for number, status in ended.items() if number in now or status != "completed"}
        assert now.items() >= ended.items(), record
        ended = now
    assert state.drawn <= life.plan["trials"]
    if life.state.ending is None:
        assert len(ended) == len(state.trials)
    assert not any(trial.status is Status.RUNNING for trial in state.trials)


def no_report_is_lost_or_counted_twice(life: Life) -> None:
    state = State(life.state.objective)
    latest: dict[tuple[int, int], TrialReported] = {}
    ignored = 0
    for record in life.records:
        taken = state.apply(record)
        if isinstance(record, TrialReported):
            ignored += not taken
            if taken:
                latest[record.trial, record.epoch] = record
    given = [event for event in life.world.delivered if isinstance(event, TrialReported)]
    heard = [record for record in life.records if isinstance(record, TrialReported)]
    assert dump(heard) == dump(given[: len(heard)]), "all but what came together with the end"
    assert life.state.epochs_trained + ignored == len(heard)
    for trial in whole(life.state.objective, life.records).trials:
        assert [report.epoch for report in trial.curve] == list(range(1, trial.epoch + 1))
        for report in trial.curve:
            assert report.metrics is not None
            assert dump(report.metrics) == dump(latest[trial.number, report.epoch].metrics)


def what_is_forgotten_of_ended_trials_is_not_missed(life: Life) -> None:
    state, whole_state = life.state, whole(life.state.objective, life.read_back)
    rows, whole_rows = leaderboard(state, ["number"]), leaderboard(whole_state, ["number"])
    pd.testing.assert_frame_equal(rows, whole_rows)
    assert list(state.saved) == list(whole_state.saved)
    for trial, known in zip(state.trials, whole_state.trials, strict=True):
        at_most = 3 if trial.status.ended and trial.holder is None else len(known.curve)
        assert len(trial.curve) <= at_most
        assert dump([trial.best, trial.curve[-1:]]) == dump([known.best, known.curve[-1:]])
        assert trial.safe_score == known.safe_score
        assert [state.reopens(trial, epochs) for epochs in (9, 99)] == [
            whole_state.reopens(known, epochs) for epochs in (9, 99)
        ]
        if known.failure is not None and trial.failure is not None:
            assert trial.failure == msgspec.structs.replace(known.failure, traceback=trial.failure.traceback)


def across_resumes_each_epoch_of_an_attempt_is_counted_once(life: Life) -> None:
    state = State(life.state.objective)
    counted: set[tuple[int, int, int]] = set()
    for record in life.records:
        taken = state.apply(record)
        if taken and isinstance(record, TrialReported):
            key = record.trial, record.attempt, record.epoch
            assert key not in counted, record
            counted.add(key)
    assert len(counted) == life.state.epochs_trained


def no_rung_is_passed_unjudged(life: Life) -> None:
    """Where an assignment ends, there is a rung, whatever was torn off or lost since its trial first came there."""
    if life.stopper in ("asha", "asha_stop") and life.extension is None:
        assert not [step for step in life.records if isinstance(step, Train) and "is no rung" in step.reason]


def the_fold_of_the_journal_is_the_state(life: Life) -> None:
    folded = life.new_brain()
    folded.fold(life.read_back)
    assert dump(folded) == dump(life.brain)


def the_facts_alone_give_the_same_decisions(life: Life) -> None:
    if life.extension is not None:
        return  # They were taken under other limits.
    anew = life.new_brain()
    decided_alike(anew, life, 0)
    assert dump(anew) == dump(life.brain)


def a_run_folded_in_its_midst_goes_on_as_it_did(life: Life) -> None:
    for count, known in life.moments[:: len(life.moments) // 8 + 1]:
        resumed = life.new_brain()
        resumed.fold(life.read_back[:count])
        assert dump(resumed) == known
        decided_alike(resumed, life, count)


def decided_alike(brain: Brain, life: Life, place: int) -> None:
    """From a place in the journal on the brain decides on each fact what stands after it, where nothing is torn off."""
    records = life.read_back
    while place < len(records):
        event, end = records[place], place + 1
        while end < len(records) and isinstance(records[end], Instruction):
            end += 1
        assert isinstance(event, Event)
        if place in life.torn:
            brain.fold(records[place:end])
        else:
            assert brain.handle(event) == records[place + 1 : end], event
        place = end


def configurations_and_seeds_depend_on_seed_and_trial_alone(life: Life) -> None:
    for step in life.records:
        if isinstance(step, Train):
            trial, repeated = step.assignment.trial, step.assignment.repeat_of
            draw = life.state.trials[trial if repeated is None else repeated].draw
            assert step.assignment.configuration == {"number": draw}
            assert step.assignment.seed == training_seed(life.nature.seed, trial)


def what_was_to_be_repeated_was(life: Life) -> None:
    """The best was repeated as often as was asked for, unless the run ended early, and none more often."""
    repeats, state = life.plan.get("repeat_best", 0), life.state
    assert all(count <= repeats for count in state.repeats.values())
    assert all(state.trials[number].repeat_of is None for number in state.repeats)
    best = next((state.trials[number] for _, number in state.ranking if not state.trials[number].is_repeat), None)
    if best is not None and state.ending is None and life.plan.get("checkpoint_bytes") is None:
        assert state.repeats.get(best.number, 0) == repeats
    nature = life.nature
    if nature.loss == nature.upset == nature.death == nature.tear == 0 and state.ending is life.extension is None:
        # Where scores are lost with weights, one that has ended as paused may come to be among the best.
        ranks = [number for _, number in state.ranking][: life.plan.get("finish_best", 0)]
        assert all(not state.trials[number].reason.startswith("paused") for number in ranks)


def every_decision_on_a_trial_has_a_reason(life: Life) -> None:
    assert all(step.reason for step in life.records if isinstance(step, Train | Pause | Stop | Suspend))
    assert all(trial.reason for trial in life.state.trials)


def what_is_left_on_disk_is_the_first_rows_checkpoint(life: Life) -> None:
    saved = {record.checkpoint.name for record in life.records if isinstance(record, CheckpointSaved)}
    discarded = [record.checkpoint.name for record in life.records if isinstance(record, Discard)]
    assert len(set(discarded)) == len(discarded) and saved.issuperset(discarded)
    kept = [trial for trial in life.state.trials if trial.checkpoint is not None and trial.status.ended]
    assert len(kept) <= life.plan["keep"] and not life.state.superseded
    best = life.state.best if life.extension is None else None  # Which may have gone on, and diverged.
    if best is not None and best.status.ended and not best.weights_lost and life.nature.saves and not life.state.held:
        assert best in kept
        assert best.checkpoint is not None and best.best is not None
        assert best.checkpoint.best_epoch == best.best.epoch and best.safe_score == best.score
        assert life.world.files[best.checkpoint.name] == (best.best.epoch, best.score)


def the_outcome_says_how_it_went(life: Life) -> None:
    finished = life.state.finished
    assert finished is not None and finished.reason
    nature = life.nature
    quiet = nature.loss == nature.failure == nature.stop_request == nature.upset == nature.death == nature.tear == 0
    if quiet and all(life.plan[name] is None for name in ("max_time", "gpu_hours", "trial_timeout")):
        assert finished.outcome == ("done" if life.state.best is not None else "failed")
    if finished.outcome == "done":
        assert life.state.best is not None


LAWS = [
    every_trial_ends_exactly_once,
    no_report_is_lost_or_counted_twice,
    what_is_forgotten_of_ended_trials_is_not_missed,
    across_resumes_each_epoch_of_an_attempt_is_counted_once,
    no_rung_is_passed_unjudged,
    the_fold_of_the_journal_is_the_state,
    the_facts_alone_give_the_same_decisions,
    a_run_folded_in_its_midst_goes_on_as_it_did,
    configurations_and_seeds_depend_on_seed_and_trial_alone,
    what_was_to_be_repeated_was,
    every_decision_on_a_trial_has_a_reason,
    what_is_left_on_disk_is_the_first_rows_checkpoint,
    the_outcome_says_how_it_went,
]


@pytest.mark.parametrize("stopper", [*STOPPERS, "asha:grace=2,eta=2+patience:2", "hyperband+median"])
@settings(max_examples=40, deadline=None)
@given(natures, plans, st.sampled_from([None, None, 1, 3]))
def test_the_laws_hold(stopper: str, nature: Nature, plan: dict[str, Any], extension: int | None) -> None:
    """The run comes to its end, or the world says why not; `Brain` validates its state after every record; and then:"""
    life = Life(stopper, nature, plan, extension)
    for law in LAWS:
        law(life)


@pytest.mark.parametrize("stopper", ["asha", "asha_stop", "halving", "hyperband"])
def test_the_laws_hold_where_the_journal_is_torn_again_and_again(stopper: str) -> None:
    plan = {"trials": 12, "epochs": 9, "stall_timeout": 60.0}
    lives = [Life(stopper, Nature(seed=seed, tear=0.1), {**plan, "keep": 1}) for seed in range(5)]
    assert all(life.torn for life in lives)
    for life in lives:
        every_trial_ends_exactly_once(life)
        no_report_is_lost_or_counted_twice(life)
        across_resumes_each_epoch_of_an_attempt_is_counted_once(life)
        no_rung_is_passed_unjudged(life)
        the_facts_alone_give_the_same_decisions(life)
