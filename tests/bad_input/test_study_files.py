"""Files that hold no study, and data that no model can read, each with the line that it must produce."""

from pathlib import Path

import pytest

from tests.bad_input.support import HEAD, named, refused

# Whole files: name, text, what follows the file.
FILES = [
    ("empty", "", " defines no `study`: write study = Study(space=…, build=…, data=…, …)"),
    ("syntax", "def f(:\n", " does not import: line 1: SyntaxError: invalid syntax (mine.py, line 1)"),
    (
        "indentation",
        "if 1:\nx = 1\n",
        " does not import: line 2: IndentationError: expected an indented block after 'if' statement on …",
    ),
    ("null byte", "x = 1\x00\n", " does not import: SyntaxError: source code string cannot contain null bytes"),
    (
        "unknown encoding",
        "# -*- coding: klingon -*-\nx = 1\n",
        " is not text in UTF-8: save it as UTF-8, or declare its encoding (unknown encoding: klingon)",
    ),
    (
        "missing library",
        "import no_such_module_here\n",
        " does not import: line 1: ModuleNotFoundError: No module named 'no_such_module_here'",
    ),
    ("raises", "raise ValueError('two\\nlines')\n", " does not import: line 1: ValueError: two"),
    ("exits", "raise SystemExit(3)\n", " does not import: line 1: SystemExit: 3"),
    ("exits quietly", "exit()\n", " does not import: line 1: SystemExit: None"),
    ("raises what is no Exception", "raise GeneratorExit\n", " does not import: line 1: GeneratorExit"),
    ("raises without words", "assert 1 == 2\n", " does not import: line 1: AssertionError"),
    ("recursion", "def f(): f()\nf()\n", " does not import: line 1: RecursionError: maximum recursion depth exceeded"),
    ("no study", "x = 1\n", " defines no `study`: write study = Study(space=…, build=…, data=…, …)"),
    ("study is a number", "study = 3\n", ": `study` is int, not a Study: write study = Study(space=…, …)"),
    (
        "study is the class",
        "from orchestrator import Study\nstudy = Study\n",
        ": `study` is type, not a Study: write study = Study(space=…, …)",
    ),
    (
        "study is a function",
        "def study():\n    pass\n",
        ": `study` is function, not a Study: write study = Study(space=…, …)",
    ),
    (
        "another name",
        "from orchestrator import *\n",
        " defines no `study`: write study = Study(space=…, build=…, data=…, …)",
    ),
    (
        "misspelt import",
        "from orchestrator import Studdy\n",
        " does not import: line 1: ImportError: cannot import name 'Studdy' from 'orchestrator' (…",
    ),
    (
        "no Python",
        "learning_rate: 0.1\ntrials: [3\n",
        " does not import: line 2: SyntaxError: '[' was never closed (mine.py, line 2)",
    ),
]

# What data() returns, which is known only once it is called: name, value, lines.
DATA = [
    (
        "None",
        "None",
        "data() must return ((x_train, y_train), (x_val, y_val)), optionally with (x_test, y_test); it returned None",
    ),
    (
        "one pair",
        "((1, 2),)",
        "data() must return ((x_train, y_train), (x_val, y_val)), optionally with (x_test, y_test); it returned a tu…",
    ),
    (
        "no pair",
        "([1, 2, 3], ([1], [1]))",
        "data() must return ((x_train, y_train), (x_val, y_val)), optionally with (x_test, y_test); one of the pairs…",
    ),
    (
        "a generator",
        "(x for x in [1, 2])",
        "data() must return ((x_train, y_train), (x_val, y_val)), optionally with (x_test, y_test); it returned gene…",
    ),
    (
        "a dict",
        "{'train': 1}",
        "data() must return ((x_train, y_train), (x_val, y_val)), optionally with (x_test, y_test); it returned dict",
    ),
    (
        "a text",
        "'data.csv'",
        "data() must return ((x_train, y_train), (x_val, y_val)), optionally with (x_test, y_test); it returned str",
    ),
    ("rows", "(([1., 2.], [1, 2, 3]), ([1.], [1]))", "data(): x_train has 2 rows, y_train has 3"),
    ("empty", "(([], []), ([1.], [1]))", ("data(): x_train is empty\ndata(): y_train is empty")),
    (
        "objects",
        "(([print], [1]), ([1.], [1]))",
        "data(): x_train (list) has dtype object: convert it to numbers or strings",
    ),
    (
        "ragged",
        "(([[1], [1, 2]], [1, 2]), ([1.], [1]))",
        "data(): x_train (list) is not an array: setting an array element with a sequence. The requested array has a…",
    ),
    ("numbers", "((1, 1), ([1], [1]))", ("data(): x_train is int, not an array\ndata(): y_train is int, not an array")),
    ("empty dict", "(({}, [1]), ({}, [1]))", ("data(): x_train is an empty dict\ndata(): x_val is an empty dict")),
    ("other keys", "(({'a': [1.]}, [1]), ({'b': [1.]}, [1]))", "data(): x_train has the keys a, x_val has b"),
    (
        "other shapes",
        "(([[1.]], [1]), ([[1., 2.]], [1]))",
        "data(): rows of x_train have the shape (1,), rows of x_val (2,)",
    ),
    ("dict and array", "(({'a': [1.]}, [1]), ([1.], [1]))", "data(): x_train is a dict of arrays, x_val is an array"),
    (
        "arrays in a list",
        "(([__import__('numpy').ones(3)], [1]), ([1.], [1]))",
        "data(): x_train is a list of arrays: use a dict of arrays for several inputs, or numpy.stack for rows",
    ),
    (
        "test of another shape",
        "(([[1.]], [1]), ([[1.]], [1]), ([[1., 2.]], [1]))",
        "data(): rows of x_train have the shape (1,), rows of x_test (2,)",
    ),
    (
        "dates",
        "((__import__('numpy').array(['2020-01-01'], 'M8[D]'), [1]), ([1.], [1]))",
        "data(): x_train (ndarray) has dtype datetime64[D]: convert it to numbers or strings",
    ),
]


@pytest.fixture
def check(tensorflow: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)

    def run(text: str | bytes, expected: str, commands: tuple[str, ...] = ("check", "launch")) -> None:
        (tmp_path / "mine.py").write_bytes(text.encode() if isinstance(text, str) else text)
        for command in commands:
            refused(capsys, [command, "mine.py"], expected, here=tmp_path)

    return run


@pytest.mark.parametrize(("text", "expected"), named(FILES))
def test_files(check, text: str, expected: str) -> None:
    check(text, f"HERE/mine.py{expected}")


@pytest.mark.parametrize(
    "content", [bytes(range(256)), "x = 'M\xfc'\n".encode("latin-1"), "study = 3".encode("utf-16")]
)
def test_what_is_no_text(check, content: bytes) -> None:
    check(content, "HERE/mine.py is not text in UTF-8: save it as UTF-8, or declare its encoding (…")


@pytest.mark.parametrize(("value", "expected"), named(DATA))
def test_data(check, value: str, expected: str) -> None:
    study = 'study = Study(space=SPACE, build=build, objective="value", direction="max", data=lambda: '
    check(f"{HEAD}{study}{value})\n", expected, commands=("check",))


# What `data` returned in a worker: name, its value, lines.
PIPELINES = [
    (
        "one dataset",
        "batched(8)",
        "data() must return (train_dataset, validation_dataset), optionally with test_dataset, if tf.data.Datase…",
    ),
    (
        "a dataset and a pair",
        "(batched(8), ([1.], [1]))",
        "data() must return (train_dataset, validation_dataset), …; it returned _BatchDataset and a tuple of 2",
    ),
    (
        "a dataset in a pair",
        "((batched(8), [1]), ([1.], [1]))",
        "data() must return (train_dataset, validation_dataset), …; it returned a tuple of 2 and a tuple of 2",
    ),
    (
        "an iterator",
        "(iter(batched(8)), batched(8))",
        "data() must return (train_dataset, validation_dataset), …; it returned OwnedIterator and _BatchDataset",
    ),
    (
        "rows",
        "(rows(8), batched(8))",
        "data(): train_dataset has no batches but rows, of shape (2,), (): make them of it with train_dataset.batch…",
    ),
    (
        "rows of one-hot labels",
        "(batched(8), rows(8).map(lambda x, y: (x, tf.one_hot(y, 3))))",
        "data(): validation_dataset has no batches but rows, of shape (2,), (3,): make them of it with validation_…",
    ),
    ("both empty", "(batched(0), batched(0))", "data(): train_dataset is empty\ndata(): validation_dataset is empty"),
    ("empty test", "(batched(8), batched(8), batched(8).take(0))", "data(): test_dataset is empty"),
    ("arrays", "(([1., 2.], [1, 2, 3]), ([1.], [1]))", "data(): x_train has 2 rows, y_train has 3"),
]
PIPELINES_HEAD = """
def rows(count):
    return tf.data.Dataset.from_tensor_slices((tf.zeros((count, 2)), tf.zeros(count, tf.int32)))

def batched(count):
    return rows(count).batch(4)

"""


@pytest.mark.parametrize(("value", "expected"), named(PIPELINES))
def test_data_per_worker(check, value: str, expected: str) -> None:
    study = 'Study(space=SPACE, build=build, objective="value", direction="max", data_per_worker=True, data=lambda: '
    check(f"import tensorflow as tf\n{HEAD}{PIPELINES_HEAD}study = {study}{value})\n", expected, commands=("check",))


@pytest.mark.parametrize("way", ["build=build", "train=train"])
def test_datasets_that_would_have_to_be_sent(check, way: str) -> None:
    study = f'Study(space=SPACE, {way}, objective="value", direction="max", data=lambda: (batched(8), batched(8)))'
    expected = "data() returned a tf.data.Dataset, which cannot be sent to the workers: set data_per_worker=True in …"
    check(f"import tensorflow as tf\n{HEAD}{PIPELINES_HEAD}study = {study}\n", expected, commands=("check",))


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("nothing.py", "nothing.py: there is no such file"),
        (
            "nothing",
            "there is no study 'nothing' (shipped: digits_mlp, fashion_cnn; or give the path of a Python…",
        ),
        ("digits_mpl", "there is no study 'digits_mpl'; did you mean 'digits_mlp'? (shipped: …"),
        ("", "there is no study ''…"),
        ("folder", "there is no study 'folder'…"),
        ("notes.txt", "HERE/notes.txt does not import: line 1: SyntaxError: …"),
    ],
)
def test_what_is_no_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], argument: str, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "notes.txt").write_text("Tune this, please\n")
    for command in ("check", "launch"):
        refused(capsys, [command, argument], expected, here=tmp_path)
