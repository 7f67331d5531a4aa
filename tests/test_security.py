"""What a hostile name, file or value cannot do. `docs/security.md` says where this ends."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator import cli
from orchestrator.errors import UserError
from orchestrator.run_dir import new_run_dir, slug
from tests.simulated_runs import simulated
from tests.simulation.support import write

ROOT = Path(__file__).parents[1]
PACKAGES = ("orchestrator", "search_spaces")

# Nothing that is read is run.

RUNS_CODE = {
    *("pickle", "_pickle", "cPickle", "cloudpickle", "dill", "marshal", "shelve", "joblib", "yaml", "torch"),
    *("runpy", "code", "codeop", "jsonpickle", "copyreg"),
}
"""Modules whose readers run what they read, or that run code as such."""
ALLOWED = {"orchestrator/workers/shipping.py": {"cloudpickle"}}
"""Bytes that came through Ray from our own driver."""
CALLS = {"eval", "exec", "compile", "__import__"}


def sources() -> Iterator[tuple[str, ast.AST]]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (part for alias in node.names for part in alias.name.split("."))
        elif isinstance(node, ast.ImportFrom):
            yield from (node.module or "").split(".")
            yield from (alias.name for alias in node.names)


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = node.func
            name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
            yield f"{'' if isinstance(function, ast.Name) else '.'}{name}", node


def test_nothing_is_unpickled_but_what_our_own_driver_sent() -> None:
    found = {name: RUNS_CODE.intersection(imported(tree)) for name, tree in sources()}
    assert {name: modules for name, modules in found.items() if modules} == ALLOWED


def test_no_text_is_run_and_arrays_are_read_without_objects() -> None:
    """The source of a study is run by `importlib`, in `study_file.py` alone."""
    for name, tree in sources():
        for called, node in calls(tree):
            assert called not in CALLS, f"{name}, line {node.lineno}"
            arguments = {keyword.arg: keyword.value for keyword in node.keywords}
            assert called not in (".read_pickle", ".to_pickle", ".exec_module") or name.endswith("study_file.py"), name
            if called == ".load" and isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "np":
                assert ast.unparse(arguments["allow_pickle"]) == "False", f"{name}, line {node.lineno}"
            if called == ".load_model":
                assert ast.unparse(arguments.get("safe_mode", ast.Constant(True))) == "True", name
            assert "shell" not in arguments, f"{name}, line {node.lineno}"
            assert "enable_unsafe_deserialization" not in called, name


# Names make no paths.

NAMES = [
    *("../../etc", "a/b", "/etc/passwd", "a\\b", "", ".", "..", "...", "-rf", ".hidden", "~root", "$HOME", "a\0b"),
    *(
        "con",
        "NUL.txt",
        "com1",
        "x" * 300,
        "\N{SNOWMAN}" * 300,
        "\u540d" * 300,
        "\udcff",
        "\x1b[2J",
        "a\nb",
        "a b",
        "*",
    ),
]


@pytest.mark.parametrize("name", NAMES)
def test_a_run_directory_lies_in_runs_whatever_the_study_is_called(name: str, tmp_path: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    with new_run_dir(here, None, name) as run_dir:
        assert run_dir.parent == (here / "runs").resolve()
        assert re.fullmatch(r"\w[\w.-]{0,60}-\d{8}-\d{6}", run_dir.name)
        assert [path.name for path in tmp_path.iterdir()] == ["here"]
        assert [path.name for path in here.iterdir()] == ["runs"]


def test_names_stay_readable() -> None:
    assert slug("digits_mlp") == "digits_mlp"
    assert slug("My study, v1.2") == "My-study-v1.2"


@pytest.mark.parametrize("given", ["a\0b", "x" * 5000])
def test_a_run_directory_that_cannot_be_is_told(given: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be made") as raised, new_run_dir(tmp_path, given, "study"):
        pass
    assert len(str(raised.value).splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


# What is shown.

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)><a href='javascript:alert(3)'>\x1b[2J"


def test_names_are_text_in_the_picture(tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    curves = write(tmp_path / "curves.npz", task=[EVIL, "second"], metric=EVIL)
    picture = tmp_path / "regret.html"
    assert cli.main(["simulate", "--curves", str(curves), "--trainings", "3", "--plot", str(picture)]) == 0
    html = picture.read_text(encoding="utf-8")
    # Neither as HTML, nor within the figure's JSON, which plotly reads as HTML once more.
    for raw in (EVIL, "<script>alert", "<img src=x", "<a href='java", "\\u003cscript\\u003ealert", "\\u003cimg src"):
        assert raw not in html
    assert "alert(1)" in html and "\x1b[2J" not in html


@pytest.mark.parametrize("layout", ["table", "csv", "json", "markdown"])
def test_a_foreign_journal_drives_no_terminal(layout: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    simulated(tmp_path, trials=3, epochs=3)
    journal = tmp_path / "journal.jsonl"
    header, *records = journal.read_text(encoding="utf-8").splitlines()
    changed = json.loads(header) | {"study": EVIL, "hyperparameters": ["=cmd()", EVIL]}
    text = "\n".join([json.dumps(changed), *records]).replace('"loss"', json.dumps(f"=cmd(){EVIL}"))
    journal.write_text(f"{text}\n", encoding="utf-8")
    assert cli.main(["leaderboard", str(tmp_path), "--format", layout]) == 0
    captured = capsys.readouterr()
    assert "\x1b" not in captured.out + captured.err
    if layout == "csv":
        assert ",=cmd()" not in captured.out and "'=cmd()" in captured.out
    if layout == "markdown":
        assert "<script>" not in captured.out


# Run directories of others.

DEEP = "[" * 100_000 + "]" * 100_000
LINES = {
    "nested too deep": f'{{"type":"RunStarted","at":0,"more":{DEEP}}}',
    "a long line": "x" * 5_000_000,
    "a long number": f'{{"type":"RunStarted","at":{"9" * 10_000}}}',
    "text for a number": '{"type":"RunStarted","at":"../../x"}',
    "a type that is none": '{"type":"__import__(\'os\')","at":0}',
    "pickled": "\x80\x04\x95.",
}


@pytest.mark.parametrize("kind", [*LINES, "a header nested too deep"])
def test_a_journal_made_to_break_is_told_in_one_line(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    simulated(tmp_path, trials=2, epochs=3)
    journal = tmp_path / "journal.jsonl"
    header, *records = journal.read_text(encoding="utf-8").splitlines()
    lines = [header, LINES[kind], *records[1:]] if kind in LINES else [f'{header[:-1]},"more":{DEEP}}}', *records]
    journal.write_text("\n".join([*lines, ""]), encoding="utf-8")
    assert cli.main(["leaderboard", str(tmp_path)]) == 2
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith("error: ") and f"line {2 if kind in LINES else 1}" in line and len(line) < 500
