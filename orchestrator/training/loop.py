"""Trains with the study's own `train(configuration, ctx)`, and what that is given."""

from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.study import Study
from orchestrator.training.attempt import Attempt, number
from orchestrator.training.failures import BadStudy
from orchestrator.training.link import Ending
from orchestrator.training.loop_keeper import LoopKeeper
from orchestrator.training.session import begin_trial, short_seed


def train_by_loop(study: Study, data: Any, attempt: Attempt) -> Ending:
    assert study.train is not None
    assignment = attempt.assignment
    begin_trial(assignment.seed)
    ctx = Context(data, short_seed(assignment.seed), attempt, LoopKeeper(attempt))
    study.train(dict(assignment.configuration), ctx)
    return ctx.finish()


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

    def __init__(self, data: Any, seed: int, attempt: Attempt, keeper: LoopKeeper) -> None:
        self.data = data
        """What the study's `data()` returned."""
        self.seed = seed
        """The trial's own, in 32 bits; Python's, NumPy's and Keras's generators are seeded already."""
        self.epochs: Iterator[int] = self._epochs()
        """From the first epoch that is left to where the trial pauses or ends; one report in each."""
        self._attempt = attempt
        self._keeper = keeper
        self._epoch: int | None = None
        self._mistake: BadStudy | None = None
        self._cut_short = False

    def report(self, metrics: Mapping[str, Any]) -> None:
        """An epoch's metrics by name, numbers or arrays of one number; once in each epoch."""
        if self._epoch is None:
            raise self._wrong("ctx.report is called outside of the loop: call it in `for epoch in ctx.epochs:`")
        if self._attempt.epoch == self._epoch:
            raise self._wrong(f"ctx.report is called twice in epoch {self._epoch}: give all metrics in one call")
        numbers = self._numbers(metrics)
        if self._cut_short or self._attempt.ending is not None:
            return
        try:
            score = self._attempt.report(self._epoch, numbers)
        except BadStudy as mistake:
            self._mistake = mistake
            raise
        self._keeper.note(self._epoch, score)

    def save(self, **objects: Any) -> None:
        """Keep copies of Keras models, optimizers, arrays and plain values: this epoch's, before or after `report`."""
        if self._epoch is None:
            raise self._wrong("ctx.save is called outside of the loop: call it in `for epoch in ctx.epochs:`")
        try:
            self._keeper.capture(self._epoch, objects)
        except TypeError as error:
            raise self._wrong(f"ctx.save({error}") from None

    def restore(self, **objects: Any) -> dict[str, Any] | None:
        """Set the given Keras models and optimizers to what was saved under these names.

        Returns all that was saved, models and optimizers as lists of arrays; None when the trial starts anew.
        """
        try:
            return self._keeper.restore(objects)
        except (TypeError, KeyError) as error:
            raise self._wrong(f"ctx.restore({error.args[0]}") from None

    @property
    def should_stop(self) -> bool:
        """For long epochs: once true, leave the epoch without a report, which would be ignored."""
        self._cut_short = self._attempt.interruption() is not None
        return self._cut_short

    @property
    def strategy(self) -> Any:
        """TensorFlow's `MirroredStrategy` on the worker's GPUs, the same for all its trials.

        With one GPU or none TensorFlow's default strategy, which changes nothing.
        """
        from orchestrator.training import replicas

        return replicas.strategy()

    def finish(self) -> Ending:
        """After the study's function has returned."""
        attempt = self._attempt
        if self._mistake is not None:
            raise self._mistake
        left_early = self._epoch is None or self._is_unreported()
        if attempt.ending is None and left_early:
            self._end_if_asked()
        if attempt.epoch == 0 and attempt.ending is None:
            raise self._wrong("train returned without a report: call ctx.report in `for epoch in ctx.epochs:`")
        attempt.decide(self._keeper, ended_by_itself=not self._cut_short)
        assert attempt.ending is not None
        return attempt.ending

    def _epochs(self) -> Iterator[int]:
        attempt = self._attempt
        self._keeper.begin()
        while attempt.ending is None:
            self._epoch = attempt.epoch + 1
            attempt.begin_epoch(self._epoch)
            yield self._epoch
            self._end_epoch(self._epoch)
            self._epoch = None

    def _end_epoch(self, epoch: int) -> None:
        if self._attempt.ending is not None:
            return
        if not self._is_unreported():
            self._attempt.decide(self._keeper, ended_by_itself=False)
            return
        self._end_if_asked()
        if self._attempt.ending is None:
            raise self._wrong(f"epoch {epoch} ended without a report: call ctx.report once in each epoch")

    def _end_if_asked(self) -> None:
        """Within an epoch: all that was both reported and saved is of epochs before."""
        match self._attempt.interruption():
            case "stop":
                self._attempt.stop(self._keeper)
            case "pause":
                self._attempt.pause(self._keeper)

    def _is_unreported(self) -> bool:
        return self._epoch is not None and self._attempt.epoch < self._epoch

    def _numbers(self, metrics: Mapping[str, Any]) -> dict[str, float]:
        if not isinstance(metrics, Mapping) or not all(isinstance(name, str) for name in metrics):
            raise self._wrong(f"ctx.report takes a dict of numbers by name, not {type(metrics).__name__}")
        numbers = {name: number(value) for name, value in metrics.items()}
        for name, found in numbers.items():
            if found is None:
                kind = type(metrics[name]).__name__
                raise self._wrong(f"ctx.report: '{name}' is {kind}, not a number: report one number, such as its mean")
        return {name: found for name, found in numbers.items() if found is not None}

    def _wrong(self, message: str) -> BadStudy:
        """Kept, so that a study that catches all exceptions does not hide it."""
        self._mistake = self._attempt.mistake(message)
        return self._mistake
