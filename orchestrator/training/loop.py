"""Trains with the study's own `train(configuration, ctx)`."""

from typing import Any

from orchestrator.study import Study
from orchestrator.training.context import Context
from orchestrator.training.link import Ending
from orchestrator.training.loop_keeper import LoopKeeper
from orchestrator.training.progress import Progress
from orchestrator.training.session import begin_trial, short_seed


def train_by_loop(study: Study, data: Any, progress: Progress) -> Ending:
    assert study.train is not None
    assignment = progress.assignment
    begin_trial(assignment.seed)
    ctx = Context(data, short_seed(assignment.seed), progress, LoopKeeper(progress))
    study.train(dict(assignment.configuration), ctx)
    return ctx.finish()
