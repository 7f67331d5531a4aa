"""The terminal that the command line is typed in."""

import os
import sys


def width() -> int | None:
    """Of the terminal, if there is one."""
    return os.get_terminal_size().columns if sys.stdout.isatty() else None
