"""One process for each core, for those who leave that to the user."""

import multiprocessing
from collections.abc import Callable
from typing import Any


def start(function: Callable[..., None], *arguments: Any) -> Any:
    """In a Python of its own, as from a shell: nothing is inherited, TensorFlow least of all."""
    process = multiprocessing.get_context("spawn").Process(target=function, args=arguments)
    process.start()
    return process


def wait(processes: list[Any]) -> None:
    for process in processes:
        process.join()
    if codes := [process.exitcode for process in processes if process.exitcode != 0]:
        raise RuntimeError(f"{len(codes)} of {len(processes)} processes failed")
