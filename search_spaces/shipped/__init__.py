"""The shipped search spaces, by name: one file each, with a `space`."""

from importlib import import_module

from search_spaces.errors import SpaceError, nearest
from search_spaces.space import Space

_SHIPPED = ("cnn", "mlp")


def shipped() -> list[str]:
    """The names that `load` knows."""
    return list(_SHIPPED)


def load(name: str) -> Space:
    """The shipped search space of this name."""
    if name not in _SHIPPED:
        raise SpaceError(
            f"search space {name!r} is not shipped{nearest(name, _SHIPPED)} (one of {', '.join(_SHIPPED)})"
        )
    space: Space = import_module(f"{__name__}.{name}").space
    return space
