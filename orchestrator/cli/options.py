"""Options that several commands share, and what can be said of them before anything is loaded."""

from collections.abc import Callable, Sequence
from typing import Any

import click

from orchestrator.errors import UserError, nearest
from orchestrator.specs import read_number

PROGRAM = "python -m orchestrator"
NAMES = {"help_option_names": ["-h", "--help"]}
CONTRADICTION = "--quiet and --json contradict each other: give one of them"
SAMPLERS = "zoom, staged, random, sobol, grid, optuna:tpe …"
STOPPERS = "adaptive, asha, asha_stop, halving, hyperband, median, patience:P, none; asha:eta=4+patience:5 for both"
STALL = (
    "End what has not reported for so long, or none [auto: after the first report 20 longest epochs, 10 min at least]"
)
LABEL = "Only on nodes with this label; may be given again."
Command = Callable[..., Any]


def number(text: str) -> int | float | str:
    """A number if it reads as one. Whether it makes sense is told with all that is wrong, by the settings."""
    return text if text.startswith("+") else read_number(text)  # So much more.


def _or_none(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...] | None:
    """What may be given again is not given at all."""
    return values or None


def launch_options(command: Command) -> Command:
    """The settings of a run, but for --address: where a run is and where it is submitted are named differently."""
    options = [
        click.option("--trials", type=number, metavar="N", help="Train at most so many configurations [40]"),
        click.option("--epochs", type=number, metavar="R", help="Train each for at most so many epochs [27]"),
        click.option("--sampler", metavar="NAME", help=f"How configurations are chosen: {SAMPLERS} [zoom]"),
        click.option(
            "--points", metavar="N[,NAME=N…]", help="Values of each hyperparameter in a grid, or of some by name [5]"
        ),
        click.option(
            "--repeats/--no-repeats", default=None, help="Configurations may come again, with other seeds [no]"
        ),
        click.option("--stopper", metavar="NAME", help=f"What ends hopeless trials early: {STOPPERS} [adaptive]"),
        click.option("--seed", type=number, metavar="S", help="The same seed draws the same configurations [0]"),
        click.option("--workers", type=number, metavar="N", help="Train at most so many trials at once [what fits]"),
        click.option("--cpus-per-trial", type=number, metavar="C", help="CPUs for each trial [1]"),
        click.option("--gpus-per-trial", type=number, metavar="G", help="GPUs for each trial: 0.25, 2, or auto [0]"),
        click.option("--run-dir", metavar="DIR", help="A new directory for the run [runs/STUDY-TIMESTAMP]"),
        click.option("--max-time", type=number, metavar="TIME", help="Stop after so long: 90s, 10m, 1.5h, 2d."),
        click.option(
            "--max-epochs-total", type=number, metavar="N", help="Stop after so many epochs of all trials together."
        ),
        click.option(
            "--gpu-hours", type=number, metavar="H", help="Stop once workers have held GPUs for so long, in sum."
        ),
        click.option("--target", type=number, metavar="VALUE", help="Stop once the objective has reached this."),
    ]
    what_a_run_is = [
        click.option("--storage", metavar="URL", help="Checkpoints and a copy of the run there: s3://bucket/runs."),
        click.option(
            "--loop", metavar="NAME", help="auto: an epoch in one graph where it can be; fit: batch by batch [auto]"
        ),
        click.option(
            "--deterministic/--not-deterministic", default=None, help="The same numbers every time, and slower [no]"
        ),
    ]
    return _with(options, tolerance_options(_with(what_a_run_is, command)))


def tolerance_options(command: Command) -> Command:
    """What a run bears with, what it keeps and where: may be others when it is resumed."""
    options = [
        click.option("--retries", type=number, metavar="N", help="Try a trial that failed so often again [2]"),
        click.option("--max-failures", type=number, metavar="N", help="End the run once so many trials have failed."),
        click.option("--trial-timeout", type=number, metavar="TIME", help="Stop a trial that has trained for so long."),
        click.option("--stall-timeout", type=number, metavar="TIME", help=STALL),
        click.option("--memory-per-trial", type=number, metavar="SIZE", help="Memory of a worker, which ends it: 4GB."),
        click.option("--accelerator", metavar="KIND", help="Only on nodes with this kind of GPU: H100."),
        click.option("--node-label", multiple=True, callback=_or_none, metavar="KEY=VALUE", help=LABEL),
        click.option("--finish-best", type=number, metavar="K", help="Free workers train the best K to the end [0]"),
        click.option("--repeat-best", type=number, metavar="K", help="And the best K times more, with other seeds [0]"),
        click.option("--checkpoint-every", type=number, metavar="TIME", help="Save running trials so often [60s]"),
        click.option("--keep", type=number, metavar="K", help="Ended trials, the best, whose checkpoints stay [3]"),
        click.option("--checkpoint-bytes", type=number, metavar="SIZE", help="Of all checkpoints at most: 50GB."),
        click.option("--storage-every", type=number, metavar="TIME", help="Copy the journal there so often [60s]"),
        click.option("--dashboard-host", metavar="HOST", help="Where Ray's dashboard listens [the loopback address]"),
    ]
    return _with(options, command)


def _with(options: Sequence[Callable[[Command], Command]], command: Command) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def check_launch(
    command: click.Command, words: Sequence[str], settings: dict[str, Any], *, contradiction: bool
) -> None:
    """Tell at once all that can be told without the study."""
    from orchestrator.settings import problems_of

    known = [name for parameter in command.params for name in parameter.opts if name.startswith("--")]
    unknown = [word.partition("=")[0] for word in words if word.startswith("-")]
    problems = [f"there is no option '{name}'{nearest(name, known)}" for name in unknown]
    if not unknown and len(words) > 1:
        problems.append(f"one study at a time: {' '.join(words)}")
    if contradiction:
        problems.append(CONTRADICTION)
    if problems := problems + problems_of(settings):
        raise UserError("\n".join(problems))
