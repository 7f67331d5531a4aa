"""Versions side by side."""

import pytest

from orchestrator.errors import UserError
from orchestrator.workers.examination.versions import THIS_PROCESS, compared, differences, labels, table_of

OURS = {"python": "3.12.1", "ray": "2.60.0", "tensorflow": "2.21.0", "keras": "3.15.1", "numpy": "2.4.0"}


def test_nothing_is_said_where_all_are_the_same() -> None:
    assert differences({"a": OURS, "b": OURS}) is None
    assert compared(OURS, {"a": OURS, "b": OURS}, ["a", "b"]) is None
    assert compared(OURS, {"a": OURS | {"msgspec": "0.1"}}, ["a"]) is None


def test_only_what_differs_is_in_the_table_and_like_nodes_share_a_row() -> None:
    odd = OURS | {"tensorflow": "2.20.0", "numpy": None}
    assert table_of({"a": OURS, "odd": odd, "b": OURS}, ["tensorflow", "numpy"]).splitlines() == [
        "tensorflow  numpy    nodes",
        "2.21.0      2.4.0    a, b",
        "2.20.0      missing  odd",
    ]
    many = {f"n{number}": OURS for number in range(100)}
    warning = compared(OURS, many | {"odd": OURS | {"keras": "3.14.0"}}, [])
    assert warning is not None
    assert warning.splitlines() == [
        "versions are not the same everywhere, so where a trial trains may matter:",
        "keras   nodes",
        f"3.15.1  {THIS_PROCESS}, n0, n1 and 98 more",
        "3.14.0  odd",
    ]


def test_keras_models_need_keras_where_they_are_trained() -> None:
    bare = OURS | {"tensorflow": None, "keras": None}
    with pytest.raises(UserError) as raised:
        compared(OURS, {"a": OURS, "b": bare}, ["a", "b"])
    first, *table = str(raised.value).splitlines()
    assert "tensorflow is missing on b; keras is missing on b; install them there" in first
    assert table[-1].split() == ["missing", "missing", "b"]
    # A study that brings its own training may do without, and no worker is on a head without CPUs.
    for trained_on in ([], ["a"]):
        warning = compared(OURS, {"a": OURS, "b": bare}, trained_on)
        assert warning is not None and "missing" in warning


def test_nodes_that_did_not_tell() -> None:
    assert compared(OURS, {"a": OURS, "b": None}, ["a", "b"]) == (
        "not all versions could be compared; b did not tell in time"
    )
    warning = compared(OURS, {"a": OURS | {"ray": "2.59.0"}, "b": None}, [])
    assert warning is not None and "; b did not tell in time:\n" in warning


def test_nodes_of_one_name_are_told_apart() -> None:
    assert labels({"abcdef123": "host", "fedcba321": "host", "x": "other"}) == {
        "abcdef123": "host (abcdef)",
        "fedcba321": "host (fedcba)",
        "x": "other",
    }
