"""Notice of nodes that are about to be taken away, such as preempted ones."""

import time

import ray

SECONDS_BETWEEN_LOOKS = 1.0


class Draining:
    """Asks Ray now and then; tells of each node once."""

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._look_at = 0.0
        self._can_look = True

    def news(self) -> list[tuple[str, str]]:
        """Node and reason of those that are new."""
        now = time.monotonic()
        if now < self._look_at or not self._can_look:
            return []
        self._look_at = now + SECONDS_BETWEEN_LOOKS
        try:
            found: dict[str, int] = ray._private.state.state.get_draining_nodes()
        except AttributeError:  # Not public: another version may not have it, and then a node is simply lost.
            self._can_look = False
            return []
        except Exception:  # The cluster cannot be asked for now.
            return []
        new = {node: deadline for node, deadline in found.items() if node not in self._told}
        self._told |= new.keys()
        return [(node, f"its node is about to be taken away{_when(deadline)}") for node, deadline in new.items()]


def _when(deadline_ms: int) -> str:
    left = deadline_ms / 1000 - time.time()
    return f" in {left:.0f} s" if deadline_ms > 0 and left > 0 else ""
