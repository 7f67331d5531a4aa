"""When two models can share a graph: all that tracing would build into it is equal, and nothing else can have been.

The rule is conservative, for a hyperparameter that is silently another's would be the worst of mistakes. Only models
whose every part is Keras's own have a structure: of these configurations and attributes (`constants.py`) say all, as
long as nobody has replaced a method of an instance. What can be set without tracing is left out of it: the seeds and
what the weights begin with, the learning rate, and what `settable` names.
"""

import hashlib
import json
from collections.abc import Iterable
from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

import keras
import numpy as np
from keras.src.models.functional import Functional
from keras.src.ops.function import Function

from orchestrator.training.constants import Constants
from orchestrator.training.prepared import Prepared
from orchestrator.training.settable import settable, unwrapped

LIBRARIES = {"keras", "tensorflow", "numpy", "ml_dtypes", "optree"}
OTHERS_OWN = {"builtins", "collections", "inspect", "re", "threading", "weakref"}
"""Modules of what Keras keeps beside its own objects."""
REPLACED_BY_KERAS = {"build", "quantize", "loss"}
"""Callables of a class in whose place Keras itself sets attributes of instances."""
RUNS_A_FUNCTION = (keras.layers.Lambda, keras.layers.TFSMLayer)
MODELS = (keras.Sequential, Functional)
FUNCTIONS = (FunctionType, MethodType, BuiltinFunctionType, partial)


class _Foreign(Exception):
    """Something in the model is not Keras's own."""


def structure_of(prepared: Prepared) -> str | None:
    """A key that models have in common if and only if they can share a graph; None where that cannot be told."""
    model = prepared.model
    try:
        parts = _parts(model)
        _check_parts(model, parts)
        told = {
            "model": _checked(model.get_config(), seeds=False),
            "compiled": _compiled(model),
            "constants": _constants(model, parts),
            "data": [_described(prepared.training), _described(prepared.validation)],
            "batches": [prepared.batch_size, prepared.validation_batch_size],
            "class weight": prepared.class_weight and sorted(prepared.class_weight.items()),
            "keras": [
                keras.config.floatx(),
                keras.config.epsilon(),
                keras.config.image_data_format(),
                keras.config.dtype_policy().name,
            ],
        }
        text = json.dumps(told, sort_keys=True, default=_plain)
    except Exception:  # Of a configuration of the study's own, whatever it is.
        return None
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def is_stock(prepared: Prepared) -> bool:
    """Whether no code but Keras's own takes part in training."""
    return has_stock_callbacks(prepared) and structure_of(prepared) is not None


def has_stock_callbacks(prepared: Prepared) -> bool:
    """None that runs a function of the study's own either, as LambdaCallback does: it could change the model."""
    try:
        for callback in prepared.callbacks:
            _check(callback)
    except _Foreign:
        return False
    return True


def _parts(model: keras.Model) -> list[Any]:
    """Its layers, those of models inside it too, and the operations between them."""
    parts = {id(layer): layer for layer in model._flatten_layers()}
    for layer in list(parts.values()):
        if isinstance(layer, Function):
            parts.update({id(operation): operation for operation in layer.operations})
    return list(parts.values())


def _check_parts(model: keras.Model, parts: list[Any]) -> None:
    if type(model) not in MODELS:
        raise _Foreign
    for part in parts:
        if isinstance(part, RUNS_A_FUNCTION):
            raise _Foreign
        _check(part)
    if model.optimizer is None:
        raise _Foreign
    _check_optimizer(model.optimizer)
    for item in keras.tree.flatten(_losses_and_metrics(model)):
        if not isinstance(item, (str, type(None))):
            _check(item)


def _check_optimizer(optimizer: keras.optimizers.Optimizer) -> None:
    if (inner := unwrapped(optimizer)) is not optimizer:
        _check_optimizer(inner)
    if isinstance(optimizer, keras.optimizers.MultiOptimizer):
        raise _Foreign  # Which variable is whose depends on a function.
    if getattr(optimizer, "_exclude_from_weight_decay_pattern", None) is not None:
        raise _Foreign
    if getattr(optimizer, "_exclude_from_weight_decay", None):
        raise _Foreign
    _check(optimizer)


def _losses_and_metrics(model: keras.Model) -> list[Any]:
    given = model._compile_config.config
    return [given["loss"], given["metrics"], given["weighted_metrics"]]


def _check(part: Any) -> None:
    """It and what hangs on it are of Keras, TensorFlow or NumPy, and do what their classes do."""
    _check_origin(part)
    for name, value in getattr(part, "__dict__", {}).items():
        if name not in REPLACED_BY_KERAS and callable(getattr(type(part), name, None)):
            raise _Foreign
        for item in _items(value):
            _check_origin(item)


def _check_origin(item: Any) -> None:
    function = item.func if isinstance(item, partial) else item
    module = (function if isinstance(item, (*FUNCTIONS, type)) else type(item)).__module__
    if module is None or module.partition(".")[0] not in LIBRARIES | OTHERS_OWN:
        raise _Foreign
    if isinstance(item, FUNCTIONS) and module.partition(".")[0] not in LIBRARIES:
        raise _Foreign


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, (list, tuple, set)) else (value,)


def _constants(model: keras.Model, parts: list[Any]) -> Any:
    constants = Constants(model.variables, parts)
    variables = [
        [list(variable.shape), str(variable.dtype), variable.trainable]
        + [constants.told(getattr(variable, name, None)) for name in ("regularizer", "constraint")]
        for variable in model.variables
    ]
    return [variables, [constants.of(part) for part in parts], constants.told(_losses_and_metrics(model))]


def _compiled(model: keras.Model) -> Any:
    return {**_checked(model.get_compile_config()), "optimizer": _optimizer(model.optimizer)}


def _optimizer(optimizer: keras.optimizers.Optimizer) -> Any:
    numbers = {name: value for name, value in vars(optimizer).items() if isinstance(value, (bool, int, float, str))}
    config = {**_checked(optimizer.get_config()), **numbers, "class": type(optimizer).__name__}
    del config["built"]
    if (inner := getattr(optimizer, "inner_optimizer", None)) is not None:
        return {**config, "inner_optimizer": _optimizer(inner)}
    for name in settable(optimizer):
        config[name] = "settable"
    if isinstance(optimizer._learning_rate, keras.Variable):
        del config["learning_rate"]
    return config


def _is_in_variables(name: str, value: Any) -> bool:
    """Inputs and outputs may be called so too."""
    if name == "seed":
        return value is None or isinstance(value, (int, dict))
    return name.endswith("initializer") and not isinstance(value, (list, tuple))


def _checked(config: Any, seeds: bool = True) -> Any:
    """A configuration, of Keras's own things alone; or without `seeds`, and what weights begin with, too."""
    if isinstance(config, dict):
        module = config.get("module")
        if isinstance(module, str) and "class_name" in config and module.partition(".")[0] != "keras":
            raise _Foreign
        kept = {str(name): value for name, value in config.items() if seeds or not _is_in_variables(str(name), value)}
        return {name: _checked(value, seeds) for name, value in kept.items()}
    return [_checked(item, seeds) for item in config] if isinstance(config, (list, tuple)) else config


def _described(pair: Any) -> Any:
    tensors, shape = keras.tree.flatten(pair), keras.tree.map_structure(lambda _: 0, pair)
    return [shape, [(list(tensor.shape), tensor.dtype.name) for tensor in tensors]]


def _plain(value: Any) -> Any:
    """What JSON does not know; TypeError for what could differ without looking so."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return [str(value.dtype), value.tolist()]
    raise TypeError(type(value))
