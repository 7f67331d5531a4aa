"""What a space is warned about, and what not."""

from typing import Any

import pytest

from search_spaces import Choice, Fixed, Float, Int, Space

RATE = "a learning rate on a linear scale from"
NEAR_ONE = "near 1 it is the distance to 1 that counts, and a"


@pytest.mark.parametrize(
    ("name", "domain", "line"),
    [
        (
            "learning_rate",
            Float(1e-4, 1),
            f"{RATE} 0.0001 to 1 leaves nine draws in ten above 0.1: write Float(0.0001, 1, 'log')",
        ),
        ("lr", Float(0, 0.3), f"{RATE} 0 to 0.3 leaves nine draws in ten above 0.03: write Float(3e-05, 0.3, 'log')"),
        ("head_lr", Float(0.01, 0.2), f"{RATE} 0.01 to 0.2 leaves nine draws in ten above 0.02: write"),
        ("initial_learning_rate", Float(1e-3, 1), f"{RATE} 0.001 to 1 leaves"),
        (
            "momentum",
            Float(0.9, 0.999),
            f"{NEAR_ONE} linear scale hardly varies it: write Float(0.9, 0.999, 'reverse_log')",
        ),
        (
            "momentum",
            Float(0.5, 0.95),
            f"{NEAR_ONE} linear scale hardly varies it: write Float(0.5, 0.95, 'reverse_log')",
        ),
        ("momentum", Float(0, 1), f"{NEAR_ONE} linear scale hardly varies it: write Float(0, 0.99, 'reverse_log')"),
        ("beta_1", Float(0.9, 1), f"{NEAR_ONE} linear scale hardly varies it: write Float(0.9, 0.999, 'reverse_log')"),
        ("beta2", Float(0.9, 0.9999, "log"), f"{NEAR_ONE} log scale hardly varies it: write Float(0.9, 0.9999, 'rev"),
        ("rho", Float(0.9, 0.99), f"{NEAR_ONE} linear scale hardly varies it: write Float(0.9, 0.99, 'reverse_log')"),
        ("ema_decay", Float(0.9, 0.999), NEAR_ONE),
        ("gamma", Float(0.5, 0.99), NEAR_ONE),
    ],
)
def test_a_scale_that_misses_the_point_is_warned_about(name: str, domain: Float, line: str) -> None:
    (warning,) = Space({name: domain}).warnings()
    assert warning.startswith(f"{name}: {line}")
    assert "\n" not in warning
    suggested: Any = eval(warning.rpartition("write ")[2], {"Float": Float})
    assert Space({name: suggested}).warnings() == []


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("learning_rate", Float(1e-4, 1, "log")),
        ("learning_rate", Float(0.1, 1)),
        ("learning_rate", Float(-1, 0)),
        ("learning_rate", Choice([0.1, 0.001])),
        ("learning_rate_decay", Float(1e-4, 1)),
        ("weight_decay", Float(0, 0.1)),
        ("color", Float(1e-4, 1)),
        ("lr", Int(1, 1000)),
        ("momentum", Float(0.9, 0.999, "reverse_log")),
        ("momentum", Float(0.8, 0.9)),
        ("momentum", Float(1, 1)),
        ("momentum", Fixed(0.99)),
        ("dropout", Float(0, 0.5)),
        ("gamma", Float(0.4, 0.999)),
        ("gamma", Float(0.5, 0.95)),
        ("share", Float(0.5, 1)),
    ],
)
def test_what_is_sensible_is_not_warned_about(name: str, domain: Any) -> None:
    assert Space({name: domain}).warnings() == []


def test_warnings_come_in_the_order_of_definition() -> None:
    space = Space(momentum=Float(0.5, 0.99), x=Float(0, 1), lr=Float(0, 1))
    assert [line.split(":")[0] for line in space.warnings()] == ["momentum", "lr"]
