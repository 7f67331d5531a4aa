"""The loop: facts and decisions are in the journal before anything is carried out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from orchestrator.driver import drive
from orchestrator.journal import Journal, read_journal
from orchestrator.scheduler.events import Event
from orchestrator.scheduler.instructions import Instruction
from orchestrator.scheduler.legality import IllegalRecord
from tests.scheduler.support import (
    Brain,
    completed,
    end_run,
    finish,
    joined,
    pause,
    paused_and_saved,
    released,
    reported,
    started,
    stop_requested,
    suspend,
    train,
    wake_at,
)
from tests.test_journal import HEADER


class Scripted:
    """A backend that says one batch after another, and remembers what it was asked to do and what was written then."""

    def __init__(self, batches: Sequence[Sequence[Event]], run_dir: Path | None = None) -> None:
        self.batches = list(batches)
        self.run_dir = run_dir
        self.asked: list[list[Instruction]] = []
        self.written: list[int] = []

    def wait(self) -> Sequence[Event]:
        return self.batches.pop(0)

    def carry_out(self, instructions: Sequence[Instruction]) -> None:
        self.asked.append(list(instructions))
        if self.run_dir is not None:
            self.written.append(len(list(read_journal(self.run_dir)[1])))


ONE_TRIAL = [[started()], [joined(0)], [], [reported(0, 9, 0.5), completed(0)]]


LAST_WORDS = [stop_requested(), released(0), released(2)]


def test_it_runs_until_the_scheduler_is_finished() -> None:
    brain = Brain("none", trials=1)
    backend = Scripted(ONE_TRIAL)
    drive(brain, backend, None)
    assert brain.state.finished == finish("done")
    assert backend.asked == [[], [train(0)], [], [finish("done")]]


def test_all_of_a_batch_is_written_before_any_of_it_is_carried_out(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, HEADER)
    brain = Brain("none", trials=1)
    backend = Scripted(ONE_TRIAL, tmp_path)
    seen: list[Any] = []
    drive(brain, backend, journal, lambda records: seen.append(len(records)))
    journal.close()
    assert backend.written == [1, 3, 3, 6]
    assert seen == [1, 2, 0, 3], "who watches gets a turn also when nothing happened"
    assert list(read_journal(tmp_path)[1]) == [
        started(),
        joined(0),
        train(0),
        reported(0, 9, 0.5),
        completed(0),
        finish("done"),
    ]


def test_a_pause_that_is_undone_is_written_but_not_carried_out(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, HEADER)
    backend = Scripted([[started(), joined(0)], [reported(0, 1, 0.5)], [reported(0, 9, 0.5), completed(0)]])
    drive(Brain("asha", trials=1), backend, journal)
    journal.close()
    assert backend.asked[1] == [train(0, after_epoch=1, start=None)]
    assert list(read_journal(tmp_path)[1])[3:6] == [reported(0, 1, 0.5), pause(0), train(0)]


def test_only_what_one_event_undoes_is_left_out() -> None:
    """Paused on the first event of a batch, promoted from its checkpoint on a later one: the pause is carried out."""
    words = [reported(0, 1, 0.5), *paused_and_saved(0, 1), reported(1, 1, 0.1), *paused_and_saved(1, 1)]
    backend = Scripted([[started(), joined(0)], [*words, reported(2, 1, 0.2)], LAST_WORDS])
    drive(Brain("asha", trials=3), backend, None)
    assert backend.asked[1] == [pause(0), train(1), pause(1), train(2), pause(2), train(0, after_epoch=1)]


def test_nothing_after_the_end_is_heard(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, HEADER)
    backend = Scripted([[started(), joined(0)], [stop_requested(), released(0), joined(1), reported(0, 1, 0.5)]])
    drive(Brain("none"), backend, journal)
    journal.close()
    assert backend.asked[1] == [end_run("interrupted"), suspend(0), wake_at(20.0), finish("interrupted")]
    assert list(read_journal(tmp_path)[1])[-1] == finish("interrupted")


def test_of_a_batch_with_an_illegal_word_nothing_is_carried_out(tmp_path: Path) -> None:
    journal = Journal.create(tmp_path, HEADER)
    backend = Scripted([[started()], [joined(0), reported(7, 1, 0.5)]])
    with pytest.raises(IllegalRecord):
        drive(Brain("none"), backend, journal)
    journal.close()
    assert backend.asked == [[]] and list(read_journal(tmp_path)[1]) == [started()]
