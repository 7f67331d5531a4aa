"""What a worker is at, as the title of its process: Ray's dashboard lists the processes of a node by title, `ps` too.

Of an actor itself Ray's dashboard shows what it was made with; nothing in that can change while it lives.
"""

import threading
import time

import ray

SECONDS = 1.0


class Title:
    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._wanted = ""
        threading.Thread(target=self._keep, name="title", daemon=True).start()

    def show(self, trial: int, epoch: int, max_epochs: int) -> None:
        """It is seen within a second or so, if that is still so; the caller loses no time over it."""
        self._wanted = f"ray::trial-{trial} epoch {min(epoch, max_epochs)} of {max_epochs}"

    def clear(self) -> None:
        """The worker has no trial; the title is Ray's again, who sets it at the end of a call."""
        self._wanted = ""

    def _keep(self) -> None:
        while True:
            time.sleep(self._seconds)
            wanted = self._wanted
            if wanted and ray._raylet.getproctitle() != wanted:
                ray._raylet.setproctitle(wanted)
