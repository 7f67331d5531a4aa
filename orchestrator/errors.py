"""What users get wrong, said in one clear line each."""

from collections.abc import Iterable
from difflib import get_close_matches

EXIT_CODES = {"done": 0, "failed": 1, "interrupted": 130}
"""Of a run, by its outcome."""


class UserError(Exception):
    """A mistake that the user can mend: the command line prints the message alone and exits with `exit_code`."""

    exit_code = 2


class RunFailed(UserError):
    """Training had to start to see it."""

    exit_code = 1


def first_line(error: BaseException) -> str:
    """What a library says, as far as it fits into a line of ours."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def nearest(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for a misspelt name, or nothing."""
    close = get_close_matches(word, list(known), n=1)
    return f"; did you mean '{close[0]}'?" if close else ""
