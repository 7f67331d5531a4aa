"""How much of a GPU's memory a trial takes, measured on one that has the GPU to itself."""

from dataclasses import dataclass
from typing import Any

from orchestrator.assignment import Configuration
from orchestrator.study import Study
from orchestrator.training import devices
from orchestrator.training.failures import failed
from orchestrator.training.link import Failed
from orchestrator.training.own_data import OwnData


@dataclass(frozen=True, slots=True)
class Peak:
    bytes: int = 0
    problem: str = ""
    """Why it is not known."""
    out_of_memory: bool = False
    """That is the problem, with the whole card."""


def measure(study: Study, configuration: Configuration, seed: int, epochs: int, data: Any, seconds: float) -> Peak:
    """Train a few batches, as `check` does, or until a `train` function's first report. Never raises what they raise.

    Args:
        study: The study, and the rest as of `rehearsal`.
        seconds: For a `train` function.
    """
    from orchestrator.training.rehearsal import rehearse_fit, rehearse_loop

    devices.reset_peaks()
    try:
        data = data.of(configuration) if isinstance(data, OwnData) else data
    except (Exception, SystemExit) as error:
        return _failure(failed(error))
    if study.build is not None:
        ending = rehearse_fit(study, configuration, seed, epochs, data).ending
    else:
        ending = rehearse_loop(study, configuration, seed, epochs, data, seconds).ending
    if isinstance(ending, Failed):
        return _failure(ending)
    if not (peaks := devices.peaks()):
        return Peak(problem="TensorFlow sees no GPU there")
    peak = max(peaks.values())
    return Peak(peak) if peak else Peak(problem="the pilot put nothing on its GPU")


def _failure(ending: Failed) -> Peak:
    told = f"the pilot failed: {ending.error}: {ending.message}"
    return Peak(problem=told, out_of_memory=ending.kind == "out of memory")
