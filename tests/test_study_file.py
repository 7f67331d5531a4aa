"""Studies from files: loaded under a private name, shipped as source with what they import from beside them."""

import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.errors import UserError
from orchestrator.study_file import Beside, load_shipped, read_study

STUDY = """
from orchestrator import Float, Space, Study
def train(configuration, ctx):
    return None
study = Study(space=Space(x=Float(0, 1)), train=train, objective="value", direction="max")
"""


@pytest.fixture(autouse=True)
def _imports_as_before() -> Iterator[None]:
    modules, finders = set(sys.modules), list(sys.meta_path)
    yield
    sys.meta_path[:] = finders
    for name in set(sys.modules) - modules:
        if isinstance(getattr(sys.modules[name].__spec__, "loader", None), Beside):
            del sys.modules[name]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write_file


@pytest.mark.parametrize("name", ["study.py", "random.py", "ray.py", "journal.py", "my-study 2.py"])
def test_any_name_will_do(write: Callable[..., Path], name: str) -> None:
    before = {module: sys.modules.get(module) for module in ("random", "ray", "orchestrator.journal")}
    study, source = read_study(write(name, STUDY))
    assert study.objective.name == "value"
    assert source.beside == {}
    assert {module: sys.modules.get(module) for module in before} == before


def test_what_lies_beside_is_shipped(write: Callable[..., Path], tmp_path: Path) -> None:
    write("layers_of_mine.py", "from parts.inner import WIDTH\n")
    write("parts/inner.py", "from . import outer\nWIDTH = 7 * outer.FACTOR\n")
    write("parts/outer.py", "FACTOR = 6\n")
    path = write(
        "study.py", STUDY.replace("    return None", "    import layers_of_mine\n    return layers_of_mine.WIDTH")
    )
    _, source = read_study(path)
    assert set(source.beside) == {"layers_of_mine", "parts", "parts.inner", "parts.outer"}

    for file in sorted(tmp_path.rglob("*.py")):
        file.unlink()
    for name in [*source.beside, "orchestrator_study_study"]:
        sys.modules.pop(name, None)
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, Beside)]
    study = load_shipped(source)
    assert study.train is not None
    assert study.train({}, None) == 42
    assert "layers_of_mine.WIDTH" in inspect.getsource(study.train), "AutoGraph reads the source"


def test_each_study_has_its_own_neighbours(write: Callable[..., Path]) -> None:
    text = "import neighbour\n" + STUDY.replace("None", "neighbour.NAME")
    for folder in ("one", "two", "one"):
        write(f"{folder}/neighbour.py", f"NAME = {folder!r}\n")
        study, source = read_study(write(f"{folder}/study.py", text))
        assert set(source.beside) == {"neighbour"}
        assert study.train is not None and study.train({}, None) == folder


def test_libraries_win_over_what_lies_beside(write: Callable[..., Path]) -> None:
    write("json.py", "raise RuntimeError('not this one')\n")
    write("numpy.py", "raise RuntimeError('not this one')\n")
    study, source = read_study(write("study.py", "import json, numpy\n" + STUDY))
    assert study.space.fingerprint
    assert source.beside == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("study = 3\n", "`study` is int, not a Study"),
        ("x = 1\n", "defines no `study`: write study = Study"),
        (STUDY.replace("study =", "studi ="), "did you mean 'studi'"),
        ("import no_such_module\n", r"does not import: line 1: ModuleNotFoundError: No module named 'no_such_module'"),
        ("\n\ndef f(:\n", "does not import: line 3: SyntaxError"),
        ("raise SystemExit(3)\n", r"does not import: line 1: SystemExit: 3$"),
        ("raise ValueError('two\\nlines')\n", "does not import: line 1: ValueError: two$"),
        (STUDY.replace("Float(0, 1)", "Float(2, 1)"), "x"),
        (STUDY.replace("Float(0, 1)", "Float(0, 1, 'log')"), "x"),
        (STUDY.replace("x=Float(0, 1)", ""), "empty"),
        (STUDY.replace('"max"', '"up"'), "direction is 'up': use 'max' or 'min'"),
        (STUDY.replace("train=train, ", ""), "give either build=… or train=…"),
        (STUDY.replace("train=train", "build=train"), "build=… needs data=…"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(write: Callable[..., Path], text: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        read_study(write("study.py", text))
    assert "\n" not in str(raised.value)
    assert "study.py" in str(raised.value)
    assert raised.value.exit_code == 2


def test_all_that_is_wrong_is_said_at_once(write: Callable[..., Path]) -> None:
    text = STUDY.replace('"max"', '"up"').replace('objective="value"', "objective='', batch_size=0")
    with pytest.raises(UserError) as raised:
        read_study(write("study.py", text))
    assert len(str(raised.value).splitlines()) == 3


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such file"):
        read_study(tmp_path / "nothing.py")


@pytest.mark.parametrize(
    "content",
    [("\ufeff" + STUDY).encode(), ("# -*- coding: latin-1 -*-\nname = 'M\xfcller'\n" + STUDY).encode("latin-1")],
    ids=["byte order mark", "declared encoding"],
)
def test_what_python_reads(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "study.py").write_bytes(content)
    assert read_study(tmp_path / "study.py")[0].objective.name == "value"


def test_a_file_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "study.py").write_bytes(("name = 'M\xfcller'\n" + STUDY).encode("latin-1"))
    with pytest.raises(UserError, match="is not text in UTF-8"):
        read_study(tmp_path / "study.py")


# Files that the study reads.

READS = """
from pathlib import Path
from orchestrator import Float, Space, Study
from helper import LENGTH
WORDS = (Path(__file__).parent / "words.txt").read_text().split()[:LENGTH]
study = Study(space=Space(x=Float(0, 1)), train=lambda c, ctx: None, objective="v", direction="max",
              files=["words.txt", "tables"], name=" ".join(WORDS))
"""


def a_study_that_reads(folder):
    (folder / "tables").mkdir(parents=True)
    (folder / "words.txt").write_text("some words here")
    (folder / "tables" / "one.bin").write_bytes(b"\x00\xff")
    (folder / "helper.py").write_text("LENGTH = 2")
    (folder / "my_study.py").write_text(READS)
    return folder / "my_study.py"


def test_files_are_found_where_the_studys_folder_is_not(tmp_path):
    path = a_study_that_reads(tmp_path / "here")
    study, source = read_study(path)
    assert source.files == {"words.txt": b"some words here", "tables/one.bin": b"\x00\xff"}
    (tmp_path / "here").rename(tmp_path / "elsewhere")
    assert load_shipped(source).name == study.name == "some words"


def test_files_that_changed_meanwhile_are_as_they_were_shipped(tmp_path):
    path = a_study_that_reads(tmp_path / "here")
    _, source = read_study(path)
    (tmp_path / "here" / "words.txt").write_text("others by now")
    assert load_shipped(source).name == "some words"


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ("['../other.txt']", "is not in the folder of the study"),
        ("['/etc/passwd']", "is not in the folder of the study"),
        ("['missing.txt']", "there is no"),
        ("'words.txt'", "use a list of paths"),
    ],
)
def test_files_that_cannot_be_carried_are_told(tmp_path, files, problem):
    path = a_study_that_reads(tmp_path / "here")
    path.write_text(READS.replace('["words.txt", "tables"]', files))
    with pytest.raises(UserError, match=problem):
        read_study(path)
