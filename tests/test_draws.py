"""Random numbers by purpose. The pinned values must never change: who resumes or repeats a run draws them again."""

import pytest

from orchestrator.draws import Purpose, generator, training_seed


@pytest.mark.parametrize(
    ("seed", "trial", "purpose", "draw", "expected"),
    [
        (0, 0, Purpose.CONFIGURATION, 0, 0.8133540609793564),
        (0, 1, Purpose.CONFIGURATION, 0, 0.17595183830717298),
        (0, 0, Purpose.CONFIGURATION, 1, 0.9601820526527756),
        (0, 0, Purpose.TRAINING, 0, 0.8144335776159864),
        (7, 123_456, Purpose.CONFIGURATION, 3, 0.007719346702809271),
    ],
)
def test_pinned_draws(seed: int, trial: int, purpose: Purpose, draw: int, expected: float) -> None:
    assert generator(seed, trial, purpose, draw).random() == expected


def test_pinned_training_seeds() -> None:
    assert [training_seed(0, trial) for trial in range(3)] == [2684095488, 2422299306, 3670009416]
    assert training_seed(7, 0) == 14613869


def test_purposes_trials_and_draws_are_independent_of_each_other() -> None:
    first = {
        (seed, trial, purpose, draw): generator(seed, trial, purpose, draw).random(3).tobytes()
        for seed in range(4)
        for trial in range(4)
        for purpose in Purpose
        for draw in range(4)
    }
    assert len(set(first.values())) == len(first)


def test_a_draw_may_be_long_without_running_into_the_next() -> None:
    long = set(generator(0, 0, Purpose.CONFIGURATION).random(10_000))
    assert not long & set(generator(0, 0, Purpose.CONFIGURATION, 1).random(10_000))
    assert not long & set(generator(0, 1, Purpose.CONFIGURATION).random(10_000))


def test_every_seed_of_64_bits_is_a_seed_of_its_own() -> None:
    seeds = [0, 1, 2**32, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**63 + 1, 2**64 - 2, 2**64 - 1]
    assert len({training_seed(seed, 0) for seed in seeds}) == len(seeds)
    assert training_seed(-1, 0) == training_seed(2**64 - 1, 0), "a negative one is taken modulo 2**64"


def test_training_seeds_have_32_bits() -> None:
    seeds = [training_seed(0, trial) for trial in range(1000)]
    assert all(0 <= seed < 2**32 for seed in seeds) and len(set(seeds)) == 1000
    assert max(seeds) > 2**31 > min(seeds)
