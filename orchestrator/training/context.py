"""What a study's own `train(configuration, ctx)` is given."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from orchestrator.training.loop_keeper import LoopKeeper
from orchestrator.training.link import Completed, Ending
from orchestrator.training.mistakes import BadStudy
from orchestrator.training.progress import Progress
from orchestrator.training.session import short_seed

EXAMPLE = "for epoch in ctx.epochs: …; ctx.report({'val_loss': …})"


class Context:
    """Epochs to train, where to report, and what to keep across a pause.

        def train(configuration, ctx):
            model, optimizer = …
            ctx.restore(model=model, optimizer=optimizer)
            for epoch in ctx.epochs:
                …
                ctx.report({"val_loss": loss})
                ctx.save(model=model, optimizer=optimizer)
    """

    data: Any
    """What the study's `data()` returned."""
    seed: int
    """The trial's own, 32 bits; Python's, NumPy's and Keras's generators are seeded with it already."""
