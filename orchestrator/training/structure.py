"""When two models can share a graph: all that tracing would build into it is equal, and nothing else can have been.

The rule is conservative, for a hyperparameter that is silently another's would be the worst of mistakes. Only models
whose every part is Keras's own have a structure: of these the configuration says all, as long as nobody has replaced a
method of an instance. What can be set without tracing is left out of it: the seeds and what the weights begin with, the
learning rate, and what `settable` names.
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

from orchestrator.training.prepared import Prepared
from orchestrator.training.settable import settable

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
        _check_parts(model)
        told = {
            "model": _normal(model.get_config()),
            "compiled": _compiled(model),
            "variables": [(list(variable.shape), str(variable.dtype)) for variable in model.variables],
            "data": [_described(prepared.training), _described(prepared.validation)],
            "batches": [prepared.batch_size, prepared.validation_batch_size],
            "class weight": prepared.class_weight and sorted(prepared.class_weight.items()),
            "keras": [keras.config.floatx(), keras.config.epsilon(), keras.config.image_data_format()],
        }
        text = json.dumps(told, sort_keys=True, default=_plain)
    except (_Foreign, TypeError, ValueError, NotImplementedError):
        return None
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def is_stock(prepared: Prepared) -> bool:
    """Whether no code but Keras's own takes part in training."""
    return has_stock_callbacks(prepared) and structure_of(prepared) is not None


def has_stock_callbacks(prepared: Prepared) -> bool:
    return all(type(callback).__module__.startswith("keras.") for callback in prepared.callbacks)


def _check_parts(model: keras.Model) -> None:
    if type(model) not in MODELS:
        raise _Foreign
    for layer in model._flatten_layers():
        if isinstance(layer, RUNS_A_FUNCTION):
            raise _Foreign
        _check(layer)
    optimizer = model.optimizer
    if optimizer is None or getattr(optimizer, "_exclude_from_weight_decay_pattern", None) is not None:
        raise _Foreign
    if getattr(optimizer, "_exclude_from_weight_decay", None):
        raise _Foreign
    _check(optimizer)
    given = model._compile_config.config
    for item in keras.tree.flatten([given["loss"], given["metrics"], given["weighted_metrics"]]):
        if not isinstance(item, (str, type(None))):
            _check(item)


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


def _compiled(model: keras.Model) -> Any:
    return {**_normal(model.get_compile_config()), "optimizer": _optimizer(model.optimizer)}


def _optimizer(optimizer: keras.optimizers.Optimizer) -> Any:
    config = {**_normal(optimizer.get_config()), "class": type(optimizer).__name__}
    if isinstance(inner := getattr(optimizer, "inner_optimizer", None), keras.optimizers.Optimizer):
        return {**config, "inner_optimizer": _optimizer(inner)}
    for name in settable(optimizer):
        config[name] = "settable"
    if isinstance(optimizer._learning_rate, keras.Variable):
        del config["learning_rate"]
    return config


def _normal(config: Any) -> Any:
    """Without what is in variables: what weights begin with, and the seeds of random states."""
    if isinstance(config, dict):
        module = config.get("module")
        if isinstance(module, str) and "class_name" in config and module.partition(".")[0] != "keras":
            raise _Foreign
        return {
            str(name): _normal(value)
            for name, value in config.items()
            if name != "seed" and not str(name).endswith("initializer")
        }
    return [_normal(item) for item in config] if isinstance(config, (list, tuple)) else config


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
