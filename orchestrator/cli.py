"""The command line: `python -m orchestrator`. Whatever is slow to import is imported by the command that needs it."""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from orchestrator import __version__
from orchestrator.errors import RunFailed, UserError, nearest

PROGRAM = "python -m orchestrator"
INTERRUPTED = 130
NAMES = {"help_option_names": ["-h", "--help"]}
CONTRADICTION = "--quiet and --json contradict each other: give one of them"
LAYOUTS = ("table", "csv", "json", "markdown")
SAMPLERS = "zoom, staged, random, sobol, grid, optuna:tpe …"
STOPPERS = "adaptive, asha, asha_stop, halving, hyperband, median, patience:P, none; asha:eta=4+patience:5 for both"
STALL = (
    "End what has not reported for so long, or none [auto: after the first report 20 longest epochs, 10 min at least]"
)
CURVES = "An .npz file of curves, or the directory of an earlier run."
SECONDS = "The time that a train function has for its first report [60]"


def number(text: str) -> int | float | str:
    """A number if it reads as one. Whether it makes sense is told with all that is wrong, by the settings."""
    if text.startswith("+"):
        return text  # So much more.
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def tolerance_options(command: Any) -> Any:
    """What a run bears with, what it keeps and where: may be others when it is resumed."""
    options = [
        click.option("--retries", type=number, metavar="N", help="Try a trial that failed so often again [2]"),
        click.option("--max-failures", type=number, metavar="N", help="End the run once so many trials have failed."),
        click.option("--trial-timeout", type=number, metavar="TIME", help="Stop a trial that has trained for so long."),
        click.option("--stall-timeout", type=number, metavar="TIME", help=STALL),
        click.option("--memory-per-trial", type=number, metavar="SIZE", help="End a worker that uses more: 4GB."),
        click.option("--checkpoint-every", type=number, metavar="TIME", help="Save running trials so often [60s]"),
        click.option("--keep", type=number, metavar="K", help="Ended trials, the best, whose checkpoints stay [3]"),
        click.option("--checkpoint-bytes", type=number, metavar="SIZE", help="Of all checkpoints at most: 50GB."),
        click.option("--storage-every", type=number, metavar="TIME", help="Copy the journal there so often [60s]"),
        click.option("--dashboard-host", metavar="HOST", help="Where Ray's dashboard listens [the loopback address]"),
    ]
    for option in reversed(options):
        command = option(command)
    return command


class Commands(click.Group):
    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        name = args[0]
        if name not in self.commands:
            kind = "option" if name.startswith("-") else "command"
            known = [*self.commands] if kind == "command" else ["--help", "--version"]
            raise UserError(f"there is no {kind} '{name}'{nearest(name, known)} (see {PROGRAM} --help)")
        return super().resolve_command(ctx, args)


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings=NAMES | {"ignore_unknown_options": True},
    epilog=f"\b\nStart with:\n  {PROGRAM} launch",
)
@click.version_option(__version__, prog_name="orchestrator", message="%(prog)s %(version)s")
@click.pass_context
def commands(ctx: click.Context) -> None:
    """Train many Keras models at once on a Ray cluster, stop the hopeless ones early, rank the rest."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


@commands.command(
    short_help="Tune a study on a Ray cluster.",
    context_settings=NAMES | {"ignore_unknown_options": True},
    epilog=f"""\b
Examples:
  {PROGRAM} launch
  {PROGRAM} launch digits_mlp --trials 100 --stopper median
  {PROGRAM} launch my_study.py --max-time 2h --target 0.98
  {PROGRAM} launch my_study.py --gpus-per-trial 0.25 --address auto""",
)
@click.argument("words", metavar="[STUDY]", nargs=-1, type=click.UNPROCESSED)
@click.option("--trials", type=number, metavar="N", help="Train at most so many configurations [40]")
@click.option("--epochs", type=number, metavar="R", help="Train each for at most so many epochs [27]")
@click.option("--sampler", metavar="NAME", help=f"How configurations are chosen: {SAMPLERS} [zoom]")
@click.option("--points", metavar="N[,NAME=N…]", help="Values of each hyperparameter in a grid, or of some by name [5]")
@click.option("--repeats/--no-repeats", default=None, help="Configurations may come again, with other seeds [no]")
@click.option("--stopper", metavar="NAME", help=f"What ends hopeless trials early: {STOPPERS} [adaptive]")
@click.option("--seed", type=number, metavar="S", help="The same seed draws the same configurations [0]")
@click.option("--workers", type=number, metavar="N", help="Train at most so many trials at once [what fits]")
@click.option("--cpus-per-trial", type=number, metavar="C", help="CPUs for each trial [1]")
@click.option("--gpus-per-trial", type=number, metavar="G", help="GPUs for each trial, such as 0.25 or 2 [0]")
@click.option("--address", metavar="A", help="Join the Ray cluster there; auto finds one. Else RAY_ADDRESS counts.")
@click.option("--run-dir", metavar="DIR", help="A new directory for the run [runs/STUDY-TIMESTAMP]")
@click.option("--max-time", type=number, metavar="TIME", help="Stop after so long: 90s, 10m, 1.5h, 2d.")
@click.option("--max-epochs-total", type=number, metavar="N", help="Stop after so many epochs of all trials together.")
@click.option("--gpu-hours", type=number, metavar="H", help="Stop once workers have held GPUs for so long, in sum.")
@click.option("--target", type=number, metavar="VALUE", help="Stop once the objective has reached this.")
@tolerance_options
@click.option("--storage", metavar="URL", help="Checkpoints and a copy of the run there: s3://bucket/runs.")
@click.option("--loop", metavar="NAME", help="auto: an epoch in one graph where it can be; fit: batch by batch [auto]")
@click.option("--deterministic/--not-deterministic", default=None, help="The same numbers every time, and slower [no]")
@click.option("--quiet", is_flag=True, help="Show errors and where the leaderboard is, nothing else.")
@click.option("--json", "as_json", is_flag=True, help="Show one JSON object a line.")
def launch(words: tuple[str, ...], quiet: bool, as_json: bool, **options: Any) -> int:
    """Tune a study: train its trials on Ray, and leave a leaderboard and the best model in a run directory.

    STUDY is the name of a shipped study, or the path of a Python file that defines one [digits_mlp]. In brackets:
    what holds where neither the command nor the study says anything.
    """
    settings = {name: value for name, value in options.items() if value is not None}
    _check_launch(words, settings, contradiction=quiet and as_json)

    from orchestrator.display import make_display
    from orchestrator.run import launch as launch_study

    display = make_display(quiet=quiet, as_json=as_json)
    try:
        return launch_study(*words, display=display, **settings).exit_code
    except BrokenPipeError as error:
        # Displays fall silent by themselves, so it is none of ours; click would end without a word on it.
        raise RuntimeError("the run was torn off") from error


@commands.command(
    short_help="Go on with a run that was interrupted or killed, or extend one.",
    context_settings=NAMES,
    epilog=f"""\b
Examples:
  {PROGRAM} resume runs/digits_mlp-20260102-030405
  {PROGRAM} resume runs/digits_mlp-20260102-030405 --trials +50
  {PROGRAM} resume s3://bucket/runs/digits_mlp-20260102-030405""",
)
@click.argument("run", metavar="RUN_DIR|URL")
@click.option(
    "--accept-changes", is_flag=True, help="Although the study, its space or TensorFlow are not as they were."
)
@click.option(
    "--study", metavar="FILE", help="Where the study is now [where it was, else its copy in the run directory]"
)
@click.option("--trials", type=number, metavar="N", help="A new limit, or +50 for so many more.")
@click.option("--epochs", type=number, metavar="R", help="More epochs for each; the best that are kept go on.")
@click.option("--max-time", type=number, metavar="TIME", help="A new limit, or +1h for so much more.")
@click.option("--max-epochs-total", type=number, metavar="N", help="A new limit, or +500 for so many more.")
@click.option("--gpu-hours", type=number, metavar="H", help="A new limit, or +10 for so many more.")
@click.option("--target", type=number, metavar="VALUE", help="As of launch.")
@click.option("--workers", type=number, metavar="N", help="As of launch.")
@click.option("--cpus-per-trial", type=number, metavar="C", help="As of launch.")
@click.option("--gpus-per-trial", type=number, metavar="G", help="As of launch.")
@click.option("--address", metavar="A", help="As of launch [where the run was]")
@tolerance_options
@click.option("--quiet", is_flag=True, help="As of launch.")
@click.option("--json", "as_json", is_flag=True, help="As of launch.")
def resume(run: str, accept_changes: bool, study: str | None, quiet: bool, as_json: bool, **options: Any) -> int:
    """Go on with a run as if nothing had happened.

    Finished trials are not touched; those that were training go on from their last checkpoint, and what was decided
    stays decided. What is not given is as it was; with more trials, epochs or time a finished run is extended.
    """
    changes = {name: value for name, value in options.items() if value is not None}
    if quiet and as_json:
        raise UserError(CONTRADICTION)

    from orchestrator.display import make_display
    from orchestrator.run import resume as resume_run

    display = make_display(quiet=quiet, as_json=as_json)
    return resume_run(run, study=study, accept_changes=accept_changes, display=display, **changes).exit_code


def _check_launch(words: Sequence[str], settings: dict[str, Any], *, contradiction: bool) -> None:
    """Tell at once all that can be told without the study."""
    from orchestrator.settings import problems_of

    known = [name for parameter in launch.params for name in parameter.opts if name.startswith("--")]
    unknown = [word.partition("=")[0] for word in words if word.startswith("-")]
    problems = [f"there is no option '{name}'{nearest(name, known)}" for name in unknown]
    if not unknown and len(words) > 1:
        problems.append(f"one study at a time: {' '.join(words)}")
    if contradiction:
        problems.append(CONTRADICTION)
    if problems := problems + problems_of(settings):
        raise UserError("\n".join(problems))


@commands.command(
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
        path, tasks, range(seed, seed + seeds), choices, as_json=as_json, plot=plot, width=_width(), show=click.echo
    )


@commands.command(
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
    _check_launch((study,), settings, contradiction=False)

    from dataclasses import asdict

    from orchestrator.simulation.plan import plan as plan_study
    from orchestrator.simulation.plan_report import plan_text

    planned = plan_study(study, **settings)
    click.echo(json.dumps(asdict(planned)) if as_json else plan_text(planned))


@commands.command(
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


@commands.command(
    short_help="Show the trials of a run, the best first.",
    context_settings=NAMES,
    epilog=f"""\b
Examples:
  {PROGRAM} leaderboard runs/digits_mlp-20260102-030405
  {PROGRAM} leaderboard runs/digits_mlp-20260102-030405 --top 10 --format markdown""",
)
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option("--top", type=click.IntRange(min=1), metavar="K", help="Only the first K rows.")
@click.option("--format", "layout", type=click.Choice(LAYOUTS), default="table", help="table unless given.")
def leaderboard(run_dir: Path, top: int | None, layout: Any) -> None:
    """Show the trials of a run, the best first. Works while the run is going on."""
    from orchestrator import leaderboard as board
    from orchestrator.lock import holder_of

    header, state = board.read_state(run_dir)
    click.echo(board.format_table(board.leaderboard(state, header.hyperparameters), layout, top, _width()))
    if state.finished is None and not holder_of(run_dir):
        click.echo(f"note: nobody drives this run any more; go on with: {PROGRAM} resume {run_dir}", err=True)


def _width() -> int | None:
    """Of the terminal, if there is one."""
    return os.get_terminal_size().columns if sys.stdout.isatty() else None


@commands.command(short_help="Show the best configuration of a run.", context_settings=NAMES)
@click.argument("run_dir", type=click.Path(path_type=Path))
def best(run_dir: Path) -> None:
    """Show a run's best configuration as JSON, with its score and where its model lies."""
    from orchestrator.leaderboard import read_state

    header, state = read_state(run_dir)
    trial = state.best
    if trial is None or trial.best is None:
        yet = "" if state.finished else " yet"
        raise RunFailed(f"no trial of {run_dir} has a score{yet}")
    model = run_dir / "best" / "model.keras"
    found = {
        "trial": trial.number,
        "objective": header.objective,
        "score": trial.best.metrics[header.objective],
        "epoch": trial.best.epoch,
        "configuration": trial.configuration,
        "model": str(model) if model.is_file() else None,
    }
    click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    if not model.is_file():
        click.echo(f"note: the run has not written {model}{'' if state.finished else ' yet'}", err=True)


@commands.command(context_settings=NAMES)
def studies() -> None:
    """List the shipped studies."""
    from orchestrator.studies import shipped

    found = shipped()
    width = max(len(name) for name, _ in found)
    for name, description in found:
        click.echo(f"{name:<{width}}  {description}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command line and return the exit code. Mistakes are told in lines, never in a traceback.

    When whoever reads has seen enough (`| head`), click ends the command without a word, and displays fall silent.
    """
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        return commands.main(arguments, prog_name=PROGRAM, standalone_mode=False) or 0
    except UserError as error:
        return _complain(str(error).splitlines(), error.exit_code)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else PROGRAM
        line = " ".join(error.format_message().split())
        return _complain([f"{line.rstrip('.')} (see {command} --help)"], error.exit_code)
    except click.ClickException as error:
        return _complain([error.format_message()], error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return _complain(["interrupted"], INTERRUPTED)


def _complain(lines: Sequence[str], exit_code: int) -> int:
    from orchestrator.tables import visible

    for line in lines:
        click.echo(visible(f"error: {line}"), err=True)
    return exit_code
