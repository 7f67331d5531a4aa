"""Secrets of the environment are told by name alone."""

from typing import Any

import pytest

from orchestrator.training.failures import MESSAGE_LIMIT
from orchestrator.training.link import Failed
from orchestrator.training.redaction import redacted
from tests.training.support import assignment, fit_study, numbers, train


@pytest.mark.parametrize("name", ["API_TOKEN", "aws_secret_access", "PGPASSWORD", "MYSQL_PASSWD", "KEY", "CREDENTIALS"])
def test_names_that_look_like_secrets(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "hunter2-hunter2")
    assert redacted("at https://me:hunter2-hunter2@host") == f"at https://me:***{name}***@host"


def test_other_values_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLOUR", "ultramarine")
    monkeypatch.setenv("SHORT_KEY", "red")
    assert redacted("ultramarine and red") == "ultramarine and red"


def test_a_value_within_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_TOKEN", "12345678")
    monkeypatch.setenv("B_TOKEN", "12345678-90")
    assert redacted("12345678-90 12345678") == "***B_TOKEN*** ***A_TOKEN***"


def test_a_value_of_several_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    value = "-----BEGIN-----\nabc\n-----END-----"
    monkeypatch.setenv("PRIVATE_KEY", value)
    assert redacted(f"{value} {value!r}") == "***PRIVATE_KEY*** '***PRIVATE_KEY***'"


def test_failures_carry_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in what is cut nor in a cause's words."""
    secret = "s3cr3t-" * 10
    monkeypatch.setenv("STORE_TOKEN", secret)

    def build(configuration: dict[str, Any]) -> Any:
        try:
            raise KeyError(secret)
        except KeyError as error:
            raise ValueError("x" * (MESSAGE_LIMIT - 20) + secret) from error

    ending = train(fit_study(build), assignment(1), numbers()).ending
    assert isinstance(ending, Failed)
    assert "s3cr3t" not in ending.message + ending.traceback
    assert "KeyError: '***STORE_TOKEN***'" in ending.traceback
