"""Numbers, times and places as people read them."""

import os
import shlex
import shutil
import sys
from pathlib import Path


def counted(number: int, thing: str, things: str | None = None) -> str:
    """
    >>> counted(1, "trial"), counted(1080, "epoch")
    ('1 trial', '1,080 epochs')
    """
    return f"{number:,} {thing if number == 1 else things or thing + 's'}"


def quantity(amount: float) -> str:
    """A number of CPUs or GPUs: 2, 0.25."""
    return f"{amount:.4f}".rstrip("0").rstrip(".")


def clock(seconds: float) -> str:
    """
    >>> clock(9), clock(75), clock(4000)
    ('0:09', '1:15', '1:06:40')
    """
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def duration(seconds: float) -> str:
    """
    >>> duration(3.21), duration(75), duration(4000), duration(200_000)
    ('3.2 s', '1 min 15 s', '1 h 6 min', '2 d 7 h')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, below, smaller in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // below
            return f"{whole // size} {unit} {rest} {smaller}" if rest else f"{whole // size} {unit}"
    return f"{whole} s"


def roughly(seconds: float) -> str:
    """An estimate, without digits that nobody should believe.

    >>> roughly(3), roughly(47), roughly(100), roughly(5000)
    ('less than 10 s', 'about 50 s', 'about 2 min', 'about 1.4 h')
    """
    if seconds < 10:
        return "less than 10 s"
    if seconds < 55:
        return f"about {round(seconds, -1):.0f} s"
    if seconds < 3600 - 30:
        return f"about {max(seconds / 60, 1):.0f} min"
    return f"about {seconds / 3600:.1f} h" if seconds < 86400 else f"about {seconds / 86400:.1f} days"


def shown_path(path: Path) -> str:
    """Relative to where the user is, if it lies below."""
    absolute = path.absolute()
    here = Path.cwd()
    return os.fspath(absolute.relative_to(here) if absolute.is_relative_to(here) else path)


def program() -> str:
    """How to call this very Python's orchestrator from where the user is."""
    found = shutil.which("python")
    is_found = found is not None and Path(found).absolute() == Path(sys.executable)
    python = "python" if is_found else shlex.quote(shown_path(Path(sys.executable)))
    return f"{python} -m orchestrator"


def resume_command(run_dir: Path) -> str:
    return f"{program()} resume {shlex.quote(shown_path(run_dir))}"
