"""A link that records what it is told and answers from a list, and small studies."""

import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from orchestrator.assignment import Assignment, Checkpoint
from orchestrator.objective import Direction
from orchestrator.study import Study
from orchestrator.training.data import Data
from orchestrator.training.link import Activity, Ending, Interruption, Loop, Verdict
from search_spaces import Fixed, Space

SPACE = Space(rate=Fixed(0.01))
NEVER = 1e9


@dataclass
class FakeLink:
    verdicts: Sequence[Verdict] = ()
    stop_at: int | None = None
    """Which question whether to end is answered with "stop", counted from 1."""
    pause_at: int | None = None
    """And with "pause"."""
    broken: str = ""
    """The call that raises OSError."""

    def __post_init__(self) -> None:
        self.words: list[Any] = []
        self.checkpoints: list[Checkpoint] = []
        self.contents: dict[str, bytes] = {}
        self.seconds: list[float] = []
        self.activities: list[Activity] = []
        self.built_structures: list[tuple[str, bool]] = []
        self.questions = 0
        self._verdicts = list(self.verdicts)

    def built(self, structure: str, reused: bool) -> None:
        self._may_break("built")
        self.built_structures.append((structure, reused))

    def report(self, epoch: int, metrics: dict[str, float], seconds: float) -> None:
        self._may_break("report")
        assert all(type(value) is float for value in metrics.values())
        self.words.append((epoch, metrics))
        self.seconds.append(seconds)

    def interruption(self) -> Interruption | None:
        self.questions += 1
        if self.stop_at is not None and self.questions >= self.stop_at:
            return "stop"
        return "pause" if self.pause_at is not None and self.questions >= self.pause_at else None

    def verdict(self) -> Verdict:
        self.words.append("asked")
        return self._verdicts.pop(0)

    def save(self, pack: Callable[[], tuple[Checkpoint, bytes]]) -> None:
        self._may_break("save")
        checkpoint, content = pack()
        assert checkpoint.bytes == len(content)
        assert checkpoint.sha256 == hashlib.sha256(content).hexdigest()
        self.words.append(f"saved {checkpoint.epoch}, best {checkpoint.best_epoch}")
        self.checkpoints.append(checkpoint)
        self.contents[checkpoint.name] = content

    def load(self, checkpoint: Checkpoint) -> bytes:
        self._may_break("load")
        return self.contents[checkpoint.name]

    def during(self, activity: Activity) -> AbstractContextManager[None]:
        self.activities.append(activity)
        return nullcontext()

    def _may_break(self, call: str) -> None:
        if self.broken == call:
            raise OSError(f"{call}: no space left")

    @property
    def last_content(self) -> bytes:
        return self.contents[self.checkpoints[-1].name]

    @property
    def curve(self) -> dict[int, dict[str, float]]:
        return dict(word for word in self.words if isinstance(word, tuple))

    @property
    def told(self) -> list[Any]:
        """The words, reports as bare epochs."""
        return [word[0] if isinstance(word, tuple) else word for word in self.words]


@dataclass(frozen=True)
class Trained:
    ending: Ending
    link: FakeLink


def assignment(to_epoch: int, max_epochs: int = 4, **changes: Any) -> Assignment:
    given = {"trial": 17, "attempt": 1, "configuration": {"rate": 0.01}, "seed": 7, "after_epoch": 0, **changes}
    return Assignment(to_epoch=to_epoch, max_epochs=max_epochs, **given)


def after(first: Trained, to_epoch: int, max_epochs: int = 4, **changes: Any) -> Assignment:
    """From the last checkpoint, as another attempt."""
    start = first.link.checkpoints[-1]
    return assignment(to_epoch, max_epochs, attempt=2, after_epoch=start.epoch, start=start, **changes)


def train(
    study: Study,
    given: Assignment,
    data: Any,
    link: FakeLink | None = None,
    every: float = NEVER,
    loop: Loop = "auto",
) -> Trained:
    from orchestrator.training.trial import train_trial

    link = link or FakeLink()
    return Trained(train_trial(study, given, data, link, every, loop), link)


def numbers(rows: int = 50, features: int = 4, classes: int = 3) -> Data:
    """Rows that a small network can learn."""
    draw = np.random.default_rng(3)
    centres = draw.normal(size=(classes, features))

    def pair(count: int) -> tuple[Any, Any]:
        labels = draw.integers(0, classes, count)
        return (centres[labels] + draw.normal(0, 0.7, (count, features))).astype("float32"), labels

    return Data(pair(rows), pair(20), pair(20))


def tiny(configuration: dict[str, Any]) -> Any:
    """Nothing is compiled, so it is quick where only the course of a trial matters."""
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=True)
    return model


def fit_study(build: Any = tiny, objective: str = "val_loss", direction: Direction = "min", **given: Any) -> Study:
    changed = {"data": numbers, "batch_size": 16, **given}
    return Study(space=SPACE, build=build, objective=objective, direction=direction, **changed)


def loop_study(train: Any, objective: str = "val_loss", direction: Direction = "min") -> Study:
    return Study(space=SPACE, train=train, objective=objective, direction=direction)


def resume(study: Study, first: Trained, to_epoch: int, data: Any = None, **changes: Any) -> Trained:
    """As another attempt, perhaps on another worker."""
    link = FakeLink(changes.pop("verdicts", ()))
    link.contents = first.link.contents
    loop = changes.pop("loop", "auto")
    return train(study, after(first, to_epoch, **changes), data, link, loop=loop)


def unbuilt_layers() -> Any:
    return keras.Sequential([keras.layers.Dense(2)])


def built_layers() -> Any:
    model = unbuilt_layers()
    model.build((None, 3))
    return model


class EndAfter(keras.callbacks.Callback):
    def __init__(self, epochs: int) -> None:
        super().__init__()
        self.epochs = epochs

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.model.stop_training = epoch + 1 >= self.epochs
