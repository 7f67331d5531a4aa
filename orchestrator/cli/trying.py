"""Commands that try things out before a cluster is taken."""

import json
from pathlib import Path
from typing import Any

import click

from orchestrator.cli.launching import launch
from orchestrator.cli.options import NAMES, PROGRAM, check_launch, number
from orchestrator.cli.terminal import width

CURVES = "An .npz file of curves, or the directory of an earlier run."
SECONDS = "The time that a train function has for its first report [60]"


@click.command(
    short_help="Try samplers and stoppers on recorded curves, in virtual time.",
    context_settings=NAMES,
    epilog=f"""\b
Examples:
  {PROGRAM} simulate --curves curves.npz --stopper asha:eta=4 --workers 32 --seeds 20
  {PROGRAM} simulate --curves runs/digits_mlp-20260102-030405 --stopper median --json""",
)
@click.option("--curves", "path", type=click.Path(path_type=Path), required=True, metavar="FILE", help=CURVES)
@click.option("--task", "tasks", multiple=True, metavar="NAME", help="Only this task of the file; may be given again.")
@click.option("--sampler", metavar="NAME", help="As of launch [the rows of the file in a random order]")
@click.option("--stopper", metavar="NAME", help="As of launch [adaptive]")
@click.option("--workers", type=int, metavar="W", help="Simulated workers [1]")
@click.option("--trainings", type=float, metavar="B", help="The budget, in full trainings of mean cost [100]")
@click.option("--seeds", type=click.IntRange(min=1), default=1, metavar="K", help="Runs of each task [1]")
@click.option("--seed", type=click.IntRange(min=0), default=0, metavar="S", help="The first seed, then S + 1 … [0]")
@click.option("--start-cost", type=float, metavar="SEC", help="Before a new trial's first epoch [as recorded, or 0]")
@click.option("--resume-cost", type=float, metavar="SEC", help="Before going on from a checkpoint [as recorded, or 0]")
@click.option("--json", "as_json", is_flag=True, help="Show one JSON object for each task and seed.")
@click.option("--plot", type=click.Path(path_type=Path), metavar="FILE.html", help="Draw regret over time there.")
def simulate(path: Path, tasks: tuple[str, ...], seeds: int, seed: int, as_json: bool, plot: Any, **given: Any) -> None:
    """Run samplers and stoppers on recorded curves, in virtual time: what would each choice have cost?

    \b
    A file of curves (numpy.savez) holds, for T tasks, C configurations, E epochs, H hyperparameters:
      task [T], metric, direction ("max" or "min"), hp_names [H], hp [C, H],
      value [T, C, E] (NaN: diverged), seconds [T, C, E] (NaN: aborted; may be left out),
      and for --sampler, where known, hp_low, hp_high, hp_scale, hp_integer [H].
    """
    from orchestrator.simulation import command
    from orchestrator.simulation.replay import Choices

    choices = Choices(**{name: value for name, value in given.items() if value is not None})
    command.simulate(
        path, tasks, range(seed, seed + seeds), choices, as_json=as_json, plot=plot, width=width(), show=click.echo
    )


@click.command(
    short_help="Tell what a run would cost, after training a few trials.",
    context_settings=NAMES,
    epilog=f"""\b
Examples:
  {PROGRAM} plan digits_mlp --trials 1000 --workers 64
  {PROGRAM} plan my_study.py --workers 100 --gpus-per-trial 0.25 --stopper hyperband --json""",
)
@click.argument("study", default="digits_mlp")
@click.option("--workers", type=number, metavar="N", required=True, help="So many trials at once, on any cluster.")
@click.option("--trials", type=number, metavar="N", help="As of launch [40]")
@click.option("--epochs", type=number, metavar="R", help="As of launch [27]")
@click.option("--sampler", metavar="NAME", help="As of launch [zoom]")
@click.option("--points", metavar="N[,NAME=N…]", help="As of launch [5]")
@click.option("--stopper", metavar="NAME", help="As of launch [adaptive]")
@click.option("--seed", type=number, metavar="S", help="As of launch [0]")
@click.option("--cpus-per-trial", type=number, metavar="C", help="As of launch, and for the trials trained now [1]")
@click.option("--gpus-per-trial", type=number, metavar="G", help="As of launch, and for the trials trained now [0]")
@click.option("--address", metavar="A", help="The Ray cluster where a few trials are trained now; as of launch.")
@click.option("--max-time", type=number, metavar="TIME", help="As of launch.")
@click.option("--max-epochs-total", type=number, metavar="N", help="As of launch.")
@click.option("--gpu-hours", type=number, metavar="H", help="As of launch.")
@click.option("--json", "as_json", is_flag=True, help="Show one JSON object.")
def plan(study: str, as_json: bool, **options: Any) -> None:
    """Tell how long a run will take, and how many epochs and GPU-hours, each with its range.

    A few configurations of STUDY are trained for real, for an epoch or two; the whole run is then simulated on as many
    workers as asked. Nothing is left behind.
    """
    settings = {name: value for name, value in options.items() if value is not None}
    check_launch(launch, (study,), settings, contradiction=False)

    from dataclasses import asdict

    from orchestrator.simulation.plan import plan as plan_study
    from orchestrator.simulation.plan_report import plan_text

    planned = plan_study(study, **settings)
    click.echo(json.dumps(asdict(planned)) if as_json else plan_text(planned))


@click.command(
    short_help="Build a study's model and train a batch here, without Ray.",
    context_settings=NAMES,
    epilog=f"""\b
Examples:
  {PROGRAM} check my_study.py
  {PROGRAM} check my_study.py --seed 3""",
)
@click.argument("study", default="digits_mlp")
@click.option("--seed", type=number, metavar="S", help="As of launch: another one checks another configuration [0]")
@click.option("--seconds", type=click.FloatRange(min=0, min_open=True), default=60.0, metavar="SEC", help=SECONDS)
def check(study: str, seconds: float, seed: Any) -> None:
    """Rehearse one trial of STUDY in this process: shapes, parameters, metrics and times, before a cluster is taken.

    Nothing is written, and Ray is not started. The configuration is the one that the first trial of a run would get.
    Exit code 1: the study's functions fail; 2: the study itself is wrong.
    """
    from orchestrator.check import check as check_study

    settings = {} if seed is None else {"seed": seed}
    check_study(study, seconds=seconds, show=click.echo, complain=lambda line: click.echo(line, err=True), **settings)
