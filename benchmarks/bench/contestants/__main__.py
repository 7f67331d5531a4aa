"""One contestant at one piece of work, in a Python of its own: python -m benchmarks.bench.contestants NAME FOLDER

Reads `work.json` in the folder and writes `outcome.json` there.
"""

import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path

from benchmarks.bench.work import Outcome, Work


def contestant(name: str) -> Callable[[Work, Path], Outcome]:
    """By its module, and after a colon what it is to be like."""
    module, _, variant = name.partition(":")
    run = import_module(f"benchmarks.bench.contestants.{module}").run
    return partial(run, reuse_actors=variant == "reuse") if module == "tune" else run


def main() -> None:
    name, folder = sys.argv[1], Path(sys.argv[2])
    contestant(name)(Work.read(folder / "work.json"), folder).write(folder / "outcome.json")


if __name__ == "__main__":
    main()
