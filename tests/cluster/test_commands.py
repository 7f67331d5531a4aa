"""Every command that is written down is one that there is, with the options that it has."""

import re
import shlex
from collections.abc import Iterator

import click
import pytest
from ray.scripts.scripts import cli as ray

from orchestrator.cli import commands as orchestrator
from tests.cluster.files import CLUSTER, ROOT, documents, strings

COMMAND = re.compile(r"(?<![\w/.-])(ray|python -m orchestrator) (?=[a-z])([^`\"|;&#<>)]*)")
PAGES = (*(ROOT / "docs" / f"{name}.md" for name in ("cluster", "doctor", "operating")), CLUSTER / "README.md")
CONTINUED = re.compile(r"\\\n\s*")


def texts() -> Iterator[tuple[str, str]]:
    """Whatever may have commands in it: code of pages, lines of scripts, comments and values of YAML."""
    for page in PAGES:
        fenced = re.findall(r"^ *```\w*\n(.*?)^ *```", page.read_text(), re.DOTALL | re.MULTILINE)
        indented = re.findall(r"(?:^    .*\n)+", page.read_text(), re.MULTILINE)
        quoted = re.findall(r"`([^`\n]+)`", page.read_text())
        yield from ((page.name, text) for text in (*fenced, *indented, *quoted))
    for path in (*CLUSTER.rglob("*.sh"), CLUSTER / "Dockerfile"):
        yield path.name, path.read_text()
    for path in (*CLUSTER.rglob("*.yaml"), *CLUSTER.rglob("*.yml")):
        name = path.relative_to(CLUSTER).as_posix()
        yield from ((name, quoted) for quoted in re.findall(r'^ *#.*"(.+?)"', path.read_text(), re.MULTILINE))
        for document in documents(name):
            yield from ((name, text) for text in strings(document))


def written() -> Iterator[tuple[str, str, list[str]]]:
    for file, text in texts():
        for line in CONTINUED.sub(" ", text).splitlines():
            # What Ray is to run stands behind dashes.
            for part in quoted_as_words(line).split(" -- "):
                for program, arguments in COMMAND.findall(part):
                    yield file, program, shlex.split(arguments)


def quoted_as_words(line: str) -> str:
    """Quotes would end a command, but only around it."""
    return line if line.count('"') == 1 else line.replace('"', "")


WRITTEN = sorted({(file, program, shlex.join(words)) for file, program, words in written()})


@pytest.mark.parametrize(("file", "program", "arguments"), WRITTEN)
def test_a_command_that_is_written_down_can_be_given(file: str, program: str, arguments: str) -> None:
    words = shlex.split(arguments)
    command: click.Command = ray if program == "ray" else orchestrator
    while isinstance(command, click.Group):
        assert words and words[0] in command.commands, f"{program} has no command '{words[:1]}'"
        command = command.commands[words.pop(0)]
    if command.name == "symmetric_run":
        check_symmetric_run(command, words)
    else:
        parse(command, words)


def check_symmetric_run(command: click.Command, words: list[str]) -> None:
    """What it does not know is for `ray start`."""
    mine = {option: parameter for parameter in command.params for option in parameter.opts}
    for_start = list(words)
    for option in mine.keys() & set(words):
        place = for_start.index(option)
        del for_start[place : place + 2]
    parse(command, [word for option in mine.keys() & set(words) for word in (option, "1")])
    parse(ray.commands["start"], for_start)


def parse(command: click.Command, words: list[str]) -> None:
    """Raises where there is no such option, or its value is missing."""
    command.make_parser(click.Context(command)).parse_args(list(words))


def test_the_ways_to_start_a_cluster_are_among_them() -> None:
    """That what is looked for is found."""
    found = {(program, arguments.split()[0]) for _, program, arguments in WRITTEN}
    assert found >= {
        *(("ray", name) for name in ("start", "stop", "up", "down", "symmetric-run", "get-auth-token", "dashboard")),
        ("python -m orchestrator", "launch"),
    }
