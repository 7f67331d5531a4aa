"""Measure this project beside its peers and a plain Keras loop, and write docs/performance.md.

    python -m benchmarks.bench [PART …] [--rounds N] [--small] [--page-only]

What is measured is kept in build/bench, a file for each part, and the page is written from all that is there, so that
parts can be measured one by one: `make bench ARGS="b c"`. `make bench` runs it in an environment with the peers.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.bench.machine import machine, versions
from benchmarks.bench.page import Stored, page
from benchmarks.bench.parts import Options, Part, Results, parts
from benchmarks.bench.rounds import ROOT, Failed

PAGE = ROOT / "docs" / "performance.md"
RESULTS = ROOT / "build" / "bench"


def main() -> None:
    known = parts()
    options = _options(known)
    began = time.perf_counter()
    options.results.mkdir(parents=True, exist_ok=True)
    for letter in [] if options.page_only else options.parts or list(known):
        _measure(known[letter], options)
    out = options.out or (None if options.small else PAGE)
    text = page(known, stored(options.results, list(known)))
    if out is None:
        print(text)
    else:
        out.write_text(text, encoding="utf-8")
        say(f"{out} is written")
    say(f"{time.perf_counter() - began:.0f} s in all")


def _measure(part: Part, options: argparse.Namespace) -> None:
    say(f"({part.letter}) {part.title}")
    about = {"machine": machine(), "versions": versions()}

    def save(results: Results) -> None:
        text = json.dumps({**about, "results": results}, indent=1)
        (options.results / f"{part.letter}.json").write_text(text, encoding="utf-8")

    try:
        part.measure(Options(options.workers, options.rounds, options.small, say), save)
    except (Failed, ImportError, OSError) as error:
        sys.exit(f"({part.letter}) cannot be measured: {error}")


def stored(folder: Path, letters: list[str]) -> Stored:
    files = {letter: folder / f"{letter}.json" for letter in letters}
    return {letter: json.loads(file.read_text(encoding="utf-8")) for letter, file in files.items() if file.exists()}


def _options(known: Mapping[str, Part]) -> argparse.Namespace:
    listed = "\n".join(f"  {part.letter}  {part.title} (about {part.minutes} minutes)" for part in known.values())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.bench",
        description=__doc__,
        epilog=f"parts, of which all are measured unless some are named (on two cores):\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help="one of those below")
    parser.add_argument("--rounds", type=int, metavar="N", help="or seeds, for every part (default: each its own)")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="processes that train (default: 2)")
    parser.add_argument("--small", action="store_true", help="a few trials once, to see that all of it works")
    parser.add_argument("--page-only", action="store_true", help="measure nothing, write the page anew")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help="default: build/bench")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: docs/performance.md, or none with --small")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(known):
        parser.error(f"there is no part {', '.join(sorted(unknown))}: the parts are {', '.join(known)}")
    return options


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
