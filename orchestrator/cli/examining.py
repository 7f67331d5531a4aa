"""Commands that look at a cluster."""

import os

import click

from orchestrator.cli.options import NAMES, PROGRAM


@click.command(
    short_help="Tell whether a cluster, or this machine, is fit to train.",
    context_settings=NAMES,
    epilog=f"""\b
Examples:
  {PROGRAM} doctor
  {PROGRAM} doctor --address 10.0.0.5:6379
  {PROGRAM} doctor --address auto --json""",
)
@click.option("--address", metavar="A", help="Of the Ray cluster. Else RAY_ADDRESS counts, else one that runs here.")
@click.option("--json", "as_json", is_flag=True, help="Show one JSON object a line.")
def doctor(address: str | None, as_json: bool) -> int:
    """Tell whether a cluster, or this machine where none runs, is fit to train; and what to do where it is not.

    Looks at nodes, versions, GPUs, authentication, dashboard, metrics, disks, memory and clocks, within half a minute.
    Nothing is changed. Exit code 1: something is a failure.
    """
    from orchestrator.doctor.command import doctor as examine
    from orchestrator.doctor.lines import COLOURS, Level

    def style(word: str, level: Level) -> str:
        return word if "NO_COLOR" in os.environ else click.style(word, fg=COLOURS[level])

    return examine(address, show=click.echo, style=style, as_json=as_json)
