"""How the first rung is chosen."""

from collections.abc import Callable
from math import inf, nan
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from orchestrator.objective import Objective
from orchestrator.stoppers import make_stopper
from orchestrator.stoppers.grace import Grace, ranks_of, spearman, widened
from tests.stoppers.play import MAX, Play

AUTO = ["asha", "asha_stop", "halving", "hyperband"]


def auto(eta: int = 3, max_epochs: int = 27, trials: int | None = None) -> Grace:
    return Grace("auto", eta, max_epochs, trials)


def tell(grace: Grace, trial: int, *scores: float) -> None:
    """A trial begins, and reports these scores at epochs 1, 3 and 9."""
    grace.begun(trial)
    for epoch, score in zip((1, 3, 9), scores, strict=False):
        grace.reported(trial, epoch, score)


def adapted(grace: Grace) -> str | None:
    """The reason of what it wants to change, which is then told."""
    if (adaptation := grace.adaptation()) is None:
        return None
    grace.adapted(adaptation.settings)
    return adaptation.reason


@pytest.mark.parametrize(
    ("eta", "max_epochs", "trials", "first"),
    [
        pytest.param(3, 27, None, 9, id="without a limit there are probes"),
        pytest.param(3, 27, 18, 9, id="so with 18 trials"),
        pytest.param(3, 27, 17, 1, id="and none with fewer"),
        pytest.param(3, 27, 1, 1, id="one trial"),
        pytest.param(3, 50, None, 9, id="a third of max epochs, rounded down to a power"),
        pytest.param(3, 26, None, 3, id="the next one down"),
        pytest.param(3, 243, None, 81, id="many epochs"),
        pytest.param(3, 9, None, 3, id="the fewest epochs with eta 3"),
        pytest.param(3, 8, None, 1, id="epoch 1 alone: nothing to choose from"),
        pytest.param(2, 6, None, 2, id="the fewest with eta 2"),
        pytest.param(4, 27, None, 4, id="eta 4"),
        pytest.param(3, 2, None, 1, id="two epochs"),
        pytest.param(3, 1, None, 1, id="one epoch: no rung"),
    ],
)
def test_where_trials_are_judged_before_anything_is_known(
    eta: int, max_epochs: int, trials: int | None, first: int
) -> None:
    grace = auto(eta, max_epochs, trials)
    assert grace.first(0) == first and grace.first(10**6) == first
    assert grace.is_probe(0) is (first > 1)


@pytest.mark.parametrize(("given_grace", "max_epochs", "first"), [(2, 27, 2), (26, 27, 26), (27, 27, 27), (99, 27, 27)])
def test_a_number_of_epochs(given_grace: int, max_epochs: int, first: int) -> None:
    grace = Grace(given_grace, 3, max_epochs, None)
    assert grace.first(0) == first == grace.next_rung(0, 0) and not grace.is_probe(0)


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "often", True])
def test_what_is_no_grace(wrong: object) -> None:
    with pytest.raises(ValueError, match=f"grace is {wrong}: use auto, or a whole number of at least 1"):
        Grace(wrong, 3, 27, None)  # type: ignore[arg-type]


UP = [float(place) for place in range(9)]
MIXED = [4.0, 1.0, 7.0, 2.0, 6.0, 3.0, 0.0, 8.0, 5.0]


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        pytest.param(UP, UP, "grace 1: epoch 1 predicts epoch 9, Spearman 1.00 over 9 trials", id="epoch 1 tells"),
        pytest.param(
            MIXED,
            UP,
            "grace 3: epoch 1 does not predict epoch 9, Spearman 0.20; "
            "epoch 3 predicts epoch 9, Spearman 1.00 over 9 trials",
            id="epoch 3 does",
        ),
        pytest.param(
            MIXED,
            UP[::-1],
            "grace 9: epoch 1 does not predict epoch 9, Spearman 0.20; "
            "epoch 3 does not predict epoch 9, Spearman -1.00 over 9 trials",
            id="neither does",
        ),
        pytest.param(
            [0.5] * 9,
            UP,
            "grace 3: epoch 1 does not predict epoch 9, Spearman 0.00; "
            "epoch 3 predicts epoch 9, Spearman 1.00 over 9 trials",
            id="what is always the same tells nothing",
        ),
    ],
)
def test_the_earliest_epoch_that_tells(first: list[float], second: list[float], reason: str) -> None:
    grace = auto()
    for trial in range(9):
        assert grace.adaptation() is None
        tell(grace, trial, first[trial], second[trial], UP[trial])
    assert adapted(grace) == reason and grace.adaptation() is None


def test_a_choice_binds_the_trials_that_have_not_begun() -> None:
    grace = auto()
    for trial in range(9):
        tell(grace, trial, trial, trial, trial)
    for trial in range(9, 12):
        grace.begun(trial)
    adapted(grace)
    assert [grace.first(trial) for trial in (0, 11, 12, 13)] == [9, 9, 1, 1]
    assert [grace.is_probe(trial) for trial in (0, 11, 12, 13)] == [True, True, False, False]
    assert grace.next_rung(11, 3) == 9 and grace.next_rung(12, 1) == 3


@pytest.mark.parametrize(("fallen", "arrived"), [(0, 9), (1, 8), (4, 5), (5, 5), (20, 5)], ids=lambda count: str(count))
@pytest.mark.parametrize("how", [Grace.ended, Grace.withdrawn])
def test_it_is_made_with_the_probes_that_are_left(fallen: int, arrived: int, how: Callable[[Grace, int], None]) -> None:
    grace = auto()
    for trial in range(fallen):
        tell(grace, trial, -trial, -trial)
        how(grace, trial)
    for trial in range(fallen, fallen + arrived):
        assert grace.adaptation() is None
        tell(grace, trial, trial, trial, trial)
    assert (adapted(grace) or "").endswith(f"over {arrived} trials")


def test_the_last_probe_may_be_one_that_falls() -> None:
    grace = auto()
    for trial in range(8):
        tell(grace, trial, trial, trial, trial)
    grace.begun(8)
    grace.ended(8)
    assert adapted(grace) == "grace 1: epoch 1 predicts epoch 9, Spearman 1.00 over 8 trials"


def test_a_probe_that_fails_after_it_arrived_is_not_compared() -> None:
    grace = auto()
    for trial in range(7):
        tell(grace, trial, trial, trial, trial)
    tell(grace, 7, 99, -99, -99)
    grace.withdrawn(7)
    assert grace.adaptation() is None
    tell(grace, 8, 8, 8, 8)
    assert adapted(grace) == "grace 1: epoch 1 predicts epoch 9, Spearman 1.00 over 8 trials"


def test_one_that_ends_after_it_arrived_is_compared_once() -> None:
    grace = auto()
    for trial in range(8):
        tell(grace, trial, trial, trial, trial)
        grace.ended(trial)
    assert grace.adaptation() is None


def test_values_that_are_no_numbers_jumps_and_epochs_trained_again() -> None:
    grace = auto()
    for trial in range(9):
        grace.begun(trial)
        grace.reported(trial, 2, trial)  # for epoch 1
        for score in (nan, inf, -inf):
            grace.reported(trial, 3, score)
        grace.reported(trial, 1, -trial)
        grace.reported(trial, 20, trial)  # for epochs 3 and 9
        grace.reported(trial, 9, -trial)
    assert adapted(grace) == "grace 1: epoch 1 predicts epoch 9, Spearman 1.00 over 9 trials"


def test_once_closed_nothing_is_measured() -> None:
    grace = auto()
    for trial in range(9):
        tell(grace, trial, trial, trial, trial)
    grace.closed()
    assert grace.adaptation() is None
    tell(grace, 9, 1, 1, 1)
    grace.ended(9)
    grace.withdrawn(8)
    assert grace.adaptation() is None and grace.first(10) == 9


def noisy(random: Random, count: int, noise: float) -> list[tuple[float, float]]:
    quality = [random.gauss(0, 1) for _ in range(count)]
    return [(one + random.gauss(0, noise), one) for one in quality]


def test_it_is_measured_again_each_time_the_trials_have_doubled() -> None:
    """Nine probes misled it; with more trials it comes to know better, and only as many times as they double."""
    grace = auto()
    for trial in range(9):
        tell(grace, trial, MIXED[trial], MIXED[trial], trial)
    assert (adapted(grace) or "").startswith("grace 9: ")
    changes: dict[int, str] = {}
    for trial, (early, last) in enumerate(noisy(Random(0), 400, 0.1), start=9):
        tell(grace, trial, early, early, last)
        if (reason := adapted(grace)) is not None:
            changes[trial + 1] = reason
    assert list(changes) == [36], "at 18 the nine still weigh too much"
    assert changes[36].startswith("grace 1: epoch 1 predicts epoch 9, Spearman 0.92 over 36")
    assert grace.check_at == 576


def test_a_first_rung_that_does_not_tell_is_given_up() -> None:
    """The nine agreed by chance; of later trials, the better third at epoch 1 goes on to epoch 9, in no order."""
    random = Random(0)
    grace = auto()
    for trial in range(9):
        tell(grace, trial, trial, trial, trial)
    assert (adapted(grace) or "").startswith("grace 1: ")
    reasons = []
    for trial in range(9, 300):
        early, last = random.gauss(0, 1), random.gauss(0, 1)
        if early > 0.43:
            tell(grace, trial, early, last, last)
        else:
            tell(grace, trial, early)
        reasons += [reason] if (reason := adapted(grace)) is not None else []
    assert len(reasons) == 1 and reasons[0].startswith("grace 3: epoch 1 does not predict epoch 9, Spearman 0.")


@pytest.mark.parametrize("seed", range(5))
def test_being_chosen_by_an_early_score_is_no_reason_to_doubt_it(seed: int) -> None:
    """A correlation of 0.9 is but 0.7 among the better third; it is corrected, so nothing changes."""
    grace = auto()
    for trial in range(9):
        tell(grace, trial, trial, trial, trial)
    adapted(grace)
    for trial, (early, last) in enumerate(noisy(Random(seed), 1000, 0.5), start=9):
        tell(grace, trial, early, *([last, last] if early > 0.5 else []))
        assert grace.adaptation() is None


@pytest.mark.parametrize(("rho", "share"), [(0.9, 0.34), (0.6, 0.34), (0.3, 0.5), (0.0, 0.34), (-0.5, 0.34)])
def test_the_correction_gives_back_what_choosing_took(rho: float, share: float) -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=200_000)
    y = rho * x + np.sqrt(1 - rho**2) * generator.normal(size=len(x))
    chosen = x >= np.quantile(x, 1 - share)
    corrected = widened(spearman(x[chosen], y[chosen]), x.std() / x[chosen].std())
    assert corrected == pytest.approx(spearman(x, y), abs=0.05)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=20))
def test_ranks_and_correlation_are_scipys(pairs: list[tuple[int, int]]) -> None:
    x, y = np.array(pairs, dtype=np.float64).T
    assert list(ranks_of(x)) == list(stats.rankdata(x))
    if len(set(x)) > 1 and len(set(y)) > 1:
        assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)
    else:
        assert spearman(x, y) == 0


@pytest.mark.parametrize("name", AUTO)
def test_every_stopper_with_a_first_rung_chooses_it(name: str) -> None:
    play = Play(name, trials=100)
    for score in range(9):
        assert play.to_epoch.get(play.begin()) == 9
        play.train(score, -score, score)
    reason = "grace 3: epoch 1 does not predict epoch 9, Spearman -1.00; epoch 3 predicts epoch 9, Spearman 1.00"
    assert play.reasons == [f"{reason} over 9 trials"]
    later = {play.to_epoch[play.begin()] for _ in range(30)}
    assert min(later) == 3 and (later == {3} or name == "hyperband")


def test_probes_count_at_every_rung_that_they_pass() -> None:
    play = Play("asha", trials=100)
    play.arrive(*range(9))
    assert [len(rung.entries) for rung in play.stopper.ladder.rungs] == [9, 9, 9]
    assert play.promotable() == [8, 7, 6], "where they paused"
    play.arrive(0.5)
    assert play.stopper.standing(9) == "paused at epoch 1, rank 9 of 10; the top 3 went on"
    play.arrive(99)
    assert play.promotable()[-1] == 10


def test_direction_min_is_turned_at_the_door() -> None:
    objective = Objective("loss", "min")
    asha = make_stopper("asha", 27, objective)
    for trial in range(9):
        asha.begun(trial)
        for epoch in (1, 3, 9):
            asha.reported(trial, epoch, objective.turn(trial / epoch))
    adaptation = asha.adaptation()
    assert adaptation is not None and adaptation.settings == {"grace": 1}


def test_the_default_is_auto() -> None:
    for name in AUTO:
        assert make_stopper(name, 27, MAX).horizon(0, 0) == 9
        assert make_stopper(f"{name}:grace=auto,eta=3", 27, MAX).horizon(0, 0) == 9
