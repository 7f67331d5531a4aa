"""Models from a study's `build`, and as `.keras` files."""

import tempfile
from pathlib import Path

import keras

from orchestrator.assignment import Configuration
from orchestrator.study import Study
from orchestrator.training.failures import BadStudy


def build_model(study: Study, configuration: Configuration) -> keras.Model:
    """BadStudy unless it is a compiled Keras model."""
    assert study.build is not None
    model = study.build(dict(configuration))
    if model is None:
        raise BadStudy("build returned nothing: end it with `return model`", study.build)
    if not isinstance(model, keras.Model):
        kind = f"{type(model).__module__}.{type(model).__qualname__}"
        raise BadStudy(f"build returned a {kind}, not a keras.Model: return a compiled Keras 3 model", study.build)
    if not model.compiled:
        raise BadStudy(
            "build returned a model that is not compiled: call model.compile(optimizer=…, loss=…, metrics=[…]) "
            "before returning it",
            study.build,
        )
    return model


def keras_file(model: keras.Model) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return path.read_bytes()


def load_keras_file(path: Path) -> keras.Model:
    """In Keras's safe mode: nothing in the file is run."""
    model: keras.Model = keras.saving.load_model(path, safe_mode=True)
    return model
