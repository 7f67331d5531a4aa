"""`python -m orchestrator`, in words that an older Python can read as well, to be told that it is not supported."""

import os
import sys

SUPPORTED = ((3, 11), (3, 12), (3, 13))


def main(version: "tuple[int, ...]" = sys.version_info[:2]) -> int:
    if version not in SUPPORTED:
        sys.stderr.write(f"error: Python {version[0]}.{version[1]} is not supported: use Python 3.11, 3.12 or 3.13\n")
        return 2
    # Where the command is typed, a file may be called like a library's module: libraries come first.
    if sys.path and os.path.realpath(sys.path[0] or ".") == os.path.realpath("."):
        sys.path.append(sys.path.pop(0))
    try:
        from orchestrator.cli import main as carry_out
    except ModuleNotFoundError as error:
        sys.stderr.write(f"error: {error.name} is not installed: type `make launch`, or `pip install .`\n")
        return 2
    return carry_out()


if __name__ == "__main__":
    sys.exit(main())
