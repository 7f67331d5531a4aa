"""Part (s): from the command to the first trained batch, this project beside a script that does nothing else.

The script (`startup_bare.py`) calls `ray.init`, makes one actor that imports TensorFlow, and trains the first trial's
configuration on the same data. Ours is `launch`, with one worker and with two. Each is a process of its own, the three
take turns, and a ratio is one within a round.

Time begins just before the process is started, and ends with a note that the model itself writes in its first training
step (`startup_study.py`), which asks nothing of the loop around it.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tabulate import tabulate

from benchmarks.bench import startup_study
from benchmarks.bench.figures import Spread, shown
from benchmarks.bench.parts import Options, Part, Results, Save
from benchmarks.bench.rounds import LOG_TAIL, ROOT, Failed
from orchestrator.samplers import make_sampler

SCRIPT = "script"
ROUNDS, SMALL_ROUNDS = 7, 1
BARE = "benchmarks.bench.startup_bare"
LONGEST = 120.0
"""Seconds of one process."""
ABOUT = (
    "The shipped study `digits_mlp`. The script calls `ray.init`, makes one actor that imports TensorFlow, and trains "
    "the first trial's configuration on the same data. Ours is `launch` as a whole. Time ends with the first training "
    "step, and each is a process of its own."
)


def measure(options: Options, save: Save) -> None:
    """Each once a round, in turn.

    Raises:
        Failed: One of them did.
    """
    commands = {SCRIPT: bare(), "1 worker": ours(1), "2 workers": ours(2)}
    rounds: list[dict[str, float]] = []
    for number in range(options.rounds or (SMALL_ROUNDS if options.small else ROUNDS)):
        shift = number % len(commands)
        took = {name: seconds_to_first_batch(commands[name]) for name in [*commands][shift:] + [*commands][:shift]}
        options.say(f"round {number + 1}: " + ", ".join(f"{name} {took[name]:.2f} s" for name in commands))
        rounds.append({name: took[name] for name in commands})
        save({"rounds": rounds})


def section(results: Results) -> str:
    rounds = results["rounds"]
    rows = []
    for name in rounds[0]:
        seconds = Spread.of([one[name] for one in rounds]).text()
        rows.append([_label(name), seconds, "1" if name == SCRIPT else _ratio(rounds, name).text()])
    heads = ["", "seconds from the command to the first trained batch", "times the script"]
    count = f"{len(rounds)} round{'s' if len(rounds) > 1 else ''}"
    about = f"{ABOUT} {count}; medians, least and most in brackets, ratios within a round."
    return f"{about}\n\n{tabulate(rows, heads, tablefmt='github', disable_numparse=True)}"


def losses(results: Results) -> list[str]:
    """Where the script, which does nothing else, is sooner."""
    rounds = results["rounds"]
    behind = [name for name in rounds[0] if name != SCRIPT and _ratio(rounds, name).median > 1]
    if not behind:
        return []
    told = [f"{_label(name)} {shown(Spread.of([one[name] for one in rounds]).median)} s" for name in [SCRIPT, *behind]]
    return [f"from the command to the first trained batch: {'; '.join(told)}"]


def _label(name: str) -> str:
    return "bare script" if name == SCRIPT else f"orchestrator, {name}"


def _ratio(rounds: list[dict[str, float]], name: str) -> Spread:
    return Spread.of([one[name] / one[SCRIPT] for one in rounds])


def ours(workers: int) -> list[str]:
    """Each gets a trial, for there are never more workers than trials."""
    options = ["--trials", str(workers), "--workers", str(workers), "--sampler", "random", "--quiet"]
    return [sys.executable, "-m", "orchestrator", "launch", startup_study.__file__, *options]


def bare() -> list[str]:
    study = startup_study.study
    configuration = make_sampler("random", study.space, 0, 1, None).configuration(0)
    return [sys.executable, "-m", BARE, json.dumps(configuration)]


def seconds_to_first_batch(command: list[str]) -> float:
    """
    Raises:
        Failed: The command did, or took too long.
    """
    with tempfile.TemporaryDirectory() as folder:
        noted = Path(folder) / "first_batch"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "FIRST_BATCH": str(noted)}
        began = time.time()
        try:
            done = subprocess.run(
                command, env=environment, cwd=folder, timeout=LONGEST, capture_output=True, text=True, errors="replace"
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"{command} did not end in {LONGEST:.0f} s") from None
        if done.returncode != 0:
            raise Failed(f"{command} ended with {done.returncode}:\n{done.stderr[-LOG_TAIL:]}")
        return float(noted.read_text()) - began


PARTS = (Part("s", "From the command to the first trained batch", 6, measure, section, losses),)
