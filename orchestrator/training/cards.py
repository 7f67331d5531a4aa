"""How much memory a GPU's card has, and how much of it TensorFlow may take in a slice.

The driver's library (NVML) tells the first without a context on the card, which would take some of it.
"""

from math import ceil, floor

MIB = 2**20

CONTEXT_MIB = 512
"""What a process takes of a card beside TensorFlow's own allocator, and so of its slice: CUDA's context and the kernels
that cuDNN, cuBLAS and NCCL load. Told to be 300 to 500 MiB on recent cards; not measured here."""

HEAD_ROOM = 1.3
"""How much more than the pilot's peak is to fit: TensorFlow's allocator leaves gaps, and other trials may be larger."""
MOST_PARTS = 10
PRECISION = 10_000
"""Ray counts resources in ten-thousandths."""


def choose_slice(peak_bytes: int, card_bytes: int) -> tuple[float, str]:
    """The smallest part of a card, one of two to ten, that a trial fits into, or all of it; and why."""
    peak, needed = ceil(peak_bytes / MIB), ceil(peak_bytes * HEAD_ROOM / MIB)
    told = f"the largest took {peak:,} MiB, and {needed:,} MiB ({HEAD_ROOM:g} times as much)"
    for parts in range(MOST_PARTS, 1, -1):
        share = floor(PRECISION / parts) / PRECISION
        if (limit := slice_limit(share, card_bytes)) >= needed:
            return share, f"{told} fit into the {limit:,} MiB of 1/{parts} of a card with {card_bytes // MIB:,} MiB"
    half = slice_limit(0.5, card_bytes)
    return 1.0, f"{told} do not fit into the {half:,} MiB of half a card with {card_bytes // MIB:,} MiB"


def slice_limit(share: float, card_bytes: int) -> int:
    """MiB for TensorFlow's allocator in a share of a card; 0 or less where the context takes it all."""
    return floor(share * card_bytes / MIB) - CONTEXT_MIB


def visible_cards(visible: str | None) -> list[int] | None:
    """Bytes of each card that CUDA shows to a process, in its order.

    Args:
        visible: `CUDA_VISIBLE_DEVICES`: indices, UUIDs or the beginnings of such; None shows all.

    Returns:
        None where that cannot be told: no driver, a card that it does not know.
    """
    import pynvml  # type: ignore[import-untyped, unused-ignore]

    try:
        pynvml.nvmlInit()
        try:
            cards = [pynvml.nvmlDeviceGetHandleByIndex(place) for place in range(pynvml.nvmlDeviceGetCount())]
            shown = cards if visible is None else [_card(pynvml, cards, name) for name in _shown(visible, len(cards))]
            return [int(pynvml.nvmlDeviceGetMemoryInfo(card).total) for card in shown]
        finally:
            pynvml.nvmlShutdown()
    except (pynvml.NVMLError, LookupError, ValueError):
        return None


def _shown(visible: str, count: int) -> list[str]:
    """As CUDA reads it: up to the first index that is none."""
    names = [name.strip() for name in visible.split(",")]
    wrong = (place for place, name in enumerate(names) if _is_index(name) and not 0 <= int(name) < count)
    return [name for name in names[: next(wrong, len(names))] if name]


def _is_index(name: str) -> bool:
    return name.removeprefix("-").isdecimal()


def _card(pynvml: object, cards: list[object], name: str) -> object:
    """LookupError unless it is one card's."""
    if _is_index(name):
        return cards[int(name)]
    if name.startswith("MIG-"):
        return pynvml.nvmlDeviceGetHandleByUUID(name)  # type: ignore[attr-defined]
    uuids = [_text(pynvml.nvmlDeviceGetUUID(card)) for card in cards]  # type: ignore[attr-defined]
    (place,) = [place for place, uuid in enumerate(uuids) if uuid.startswith(name)]  # ValueError for none or several.
    return cards[place]


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
