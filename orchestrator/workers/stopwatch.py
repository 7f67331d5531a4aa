"""What the training thread of a worker spends its time on."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from orchestrator.training.link import Activity

DIGITS = 6
"""Of seconds that are told."""


class Stopwatch:
    """Runs for one activity at a time, so that the seconds told add up to the time that passed.

    It belongs to the thread that makes it: what others do meanwhile costs that one nothing.
    """

    def __init__(
        self,
        activity: Activity,
        tell: Callable[[dict[str, float]], None],
        since: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            activity: What is going on.
            tell: Gets the seconds since it was last told, by activity.
            since: When that began, by the clock; now unless given.
            clock: In seconds.
        """
        self._activity = activity
        self._tell = tell
        self._clock = clock
        self._since = self._told_at = clock() if since is None else since
        self._seconds: dict[str, float] = {}
        self._thread = threading.get_ident()

    def switch(self, activity: Activity) -> Activity:
        """From now on it is this. Returns what it was before."""
        now = self._clock()
        self._seconds[self._activity] = self._seconds.get(self._activity, 0.0) + now - self._since
        before, self._activity, self._since = self._activity, activity, now
        return before

    @contextmanager
    def during(self, activity: Activity) -> Iterator[None]:
        """The time within goes into this, then again into what it went into before."""
        if threading.get_ident() != self._thread:
            yield
            return
        before = self.switch(activity)
        try:
            yield
        finally:
            self.switch(before)

    def tell(self, every: float = 0.0, then: Activity | None = None) -> None:
        """Unless that was less than so many seconds ago. `then`: what it is from now on."""
        if self._clock() - self._told_at < every:
            return
        self.switch(then or self._activity)
        seconds = {activity: round(spent, DIGITS) for activity, spent in self._seconds.items()}
        self._told_at = self._since
        self._seconds.clear()
        self._tell(seconds)
