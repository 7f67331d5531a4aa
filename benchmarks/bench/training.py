"""Parts (a) to (d): how many trials an hour, from trials that do nothing to a convolutional network."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from benchmarks.bench import models
from benchmarks.bench.figures import Measured, measured
from benchmarks.bench.parts import Options, Part, Results
from benchmarks.bench.rounds import Entry, Failed, in_turn, run_entry
from benchmarks.bench.sections import Comparison, losses, section
from benchmarks.bench.work import Configuration, Kind, Work
from orchestrator.draws import Purpose, generator

OURS = "orchestrator"
PLAIN = "plain Keras loop"
NO_LOGGERS = (("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1"),)
LONGEST_RUN = 1200.0
SMALL = 4
"""Trials of each, where it is only to be seen whether they work."""


@dataclass(frozen=True)
class Contestant:
    label: str
    name: str
    trials: int
    variables: tuple[tuple[str, str], ...] = ()


def tune(trials: int, *, reuse: bool, loggers: bool) -> Contestant:
    label = f"Ray Tune, {'`reuse_actors`' if reuse else 'default'}{'' if loggers else ', no loggers'}"
    return Contestant(label, f"tune:{'reuse' if reuse else 'default'}", trials, () if loggers else NO_LOGGERS)


@dataclass(frozen=True)
class Plan:
    kind: Kind
    epochs: int
    rounds: int
    contestants: Sequence[Contestant]
    prepare: Callable[[], None]


def configurations(kind: Kind, number: int, seed: int) -> list[Configuration]:
    """Drawn from the part's space, the same for everybody."""
    space = models.SPACES[kind]

    def drawn(trial: int) -> Configuration:
        return space.draw(lambda draw: generator(seed, trial, Purpose.CONFIGURATION, draw).random(len(space)).tolist())

    return [drawn(trial) for trial in range(number)]


def measure(plan: Plan, options: Options, save: Callable[[Results], None]) -> None:
    """Each contestant once a round; a peer that fails is missing from its round.

    Raises:
        Failed: Ours did.
    """
    plan.prepare()
    rounds: list[Mapping[str, object]] = []
    for number in range(options.rounds or (1 if options.small else plan.rounds)):
        found: dict[str, object] = {}
        for entry in in_turn(_entries(plan, options, number), number):
            try:
                one = measured(run_entry(entry, LONGEST_RUN), listed=plan.kind != "nothing")
            except Failed as failed:
                if entry.label == OURS:
                    raise
                options.say(str(failed))
                continue
            found[entry.label] = one.to_json()
            options.say(_line(number, entry.label, one))
        rounds.append(found)
        labels = [contestant.label for contestant in plan.contestants]
        save({"workers": options.workers, "contestants": labels, "rounds": rounds})


def _entries(plan: Plan, options: Options, seed: int) -> list[Entry]:
    contestants = plan.contestants
    if options.small:
        contestants = [replace(contestant, trials=min(SMALL, contestant.trials)) for contestant in contestants]
    longest = max(contestant.trials for contestant in contestants)
    listed = [] if plan.kind == "nothing" else configurations(plan.kind, longest, seed)
    return [
        Entry(
            contestant.label,
            contestant.name,
            Work(plan.kind, contestant.trials, plan.epochs, options.workers, listed[: contestant.trials], seed=seed),
            contestant.variables,
        )
        for contestant in contestants
    ]


def _line(number: int, label: str, one: Measured) -> str:
    return (
        f"round {number + 1}: {label}: {one.trials:,} trials, {one.reports:,} reports, {one.processes} processes, "
        f"{one.rate:,.2f} trials/s, whole command {one.whole:.1f} s"
    )


def part(letter: str, title: str, minutes: int, plan: Plan, comparison: Comparison) -> Part:
    return Part(
        letter, title, minutes, partial(measure, plan), partial(section, comparison), partial(losses, comparison)
    )


def _nothing() -> None:
    """There is nothing to prepare."""


PARTS = (
    part(
        "a",
        "Trials that do nothing, 10 reports each",
        12,
        Plan(
            kind="nothing",
            epochs=10,
            rounds=5,
            contestants=(
                Contestant(OURS, "ours", 5_000),
                tune(300, reuse=True, loggers=False),
                tune(300, reuse=True, loggers=True),
                tune(12, reuse=False, loggers=False),
                tune(12, reuse=False, loggers=True),
                Contestant("Optuna", "optuna", 300),
                Contestant("KerasTuner", "keras_tuner", 100),
            ),
            prepare=_nothing,
        ),
        Comparison(
            about=(
                "What a trial costs beside its training. Each reports ten numbers and is through; KerasTuner's "
                "returns one, for it knows no reports within a trial. KerasTuner's workers import TensorFlow, "
                "the others' do without: that is in the whole command. Each samples for itself. Tune's first trials "
                "wait for each other, or all could be through in one actor before the other has started."
            ),
            ours=OURS,
            unit="trials/s",
        ),
    ),
    part(
        "b",
        "A small network, learning rate and betas only",
        35,
        Plan(
            kind="betas",
            epochs=5,
            rounds=5,
            contestants=(
                Contestant(OURS, "ours", 80),
                tune(12, reuse=True, loggers=False),
                tune(8, reuse=False, loggers=True),
                Contestant("Optuna", "optuna", 16),
                Contestant("KerasTuner", "keras_tuner", 16),
                Contestant(PLAIN, "plain", 16),
            ),
            prepare=models.prepare_mnist,
        ),
        Comparison(
            about=(
                "784-128-BatchNormalization-64-10 under Adam on 5,000 MNIST digits (4,000 to train, 1,000 to "
                "validate), 5 epochs of batches of 128. One graph would do for all trials."
            ),
            ours=OURS,
            unit="seconds of a worker per trial",
            accuracy=True,
        ),
    ),
    part(
        "c",
        "The same digits, with layers, units, batch size and dropout sampled as well",
        35,
        Plan(
            kind="shapes",
            epochs=5,
            rounds=3,
            contestants=(
                Contestant(OURS, "ours", 40),
                tune(40, reuse=True, loggers=False),
                Contestant("Optuna", "optuna", 40),
                Contestant("KerasTuner", "keras_tuner", 40),
                Contestant(PLAIN, "plain", 40),
            ),
            prepare=models.prepare_mnist,
        ),
        Comparison(
            about=(
                "1 to 3 layers of 16 to 512 units (on a log scale), each with BatchNormalization and dropout of 0 to "
                "0.5, batches of 32 to 256; 5 epochs. Nearly every trial is another graph, which has to be compiled."
            ),
            ours=OURS,
            unit="seconds of a worker per trial",
            accuracy=True,
        ),
    ),
    part(
        "d",
        "A small convolutional network on Fashion-MNIST",
        15,
        Plan(
            kind="cnn",
            epochs=3,
            rounds=7,
            contestants=(Contestant(OURS, "ours", 6), Contestant(PLAIN, "plain", 6)),
            prepare=models.prepare_fashion,
        ),
        Comparison(
            about=(
                "Two convolutions of 16 and 32 filters, each pooled, and 64 units; 10,000 images to train, 2,000 to "
                "validate, 3 epochs of batches of 128. The training itself takes the time here, and the question is "
                "whether anything is lost beside a plain loop in as many processes."
            ),
            ours=OURS,
            unit="seconds of a worker per trial",
            accuracy=True,
            precise=True,
        ),
    ),
)
