"""The figures of the samplers, on runs made up by hand and on the task that needs no surrogate."""

import pytest

from benchmarks.search.samplers import SHARES, Row, run, summaries, two_hills


def row(task: str, sampler: str, seed: int, best: float, top: float = 10.0) -> Row:
    bests = (best - 2, best - 1, best)
    return Row(task, False, "none", sampler, seed, 3, bests, tuple(top - value for value in bests))


def test_summaries_by_hand() -> None:
    found = [row("x", "zoom", 0, 9), row("x", "zoom", 1, 8), row("y", "zoom", 0, 5), row("y", "zoom", 1, 10)]
    found += [row("x", "random", 0, 9), row("x", "random", 1, 7), row("y", "random", 0, 8), row("y", "random", 1, 7)]
    zoom, random = summaries(found)
    assert (zoom.sampler, zoom.stopper, zoom.medians) == ("zoom", "none", (3.5, 2.5, 1.5))
    assert zoom.quartiles == (0.75, 2.75)
    assert zoom.tasks_ahead == {"random": 1} and random.tasks_ahead == {"zoom": 0}, "they end alike on y"
    assert zoom.runs_ahead == {"random": 0.625} and random.runs_ahead == {"zoom": 0.375}


def test_two_hills_has_its_top_where_all_groups_have_changed() -> None:
    problem = two_hills()
    at = {height: problem.curve(dict.fromkeys(problem.space, height))[-1] for height in (0.25, 0.5, 0.85)}
    assert at[0.85] == pytest.approx(problem.best_known) and at[0.25] < at[0.5] < at[0.85]
    assert {domain.group for domain in problem.space.values()} == {1, 2, 3}


@pytest.mark.parametrize(("stopper", "more"), [("none", False), ("asha:grace=3", True)])
def test_runs_have_the_same_epochs(stopper: str, more: bool) -> None:
    best, trials = run(two_hills(), "sobol", stopper, 0)
    assert len(best) == len(SHARES) and list(best) == sorted(best)
    assert trials > 60 if more else trials == 60
