import pytest

from orchestrator.training.devices import prepare


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Sums in one order, so that runs can be compared."""
    prepare(cpus=1, gpus=0)
