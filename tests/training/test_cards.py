"""What the driver says of cards, and what a slice of one leaves to TensorFlow."""

from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from orchestrator.training.cards import CONTEXT_MIB, HEAD_ROOM, MIB, choose_slice, slice_limit, visible_cards

GIB = 2**30
CARDS = {"GPU-8a11": 80 * GIB, "GPU-8a12": 24 * GIB, "GPU-9b00": 40 * GIB, "MIG-77": 10 * GIB}


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One with three cards, and a part of one; what it was asked for that is no card's memory."""
    asked: list[str] = []
    names = list(CARDS)[:3]
    answers = {
        "nvmlInit": lambda: asked.append("init"),
        "nvmlShutdown": lambda: asked.append("shutdown"),
        "nvmlDeviceGetCount": lambda: len(names),
        "nvmlDeviceGetHandleByIndex": lambda place: names[place],
        "nvmlDeviceGetUUID": lambda card: card,
        "nvmlDeviceGetHandleByUUID": lambda uuid: uuid,
        "nvmlDeviceGetMemoryInfo": lambda card: SimpleNamespace(total=CARDS[card]),
    }
    for name, answer in answers.items():
        monkeypatch.setattr(pynvml, name, answer)
    return asked


@pytest.mark.parametrize(
    ("visible", "gib"),
    [
        (None, [80, 24, 40]),
        ("0", [80]),
        ("2, 0", [40, 80]),
        ("0,7,1", [80]),
        ("1,-1,2", [24]),
        ("-1", []),
        ("", []),
        ("GPU-8a12", [24]),
        ("GPU-9,0", [40, 80]),
        ("MIG-77", [10]),
        ("GPU-8", None),
        ("GPU-unknown", None),
    ],
)
def test_cards_behind_what_cuda_shows(driver: list[str], visible: str | None, gib: list[int] | None) -> None:
    assert visible_cards(visible) == (None if gib is None else [size * GIB for size in gib])
    assert driver == ["init", "shutdown"]


def test_a_driver_that_fails(driver: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(card: Any) -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)

    monkeypatch.setattr(pynvml, "nvmlDeviceGetMemoryInfo", fail)
    assert visible_cards("0") is None
    assert driver == ["init", "shutdown"]


@pytest.mark.parametrize(("share", "mib"), [(0.1, 8192), (0.25, 20480), (0.5, 40960), (0.9999, 81911)])
def test_the_limit_of_a_slice(share: float, mib: int) -> None:
    limit = slice_limit(share, 80 * GIB)
    assert limit == mib - CONTEXT_MIB
    assert (limit + CONTEXT_MIB) * MIB <= share * 80 * GIB


@pytest.mark.parametrize(
    ("peak", "card", "share"),
    [
        (1 * GIB, 80 * GIB, 0.1),
        (5 * GIB, 80 * GIB, 0.1),
        (6 * GIB, 80 * GIB, 0.1111),
        (9 * GIB, 80 * GIB, 0.1666),
        (20 * GIB, 80 * GIB, 0.3333),
        (30 * GIB, 80 * GIB, 0.5),
        (31 * GIB, 80 * GIB, 1.0),
        (1, 4 * GIB, 0.1428),
        (1, 1 * GIB, 1.0),
    ],
)
def test_the_slice_that_a_trial_fits_into(peak: int, card: int, share: float) -> None:
    chosen, reason = choose_slice(peak, card)
    assert chosen == share
    assert f"{card // MIB:,} MiB" in reason
    if share < 1:
        assert slice_limit(share, card) * MIB >= peak * HEAD_ROOM
        assert int(1 / share) * share <= 1


def test_why_a_slice_was_chosen() -> None:
    assert choose_slice(3000 * MIB, 40 * GIB)[1] == (
        "the largest took 3,000 MiB, and 3,900 MiB (1.3 times as much) fit into the 4,038 MiB of 1/9 of a card with "
        "40,960 MiB"
    )
    assert choose_slice(30 * GIB, 40 * GIB)[1] == (
        "the largest took 30,720 MiB, and 39,936 MiB (1.3 times as much) do not fit into the 19,968 MiB of half a card "
        "with 40,960 MiB"
    )
