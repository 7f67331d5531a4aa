"""`--deterministic`: an interrupted trial's metrics are those of an unbroken one, bit for bit, in whichever process."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

CODE = """
import json, pathlib, sys
from orchestrator.training.devices import prepare
assert prepare(cpus=1, gpus=0, deterministic=True).deterministic
from tests.training import deterministic
print(json.dumps(getattr(deterministic, sys.argv[1])(pathlib.Path(sys.argv[2]))))
"""
ROOT = Path(__file__).parents[2]
NAMES = ["paused", "paused within an epoch", "paused within an epoch of fit", "killed"]


def curves(step: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, "-c", CODE, step, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("checkpoints")
    begun, gone_on = curves("begin", folder), curves("go_on", folder)
    return {name: {**begun[name], **gone_on[name]} for name in begun}


@pytest.mark.parametrize("name", NAMES)
def test_an_interrupted_trial_is_an_unbroken_one(trained: dict[str, Any], name: str) -> None:
    """Augmentation, dropout, normalisation, moving averages, scaled losses, gathered gradients, callbacks."""
    whole, first, second = (trained[name][part] for part in ("whole", "first", "second"))
    assert list(whole) == ["1", "2", "3", "4"]
    assert {**first, **second} == whole
    assert list(second) == ["3", "4"]
    assert set(trained) == set(NAMES)
