"""Equal shares of the unit interval, one for each of `count` values."""


def share(unit: float, count: int) -> int:
    """Which of `count` equal shares of [0, 1] the unit falls into; the last one includes 1."""
    return min(int(unit * count), count - 1)


def middle(index: int, count: int) -> float:
    """The unit in the middle of a share: `share(middle(index, count), count)` is index."""
    return (index + 0.5) / count
