"""What is told of a `train` function that misuses its context."""

from typing import Any

import keras
import pytest

from orchestrator.training.link import Failed
from tests.training.support import (
    FakeLink,
    assignment,
    built_layers,
    loop_study,
    resume,
    train,
    unbuilt_layers,
)


def outside(ctx: Any) -> None:
    ctx.report({"val_loss": 1})


def save_outside(ctx: Any) -> None:
    ctx.save(a=1)


def twice(ctx: Any) -> None:
    for _ in ctx.epochs:
        ctx.report({"val_loss": 1})
        ctx.report({"val_loss": 1})


def never(ctx: Any) -> None:
    for _ in ctx.epochs:
        pass


def nothing(ctx: Any) -> None:
    return


def reports(metrics: Any) -> Any:
    def loop(ctx: Any) -> None:
        for _ in ctx.epochs:
            ctx.report(metrics)

    return loop


def saves(item: Any) -> Any:
    def loop(ctx: Any) -> None:
        for _ in ctx.epochs:
            ctx.report({"val_loss": 1})
            ctx.save(item=item)

    return loop


@pytest.mark.parametrize(
    ("loop", "message"),
    [
        (outside, "ctx.report is called outside of the loop: call it in `for epoch in ctx.epochs:`"),
        (save_outside, "ctx.save is called outside of the loop"),
        (twice, "ctx.report is called twice in epoch 1: give all metrics in one call"),
        (never, "epoch 1 ended without a report: call ctx.report once in each epoch"),
        (nothing, "train returned without a report: call ctx.report in `for epoch in ctx.epochs:`"),
        (reports(0.5), "ctx.report takes a dict of numbers by name, not float"),
        (reports({1: 0.5}), "ctx.report takes a dict of numbers by name, not dict"),
        (reports({"val_loss": [1, 2]}), "ctx.report: 'val_loss' is list, not a number: report one number"),
        (reports({"val_loss": "0.5"}), "ctx.report: 'val_loss' is str, not a number"),
        (reports({"val_loss": None}), "ctx.report: 'val_loss' is NoneType, not a number"),
        (reports({"val_los": 1}), "the objective 'val_loss' is not reported; reported are val_los; did you mean"),
        (saves(object()), "ctx.save(item=…) cannot keep object: give Keras models, optimizers, arrays or values"),
    ],
)
@pytest.mark.parametrize("quiet", [False, True])
def test_mistakes_that_every_trial_would_share(loop: Any, message: str, quiet: bool) -> None:
    """Also told when the study catches all exceptions."""

    def body(configuration: dict[str, Any], ctx: Any) -> None:
        try:
            loop(ctx)
        except Exception:
            if not quiet:
                raise

    ending = train(loop_study(body), assignment(4), None).ending
    assert isinstance(ending, Failed)
    assert ending.bad_study
    assert ending.message.startswith(message)
    assert ending.where.startswith("test_loop_mistakes.py:")


@pytest.mark.parametrize(
    ("restored", "message"),
    [
        (lambda: {"mdel": built_layers()}, "ctx.restore(mdel=…): no such name was saved; saved are model, optimizer"),
        (lambda: {"note": 3}, "ctx.restore(note=…) got int where a value was saved: give Keras models"),
        (lambda: {"model": keras.optimizers.SGD()}, "ctx.restore(model=…) got SGD where a layer was saved"),
        (lambda: {"model": unbuilt_layers()}, "ctx.restore(model=…): the model has no weights yet: call it once"),
    ],
)
def test_mistakes_in_restoring(restored: Any, message: str) -> None:
    def loop(configuration: dict[str, Any], ctx: Any) -> None:
        model, optimizer = built_layers(), keras.optimizers.Adam()
        if resuming:
            ctx.restore(**restored())
        for _ in ctx.epochs:
            ctx.report({"val_loss": 1})
            ctx.save(model=model, optimizer=optimizer, note="text")

    resuming = False
    first = train(loop_study(loop), assignment(1), None, FakeLink(["pause"]))
    resuming = True
    ending = resume(loop_study(loop), first, 2).ending
    assert isinstance(ending, Failed)
    assert ending.bad_study
    assert ending.message.startswith(message)
