import json
import os
import subprocess
import sys
import time
from dataclasses import fields
from types import ModuleType, SimpleNamespace

import pytest

import orchestrator
from orchestrator import __main__ as entry
from orchestrator import cli, leaderboard
from orchestrator.cli import looking
from orchestrator.errors import RunFailed, UserError
from orchestrator.journal import FILE
from orchestrator.leaderboard import format_table, read_leaderboard
from orchestrator.samplers import SAMPLERS
from orchestrator.settings import Settings
from orchestrator.stoppers import STOPPERS
from tests.simulated_runs import simulated

HEAVY = ("ray", "tensorflow", "keras", "pandas", "numpy", "rich", "msgspec")


@pytest.fixture
def launched(monkeypatch):
    """The calls of `orchestrator.run.launch`, which ends with `exit_code` or raises `error`."""
    calls = []
    stub = ModuleType("orchestrator.run")

    def launch(study="digits_mlp", *, display=None, **settings):
        calls.append((study, type(display).__name__, settings))
        if stub.error is not None:
            raise stub.error
        return SimpleNamespace(exit_code=stub.exit_code)

    stub.launch, stub.exit_code, stub.error, stub.calls = launch, 0, None, calls
    monkeypatch.setitem(sys.modules, "orchestrator.run", stub)
    return stub


def run(*arguments, **options):
    """In a process of its own."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)


def complaints(capsys):
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


# Starting.


@pytest.mark.parametrize("arguments", [["--help"], ["launch", "--help"], ["studies"], ["--version"]])
def test_what_needs_nothing_imports_nothing(arguments):
    code = f"import sys; from orchestrator.cli import main; main({arguments!r}); print(sorted(sys.modules))"
    done = run("-c", code)
    assert done.returncode == 0, done.stderr
    modules = set(done.stdout.splitlines()[-1].strip("[]").replace("'", "").split(", "))
    assert "orchestrator.cli" in modules
    assert {name for name in HEAVY if name in modules} == set()


def test_help_answers_in_half_a_second():
    def seconds():
        began = time.perf_counter()
        assert run("-m", "orchestrator", "--help").returncode == 0
        return time.perf_counter() - began

    assert min(seconds() for _ in range(3)) < 0.5


@pytest.mark.parametrize("version", [(2, 7), (3, 10), (3, 14)])
def test_a_python_that_is_not_supported_is_told(version, capsys):
    assert entry.main(version) == 2
    (line,) = complaints(capsys)
    assert f"Python {version[0]}.{version[1]} is not supported: use Python 3.11, 3.12 or 3.13" in line


def test_a_library_that_is_missing_is_told(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "orchestrator.cli", None)
    assert entry.main() == 2
    assert complaints(capsys) == ["error: orchestrator.cli is not installed: type `make launch`, or `pip install .`"]


def test_the_package_gives_what_users_need_and_imports_it_late():
    code = "import sys, orchestrator; dir(orchestrator); print(*sys.modules)"
    ours = [name for name in run("-c", code).stdout.split() if name.partition(".")[0] == "orchestrator"]
    assert ours == ["orchestrator"]
    assert set(orchestrator.__all__) <= set(dir(orchestrator))
    assert set(orchestrator._HOMES) == set(orchestrator.__all__)
    for name in set(orchestrator.__all__) - {"Run", "launch"}:
        assert getattr(orchestrator, name).__name__ == name
    assert orchestrator.leaderboard is leaderboard
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = orchestrator.nothing


# Help.


def test_the_options_of_launch_are_those_of_the_contract():
    options = {name for parameter in cli.launch.params for name in parameter.opts if name.startswith("-")}
    shown = {f"--{field.name.replace('_', '-')}" for field in fields(Settings)}
    assert options == shown | {"--quiet", "--json"}


def test_help_tells_the_defaults_and_the_names_that_there_are(capsys):
    assert cli.main(["launch", "--help"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for name in ("trials", "epochs", "sampler", "stopper", "seed", "cpus_per_trial", "gpus_per_trial"):
        option = text[text.index(f"--{name.replace('_', '-')} ") :]
        default = getattr(Settings(), name)
        shown = f"{default:g}" if isinstance(default, float) else str(default)
        assert option[option.index("[") + 1 : option.index("]")] == shown
    assert all(name in text for name in (*SAMPLERS, *STOPPERS))


def test_without_a_command_there_is_help(capsys):
    assert cli.main([]) == 0
    out = capsys.readouterr().out
    assert all(f"\n  {name} " in out for name in ("launch", "leaderboard", "best", "studies"))


def test_version(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"orchestrator {orchestrator.__version__}\n"


def test_layouts_are_those_of_the_leaderboard():
    assert looking.LAYOUTS == leaderboard.LAYOUTS


# Launch.


def test_launch_hands_on_what_is_given_and_nothing_else(launched):
    assert cli.main(["launch"]) == 0
    arguments = (
        "my.py --trials 9 --epochs 1e1 --cpus-per-trial 0.5 --max-time 10m --target -0.5 --run-dir runs/a --json"
    )
    assert cli.main(["launch", *arguments.split()]) == 0
    assert cli.main(["launch", "--quiet", "--address", "auto", "--seed", "7", "--", "my.py"]) == 0
    assert launched.calls == [
        ("digits_mlp", "LinesDisplay", {}),
        (
            "my.py",
            "EventsDisplay",
            {
                "trials": 9,
                "epochs": 10.0,
                "cpus_per_trial": 0.5,
                "max_time": "10m",
                "target": -0.5,
                "run_dir": "runs/a",
            },
        ),
        ("my.py", "QuietDisplay", {"address": "auto", "seed": 7}),
    ]


@pytest.mark.parametrize("code", [0, 1, 130])
def test_launch_exits_as_the_run_does(launched, code):
    launched.exit_code = code
    assert cli.main(["launch"]) == code


@pytest.mark.parametrize(
    ("error", "code", "lines"),
    [
        (UserError("one\ntwo"), 2, ["error: one", "error: two"]),
        (RunFailed("too late"), 1, ["error: too late"]),
        (KeyboardInterrupt(), 130, ["error: interrupted"]),
    ],
)
def test_errors_are_told_in_lines(launched, capsys, error, code, lines):
    launched.error = error
    assert cli.main(["launch"]) == code
    assert [line for line in complaints(capsys) if line] == lines


def test_a_pipe_that_breaks_inside_a_run_is_not_passed_over(launched):
    launched.error = BrokenPipeError()
    with pytest.raises(RuntimeError, match="torn off"):
        cli.main(["launch"])


def test_all_that_is_wrong_is_told_at_once(launched, capsys):
    arguments = "launch --trails 5 --epohcs=3 --trials 0 --seed x --gpus-per-trial 1.5 --stopper ahsa --quiet --json"
    assert cli.main(arguments.split()) == 2
    assert complaints(capsys) == [
        "error: there is no option '--trails'; did you mean '--trials'?",
        "error: there is no option '--epohcs'; did you mean '--epochs'?",
        "error: --quiet and --json contradict each other: give one of them",
        "error: trials is 0: use a whole number of at least 1",
        f"error: stopper is 'ahsa': use one of {', '.join(sorted(STOPPERS))}; did you mean 'asha'?",
        "error: seed is 'x': use a whole number of at least 0 that fits in 64 bits",
        "error: gpus_per_trial is 1.5: use a whole number of GPUs, or a part of one of at least 0.0001, or auto",
    ]
    assert launched.calls == []


def test_one_study_at_a_time(launched, capsys):
    assert cli.main(["launch", "a.py", "b.py"]) == 2
    assert complaints(capsys) == ["error: one study at a time: a.py b.py"]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["lunch"], "there is no command 'lunch'; did you mean 'launch'? (see python -m orchestrator --help)"),
        (
            ["--vresion"],
            "there is no option '--vresion'; did you mean '--version'? (see python -m orchestrator --help)",
        ),
        (["leaderboard"], "Missing argument 'RUN_DIR' (see python -m orchestrator leaderboard --help)"),
        (["best", "a", "b"], "Got unexpected extra argument (b) (see python -m orchestrator best --help)"),
        (["leaderboard", "a", "--tpo", "3"], "--top"),
        (["leaderboard", "a", "--top", "0"], "--top"),
        (["leaderboard", "a", "--format", "xml"], "'table', 'csv', 'json', 'markdown'"),
        (["launch", "--trials"], "requires an argument"),
    ],
)
def test_wrong_usage_is_one_line_with_a_hint(capsys, arguments, line):
    assert cli.main(arguments) == 2
    (told,) = complaints(capsys)
    assert told.startswith("error: ") and line in told and "--help)" in told


# The other commands.


def test_leaderboard_in_every_layout(tmp_path, capsys):
    simulated(tmp_path, trials=12, epochs=9)
    frame = read_leaderboard(tmp_path)
    assert cli.main(["leaderboard", str(tmp_path)]) == 0
    assert capsys.readouterr().out == format_table(frame) + "\n"
    for layout in looking.LAYOUTS:
        assert cli.main(["leaderboard", str(tmp_path), "--top", "3", "--format", layout]) == 0
        assert capsys.readouterr().out == format_table(frame, layout, 3) + "\n"


def test_best_is_json_and_says_where_the_model_lies(tmp_path, capsys):
    run = simulated(tmp_path, trials=12, epochs=9)
    assert cli.main(["best", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert captured.err == f"note: the run has not written {tmp_path / 'best' / 'model.keras'}\n"
    found = json.loads(captured.out)
    best = run.state.best
    assert found == {
        "trial": best.number,
        "objective": "val_accuracy",
        "score": best.score,
        "epoch": 9,
        "configuration": best.configuration,
        "model": None,
    }
    (tmp_path / "best").mkdir()
    (tmp_path / "best" / "model.keras").write_bytes(b"")
    assert cli.main(["best", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["model"] == str(tmp_path / "best" / "model.keras")
    assert captured.err == ""


def test_best_of_a_run_that_has_no_score_yet(tmp_path, capsys):
    simulated(tmp_path, trials=2, epochs=3)
    lines = (tmp_path / FILE).read_bytes().splitlines(keepends=True)
    (tmp_path / FILE).write_bytes(b"".join(lines[:3]))
    assert cli.main(["best", str(tmp_path)]) == 1
    assert complaints(capsys) == [f"error: no trial of {tmp_path} has a score yet"]


@pytest.mark.parametrize("command", ["leaderboard", "best"])
def test_a_directory_that_is_none_of_a_run(tmp_path, capsys, command):
    assert cli.main([command, str(tmp_path)]) == 2
    (line,) = complaints(capsys)
    assert line.startswith(f"error: {tmp_path} is no run directory")


def test_studies_are_listed_with_what_they_are(capsys):
    assert cli.main(["studies"]) == 0
    assert any(line.startswith("digits_mlp  ") and len(line) > 20 for line in capsys.readouterr().out.splitlines())


def unread(*arguments):
    """In a process whose output nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return subprocess.run([sys.executable, *arguments], stdout=writing, stderr=subprocess.PIPE, timeout=60)
    finally:
        os.close(writing)


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path):
    simulated(tmp_path, trials=5, epochs=3)
    assert unread("-m", "orchestrator", "leaderboard", str(tmp_path)).stderr == b""


def test_a_run_goes_on_when_nobody_reads_any_more():
    code = """
import sys
from types import ModuleType, SimpleNamespace
from orchestrator.cli import main

def launch(display):
    display.say("unread")
    display.say("unread")
    return SimpleNamespace(exit_code=7)

stub = sys.modules["orchestrator.run"] = ModuleType("orchestrator.run")
stub.launch = launch
sys.exit(main(["launch"]))
"""
    done = unread("-c", code)
    assert (done.returncode, done.stderr) == (7, b"")


def test_a_terminal_that_knows_few_characters(tmp_path):
    simulated(tmp_path, trials=5, epochs=3)
    environment = os.environ | {"PYTHONIOENCODING": "latin-1"}
    done = run("-m", "orchestrator", "leaderboard", str(tmp_path), "--top", "1", env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "? and 4 more" in done.stdout
