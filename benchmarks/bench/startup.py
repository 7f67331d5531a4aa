"""From the command to the first trained batch: this project against a script that does nothing else.

    python -m benchmarks.bench.startup [--rounds R]

The script (`startup_bare.py`) calls `ray.init`, makes one actor that imports TensorFlow, and trains the first trial's
configuration on the same data. Ours is `launch`, with one worker and with two. Each is a process of
its own, the three take turns, and a ratio is one within a round.

Time begins just before the process is started, and ends with a note that the model itself writes in its first training
step (`startup_study.py`), which asks nothing of the loop around it.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.bench import startup_study
from orchestrator.samplers import make_sampler

ROOT = Path(__file__).parents[2]
BARE = "benchmarks.bench.startup_bare"
LONGEST = 120.0
"""Seconds of one process."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Seconds from the command to the first trained batch.")
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args(arguments).rounds
    commands = {"script": bare(), "1 worker": ours(1), "2 workers": ours(2)}
    took: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds):
        first = number % len(commands)
        for name in [*commands][first:] + [*commands][:first]:
            took[name].append(seconds_to_first_batch(commands[name]))
        print(f"round {number + 1}: " + ", ".join(f"{name} {took[name][-1]:.2f} s" for name in commands), flush=True)
    for name, seconds in took.items():
        ratios = [mine / theirs for mine, theirs in zip(seconds, took["script"], strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(
            f"{name:<12} {statistics.median(seconds):6.2f} s  {statistics.median(ratios):.2f} of the script ({spread})"
        )
    return 0


def ours(workers: int) -> list[str]:
    """Each gets a trial, for there are never more workers than trials."""
    options = ["--trials", str(workers), "--workers", str(workers), "--sampler", "random", "--quiet"]
    return [sys.executable, "-m", "orchestrator", "launch", startup_study.__file__, *options]


def bare() -> list[str]:
    study = startup_study.study
    configuration = make_sampler("random", study.space, 0, 1, None).configuration(0)
    return [sys.executable, "-m", BARE, json.dumps(configuration)]


def seconds_to_first_batch(command: list[str]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        noted = Path(folder) / "first_batch"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "FIRST_BATCH": str(noted)}
        began = time.time()
        subprocess.run(command, env=environment, cwd=folder, timeout=LONGEST, check=True, stdout=subprocess.DEVNULL)
        return float(noted.read_text()) - began


if __name__ == "__main__":
    sys.exit(main())
