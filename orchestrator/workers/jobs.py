"""Ray's job API: a driver that runs on the cluster, submitted and stopped from elsewhere."""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ray.job_submission import JobStatus, JobSubmissionClient

from orchestrator.errors import EXIT_CODES, RunFailed, UserError

ADDRESSES = ("RAY_API_SERVER_ADDRESS", "RAY_ADDRESS")
"""Where Ray looks for the address, even if another is given."""
STOP_SECONDS = 120
"""That a job's driver has to save everything after SIGTERM, before Ray kills it; Ray's own default is 3."""
NO_AGENT, SECONDS_FOR_AN_AGENT = "No available agent", 60.0
"""What Ray says of a head that has just been started, and how long it may."""
LOOK_SECONDS = 0.5
TALKERS = ("ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk", "ray._private.runtime_env.packaging")
"""Loggers of Ray that tell of every package that is sent."""


class Jobs:
    """The jobs of one cluster."""

    def __init__(self, address: str | None) -> None:
        """
        Args:
            address: `http://HEAD:8265`, or what Ray takes besides. Without one the environment counts.

        Raises:
            UserError: There is no cluster to reach, or it wants a token.
        """
        where = address or next((os.environ[name] for name in ADDRESSES if os.environ.get(name)), "auto")
        if where.startswith("ray://"):
            raise UserError(f"address '{where}' is one of Ray Client: give the dashboard's, http://HOST:8265")
        for name in TALKERS:
            logging.getLogger(name).setLevel(logging.WARNING)
        with _address_as_given(address), _told(f"no jobs can be submitted to address '{where}'"):
            self._client = JobSubmissionClient(address)
        self.address = str(self._client.get_address())

    def submit(self, name: str, entrypoint: str, folder: Path, metadata: Mapping[str, str]) -> None:
        """Run a command on the head, with a copy of this folder as its working directory, also at its workers.

        Raises:
            UserError: It is refused.
        """
        environment = {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_SECONDS)}
        give_up_at = time.monotonic() + SECONDS_FOR_AN_AGENT
        with _told(f"{self.address} refuses the job"):
            while True:
                try:
                    self._client.submit_job(
                        submission_id=name,
                        entrypoint=entrypoint,
                        runtime_env={"working_dir": str(folder), "env_vars": environment},
                        metadata=dict(metadata),
                    )
                    return
                except RuntimeError as error:
                    if NO_AGENT not in str(error) or time.monotonic() > give_up_at:
                        raise
                    time.sleep(LOOK_SECONDS)

    def follow(self, name: str, show: Callable[[str], None]) -> int:
        """Show a job's output until it ends. Returns its exit code."""
        with _told(f"the output of job {name} cannot be followed any more"):
            asyncio.run(self._follow(name, show))
            info = self._wait_for_end(name, None)
        if info.status == JobStatus.STOPPED:
            return EXIT_CODES["interrupted"]
        if info.driver_exit_code is None and info.status == JobStatus.FAILED:
            raise RunFailed(f"job {name} failed: {_first_line(info.message or 'no reason is known')}")
        return info.driver_exit_code or 0

    async def _follow(self, name: str, show: Callable[[str], None]) -> None:
        async for text in self._client.tail_job_logs(name):
            show(text)

    def stop(self, name: str, show: Callable[[str], None], *, wait: bool) -> None:
        """End a job as SIGTERM ends a run: everything is saved.

        Raises:
            UserError: There is no such job, or (RunFailed) it has ended already, or does not end.
        """
        with _told(f"there is no job {name} to stop at {self.address}"):
            if not self._client.stop_job(name):
                raise RunFailed(f"job {name} has ended already ({self._client.get_job_status(name).lower()})")
            show(f"asked job {name} to stop")
            if not wait:
                return
            info = self._wait_for_end(name, time.monotonic() + STOP_SECONDS + 10.0)
        if not info.status.is_terminal():
            raise RunFailed(f"job {name} does not end: it is {info.status.lower()}")
        show(f"job {name} has ended ({info.status.lower()}): what was training is saved, and resume goes on with it")

    def _wait_for_end(self, name: str, deadline: float | None) -> Any:
        while not (info := self._client.get_job_info(name)).status.is_terminal():
            if deadline is not None and time.monotonic() > deadline:
                break
            time.sleep(LOOK_SECONDS)
        return info


@contextmanager
def _told(problem: str) -> Iterator[None]:
    """Whatever Ray raises, in one line."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"{problem}: {_first_line(str(error))} (check --address, such as http://HOST:8265; a cluster with token "
            "authentication needs RAY_AUTH_MODE=token and its token)"
        ) from error


@contextmanager
def _address_as_given(address: str | None) -> Iterator[None]:
    """What was typed counts, which Ray would overrule by the environment."""
    hidden = {name: os.environ.pop(name) for name in ADDRESSES if address is not None and name in os.environ}
    try:
        yield
    finally:
        os.environ.update(hidden)


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[0].rstrip(".")
