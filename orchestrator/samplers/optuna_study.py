"""A study of Optuna's, in memory, over one of our spaces. The one importer of Optuna: only to be imported where needed.

Domains as Optuna's distributions: `Float` and `Int` as they are, with their log scale or step; a `reverse_log` as the
log scale of its distance to 1; a `Choice` as the index of its value, so that any two values stay apart; a `Fixed` not
at all. Conditions are followed as a configuration is made, parents first: Optuna only sees what is active.
"""

import inspect
import logging
import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, Literal

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState, create_trial

from orchestrator.assignment import Configuration
from orchestrator.errors import nearest
from search_spaces import Choice, Domain, Fixed, Float, Int, Space
from search_spaces.conditions import is_active, parents_first
from search_spaces.values import identity

NEEDS = {"cmaes": "cmaes", "gp": "torch"}
"""What a kind imports at its first proposal."""
TYPES: dict[str, Any] = {"bool": bool, "int": int, "float": (float, int), "str": str, "None": type(None)}
"""Of the options that can be written in a text."""
STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}


class OptunaStudy:
    """A study that maximises, with a sampler of this kind and seed.

    Raises:
        ValueError: There is no such kind or option, or a package is missing; with the fix.
    """

    def __init__(self, space: Space, kind: str, options: Mapping[str, Any], seed: int) -> None:
        _silence()
        sampler = _sampler(kind, options, seed)
        self._space = space
        self._names = parents_first(space)
        self._storage = _AmendableStorage()
        self._study = optuna.create_study(
            storage=self._storage, sampler=sampler, study_name="orchestrator", direction="maximize"
        )
        self._id = self._storage.get_study_id_from_name("orchestrator")
        self._distributions = {
            name: _distribution(domain) for name, domain in space.items() if not isinstance(domain, Fixed)
        }

    def ask(self) -> tuple[int, Configuration]:
        """A proposal, and the id of the running trial that it is for Optuna."""
        trial = self._study.ask()
        configuration: Configuration = {}
        for name in self._names:
            domain = self._space[name]
            if not is_active(domain, configuration):
                continue
            if isinstance(domain, Fixed):
                configuration[name] = domain.value
            else:
                configuration[name] = _value(domain, _suggested(trial, name, self._distributions[name]))
        identifier = self._storage.get_trial_id_from_study_id_trial_number(self._id, trial.number)
        return identifier, {name: configuration[name] for name in self._space if name in configuration}

    def add(self, configuration: Configuration) -> int:
        """The id of a running trial with a configuration that was not asked for."""
        distributions = {name: self._distributions[name] for name in configuration if name in self._distributions}
        trial = create_trial(
            state=TrialState.RUNNING,
            params={name: _parameter(self._space[name], configuration[name]) for name in distributions},
            distributions=distributions,
        )
        identifier: int = self._storage.create_new_trial(self._id, template_trial=trial)
        return identifier

    def report(self, identifier: int, epoch: int, score: float) -> None:
        self._storage.set_trial_intermediate_value(identifier, epoch, score)

    def settle(
        self, identifier: int, state: Literal["complete", "pruned", "failed"], score: float | None = None
    ) -> None:
        """Past `Study.tell`, which is for once; for one objective its samplers do nothing more at that moment."""
        self._storage.set_trial_state_values(identifier, STATES[state], None if score is None else [score])


class _AmendableStorage(InMemoryStorage):  # type: ignore[misc]
    """What was told of a trial may be told again: a paused one goes on."""

    def check_trial_is_updatable(self, trial_id: int, trial_state: TrialState) -> None:
        pass


def _sampler(kind: str, options: Mapping[str, Any], seed: int) -> BaseSampler:
    kinds = _kinds()
    if kind not in kinds:
        raise ValueError(f"use optuna:KIND with one of {', '.join(sorted(kinds))}{nearest(kind, kinds)}")
    if kind in NEEDS and find_spec(NEEDS[kind]) is None:
        raise ValueError(f"optuna:{kind} needs {NEEDS[kind]}: pip install {NEEDS[kind]}")
    known = _options(kinds[kind])
    for name, value in options.items():
        if name == "seed":
            raise ValueError("seed is the run's own: leave it out, and give the run another seed")
        if name not in known:
            raise ValueError(
                f"optuna:{kind} has no option '{name}'{nearest(name, known)} (options: {', '.join(known)})"
            )
        if not isinstance(value, tuple(TYPES[word] for word in known[name])):
            raise ValueError(f"{name} is {value}: use a value of the type {' or '.join(known[name])}")
    try:
        sampler: BaseSampler = kinds[kind](seed=seed, **options)
        return sampler
    except Exception as error:
        raise ValueError(f"optuna:{kind} refuses these options: {' '.join(str(error).split())}") from error


def _kinds() -> dict[str, Any]:
    """The samplers that need no more than a seed, by their name in small letters."""
    return {
        name.removesuffix("Sampler").lower(): kind
        for name, kind in vars(optuna.samplers).items()
        if inspect.isclass(kind) and issubclass(kind, BaseSampler) and name.endswith("Sampler")
        if not inspect.isabstract(kind)
        if (parameters := inspect.signature(kind).parameters) and "seed" in parameters
        if all(parameter.default is not inspect.Parameter.empty for parameter in parameters.values())
    }


def _options(kind: Any) -> dict[str, list[str]]:
    """Those that can be written in a text, with their types."""
    parameters = inspect.signature(kind).parameters.items()
    types = {name: [word.strip() for word in str(parameter.annotation).split("|")] for name, parameter in parameters}
    return {name: words for name, words in types.items() if name != "seed" and TYPES.keys() >= set(words)}


def _distribution(domain: Domain) -> BaseDistribution:
    match domain:
        case Float(scale="reverse_log"):
            return FloatDistribution(1 - domain.high, 1 - domain.low, log=True)
        case Float():
            return FloatDistribution(domain.low, domain.high, log=domain.scale == "log")
        case Int():
            return IntDistribution(domain.low, domain.high, log=domain.scale == "log", step=domain.step or 1)
        case Choice():
            return CategoricalDistribution(range(len(domain.values)))
    raise TypeError(f"{domain!r} has no distribution")


def _suggested(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> Any:
    match distribution:
        case FloatDistribution(low=low, high=high, log=log):
            return trial.suggest_float(name, low, high, log=log)
        case IntDistribution(low=low, high=high, log=log, step=step):
            return trial.suggest_int(name, low, high, log=log, step=step)
        case CategoricalDistribution(choices=choices):
            return trial.suggest_categorical(name, choices)
    raise TypeError(f"{distribution!r} is unknown")


def _value(domain: Domain, parameter: Any) -> Any:
    match domain:
        case Float():
            value = 1 - parameter if domain.scale == "reverse_log" else parameter
            return min(max(float(value), domain.low), domain.high)
        case Choice():
            return domain.values[parameter]
    return int(parameter)


def _parameter(domain: Domain, value: Any) -> Any:
    match domain:
        case Float(scale="reverse_log"):
            return min(max(1 - value, 1 - domain.high), 1 - domain.low)
        case Choice():
            return [identity(known) for known in domain.values].index(identity(value))
    return value


def _silence() -> None:
    """Our log and our terminal are not Optuna's. Filters rather than `catch_warnings`, which threads would share."""
    optuna.logging.set_verbosity(logging.CRITICAL)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    warnings.filterwarnings("ignore", module=r"optuna\.|orchestrator\.samplers\.optuna_study")
