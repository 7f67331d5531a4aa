"""What is made of the pilots' peaks."""

import pytest

from orchestrator.training.pilot import Peak
from orchestrator.workers.pilot import _chosen

GIB = 2**30
BROKEN = Peak(problem="the pilot failed: ValueError: x")


@pytest.mark.parametrize(
    ("peaks", "share", "reason"),
    [
        ([Peak(3 * GIB), Peak(9 * GIB)], 0.1666, "0.1666 of a GPU: of 2 of 5 pilots the largest took 9,216 MiB, and"),
        ([BROKEN, Peak(3 * GIB)], 0.1, "0.1 of a GPU: of 1 of 5 pilots the largest took 3,072 MiB, and"),
        ([Peak(70 * GIB)], 1.0, "a whole GPU: of 1 of 5 pilots the largest took 71,680 MiB, and"),
        ([BROKEN, Peak(problem="the pilot put nothing on its GPU")], 1.0, f"a whole GPU: {BROKEN.problem}"),
        ([Peak(3 * GIB), Peak(problem="too large", out_of_memory=True)], 1.0, "a whole GPU: too large"),
    ],
)
def test_the_largest_counts(peaks: list[Peak], share: float, reason: str) -> None:
    chosen, why = _chosen(peaks, 80 * GIB, 5)
    assert chosen == share
    assert why.startswith(reason)
