"""The directory of a run that has ended, whole enough for every command that reads one."""

import json
from dataclasses import asdict
from pathlib import Path

from orchestrator.journal import FILE
from orchestrator.settings import Settings
from tests.simulated_runs import SPACE, simulated

Lines = list[bytes]

STUDY = """from orchestrator import Choice, Float, Int, Space, Study

def train(configuration, ctx):
    raise AssertionError("nothing is trained")

study = Study(
    space=Space(
        learning_rate=Float(1e-4, 1, "log", group=1),
        optimizer=Choice(["sgd", "adam"]),
        momentum=Float(0.5, 0.98, "reverse_log", when={"optimizer": ["sgd"]}),
        layers=Int(1, 3),
    ),
    train=train,
    objective="val_accuracy",
    direction="max",
)
"""
SETTINGS = asdict(Settings(trials=6, epochs=3))


def line(record: dict[str, object]) -> bytes:
    return json.dumps(record).encode() + b"\n"


def good_lines(folder: Path) -> Lines:
    """Of a journal, made in an empty folder."""
    simulated(folder, trials=6, epochs=3, workers=2)
    first, *others = (folder / FILE).read_bytes().splitlines(keepends=True)
    return [line(json.loads(first) | {"settings": SETTINGS}), *others]


def write_run(folder: Path, lines: Lines) -> Path:
    """`folder`/run, of a study beside it."""
    study = folder / "toy.py"
    study.write_text(STUDY)
    description = {
        "study": "toy",
        "argument": str(study),
        "settings": SETTINGS,
        "fingerprint": SPACE.fingerprint,
        "versions": {},
        "source": {str(study): STUDY},
        "modules": {},
    }
    run = folder / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "study.json").write_text(json.dumps(description))
    (run / FILE).write_bytes(b"".join(lines))
    return run
