"""Secrets of the environment stay out of what is written and shown: their values are replaced by their names."""

import os
import re

SECRET = re.compile("TOKEN|SECRET|PASSWORD|PASSWD|KEY|CREDENTIAL", re.IGNORECASE)
SHORTEST = 8
"""Shorter values are words that occur anyway."""


def redacted(text: str) -> str:
    """The text with `***NAME***` in place of the value of each environment variable that looks like a secret."""
    found = [(name, value) for name, value in os.environ.items() if SECRET.search(name) and len(value) >= SHORTEST]
    # A value that holds another goes first.
    for name, value in sorted(found, key=lambda item: -len(item[1])):
        for form in (value, repr(value)[1:-1]):
            text = text.replace(form, f"***{name}***")
    # Half a surrogate pair, as in the name of a file that is not UTF-8, could not be sent on.
    return text.encode("utf-8", "backslashreplace").decode()
