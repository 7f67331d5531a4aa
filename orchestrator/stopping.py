"""`stop`: ask the driver of a run, wherever it is, to end the run or one trial of it."""

import time
from collections.abc import Callable
from pathlib import Path

from orchestrator.display.words import resume_command, shown_path
from orchestrator.errors import RunFailed, UserError
from orchestrator.leaderboard import read_state
from orchestrator.lock import holder_of
from orchestrator.requests import ask_to_stop, was_refused
from orchestrator.resumption import check_is_run
from orchestrator.scheduler.state import State

LONGEST_WAIT = 60.0
"""Seconds: as long as a network file system may take to show a new file."""
LOOK_SECONDS = 0.1


def stop(run_dir: Path, trial: int | None, show: Callable[[str], None], *, wait: bool = True) -> None:
    """Ask, and unless told otherwise wait until the driver has taken it up.

    Args:
        run_dir: Of the run.
        trial: The one trial that is to end, else the run.
        show: Told what is asked, and what came of it.
        wait: Return only then.

    Raises:
        UserError: It is no run directory or there is no such trial, or (RunFailed) there is nothing to stop, nobody
            who would, or no answer.
    """
    check_is_run(run_dir)
    what = "the run" if trial is None else f"trial {trial}"
    _check(run_dir, trial, read_state(run_dir)[1])
    holder = holder_of(run_dir)
    if not holder:
        raise RunFailed(f"nobody drives {shown_path(run_dir)}, so there is nothing to stop")
    try:
        request = ask_to_stop(run_dir, trial)
    except OSError as error:
        raise UserError(
            f"{run_dir}/requests cannot be written ({error.strerror}): stop the driver by a signal"
        ) from None
    show(f"asked the driver (pid {holder.get('pid')} on {holder.get('host')}) to stop {what}")
    if not wait:
        return
    _wait_for(request, run_dir, what)
    if was_refused(request):
        raise RunFailed(f"the driver has refused to stop {what}, and says why in its output")
    if trial is not None:
        show(f"trial {trial} is stopped")
    else:
        show(f"the run is ending and saves what is training; go on later with: {resume_command(run_dir)}")


def stop_job(job: str, address: str | None, show: Callable[[str], None], *, wait: bool = True) -> None:
    """End a run that was submitted, through its job; where its run directory cannot be seen.

    Raises:
        UserError: See `Jobs`.
    """
    from orchestrator.workers.jobs import Jobs  # Ray takes seconds to import, and `stop` does not need it.

    Jobs(address).stop(job, show, wait=wait)


def _check(run_dir: Path, trial: int | None, state: State) -> None:
    if state.finished is not None:
        raise RunFailed(f"{shown_path(run_dir)} is finished already ({state.finished.reason})")
    if trial is None:
        return
    if not 0 <= trial < len(state.trials):
        begun = f"trials 0 to {len(state.trials) - 1} have begun" if state.trials else "none has begun"
        raise UserError(f"{shown_path(run_dir)} has no trial {trial}: {begun}")
    if (status := state.trials[trial].status).ended:
        raise RunFailed(f"trial {trial} has ended already ({status})")


def _wait_for(request: Path, run_dir: Path, what: str) -> None:
    deadline = time.monotonic() + LONGEST_WAIT
    while request.exists():
        if not holder_of(run_dir):
            request.unlink(missing_ok=True)
            raise RunFailed(f"the driver of {shown_path(run_dir)} ended before it could stop {what}")
        if time.monotonic() > deadline:
            raise RunFailed(f"no answer from the driver within {LONGEST_WAIT:g} s: {request} waits for it")
        time.sleep(LOOK_SECONDS)
