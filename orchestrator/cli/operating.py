"""Commands that reach runs which are driven elsewhere."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.options import NAMES, PROGRAM, check_launch, launch_options
from orchestrator.errors import UserError

if TYPE_CHECKING:
    from orchestrator.submission import Submitted

JOBS_ADDRESS = "Of the cluster's dashboard: http://HEAD:8265. Else RAY_API_SERVER_ADDRESS or RAY_ADDRESS counts."


@click.command(
    short_help="End a run, or one of its trials, from another terminal.",
    context_settings=NAMES,
    epilog=f"""\b
Examples:
  {PROGRAM} stop runs/digits_mlp-20260102-030405
  {PROGRAM} stop runs/digits_mlp-20260102-030405 --trial 17
  {PROGRAM} stop --job digits_mlp-20260102-030405 --address http://head:8265""",
)
@click.argument("run_dir", required=False, type=click.Path(path_type=Path))
@click.option("--trial", type=int, metavar="N", help="End this trial only; its worker goes on with others.")
@click.option("--job", metavar="ID", help="Of a run that was submitted, where its run directory cannot be seen.")
@click.option("--address", metavar="URL", help=f"For --job. {JOBS_ADDRESS}")
@click.option("--no-wait", is_flag=True, help="Ask, and do not wait until the driver has taken it up.")
def stop(run_dir: Path | None, trial: int | None, job: str | None, address: str | None, no_wait: bool) -> None:
    """End a run as Ctrl-C does, with everything saved, so that `resume` goes on with it; or end one trial.

    The driver takes it up within about a second, wherever it is, if both see the run directory.
    """
    if (run_dir is None) == (job is None):
        raise UserError("which run? Give its directory, or for one that was submitted --job ID")
    if job is None and address is not None:
        raise UserError("--address is for --job: a run directory is enough")
    if job is not None and trial is not None:
        raise UserError("--trial needs the run directory: a job ends as a whole")

    from orchestrator import stopping

    if run_dir is not None:
        stopping.stop(run_dir, trial, click.echo, wait=not no_wait)
    if job is not None:
        stopping.stop_job(job, address, click.echo, wait=not no_wait)


@click.command(
    short_help="Launch a study on a cluster elsewhere, as a job of Ray.",
    context_settings=NAMES | {"ignore_unknown_options": True},
    epilog=f"""\b
Examples:
  {PROGRAM} submit my_study.py --address http://head:8265 --run-dir /shared/runs/first --gpus-per-trial 0.25
  {PROGRAM} submit my_study.py --address http://head:8265 --storage s3://bucket/runs --wait""",
)
@click.argument("words", metavar="[STUDY]", nargs=-1, type=click.UNPROCESSED)
@click.option("--address", metavar="URL", help=JOBS_ADDRESS)
@launch_options
@click.option("--wait", is_flag=True, help="Show the job's output until it ends, and end with its exit code.")
def submit(words: tuple[str, ...], wait: bool, address: str | None, **options: Any) -> int:
    """Launch a study on a cluster elsewhere, as a job of Ray; all options are those of launch.

    The study, the modules beside it that it imports and this program go along. What the run leaves behind has to
    outlive the job: give --run-dir, a directory that the cluster's nodes share, or --storage.
    """
    settings = {name: value for name, value in options.items() if value is not None}
    check_launch(submit, words, settings, contradiction=False)

    from orchestrator.submission import submit as submit_study

    arguments = list(as_typed(submit, settings))
    submitted = submit_study(words[0] if words else "digits_mlp", arguments, settings, address=address)
    for line in _what_next(submitted):
        click.echo(line)
    if not wait:
        return 0
    click.echo()
    try:
        return submitted.jobs.follow(submitted.job, lambda text: click.echo(text, nl=False))
    except KeyboardInterrupt:
        click.echo("the job goes on", err=True)
        raise


def as_typed(command: click.Command, settings: dict[str, Any]) -> Iterator[str]:
    """Settings as options of a command line."""
    for parameter in command.params:
        value = settings.get(parameter.name or "")
        if value is None:
            continue
        if isinstance(value, bool):
            yield parameter.opts[0] if value else parameter.secondary_opts[0]
            continue
        for one in value if isinstance(value, tuple) else (value,):
            yield from (parameter.opts[0], str(one))


def _what_next(submitted: "Submitted") -> Iterator[str]:
    address = shlex.quote(submitted.jobs.address)
    yield f"submitted as job {submitted.job} to {submitted.jobs.address}"
    yield "  # its output"
    yield f"  ray job logs --follow --address {address} {submitted.job}"
    if submitted.run_dir is not None:
        yield "  # the live view, once it has begun and where the run directory can be seen"
        yield f"  {PROGRAM} watch {shlex.quote(submitted.run_dir)}"
    yield "  # end it, with everything saved"
    yield f"  {PROGRAM} stop --job {submitted.job} --address {address}"
    if submitted.storage is not None:
        yield "  # go on with it later"
        yield f"  {PROGRAM} resume {shlex.quote(submitted.storage)}"
