"""Commands that carry out a run."""

from typing import Any

import click

from orchestrator.cli.options import (
    CONTRADICTION,
    NAMES,
    PROGRAM,
    check_launch,
    launch_options,
    number,
    tolerance_options,
)
from orchestrator.errors import UserError


@click.command(
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
@click.option("--address", metavar="A", help="Join the Ray cluster there; auto finds one. Else RAY_ADDRESS counts.")
@launch_options
@click.option("--quiet", is_flag=True, help="Show errors and where the leaderboard is, nothing else.")
@click.option("--json", "as_json", is_flag=True, help="Show one JSON object a line.")
def launch(words: tuple[str, ...], quiet: bool, as_json: bool, **options: Any) -> int:
    """Tune a study: train its trials on Ray, and leave a leaderboard and the best model in a run directory.

    STUDY is the name of a shipped study, or the path of a Python file that defines one [digits_mlp]. In brackets:
    what holds where neither the command nor the study says anything.
    """
    settings = {name: value for name, value in options.items() if value is not None}
    check_launch(launch, words, settings, contradiction=quiet and as_json)

    from orchestrator.display import make_display
    from orchestrator.run import launch as launch_study

    display = make_display(quiet=quiet, as_json=as_json)
    try:
        return launch_study(*words, display=display, **settings).exit_code
    except BrokenPipeError as error:
        # Displays fall silent by themselves, so it is none of ours; click would end without a word on it.
        raise RuntimeError("the run was torn off") from error


@click.command(
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
