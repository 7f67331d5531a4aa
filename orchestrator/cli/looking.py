"""Commands that look at runs, and at what there is."""

import json
from pathlib import Path
from typing import Any

import click

from orchestrator.cli.options import NAMES, PROGRAM
from orchestrator.cli.terminal import width
from orchestrator.errors import RunFailed

LAYOUTS = ("table", "csv", "json", "markdown")


@click.command(
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
    click.echo(board.format_table(board.leaderboard(state, header.hyperparameters), layout, top, width()))
    if state.finished is None and not holder_of(run_dir):
        click.echo(f"note: nobody drives this run any more; go on with: {PROGRAM} resume {run_dir}", err=True)


@click.command(
    short_help="See a run that was started elsewhere, live.",
    context_settings=NAMES,
    epilog=f"""\b
Examples:
  {PROGRAM} watch runs/digits_mlp-20260102-030405
  {PROGRAM} watch /shared/runs/first --json""",
)
@click.argument("run_dir")
@click.option("--json", "as_json", is_flag=True, help="As of launch.")
def watch(run_dir: str, as_json: bool) -> int:
    """See a run that another process drives, as launch shows it, until it is finished; the exit code is the run's.

    It only reads the run directory. Ctrl-C ends the view, not the run.
    """
    from orchestrator.display import make_display
    from orchestrator.watching import watch as watch_run

    try:
        return watch_run(run_dir, make_display(as_json=as_json))
    except KeyboardInterrupt:
        click.echo(f"the run goes on; see it again with: {PROGRAM} watch {run_dir}", err=True)
        return 0


@click.command(short_help="Show the best configuration of a run.", context_settings=NAMES)
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


@click.command(context_settings=NAMES)
def studies() -> None:
    """List the shipped studies."""
    from orchestrator.studies import shipped

    found = shipped()
    width = max(len(name) for name, _ in found)
    for name, description in found:
        click.echo(f"{name:<{width}}  {description}")
