"""The command line: `python -m orchestrator`. Whatever is slow to import is imported by the command that needs it."""

import sys
from collections.abc import Sequence
from typing import Any

import click

from orchestrator import __version__
from orchestrator.cli.examining import doctor
from orchestrator.cli.launching import launch, resume
from orchestrator.cli.looking import best, leaderboard, studies, watch
from orchestrator.cli.operating import stop, submit
from orchestrator.cli.options import NAMES, PROGRAM
from orchestrator.cli.trying import check, plan, simulate
from orchestrator.errors import UserError, nearest

INTERRUPTED = 130


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


for command in (launch, resume, simulate, plan, check, leaderboard, best, watch, stop, submit, studies, doctor):
    commands.add_command(command)


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
