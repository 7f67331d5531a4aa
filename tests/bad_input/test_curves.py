"""Files of curves, and options of `simulate`, that make no sense, each with the line that it must produce."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.bad_input.support import named, refused

SHAPE = (2, 3, 4)
GOOD: dict[str, Any] = {
    "task": ["a", "b"],
    "metric": "accuracy",
    "direction": "max",
    "hp_names": ["x", "y"],
    "hp": [[0.1, 1], [0.2, 2], [0.3, 3]],
    "value": np.ones(SHAPE),
    "seconds": np.ones(SHAPE),
    "hp_low": [0.1, 1],
    "hp_high": [1.0, 5],
    "hp_scale": ["log", "linear"],
    "hp_integer": [False, True],
}
NAN, INF = float("nan"), float("inf")


def full(value: object, shape: tuple[int, ...] = SHAPE) -> Any:
    return np.full(shape, value)


# Name, arrays that are others, what follows the file.
ARRAYS = [
    ("a missing array", {"task": None}, "no array called task (it has: metric, direction, hp_names, hp, value, …"),
    ("no arrays", dict.fromkeys(GOOD), "not an .npz file (see 'simulate --help' for what it must hold)"),
    ("one task without a list", {"task": "a"}, "task has shape (): it needs 1 dimensions"),
    ("flat curves", {"value": full(1.0, (2, 12))}, "value has shape (2, 12): it needs 3 dimensions"),
    ("another task", {"value": full(1.0, (3, 3, 4))}, "value has shape (3, 3, 4): with 2 tasks and 3 rows of hp it m…"),
    ("no epochs", {"value": full(1.0, (2, 3, 0))}, "value has shape (2, 3, 0): with 2 tasks and 3 rows of hp it must…"),
    ("no configuration", {"value": full(1.0, (2, 0, 4)), "hp": full(1.0, (0, 2))}, "value has shape (2, 0, 4): with …"),
    ("a task twice", {"task": ["a", "a"]}, "task names a task twice"),
    ("too few names", {"hp_names": ["x"]}, "hp has 2 columns and hp_names 1 names"),
    ("a name twice", {"hp_names": ["x", "x"]}, "hp_names names a hyperparameter twice"),
    ("an odd direction", {"direction": "up"}, "direction is 'up': it must be max or min"),
    ("two directions", {"direction": ["max", "min"]}, "direction has shape (2,): it needs 0 dimensions"),
    ("nothing but NaN", {"value": full(NAN)}, "value holds no number at all for task a"),
    ("nothing but infinity", {"value": full(INF)}, "value holds no number at all for task a"),
    ("text for values", {"value": full("a")}, "value is of type <U1: it must be numbers"),
    ("flags for values", {"value": full(True)}, "value is of type bool: it must be numbers"),
    ("complex values", {"value": full(1j)}, "value is of type complex128: it must be numbers"),
    ("text for hp", {"hp": [["a", "b"]] * 3}, "hp is of type <U1: it must be numbers"),
    (
        "other seconds",
        {"seconds": full(1.0, (2, 3, 3))},
        "seconds has shape (2, 3, 3) and value (2, 3, 4): they must b…",
    ),
    ("seconds below 0", {"seconds": full(-1.0)}, "seconds holds numbers below 0 or above 1e+12"),
    ("infinite seconds", {"seconds": full(INF)}, "seconds holds numbers below 0 or above 1e+12"),
    ("seconds beyond all sums", {"seconds": full(1e308)}, "seconds holds numbers below 0 or above 1e+12"),
    ("no time at all", {"seconds": full(0.0)}, "no first epoch of task a takes any time, so no budget would ever be …"),
    (
        "all aborted",
        {"seconds": full(NAN)},
        "no first epoch of task a takes any time, so no budget would ever be spent",
    ),
    ("text for seconds", {"seconds": full("s")}, "seconds is of type <U1: it must be numbers"),
    ("one bound", {"hp_low": [0.1]}, "hp_low has shape (1,): it must be (2,), one for each name"),
    ("text for a bound", {"hp_low": ["a", "b"]}, "hp_low is of type <U1: it must be numbers"),
    ("text for flags", {"hp_integer": ["yes", "no"]}, "hp_integer is of type <U3: it must be true or false, or 1 or 0"),
    (
        "pickled objects",
        {"metric": np.array([{}])},
        "a damaged .npz file, or one that is not of plain arrays (Object …",
    ),
    (
        "bytes that are no text",
        {"task": np.array([b"\xff", b"b"])},
        "a damaged .npz file, or one that is not of plain…",
    ),
]

# A space that no sampler can search in: name, arrays that are others, what follows "no space to search in: ".
SPACES = [
    ("an odd scale", {"hp_scale": ["lgo", "linear"]}, "search space: x: scale 'lgo' is unknown; did you mean 'log'? …"),
    ("bounds turned", {"hp_low": [2.0, 1]}, "search space: x: low 2 is above high 1: use low=1, high=2"),
    ("log from 0", {"hp_low": [0.0, 1]}, "search space: x: low is 0, but a log scale starts above 0: use a small …"),
    ("NaN in hp", {"hp": full(NAN, (3, 2))}, "hp holds NaN or infinity"),
    ("NaN in a bound", {"hp_low": [NAN, 1]}, "hp_low or hp_high holds NaN or infinity"),
    ("names that are none", {"hp_names": ["a b", "<script>"]}, "search space: 'a b' is no name: use letters, digits …"),
]

# Name, bytes, what follows the file.
NOT_NPZ = "not an .npz file (see 'simulate --help' for what it must hold)"
DAMAGED = "a damaged .npz file, or one that is not of plain arrays (…"


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def zipped(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, content)
    return file.getvalue()


def array(value: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, value)
    return file.getvalue()


ENDLESS = array(full(1.0)).replace(b"(2, 3, 4)", b"(2, 3, 4" + b"0" * 13 + b")")
FILES = [
    ("empty", b"", NOT_NPZ),
    ("text", b"task,metric\n", NOT_NPZ),
    ("one array", array(full(1.0)), NOT_NPZ),
    ("half of a file", npz(**GOOD)[:300], DAMAGED),
    ("flipped bytes", npz(task=full(1.0)).replace(b"\0\0\xf0\x3f", b"\0\0\xf0\x3e"), DAMAGED),
    ("no array in it", zipped("readme.txt", b"hello"), "readme.txt in it is no array (see 'simulate --help' for what…"),
    (
        "a pickle in it",
        zipped("task.npy", b"\x80\x04K\x01."),
        "task in it is no array (see 'simulate --help' for what …",
    ),
    ("more than any memory", zipped("value.npy", ENDLESS), "its arrays are larger than this machine's memory"),
]

# Name, options, line.
OPTIONS = [
    ("an unknown task", "--task c", "there is no task 'c' (tasks: a, b)"),
    ("no workers", "--workers 0", "workers is 0: use a whole number from 1 to 1,000,000"),
    ("more workers than there are", "--workers 99999999999", "workers is 99999999999: use a whole number from 1 to …"),
    ("workers in words", "--workers two", "Invalid value for '--workers': 'two' is not a valid integer (see…"),
    ("no budget", "--trainings 0", "trainings is 0: use a finite number above 0"),
    ("a budget without end", "--trainings inf", "trainings is inf: use a finite number above 0"),
    ("no runs", "--seeds 0", "Invalid value for '--seeds': 0 is not in the range x>=1 (see …"),
    ("a seed below 0", "--seed -1", "Invalid value for '--seed': -1 is not in the range x>=0 (see …"),
    ("an odd stopper", "--stopper ahsa", "stopper is 'ahsa': use one of adaptive, asha, asha_stop, halving, hyperban…"),
    ("an odd option of it", "--stopper asha:eta=0", "stopper is 'asha:eta=0': eta is 0: use a whole number of at le…"),
    ("a stopper twice", "--stopper none+none", "stopper is 'none+none': none stands there twice: leave one of them o…"),
    ("an odd sampler", "--sampler gird", "sampler is 'gird': use one of grid, optuna, random, sobol, staged, zoom; d…"),
    ("points of nothing", "--sampler grid:z=3", "sampler is 'grid:z=3': points are given for 'z', which is not in…"),
    (
        "negative costs",
        "--start-cost -1 --resume-cost nan",
        "start-cost is -1: use a number of seconds, …\nresume-cost is nan: use …",
    ),
    ("no place for a picture", "--plot nowhere/x.html", "nowhere/x.html: the picture cannot be written there: give …"),
    ("a misspelt option", "--polt x.html", "No such option '--polt'. Did you mean '--plot'? (see …"),
    ("too many words", "more", "Got unexpected extra argument (more) (see python -m orchestrator simulate --help)"),
]


@pytest.fixture
def simulate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)

    def run(content: bytes, expected: str, *options: str) -> None:
        (tmp_path / "curves.npz").write_bytes(content)
        refused(capsys, ["simulate", "--curves", "curves.npz", *options], expected, here=tmp_path)

    return run


def changed(arrays: dict[str, Any]) -> bytes:
    return npz(**{name: value for name, value in (GOOD | arrays).items() if value is not None})


@pytest.mark.parametrize(("arrays", "expected"), named(ARRAYS))
def test_arrays(simulate, arrays: dict[str, Any], expected: str) -> None:
    simulate(changed(arrays), f"curves.npz: {expected}")


@pytest.mark.parametrize(("arrays", "expected"), named(SPACES))
def test_spaces(simulate, arrays: dict[str, Any], expected: str) -> None:
    line = f"sampler is 'random', but the curves have no space to search in: {expected}"
    simulate(changed(arrays), line, "--sampler", "random")


@pytest.mark.parametrize(("content", "expected"), named(FILES))
def test_files(simulate, content: bytes, expected: str) -> None:
    simulate(content, f"curves.npz: {expected}")


@pytest.mark.parametrize(("options", "expected"), named(OPTIONS))
def test_options(simulate, options: str, expected: str) -> None:
    simulate(changed({}), expected, *options.split())


def test_no_file(simulate, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    refused(capsys, ["simulate", "--curves", "no.npz"], "no.npz: cannot be read (No such file or directory)")
    refused(capsys, ["simulate", "--curves", tmp_path], "HERE is no run directory: …", here=tmp_path)
    refused(capsys, ["simulate"], "Missing option '--curves' (see python -m orchestrator simulate --help)")
