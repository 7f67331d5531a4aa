"""What a worker sees amiss with the GPUs that it holds, said once."""

from collections.abc import Callable, Sequence

from orchestrator.training import devices
from orchestrator.workers.messages import Warned, WarningKind

LONG_ENOUGH = 10.0
"""Seconds of a trial in which something would have been put on a GPU."""


class GpuWatch:
    def __init__(self, worker: int, held: Sequence[str], say: Callable[[Warned], object]) -> None:
        """
        Args:
            worker: Its number.
            held: What Ray calls the GPUs that it gives this worker.
            say: Takes each warning.
        """
        self._worker = worker
        self._held = held
        self._say = say
        self._said: set[WarningKind] = set()

    def look(self) -> None:
        """At what TensorFlow sees, where that is known by now: a `train` function may import it late, or never."""
        found = devices.found()
        if found is None or not self._held:
            return
        if not found.gpus:
            self._warn(
                "no GPU",
                f"Ray gives worker-{self._worker} GPU {', '.join(self._held)}, but TensorFlow sees no GPU there: "
                "install tensorflow[and-cuda] on that node, or leave --gpus-per-trial out",
            )
        elif found.problem:
            self._warn("no memory limit", found.problem)

    def after_trial(self, seconds: float) -> None:
        """`seconds`: how long it was trained."""
        self.look()
        if seconds >= LONG_ENOUGH and (idle := [name for name, peak in devices.peaks().items() if peak == 0]):
            self._warn(
                "idle GPU",
                f"worker-{self._worker} holds {', '.join(idle)}, but in a trial of {seconds:.0f} s nothing was put "
                "there: the study computes elsewhere, so let it use the GPU, or leave --gpus-per-trial out",
            )

    def _warn(self, kind: WarningKind, text: str) -> None:
        if kind not in self._said:
            self._said.add(kind)
            self._say(Warned(kind, text))
