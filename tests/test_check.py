"""`check`: what is shown of a study that is in order, and what is said of one that is not."""

from pathlib import Path

import pytest

from orchestrator import cli
from orchestrator.errors import RunFailed, UserError

FIT = """
import keras
import numpy as np
from orchestrator import Choice, Float, Space, Study

def data():
    x = np.arange(400, dtype="float32").reshape(100, 4) / 400
    y = np.arange(100) % 3
    return (x, y), (x[:40], y[:40])

def build(configuration):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])
    model.compile(keras.optimizers.Adam(configuration["rate"]), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model

study = Study(
    space=Space(rate=Float(1e-3, 1e-1)), build=build, data=data, objective="val_accuracy", direction="max",
    batch_size=16,
)
"""

LOOP = """
from orchestrator import Float, Space, Study

def train(configuration, ctx):
    for epoch in ctx.epochs:
        ctx.report({"value": configuration["x"], "loss": 0.5})
        ctx.save(epoch=epoch)

study = Study(space=Space(x=Float(0, 1)), train=train, objective="value", direction="max")
"""


def before_report(line: str) -> str:
    return LOOP.replace("        ctx.report", f"        {line}\n        ctx.report")


class Told:
    """The outcome of `check` on a study's text."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = " ".join(out.split())
        self.lines = err.splitlines()
        self.err = err


@pytest.fixture
def check(tensorflow: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    def run(text: str, *arguments: str) -> Told:
        folder = tmp_path / "study"
        folder.mkdir(exist_ok=True)
        (folder / "mine.py").write_text(text)
        code = cli.main(["check", str(folder / "mine.py"), *arguments])
        assert [path.name for path in folder.iterdir()] == ["mine.py"], "nothing is written"
        captured = capsys.readouterr()
        return Told(code, captured.out, captured.err)

    return run


def test_a_study_with_build(check) -> None:
    told = check(FIT)
    assert (told.code, told.lines) == (0, [])
    for part in (
        "study mine: maximise val_accuracy, 1 hyperparameter configuration what the first trial gets, seed 0 rate 0.0",
        "data x_train: 100 rows of shape (4,), float32 y_train: 100 numbers, int64 x_val: 40 rows",
        "model Sequential of 1 layer: 1 Dense",
        "parameters 15, of which 15 are trained and 0 are not",
        "memory 60 bytes, and 132 bytes of the optimizer",
        "output (batch, 3) float32",
        "batches 7 of 16 rows in an epoch, the last one of 4",
        "with tracing, then ",
        "an epoch about ",
        "metrics accuracy 0.",
        " val_loss 1",
        "objective val_accuracy is among them",
        "result in order",
    ):
        assert part in told.out
    assert "x_test" not in told.out and "warning" not in told.out


def test_a_study_with_train(check) -> None:
    told = check(LOOP)
    assert (told.code, told.lines) == (0, [])
    assert "first report after " in told.out
    assert "loss 0.5 objective value is among them" in told.out
    assert "warning: there will be no best/model.keras: ctx.save was given no Keras model" in told.out


def test_the_configuration(check) -> None:
    assert check(LOOP).out != check(LOOP, "--seed", "3").out
    started = LOOP.replace('direction="max"', 'direction="max", start=[{"x": 0.25}]')
    assert "configuration start[0] x 0.25 " in check(started).out


@pytest.mark.parametrize(
    ("change", "options"),
    [
        ("model", "fit={'callbacks': keras.callbacks.EarlyStopping('loss', patience=0)}"),
        ("model", "fit={'sample_weight': np.arange(100) / 100, 'class_weight': None}"),
        ("model", "fit=lambda configuration: {'sample_weight': np.ones(100)}, epochs=1"),
        ("model", "epochs=2, repeats=True"),
        ("keras.Sequential([keras.layers.Rescaling(2.0), model])", "epochs=1"),
    ],
)
def test_studies_of_other_kinds(check, change: str, options: str) -> None:
    compiled = "    model, loss = wrapped(model), model.loss\n    model.compile('sgd', loss, metrics=['accuracy'])\n"
    text = FIT.replace("    return model", compiled + "    return model")
    text += f"\ndef wrapped(model):\n    return {change}\n"
    told = check(text.replace("batch_size=16", f"batch_size=16, {options}"))
    assert (told.code, told.lines) == (0, [])
    assert "result in order" in told.out


def test_several_inputs_a_model_without_a_graph_and_batches_in_one_call(check) -> None:
    text = FIT.replace("(x, y), (x[:40]", "({'a': x, 'b': x}, y), ({'a': x[:40], 'b': x[:40]}")
    text = text.replace(
        "def build",
        "class Both(keras.Model):\n    def __init__(self):\n        super().__init__()\n"
        "        self.dense = keras.layers.Dense(3)\n    def call(self, x):\n"
        "        return self.dense(x['a'] + x['b'])\n\ndef build",
    )
    text = text.replace('keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, activation="softmax")])', "Both()")
    told = check(text.replace('["accuracy"])', '["accuracy"], steps_per_execution=2)'))
    assert (told.code, told.lines) == (0, [])
    assert "x_train['a']: 100 rows of shape (4,), float32 x_train['b']: 100 rows" in told.out
    assert "model Both of 1 layer: 1 Dense" in told.out and "output (batch, 3) float32" in told.out


PIPELINES = FIT.replace("import numpy as np", "import numpy as np\nimport tensorflow as tf")
PIPELINES = PIPELINES.replace("def data():", "def data(configuration):").replace(
    "data=data", "data=data, data_per_worker=True"
)
PIPELINES = PIPELINES.replace(
    "    return (x, y), (x[:40], y[:40])",
    "    rows = tf.data.Dataset.from_tensor_slices((x, y))\n    return rows.batch(16), rows.take(40).batch(8)",
)


def test_pipelines(check) -> None:
    told = check(PIPELINES)
    assert (told.code, told.lines) == (0, [])
    for part in (
        "data train_dataset: 7 batches of (None, 4) float32, (None,) int64",
        "validation_dataset: 5 batches of ",
        "output (batch, 3) float32",
        "batches 7 in an epoch",
        "validation about ",
        "an epoch about ",
        "result in order",
    ):
        assert part in told.out
    unknown = check(PIPELINES.replace("rows.batch(16)", "rows.filter(lambda x, y: True).batch(16)"))
    assert (unknown.code, unknown.lines) == (0, [])
    assert "train_dataset: batches of (None, 4)" in unknown.out and "an epoch about" not in unknown.out
    endless = PIPELINES.replace("rows.batch(16)", "rows.batch(16).repeat()")
    told = check(endless.replace("batch_size=16", "fit={'steps_per_epoch': 25}"))
    assert (told.code, told.lines) == (0, [])
    assert "train_dataset: batches without end of" in told.out and "batches 25 in an epoch" in told.out


@pytest.mark.parametrize(
    ("change", "fit", "line"),
    [
        (
            ".repeat()",
            "",
            "the training dataset has no end: give steps_per_epoch in Study(fit=…), or leave out repeat()",
        ),
        ("", "'steps_per_epoch': 0", "Study(fit=…) sets steps_per_epoch=0: use a whole number of at least 1"),
        ("", "'validation_steps': 2.5", "Study(fit=…) sets validation_steps=2.5: use a whole number of at least 1"),
        ("", "'sample_weight': np.ones(100)", "Study(fit=…) sets sample_weight: let the dataset give (x, y, sample_w"),
        ("", "'validation_batch_size': 3", "Study(fit=…) sets validation_batch_size: let the validation dataset make"),
    ],
)
def test_what_cannot_work_with_pipelines(check, change: str, fit: str, line: str) -> None:
    told = check(
        PIPELINES.replace("rows.batch(16)", f"rows.batch(16){change}").replace("batch_size=16", f"fit={{{fit}}}")
    )
    assert told.code == 1
    (found,) = told.lines
    assert found.startswith(f"error: {line}") and found.endswith("(mine.py:7 in data)")


def test_a_batch_size_that_is_tuned_but_never_used(check) -> None:
    tuned = PIPELINES.replace("def data(configuration)", "def data()").replace(
        "rate=F", "batch_size=Choice([7]), rate=F"
    )
    assert check(tuned).lines == [
        "error: batch_size is tuned, but data() makes the batches: let data(configuration) use it (mine.py:7 in data)"
    ]


def test_a_batch_size_that_is_tuned(check) -> None:
    told = check(FIT.replace("rate=Float", "batch_size=Choice([7]), rate=Float"))
    assert "batches 15 of 7 rows in an epoch, the last one of 2" in told.out


def test_advice_is_shown(check) -> None:
    wide = FIT.replace("rate=Float(1e-3, 1e-1)", "learning_rate=Float(0, 1)").replace('["rate"]', '["learning_rate"]')
    assert "warning: learning_rate: a learning rate on a linear scale" in check(wide).out
    assert "warning: x_train holds NaN" in check(FIT.replace("    y = np", "    x[90] = np.nan\n    y = np")).out


def test_a_configuration_that_diverges(check) -> None:
    told = check(FIT.replace("    y = np", "    x[::2] = np.nan\n    y = np"))
    assert "warning: x_train holds NaN or infinity warning: x_val holds" in told.out
    assert told.code == 1
    (line,) = told.lines
    assert line.startswith("error: this configuration diverged at once: loss became nan in epoch ")
    assert line.endswith("look for NaN and large numbers in the data, or try another configuration with --seed")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            FIT.replace('"val_accuracy"', '"val_acuracy"'),
            "the objective 'val_acuracy' is not reported; reported are accuracy, loss, val_accuracy, val_loss; did",
        ),
        (
            LOOP.replace('objective="value"', 'objective="val"'),
            "the objective 'val' is not reported; reported are loss, value; did you mean 'value'? (mine.py:4 in train)",
        ),
        (
            FIT.replace("    return model", ""),
            "build returned nothing: end it with `return model` (mine.py:11 in build)",
        ),
        (
            FIT.replace("    model.compile", "    return model\n    model.compile"),
            "build returned a model that is not ",
        ),
        (FIT.replace("    return model", "    return 3"), "build returned a builtins.int, not a keras.Model"),
        (FIT.replace("batch_size=16", "fit={'epoch': 3}"), "Study(fit=…) names epoch, which fit does not take"),
        (FIT.replace("batch_size=16", "fit={'callbacks': [3]}"), "Study(fit=…) has a int among the callbacks"),
        (
            FIT.replace("batch_size=16", "fit={'sample_weight': np.ones(9)}"),
            "Study(fit=…) gives 9 sample weights for 100 training rows",
        ),
        (FIT.replace("rate=Float", "batch_size=Float(1, 2), rate=Float"), "batch_size is 1."),
        (
            LOOP.replace("        ctx.report", "        # ctx.report"),
            "epoch 1 ended without a report: call ctx.report ",
        ),
        (LOOP.replace("epoch in ctx.epochs", "epoch in []"), "train returned without a report: call ctx.report in "),
        (LOOP.replace("epoch=epoch", "epoch=ctx"), "ctx.save(epoch=…) cannot keep Context: give Keras models, optim"),
        (
            before_report("__import__('time').sleep(60)"),
            "train has reported nothing within 0.5 s: call ctx.report at the end of each epoch, or give its first",
        ),
    ],
)
def test_mistakes_that_every_trial_would_share(check, text: str, line: str) -> None:
    told = check(text, "--seconds", "0.5")
    assert told.code == 1
    (found,) = told.lines
    assert found.startswith(f"error: {line}")


@pytest.mark.parametrize(
    ("text", "frames", "line"),
    [
        (
            FIT.replace("    model = ", "    1 / 0\n    model = "),
            1,
            "ZeroDivisionError: division by zero (mine.py:12 in build)",
        ),
        (
            FIT.replace("    y = np", "    raise OSError('no network')\n    y = np"),
            1,
            "OSError: no network (mine.py:8 in data)",
        ),
        (
            before_report("{}['a']"),
            1,
            "KeyError: 'a' (mine.py:6 in train)",
        ),
        (
            before_report("exit(3)"),
            2,
            "SystemExit: 3 (mine.py:6 in train)",
        ),
    ],
)
def test_exceptions_are_told_with_the_users_frames_alone(check, text: str, frames: int, line: str) -> None:
    told = check(text)
    assert told.code == 1
    assert told.lines[0] == "Traceback (most recent call last):"
    assert told.lines[-1] == f"error: {line}"
    assert sum(found.startswith("  File ") for found in told.lines) == frames
    assert "rehearsal.py" not in told.err and "orchestrator/" not in told.err
    assert "configuration what the first trial gets" in told.out, "how far it got"


def test_shapes_that_do_not_fit(check) -> None:
    told = check(FIT.replace("keras.Input((4,))", "keras.Input((5,))"))
    assert told.code == 1
    assert told.lines[-1].startswith("error: ValueError: ") and "expected axis -1" in told.err
    assert "parameters 18" in told.out


def test_a_loop_that_does_not_come_back(check) -> None:
    text = LOOP.replace("        ctx.save(epoch=epoch)", "        while True:\n            pass")
    told = check(text, "--seconds", "0.5")
    assert (told.code, told.lines) == (0, [])
    assert "warning: train did not come back in time after its first report: leave the epoch where" in told.out
    unsaved = check(LOOP.replace("        ctx.save(epoch=epoch)", ""))
    assert "warning: nothing is saved: a trial that pauses or loses its worker begins anew" in unsaved.out


def test_data_that_is_wrong_is_told_at_once(check) -> None:
    told = check(FIT.replace("y[:40])", "y[:39])"))
    assert (told.code, told.lines) == (2, ["error: data(): x_val has 40 rows, y_val has 39"])


def test_a_study_made_in_python_is_checked_too() -> None:
    from orchestrator import Float, Space, Study
    from orchestrator.check import check as check_study

    study = Study(space=Space(x=Float(0, 1)), train=lambda c, ctx: None, objective="value", direction="max")
    shown: list[str] = []
    with pytest.raises(RunFailed, match="train returned without a report"):
        check_study(study, show=shown.append, complain=shown.append)
    assert shown[0] == "study          study: maximise value, 1 hyperparameter"
    with pytest.raises(UserError, match="there is no setting 'trails'; did you mean 'trials'"):
        check_study(study, show=shown.append, complain=shown.append, trails=3)
