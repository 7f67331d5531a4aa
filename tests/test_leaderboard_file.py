"""The file that is kept up to date while a run goes on, beside what pandas makes of the same state."""

import math
import subprocess
import sys
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.assignment import Configuration
from orchestrator.leaderboard import leaderboard, write_csv
from orchestrator.leaderboard_file import LeaderboardFile
from orchestrator.samplers import Sampler
from tests.scheduler.support import Brain, completed, diverged, failed, joined, reported, started
from tests.simulated_runs import SPACE, simulated

numbers = st.one_of(st.integers(-5, 5), st.floats(width=32))
kinds = st.sampled_from(
    [
        st.booleans(),
        st.integers(-9, 9),
        st.integers(2**62, 2**66),
        st.floats(-1e20, 1e20),
        st.sampled_from(["relu", "=1+1", 'a "b", c', "\n"]),
        st.one_of(st.integers(-9, 9), st.floats(-1e9, 1e9)),
        st.one_of(st.none(), st.integers(-9, 9), st.booleans(), st.just("adam"), st.just((1, 2))),
    ]
)


@st.composite
def configurations(draw: Any) -> list[Configuration]:
    columns = {name: draw(kinds) for name in draw(st.sets(st.sampled_from(["a", "b", "=c", "score2"]), min_size=1))}
    names = st.sets(st.sampled_from(sorted(columns)))
    return [{name: draw(columns[name]) for name in sorted(draw(names))} for _ in range(draw(st.integers(1, 6)))]


class Given(Sampler):
    def __init__(self, given: list[Configuration]) -> None:
        super().__init__(SPACE, 0)
        self.given = given

    def configuration(self, trial: int) -> Configuration:
        return self.given[trial]


@settings(max_examples=60, deadline=None)
@given(configurations(), st.data())
def test_it_is_what_pandas_writes(tmp_path_factory: Any, given: list[Configuration], data: Any) -> None:
    """Also when it was written before, and columns have changed since."""
    folder = tmp_path_factory.mktemp("run")
    brain = Brain("none", trials=len(given), epochs=2)
    brain.sampler = Given(given)
    names = sorted({name for configuration in given for name in configuration})
    file = LeaderboardFile(folder / "leaderboard.csv", brain.state, names)
    brain.tell(started())
    for trial in range(len(given)):
        brain.tell(joined(trial, at=trial))
        metrics = data.draw(st.dictionaries(st.sampled_from(["loss", "a", "=x", "rank"]), numbers, max_size=3))
        score = data.draw(st.floats(0, 1))
        event = reported(trial, 1, score, at=trial)
        event.metrics.update({name: float(value) for name, value in metrics.items()})
        ends = [(), completed(trial, at=trial), failed(trial, at=trial), diverged(trial, 2, at=trial)]
        brain.tell(event, data.draw(st.sampled_from(ends)))
        file.write()
        write_csv(leaderboard(brain.state, names), folder / "pandas.csv")
        assert (folder / "leaderboard.csv").read_bytes() == (folder / "pandas.csv").read_bytes()


def test_of_a_whole_run(tmp_path: Path) -> None:
    run = simulated(tmp_path, 3, trials=40, epochs=9, stopper="asha:grace=1")
    file = LeaderboardFile(tmp_path / "leaderboard.csv", run.state, SPACE)
    file.write()
    write_csv(leaderboard(run.state, SPACE), tmp_path / "pandas.csv")
    assert (tmp_path / "leaderboard.csv").read_bytes() == (tmp_path / "pandas.csv").read_bytes()


def test_it_is_written_now_and_then_and_less_often_the_longer_that_takes(tmp_path: Path) -> None:
    now, written = [0.0], []

    class Slow(LeaderboardFile):
        def write(self) -> None:
            written.append(now[0])
            now[0] += 0.05

    file = Slow(tmp_path / "leaderboard.csv", Brain("none").state, [], clock=lambda: now[0])
    while now[0] < 30:
        file.watch()
        now[0] += 0.1
    assert len(written) == 6 and math.isclose(written[0], 1.0, abs_tol=0.11)


def test_it_needs_no_pandas() -> None:
    code = "import sys, orchestrator.leaderboard_file; assert 'pandas' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
