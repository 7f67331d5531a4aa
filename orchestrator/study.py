"""A study: what to tune. The one object that users write."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from orchestrator.assignment import Configuration
from orchestrator.errors import UserError
from orchestrator.objective import Direction, Objective
from search_spaces import Space, SpaceError
from search_spaces.values import plain, quoted

FitArguments = Mapping[str, Any]
OWN_FIT_ARGUMENTS = ("x", "y", "batch_size", "epochs", "initial_epoch", "validation_data", "verbose")
CALLS = {"build": ("configuration",), "train": ("configuration", "ctx"), "data": (), "fit": ("configuration",)}
CONFIGURATION = "configuration"


class Study:
    """What to tune: a search space, how to train one configuration, and the metric that ranks.

    Args:
        space: The hyperparameters.
        build: `build(configuration)` returns a compiled Keras model, trained by `fit`.
        train: `train(configuration, ctx)` trains in a loop of its own, instead of `build`; see docs/train.md.
        data: `data()` returns `((x_train, y_train), (x_val, y_val))`, optionally with `(x_test, y_test)`; each a
            NumPy array or a dict of arrays, equally long. Called once a run. Needed beside `build`. See docs/data.md.
        data_per_worker: `data` runs in each worker instead, and may return batched `tf.data.Dataset`s,
            `(train_dataset, validation_dataset)`. `data()` is called once a worker, `data(configuration)` each trial.
        objective: The metric that ranks, as `fit` or `train` reports it.
        direction: "max" or "min".
        batch_size: Used where the configuration has no `batch_size`.
        fit: More arguments of `fit` (callbacks, class_weight, sample_weight …): a dict, or a function of the
            configuration that returns one, so that every trial has callbacks of its own.
        start: Configurations that are tried first, such as the best one known so far.
        files: What the code reads from the folder of the study's file, by paths relative to it: files, or folders with
            all that is in them; 16 MB together. Found on every node as `Path(__file__).parent / name`.
        name: Names the run directory; the file's name unless given.
        **settings: Defaults for what `launch` takes: trials, epochs, sampler, stopper, seed, target …

    Raises:
        UserError: With a line for each thing that is wrong.
    """

    def __init__(
        self,
        *,
        space: Space,
        objective: str,
        direction: Direction,
        build: Callable[[Configuration], Any] | None = None,
        train: Callable[[Configuration, Any], None] | None = None,
        data: Callable[..., Any] | None = None,
        data_per_worker: bool = False,
        batch_size: int = 32,
        fit: FitArguments | Callable[[Configuration], FitArguments] | None = None,
        start: Sequence[Configuration] = (),
        files: Sequence[str] = (),
        name: str | None = None,
        **settings: Any,
    ) -> None:
        self.space = space
        self.build = build
        self.train = train
        self.data = data
        self.data_per_worker = data_per_worker
        self.objective = Objective(objective, direction)
        self.batch_size = batch_size
        self.fit = fit
        self.start = start
        if isinstance(start, list | tuple) and all(isinstance(configuration, Mapping) for configuration in start):
            self.start = [{name: plain(value) for name, value in configuration.items()} for configuration in start]
        self.files = files
        self.name = name
        self.settings = settings
        if problems := list(self._problems()) or list(self._call_problems()):
            raise UserError("\n".join(f"Study: {problem}" for problem in problems))

    @property
    def data_takes_configuration(self) -> bool:
        """`data` is called for each trial: it has a parameter of that name, or one that has to be given."""
        if self.data is None or not self.data_per_worker:
            return False
        try:
            signature = inspect.signature(self.data)
            signature.bind()
        except TypeError:
            return True
        except ValueError:
            return False  # Python cannot tell what it takes.
        return CONFIGURATION in signature.parameters

    def fit_arguments(self, configuration: Configuration) -> dict[str, Any]:
        """What `fit` gets beside data, batch size and epochs. UserError when it names one of those."""
        returned = self.fit(dict(configuration)) if callable(self.fit) else self.fit
        if not isinstance(returned, Mapping | None):
            raise UserError(f"Study(fit=…) returned {type(returned).__name__}: return a dict of arguments of fit")
        given = dict(returned or {})
        if taken := sorted(set(given) & set(OWN_FIT_ARGUMENTS)):
            raise UserError(f"Study(fit=…) sets {', '.join(taken)}, which the study itself decides: leave it out")
        return given

    def _problems(self) -> Iterator[str]:
        if not isinstance(self.space, Space):
            yield f"space is {type(self.space).__name__}, not a Space: write space=Space(learning_rate=Float(…), …)"
        if (self.build is None) == (self.train is None):
            yield "give either build=… or train=…"
        if self.build is not None and self.data is None:
            yield "build=… needs data=…, a function that returns ((x_train, y_train), (x_val, y_val))"
        if not isinstance(self.data_per_worker, bool):
            yield f"data_per_worker is {quoted(self.data_per_worker)}: use True or False"
        elif self.data_per_worker and self.data is None:
            yield "data_per_worker=True needs data=…, a function that is called in each worker"
        for name in ("build", "train", "data"):
            value = getattr(self, name)
            if value is not None and not callable(value):
                yield f"{name} is {type(value).__name__}, not a function: give the function itself, {name}={name}"
        if not isinstance(self.objective.name, str) or not self.objective.name:
            yield "objective must be the name of a metric, such as 'val_accuracy'"
        if self.objective.direction not in ("max", "min"):
            yield f"direction is {self.objective.direction!r}: use 'max' or 'min'"
        if not isinstance(self.batch_size, int) or isinstance(self.batch_size, bool) or self.batch_size < 1:
            yield f"batch_size is {self.batch_size!r}: use a whole number of at least 1"
        if self.fit is not None and not callable(self.fit) and not isinstance(self.fit, Mapping):
            yield f"fit is {type(self.fit).__name__}: use a dict, or a function of the configuration that returns one"
        if not isinstance(self.files, list | tuple) or not all(isinstance(name, str) and name for name in self.files):
            yield f"files is {quoted(self.files)}: use a list of paths, files=['vocabulary.txt']"
        if not isinstance(self.name, str | None):
            yield f"name is {quoted(self.name)}: use a text, or leave it out"
        if isinstance(self.space, Space):
            yield from self._start_problems()

    def _call_problems(self) -> Iterator[str]:
        """Of functions, those that could not be called as they will be."""
        for name, arguments in CALLS.items():
            function = getattr(self, name)
            if not callable(function):
                continue
            if name == "data" and self.data_takes_configuration:
                arguments = (CONFIGURATION,)
            call = f"{name}({', '.join(arguments)})"
            if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function):
                yield f"{name} is async, or has a yield: use a plain function, which does its work when it is called"
            try:
                inspect.signature(function).bind(*arguments)
            except TypeError as error:
                hint = "; with data_per_worker=True it may take the configuration" * (call == "data()")
                yield f"{name} cannot be called as {call}: {error}{hint}"
            except ValueError:
                pass  # Python cannot tell what it takes.

    def _start_problems(self) -> Iterator[str]:
        start: Any = self.start
        if not isinstance(start, list | tuple) or not all(
            isinstance(configuration, Mapping) for configuration in start
        ):
            yield f"start is {type(start).__name__}: use a list of configurations, start=[{{'learning_rate': 0.01, …}}]"
            return
        for place, configuration in enumerate(start):
            try:
                self.space.check(configuration)
                refused_by = self.space.refused_by(configuration)
            except SpaceError as error:
                yield from (f"start[{place}]: {line}" for line in str(error).splitlines())
                continue
            if refused_by:
                yield f"start[{place}] is not allowed by {', '.join(refused_by)}: change it, or leave it out"
            if configuration in start[:place]:
                yield f"start[{place}] is start[{start.index(configuration)}] again: leave one of them out"
