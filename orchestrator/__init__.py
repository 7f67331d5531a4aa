"""Trains many Keras models at once on a Ray cluster, stops the hopeless ones early, ranks the rest.

Everything users need is imported from here, and loaded when it is first used: importing this package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.errors import UserError
    from orchestrator.leaderboard import read_leaderboard
    from orchestrator.run import Run, launch, resume
    from orchestrator.study import Study
    from search_spaces import Choice, Fixed, Float, Int, Space

__version__ = "0.1.0"

__all__ = [
    "Choice",
    "Fixed",
    "Float",
    "Int",
    "Run",
    "Space",
    "Study",
    "UserError",
    "launch",
    "read_leaderboard",
    "resume",
]

_HOMES = {
    "Choice": "search_spaces",
    "Fixed": "search_spaces",
    "Float": "search_spaces",
    "Int": "search_spaces",
    "Run": "orchestrator.run",
    "Space": "search_spaces",
    "Study": "orchestrator.study",
    "UserError": "orchestrator.errors",
    "launch": "orchestrator.run",
    "read_leaderboard": "orchestrator.leaderboard",
    "resume": "orchestrator.run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'orchestrator' has no attribute '{name}'")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> "list[str]":  # Quoted for older Pythons, which get as far as being told so.
    return sorted({*globals(), *__all__})
