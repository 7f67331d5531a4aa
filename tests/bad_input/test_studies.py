"""Studies that make no sense, each with the line that it must produce, by `check` as by `launch`."""

from pathlib import Path

import pytest

from tests.bad_input.support import HEAD, named, refused

# What `Study` refuses: name, arguments, what follows "FILE: Study: ".
ARGUMENTS = [
    (
        "space none",
        'space=None, train=train, objective="value", direction="max"',
        "space is NoneType, not a Space: write space=Space(learning_rate=Float(…), …)",
    ),
    ("neither build nor train", 'space=SPACE, objective="value", direction="max"', "give either build=… or train=…"),
    (
        "both build and train",
        'space=SPACE, build=build, data=data, objective="value", direction="max", train=train',
        "give either build=… or train=…",
    ),
    (
        "build without data",
        'space=SPACE, build=build, objective="value", direction="max"',
        "build=… needs data=…, a function that returns ((x_train, y_train), (x_val, y_val))",
    ),
    (
        "train is a number",
        'space=SPACE, train=3, objective="value", direction="max"',
        "train is int, not a function: give the function itself, train=train",
    ),
    (
        "train is a text",
        'space=SPACE, train=\'train\', objective="value", direction="max"',
        "train is str, not a function: give the function itself, train=train",
    ),
    (
        "data is the data",
        'space=SPACE, build=build, data=((1, 2), (3, 4)), objective="value", direction="max"',
        "data is tuple, not a function: give the function itself, data=data",
    ),
    (
        "train takes one argument",
        'space=SPACE, train=lambda configuration: None, objective="value", direction="max"',
        "train cannot be called as train(configuration, ctx): too many positional arguments",
    ),
    (
        "build takes two",
        'space=SPACE, build=train, data=data, objective="value", direction="max"',
        "build cannot be called as build(configuration): missing a required argument: 'ctx'",
    ),
    (
        "data takes one",
        'space=SPACE, build=build, data=build, objective="value", direction="max"',
        "data cannot be called as data(): missing a required argument: 'configuration'; with data_per_worker=True it…",
    ),
    (
        "data per worker takes two",
        'space=SPACE, build=build, data=train, data_per_worker=True, objective="value", direction="max"',
        "data cannot be called as data(configuration): missing a required argument: 'ctx'",
    ),
    (
        "data per worker without data",
        'space=SPACE, train=train, data_per_worker=True, objective="value", direction="max"',
        "data_per_worker=True needs data=…, a function that is called in each worker",
    ),
    (
        "data per worker is a number",
        'space=SPACE, train=train, data=data, data_per_worker=1, objective="value", direction="max"',
        "data_per_worker is 1: use True or False",
    ),
    (
        "fit takes none",
        'space=SPACE, train=train, objective="value", direction="max", fit=lambda: {}',
        "fit cannot be called as fit(configuration): too many positional arguments",
    ),
    (
        "train is async",
        'space=SPACE, train=wait, objective="value", direction="max"',
        "train is async, or has a yield: use a plain function, which does its work when it is c…",
    ),
    (
        "build is a generator",
        'space=SPACE, build=lazy, data=data, objective="value", direction="max"',
        "build is async, or has a yield: use a plain function, which does its work when it is c…",
    ),
    (
        "objective empty",
        'space=SPACE, train=train, objective="", direction="max"',
        "objective must be the name of a metric, such as 'val_accuracy'",
    ),
    (
        "objective no text",
        'space=SPACE, train=train, objective=3, direction="max"',
        "objective must be the name of a metric, such as 'val_accuracy'",
    ),
    (
        "objectives",
        'space=SPACE, train=train, objective=["value", "loss"], direction="max"',
        "objective must be the name of a metric, such as 'val_accuracy'",
    ),
    (
        "direction",
        'space=SPACE, train=train, objective="value", direction="up"',
        "direction is 'up': use 'max' or 'min'",
    ),
    (
        "direction none",
        'space=SPACE, train=train, objective="value", direction=None',
        "direction is None: use 'max' or 'min'",
    ),
    (
        "batch size 0",
        'space=SPACE, train=train, objective="value", direction="max", batch_size=0',
        "batch_size is 0: use a whole number of at least 1",
    ),
    (
        "batch size as a text",
        'space=SPACE, train=train, objective="value", direction="max", batch_size=\'32\'',
        "batch_size is '32': use a whole number of at least 1",
    ),
    (
        "batch size true",
        'space=SPACE, train=train, objective="value", direction="max", batch_size=True',
        "batch_size is True: use a whole number of at least 1",
    ),
    (
        "fit is a list",
        'space=SPACE, train=train, objective="value", direction="max", fit=[1]',
        "fit is list: use a dict, or a function of the configuration that returns one",
    ),
    (
        "name is a number",
        'space=SPACE, train=train, objective="value", direction="max", name=3',
        "name is 3: use a text, or leave it out",
    ),
    (
        "start is one configuration",
        'space=SPACE, train=train, objective="value", direction="max", start={\'x\': 0.5}',
        "start is dict: use a list of configurations, start=[{'learning_rate': 0.01, …}]",
    ),
    (
        "start is a number",
        'space=SPACE, train=train, objective="value", direction="max", start=3',
        "start is int: use a list of configurations, start=[{'learning_rate': 0.01, …}]",
    ),
    (
        "start lacks a value",
        'space=SPACE, train=train, objective="value", direction="max", start=[{}]',
        "start[0]: configuration: x is missing: use a value of Float(0.0, 1.0)",
    ),
    (
        "start has one too many",
        "space=SPACE, train=train, objective=\"value\", direction=\"max\", start=[{'x': 0.5, 'y': 1}]",
        "start[0]: configuration: 'y' is not in the search space: leave it out",
    ),
    (
        "start is not in the space",
        'space=SPACE, train=train, objective="value", direction="max", start=[{\'x\': 2}]',
        "start[0]: configuration: x is 2: use a value of Float(0.0, 1.0)",
    ),
    (
        "start twice",
        "space=SPACE, train=train, objective=\"value\", direction=\"max\", start=[{'x': 0.5}, {'x': 0.5}]",
        "start[1] is start[0] again: leave one of them out",
    ),
    (
        "start against a constraint",
        'space=SPACE, train=train, objective="value", direction="max", start=[{\'x\': 0.95}]',
        "start[0] is not allowed by low: change it, or leave it out",
    ),
]

# Arguments that are refused elsewhere: name, arguments, lines.
SETTINGS = [
    (
        "no space",
        'train=train, objective="value", direction="max"',
        "HERE/mine.py does not import: line 21: TypeError: Study.__init__() missing 1 required keyword-only argument…",
    ),
    (
        "no objective",
        'space=SPACE, train=train, direction="max"',
        "HERE/mine.py does not import: line 21: TypeError: Study.__init__() missing 1 required keyword-only argument…",
    ),
    (
        "no direction",
        'space=SPACE, train=train, objective="value"',
        "HERE/mine.py does not import: line 21: TypeError: Study.__init__() missing 1 required keyword-only argument…",
    ),
    (
        "unknown setting",
        'space=SPACE, train=train, objective="value", direction="max", trails=3',
        "there is no setting 'trails'; did you mean 'trials'?",
    ),
    (
        "several bad settings",
        'space=SPACE, train=train, objective="value", direction="max", trials=0, epochs=\'x\', seed=-1',
        (
            "trials is 0: use a whole number of at least 1\n"
            "epochs is 'x': use a whole number of at least 1\n"
            "seed is -1: use a whole number of at least 0 that fits in 64 bits"
        ),
    ),
    (
        "a run without end",
        'space=SPACE, train=train, objective="value", direction="max", trials=None',
        "the run would never end: give at least one of trials, max_time, max_epochs_total, gpu_hours, target",
    ),
    (
        "an odd sampler",
        'space=SPACE, train=train, objective="value", direction="max", sampler=\'zooom\'',
        "sampler is 'zooom': use one of grid, optuna, random, sobol, staged, zoom; did you mean 'zoom'?",
    ),
    (
        "an odd stopper",
        'space=SPACE, train=train, objective="value", direction="max", stopper=\'asha:eta=1\'',
        "stopper is 'asha:eta=1': eta is 1: use a whole number of at least 2",
    ),
    (
        "a stopper that is none",
        'space=SPACE, train=train, objective="value", direction="max", stopper=None',
        "stopper is None: use a text that is not empty, or leave it out",
    ),
    (
        "a flag that is none",
        'space=SPACE, train=train, objective="value", direction="max", repeats=\'yes\'',
        "repeats is 'yes': use True or False",
    ),
    (
        "infinite target",
        'space=SPACE, train=train, objective="value", direction="max", target=float(\'nan\')',
        "target is nan: use a finite number",
    ),
    (
        "points without a grid",
        'space=SPACE, train=train, objective="value", direction="max", points=5',
        "points is '5', but the sampler is 'zoom': use 'grid', or leave points out",
    ),
    (
        "positional",
        "3",
        "HERE/mine.py does not import: line 21: TypeError: Study.__init__() takes 1 positional argument but 2 were g…",
    ),
]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)

    def run(text: str | bytes, expected: str, commands: tuple[str, ...] = ("check", "launch")) -> None:
        (tmp_path / "mine.py").write_bytes(text.encode() if isinstance(text, str) else text)
        for command in commands:
            refused(capsys, [command, "mine.py"], expected, here=tmp_path)

    return run


@pytest.mark.parametrize(("arguments", "expected"), named(ARGUMENTS))
def test_studies(check, arguments: str, expected: str) -> None:
    check(f"{HEAD}study = Study({arguments})\n", f"HERE/mine.py: Study: {expected}")


@pytest.mark.parametrize(("arguments", "expected"), named(SETTINGS))
def test_settings_in_a_study(check, arguments: str, expected: str) -> None:
    check(f"{HEAD}study = Study({arguments})\n", expected)
