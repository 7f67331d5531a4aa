"""Displays that write into memory, at times that a test decides."""

import io
import json

import pytest
from rich.console import Console

from orchestrator.display.live import LiveDisplay
from orchestrator.settings import Settings
from tests.simulated_runs import SimulatedRun


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Shown:
    """A display of a kind, and what it wrote."""

    def __init__(self, kind, width=80, height=24, **about):
        self.out, self.err, self.clock = io.StringIO(), io.StringIO(), Clock()
        arguments = {"out": self.out, "err": self.err, "clock": self.clock}
        if kind is LiveDisplay:
            arguments["console"] = Console(file=self.out, force_terminal=True, width=width, height=height)
        self.display = kind(**arguments)
        self.about = about

    def run(self, step=0.0, **settings):
        """A whole simulated run, each batch of which takes `step` seconds."""
        run = SimulatedRun(Settings(**settings))
        self.display.say("Starting Ray …")
        self.display.open(run.about(**self.about), run.state)

        def watch(records):
            self.clock.now += step
            self.display.watch(records)

        run.drive(watch)
        self.display.close()
        return run

    @property
    def lines(self):
        return self.out.getvalue().splitlines()

    @property
    def events(self):
        return [json.loads(line, parse_constant=pytest.fail) for line in self.lines]
