"""Finds out, in a process of its own that is ended if it takes too long, and says what was found."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from orchestrator.doctor.diagnosis import diagnose
from orchestrator.doctor.lines import Level, Line, as_records, as_text, exit_code
from orchestrator.workers.examination.findings import Findings

EXAMINATION = "orchestrator.workers.examination"
ROOT = Path(__file__).parents[2]
LONGEST = 32.0
"""Seconds, when all that is bounded by itself takes its time."""


def doctor(
    address: str | None = None,
    *,
    show: Callable[[str], None],
    style: Callable[[str, Level], str] = lambda word, _: word,
    as_json: bool = False,
) -> int:
    """Say of a cluster, or of this machine where none runs, whether it is fit to train.

    Args:
        address: Of the cluster; else RAY_ADDRESS counts, else one that runs on this machine is looked at.
        show: Takes each line.
        style: Colours a word by its level.
        as_json: One object a line, with level, topic, found, advice and table.

    Returns:
        The exit code: 1 if anything is a failure.
    """
    lines = examined(address)
    for text in map(json.dumps, as_records(lines)) if as_json else as_text(lines, style):
        show(text)
    return exit_code(lines)


def examined(address: str | None) -> list[Line]:
    where = address or os.environ.get("RAY_ADDRESS") or "auto"
    # Without -P, files in the current folder could be taken for modules of libraries.
    command = [sys.executable, "-P", "-m", EXAMINATION, *([] if address is None else [address])]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=LONGEST,
            env=os.environ | {"PYTHONPATH": path},
        )
        return diagnose(msgspec.json.decode(done.stdout, type=Findings))
    except subprocess.TimeoutExpired:
        advice = "is it the address of the head (port 6379), as ray start told it, and is the way there open?"
        return [Line("failure", "cluster", f"the one at '{where}' does not answer within {LONGEST:.0f} s", advice)]
    except msgspec.DecodeError:
        last = (done.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return [Line("failure", "cluster", f"the one at '{where}' cannot be looked at: {last}")]
