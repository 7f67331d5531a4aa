"""Search spaces that make no sense, each with the line that it must produce, by `check` as by `launch`."""

from pathlib import Path

import pytest

from tests.bad_input.support import named, refused

STUDY = """
from orchestrator import Choice, Fixed, Float, Int, Space, Study
from search_spaces import load

def small(configuration):
    return configuration["x"] < 1

def train(configuration, ctx):
    raise AssertionError("nothing is trained")

study = Study(space=SPACE, train=train, objective="value", direction="max")
"""

# Refused by the space itself: name, space, what follows "FILE: search space: ".
SPACES = [
    ("empty", "Space()", "it is empty: name at least one hyperparameter, Space(learning_rate=…"),
    ("a list", "Space([Float(0, 1)])", "[Float(0.0, 1.0)] is no mapping: use Space(name=domain, …) or Space…"),
    ("a number", "Space(x=3)", "x is 3, no domain: use Fixed(3)"),
    ("a list of values", "Space(x=['relu', 'tanh'])", "x is ['relu', 'tanh'], no domain: use Choice(['relu', 'tanh'])"),
    ("a class", "Space(x=Float)", "x is <class 'search_spaces.numeric.Float'>, no domain: use Float(…)…"),
    (
        "no identifier",
        "Space({'learning rate': Float(0, 1)})",
        "'learning rate' is no name: use letters, digits and _, such as lear…",
    ),
    (
        "a formula as a name",
        "Space({'=cmd()': Float(0, 1)})",
        "'=cmd()' is no name: use letters, digits and _, such as learning_ra…",
    ),
    (
        "markup as a name",
        "Space({'<script>': Float(0, 1)})",
        "'<script>' is no name: use letters, digits and _, such as learning_…",
    ),
    (
        "a path as a name",
        "Space({'../x': Float(0, 1)})",
        "'../x' is no name: use letters, digits and _, such as learning_rate",
    ),
    ("a number as a name", "Space({3: Float(0, 1)})", "3 is no name: use letters, digits and _, such as learning_rate"),
    ("twice", "Space({'x': Float(0, 1)}, x=Float(0, 2))", "x is given twice: leave one of them"),
    ("bounds turned", "Space(x=Float(1, 0))", "x: low 1 is above high 0: use low=0, high=1"),
    ("infinite", "Space(x=Float(0, float('inf')))", "x: high is inf: use a finite number"),
    ("nan", "Space(x=Float(float('nan'), 1))", "x: low is nan: use a finite number"),
    ("text as a bound", "Space(x=Float('0', 1))", "x: low is '0': use a finite number"),
    (
        "true as a bound",
        "Space(x=Float(False, True))",
        ("x: low is False: use a finite number\nx: high is True: use a finite number"),
    ),
    (
        "huge bound",
        "Space(x=Float(0, 10**400))",
        "x: high is 10000000000000000000000000000000000000000000000000000000…",
    ),
    (
        "log from 0",
        "Space(x=Float(0, 1, 'log'))",
        "x: low is 0, but a log scale starts above 0: use a small positive l…",
    ),
    (
        "reverse_log to 1",
        "Space(x=Float(0.9, 1, 'reverse_log'))",
        "x: high is 1, but reverse_log ends below 1: use a high such as 0.999",
    ),
    (
        "unknown scale",
        "Space(x=Float(0, 1, 'lgo'))",
        "x: scale 'lgo' is unknown; did you mean 'log'? (one of linear, log,…",
    ),
    ("scale no text", "Space(x=Float(0, 1, 10))", "x: scale 10 is unknown (one of linear, log, reverse_log)"),
    ("float for int", "Space(x=Int(1, 2.5))", "x: high is 2.5, not a whole number: use 2"),
    ("int turned", "Space(x=Int(5, 1))", "x: low 5 is above high 1: use low=1, high=5"),
    ("int beyond", "Space(x=Int(0, 10**15))", "x: high is 1000000000000000, beyond what an Int can tell apart: use…"),
    ("int log 0", "Space(x=Int(0, 9, 'log'))", "x: low is 0, but a log scale starts above 0: use low=1 or more"),
    (
        "int reverse_log",
        "Space(x=Int(1, 9, 'reverse_log'))",
        "x: scale is 'reverse_log', which is for numbers below 1: use 'linea…",
    ),
    ("step 0", "Space(x=Int(1, 9, step=0))", "x: step is 0: use a whole number of at least 1"),
    ("step misses", "Space(x=Int(1, 10, step=4))", "x: step 4 from 1 does not reach high 10: use high=9 or high=13"),
    (
        "step log",
        "Space(x=Int(1, 8, 'log', step=2))",
        "x: step 2 goes with the linear scale only: leave it out, or list th…",
    ),
    ("no choice", "Space(x=Choice([]))", "x: values is empty: name at least one"),
    ("choice text", "Space(x=Choice('relu'))", "x: values is 'relu': use a list, such as Choice(['relu', 'tanh'])"),
    ("choice set", "Space(x=Choice({'relu'}))", "x: values is {'relu'}, which has no order: use a list"),
    (
        "choice objects",
        "Space(x=Choice([print]))",
        "x: <built-in function print> is of type builtin_function_or_method:…",
    ),
    ("choice repeated", "Space(x=Choice(['a', 'a']))", "x: values has 'a' more than once: leave one of them"),
    ("choice nan", "Space(x=Choice([float('nan')]))", "x: nan is not finite: use a finite number or a name"),
    ("choice big", "Space(x=Choice([2**70]))", "x: 1180591620717411303424 does not fit in 64 bits: use a float or a…"),
    ("choice surrogate", "Space(x=Choice(['\\ud800']))", "x: '\\ud800' holds half of a character: use valid text"),
    ("fixed list", "Space(x=Fixed([1]))", "x: value [1] is of type list: use a name for it and map the name in…"),
    ("group 5", "Space(x=Float(0, 1, group=5))", "x: group is 5: use 1 (tune first), 2, 3 or 4, or leave it out"),
    (
        "default outside",
        "Space(x=Float(0, 1, default=2))",
        "x: default is 2: use one of its values (0 … 1), or leave it out",
    ),
    (
        "when no mapping",
        "Space(a=Choice([1, 2]), x=Float(0, 1, when='a'))",
        "x: when is 'a': name parent and values, such as when={'optimizer': …",
    ),
    (
        "when unknown",
        "Space(optimizer=Choice(['sgd']), x=Float(0, 1, when={'optimiser': ['sgd']}))",
        "x: its condition names 'optimiser', which the space does not have; …",
    ),
    (
        "when self",
        "Space(x=Int(0, 1, when={'x': [1]}))",
        "x: its condition names itself: name another hyperparameter in when,…",
    ),
    (
        "when float",
        "Space(a=Float(0, 1), x=Float(0, 1, when={'a': [0.5]}))",
        "x: its condition names a, a Float, which hardly ever has one exact …",
    ),
    (
        "when no value",
        "Space(a=Choice([1, 2]), x=Float(0, 1, when={'a': []}))",
        "x: when gives no value for a: name at least one, or leave the condi…",
    ),
    (
        "when wrong value",
        "Space(a=Choice([1, 2]), x=Float(0, 1, when={'a': [3]}))",
        "x: its condition wants a = 3, which is no value of Choice([1, 2])",
    ),
    (
        "when circle",
        "Space(a=Int(0, 1, when={'b': [1]}), b=Int(0, 1, when={'a': [1]}))",
        "the conditions of a → b → a go in a circle: leave out the condition…",
    ),
    (
        "constraint text",
        "Space(x=Float(0, 1), constraints='x < 1')",
        "constraint 'x < 1' is no function: use constraints={'name': functio…",
    ),
    (
        "constraint lambda",
        "Space(x=Float(0, 1), constraints=[lambda c: True])",
        "constraint '<lambda>' needs a name of its own: use constraints={'na…",
    ),
    (
        "constraint twice",
        "Space(x=Float(0, 1), constraints=[small, small])",
        "constraint small is given twice: name them apart, constraints={'nam…",
    ),
    (
        "constraint domain",
        "Space(x=Float(0, 1), constraints=Float(0, 1))",
        "constraints is Float(0.0, 1.0): for a hyperparameter of that name w…",
    ),
    (
        "several",
        "Space(x=Float(1, 0), y=Int(5, 1), z=3)",
        (
            "z is 3, no domain: use Fixed(3)\n"
            "x: low 1 is above high 0: use low=0, high=1\n"
            "y: low 5 is above high 1: use low=1, high=5"
        ),
    ),
    (
        "domain when unhashable",
        "Space(a=Choice([1]), x=Float(0, 1, when={'a': [[1]]}))",
        "x: when for a: [1] is of type list: use a name for it and map the n…",
    ),
    (
        "when nonstring parent",
        "Space(x=Float(0, 1, when={3: [1]}))",
        "x: when is {3: [1]}: name parent and values, such as when={'optimiz…",
    ),
    (
        "string group",
        "Space(x=Float(0,1,group='1'))",
        "x: group is '1': use 1 (tune first), 2, 3 or 4, or leave it out",
    ),
    ("empty name", "Space({'': Float(0,1)})", "'' is no name: use letters, digits and _, such as learning_rate"),
    ("int bound text", "Space(x=Int('a', 3))", "x: low is 'a', not a whole number: use one such as 16"),
    ("int nan", "Space(x=Int(float('nan'), 3))", "x: low is nan, not a whole number: use one such as 16"),
    ("choice none", "Space(x=Choice(None))", "x: values is None: use a list, such as Choice(['relu', 'tanh'])"),
    ("choice dict", "Space(x=Choice({'a': 1}))", "x: values is {'a': 1}: use a list, such as Choice(['relu', 'tanh'])"),
    (
        "choice nested lists",
        "Space(x=Choice([[1, 2], [3]]))",
        (
            "x: [1, 2] is of type list: use a name for it and map the name in bu…\n"
            "x: [3] is of type list: use a name for it and map the name in build"
        ),
    ),
    (
        "constraint number",
        "Space(x=Float(0, 1), constraints={'n': 3})",
        "constraint 3 is no function: use constraints={'name': function}",
    ),
    (
        "constraint empty name",
        "Space(x=Float(0, 1), constraints={'': small})",
        "constraint '' needs a name of its own: use constraints={'name': fun…",
    ),
]

# Refused later: name, space, line.
OTHERS = [
    (
        "not a space",
        "{'x': Float(0, 1)}",
        "HERE/mine.py: Study: space is dict, not a Space: write space=Space(learning_rate=Float(…), …)",
    ),
    (
        "constraint never",
        "Space(x=Float(0, 1), constraints={'never': lambda c: False})",
        "the search space has no configuration: search space: no configuration met the constraints in 10…",
    ),
    (
        "constraint raises",
        "Space(x=Float(0, 1), constraints={'wrong': lambda c: c['y'] > 0})",
        "the search space has no configuration: constraint wrong raised KeyError: 'y' for {'x': 0.813354…",
    ),
    (
        "constraint none",
        "Space(x=Float(0, 1), constraints={'forgets': lambda c: None})",
        "the search space has no configuration: constraint forgets returned None for {'x': 0.81335406097…",
    ),
    (
        "reserved",
        "Space(rank=Float(0, 1), seconds=Float(0, 1))",
        "the leaderboard has columns rank, seconds of its own: rename the hyperparameters",
    ),
    (
        "unknown kw",
        "Space(x=Float(0, 1, scal='log'))",
        "HERE/mine.py does not import: line 11: TypeError: Float.__init__() got an unexpected keyword ar…",
    ),
    (
        "missing high",
        "Space(x=Float(0))",
        "HERE/mine.py does not import: line 11: TypeError: Float.__init__() missing 1 required positiona…",
    ),
    (
        "shipped unknown",
        "load('mpl')",
        "HERE/mine.py: search space 'mpl' is not shipped; did you mean 'mlp'? (one of cnn, mlp)",
    ),
    (
        "constraint arity",
        "Space(x=Float(0, 1), constraints={'two': lambda a, b: True})",
        "the search space has no configuration: constraint two raised TypeError: <lambda>() missing 1 re…",
    ),
    (
        "constraint multi-line",
        "Space(x=Float(0, 1), constraints={'m': lambda c: (_ for _ in ()).throw(ValueError('a\\nb'))})",
        "the search space has no configuration: constraint m raised ValueError: a b for {'x': 0.81335406…",
    ),
]


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)

    def run(space: str, expected: str) -> None:
        (tmp_path / "mine.py").write_text(STUDY.replace("SPACE", space))
        for command in ("check", "launch"):
            refused(capsys, [command, "mine.py"], expected, here=tmp_path)

    return run


@pytest.mark.parametrize(("space", "expected"), named(SPACES))
def test_spaces(check, space: str, expected: str) -> None:
    check(space, "\n".join(f"HERE/mine.py: search space: {line}" for line in expected.splitlines()))


@pytest.mark.parametrize(("space", "expected"), named(OTHERS))
def test_spaces_that_are_refused_later(check, space: str, expected: str) -> None:
    check(space, expected)
