"""What people see of a run: one of four kinds of display."""

import os
import sys

from orchestrator.display.about import About, ClusterSummary
from orchestrator.display.base import Display
from orchestrator.display.events import EventsDisplay
from orchestrator.display.lines import LinesDisplay
from orchestrator.display.live import LiveDisplay
from orchestrator.display.quiet import QuietDisplay
from orchestrator.errors import UserError

__all__ = ["About", "ClusterSummary", "Display", "make_display"]

QUIET_AND_JSON = "quiet and json contradict each other: give one of them"


def make_display(*, quiet: bool = False, as_json: bool = False) -> Display:
    """A live view on a terminal and lines elsewhere, unless something else is asked for."""
    if quiet and as_json:
        raise UserError(QUIET_AND_JSON)
    if quiet:
        return QuietDisplay()
    if as_json:
        return EventsDisplay()
    is_live = (
        sys.stdout is not None and sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("", "dumb", "unknown")
    )
    return LiveDisplay() if is_live else LinesDisplay()
