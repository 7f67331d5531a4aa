"""A stopper lived with as a scheduler would: told and asked in turn, with a log of all that it was told."""

from typing import Any

from orchestrator.objective import Objective
from orchestrator.stoppers import Promotion, Stopper, make_stopper

MAX = Objective("val", "max")


class Play:
    """Trials begin in order; each trains when `train` says so, from decision to decision."""

    def __init__(self, text: str, max_epochs: int = 27, trials: int | None = None, objective: Objective = MAX) -> None:
        self.text = text
        self.max_epochs = max_epochs
        self.trials = trials
        self.objective = objective
        self.stopper = self.fresh()
        self.log: list[tuple[str, tuple[Any, ...]]] = []
        self.epoch: dict[int, int] = {}
        self.to_epoch: dict[int, int] = {}
        """Of the trials that are training."""
        self.paused: set[int] = set()
        self.over: dict[int, str] = {}
        """How each ended trial ended."""
        self.reasons: list[str] = []

    def fresh(self) -> Stopper:
        return make_stopper(self.text, self.max_epochs, self.objective, self.trials)

    def folded(self) -> Stopper:
        """Another stopper that was told the same."""
        stopper = self.fresh()
        for what, arguments in self.log:
            getattr(stopper, what)(*arguments)
        return stopper

    def tell(self, what: str, *arguments: Any) -> None:
        self.log.append((what, arguments))
        getattr(self.stopper, what)(*arguments)
        if (adaptation := self.stopper.adaptation()) is not None:
            self.reasons.append(adaptation.reason)
            self.log.append(("adapted", (adaptation.settings,)))
            self.stopper.adapted(adaptation.settings)
            assert self.stopper.adaptation() is None

    def begin(self) -> int:
        trial = len(self.epoch)
        to_epoch = self.stopper.horizon(trial, 0)
        self.epoch[trial] = 0
        self.tell("begun", trial)
        self._train_to(trial, to_epoch)
        return trial

    def report(self, trial: int, epoch: int, score: float) -> str | None:
        """What becomes of the trial, where that is decided after this report."""
        self.epoch[trial] = epoch
        self.tell("reported", trial, epoch, score)
        if epoch < self.to_epoch[trial]:
            return None
        if self.to_epoch[trial] >= self.max_epochs:
            return self.end(trial, "ended", "completed")
        verdict = self.stopper.judge(trial, epoch)
        assert verdict.reason
        if verdict.action == "go on":
            to_epoch = self.stopper.horizon(trial, epoch)
            self.tell("resumed", trial)
            self._train_to(trial, to_epoch)
        elif verdict.action == "pause":
            self.to_epoch.pop(trial)
            self.paused.add(trial)
            self.tell("paused", trial)
        else:
            self.end(trial, "ended", "stopped")
        return verdict.action

    def train(self, trial: int, *scores: float) -> str | None:
        """Through its assignment; the last score stands for all epochs after it."""
        action = None
        for place in range(self.to_epoch[trial] - self.epoch[trial]):
            action = self.report(trial, self.epoch[trial] + 1, scores[min(place, len(scores) - 1)])
        return action

    def arrive(self, *scores: float) -> list[int]:
        """New trials, one for each score, that train to their first decision."""
        begun = []
        for score in scores:
            begun.append(self.begin())
            self.train(begun[-1], score)
        return begun

    def end(self, trial: int, what: str, how: str) -> str:
        self.to_epoch.pop(trial, None)
        self.paused.discard(trial)
        self.over[trial] = how
        self.tell(what, trial)
        return how

    def diverge(self, trial: int) -> None:
        self.end(trial, "diverged", "diverged")

    def fail(self, trial: int) -> None:
        self.end(trial, "withdrawn", "failed")

    def lose(self, trial: int, epoch: int = 0) -> None:
        """Its worker is lost; it trains again from a checkpoint, to where it was going."""
        self.epoch[trial] = epoch
        self.tell("resumed", trial)

    def promote(self) -> int | None:
        """The trial that an idle worker takes."""
        return self._go_on(next(self.stopper.promotable(), None))

    def finish_one(self) -> int | None:
        return self._go_on(next(self.stopper.finalists(), None))

    def promotable(self) -> list[int]:
        return [promotion.trial for promotion in self.stopper.promotable()]

    def finalists(self) -> list[int]:
        return [promotion.trial for promotion in self.stopper.finalists()]

    def _go_on(self, promotion: Promotion | None) -> int | None:
        if promotion is None:
            return None
        assert promotion.reason
        assert promotion.trial in self.paused
        self.paused.discard(promotion.trial)
        self.tell("resumed", promotion.trial)
        self._train_to(promotion.trial, promotion.to_epoch)
        return promotion.trial

    def _train_to(self, trial: int, to_epoch: int) -> None:
        assert self.epoch[trial] < to_epoch <= self.max_epochs
        self.to_epoch[trial] = to_epoch
