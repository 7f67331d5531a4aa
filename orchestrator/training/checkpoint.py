"""What a checkpoint is called and holds as a file, and the best epoch's model out of any checkpoint."""

import hashlib

from orchestrator.assignment import Assignment, Checkpoint, Configuration
from orchestrator.study import Study
from orchestrator.training.packing import Tree, pack, unpack
from orchestrator.training.session import begin_trial


def packed(assignment: Assignment, state: Tree, *, best_alone: bool = False, step: int = 0) -> tuple[Checkpoint, bytes]:
    """A checkpoint and its file. No two of a trial share a name: one that is committed is never written over.

    Args:
        assignment: Of the attempt that saves it.
        state: A tree with at least `epoch`, the last one reported, and `best_epoch`.
        best_alone: It holds the best epoch's weights and no more.
        step: Batches trained since the last epoch, which it holds as well.
    """
    content = pack(state)
    name = f"trial-{assignment.trial}-attempt-{assignment.attempt}-epoch-{state['epoch']}"
    within = "-best" if best_alone else f"-step-{step}" if step else ""
    checkpoint = Checkpoint(
        name=f"{name}{within}.npz",
        trial=assignment.trial,
        epoch=state["epoch"],
        best_epoch=state["best_epoch"],
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    return checkpoint, content


def export_best(study: Study, configuration: Configuration, seed: int, content: bytes) -> bytes | None:
    """The best epoch's model as a `.keras` file; None when a `train` function saved no Keras model."""
    state = unpack(content)
    if study.build is None:
        return None if state["best_file"] is None else bytes(state["best_file"].tobytes())
    from orchestrator.training.models import build_model, keras_file
    from orchestrator.training.variables import build_weights, set_values

    weights = state["whole"]["model"]["weights"] if state["best"] is None else state["best"]
    begin_trial(seed)
    model = build_model(study, configuration)
    build_weights(model, state["inputs"], len(weights))
    set_values(model.weights, weights, "model")
    if model.optimizer is not None and not model.optimizer.built:
        # A file without the optimizer's variables loads with a warning.
        model.optimizer.build(model.trainable_variables)
    return keras_file(model)
