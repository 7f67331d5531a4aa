"""Join a Ray cluster or start one on this machine, and what it has."""

import json
import logging
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import ray
from ray._private import ray_constants
from ray._private.runtime_env.constants import RAY_JOB_CONFIG_JSON_ENV_VAR
from ray.job_config import JobConfig

from orchestrator.errors import RunFailed, UserError, first_line
from orchestrator.workers.access import (
    check_dashboard_host,
    check_guarded,
    dashboard_url,
    guard_token,
    is_loopback,
    make_token,
    opened_line,
)
from orchestrator.workers.nodes import alive_nodes
from orchestrator.workers.resources import Node
from orchestrator.workers.shipping import product_folders

ROOT = Path(__file__).parents[2]
"""Where the product's packages are."""
SECONDS_TO_END = 10.0
SECONDS_TO_ANSWER = 5.0
QUIET: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "configure_logging": True}


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that this process is connected to."""

    address: str
    local: bool
    """Started by us, for this run."""
    dashboard_url: str | None
    nodes: tuple[Node, ...]
    session_dir: str | None = None
    """Of a cluster started by us; by it and the run directory `orphans.py` knows what is left if we are killed."""


@contextmanager
def connect(
    address: str | None,
    say: Callable[[str], None],
    *,
    study_is_shipped: bool,
    dashboard_host: str | None = None,
    metadata: Mapping[str, str] | None = None,
) -> Iterator[Cluster]:
    """Connected to the cluster at `address` or RAY_ADDRESS, or to one started on this machine for the duration.

    A process that is connected already (a notebook, a test) stays so, on its cluster.

    Args:
        study_is_shipped: The workers get the study's source from us, and need not look into the driver's folder for it,
            where any file may be called like a library's module.
        dashboard_host: Where the dashboard of a cluster started here listens: on the loopback address unless given.
        metadata: What Ray's dashboard shows of this job. A process that is connected already has told its own.

    Raises:
        UserError: There is no cluster at the address, or the dashboard cannot listen there, or must not.
    """
    joined = ray.is_initialized()
    address = address or os.environ.get("RAY_ADDRESS")
    host = check_dashboard_host(dashboard_host, joins=joined or address is not None)
    if joined:
        yield _describe()
        return
    say(f"Joining the Ray cluster at {address} …" if address else "Starting Ray on this machine …")
    environment, many_nodes = dict(os.environ), ray_constants.ENABLE_RAY_CLUSTER
    started: list[int] = []
    try:
        path = _OursAlone([str(ROOT)]) if study_is_shipped else None
        job_config = JobConfig(metadata=dict(metadata or {}), _py_driver_sys_path=path)
        if address is not None:
            _join(address, job_config)
            yield _describe()
        else:
            started = _start(host, job_config)
            guard_token(say)
            check_guarded(host)
            cluster = _ours(_describe(), host)
            if not is_loopback(host):
                say(opened_line(cluster.dashboard_url, host))
            yield cluster
    finally:
        _shut_down(started)
        # Starting a cluster switches token authentication on in this process's environment, for good.
        for name in set(os.environ) - set(environment):
            if name.startswith("RAY_"):
                del os.environ[name]
        os.environ.update({name: value for name, value in environment.items() if name.startswith("RAY_")})
        ray_constants.ENABLE_RAY_CLUSTER = many_nodes


class _OursAlone(list[str]):
    """The workers' path of imports, to which Ray would add the driver's folder."""

    def extend(self, _: Iterable[str]) -> None:
        pass


def _start(dashboard_host: str, job_config: JobConfig) -> list[int]:
    """Ray on this machine, with token authentication. Returns the pids of what was started."""
    # On macOS and Windows Ray's servers listen on the loopback address alone; this switches the same on here.
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    ray_constants.ENABLE_RAY_CLUSTER = False
    # What the study's code has started ends with its worker, however that ends.
    os.environ["RAY_process_group_cleanup_enabled"] = "1"  # noqa: SIM112
    make_token()
    try:
        ray.init(address="local", include_dashboard=True, dashboard_host=dashboard_host, job_config=job_config, **QUIET)
    except Exception as error:
        raise RunFailed(f"Ray cannot be started on this machine: {first_line(error)}") from error
    return [process.pid for _, process in ray._private.worker._global_node.live_processes()]


def _join(address: str, job_config: JobConfig) -> None:
    # Nodes that do not have the product get it from here.
    check_reachable(address)
    packages = product_folders()
    if (of_job := _modules_of_job()) is not None:
        os.environ["RAY_OVERRIDE_JOB_RUNTIME_ENV"] = "1"  # Ray would have either the job's, or ours.
        packages = [*of_job, *packages]
    try:
        ray.init(address=address, runtime_env={"py_modules": packages}, job_config=job_config, **QUIET)
    except Exception as error:
        raise UserError(
            f"there is no Ray cluster to join at address '{address}': {' '.join(str(error).split())} "
            "(check --address and RAY_ADDRESS; a cluster with token authentication needs RAY_AUTH_MODE=token)"
        ) from error


def _modules_of_job() -> list[str] | None:
    """What a job of Ray, in which we may run, gives its workers."""
    config = json.loads(os.environ.get(RAY_JOB_CONFIG_JSON_ENV_VAR, "{}"))
    found: list[str] | None = (config.get("runtime_env") or {}).get("py_modules")
    return found


def check_reachable(address: str) -> None:
    """Ray itself tries for minutes."""
    if address.startswith("ray://"):
        raise UserError(f"address '{address}' is one of Ray Client, which is not supported: use HOST:6379, or auto")
    host, separator, port = address.rpartition(":")
    if address == "auto" or not separator:
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS_TO_ANSWER).close()
    except (OSError, ValueError) as error:
        raise UserError(
            f"there is no Ray cluster to join at address '{address}': {error} (check --address and RAY_ADDRESS)"
        ) from error


def _family(pids: Iterable[int]) -> list[psutil.Process]:
    """These processes and all that they started."""
    found: list[psutil.Process] = []
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(pid)
            found += [parent, *parent.children(recursive=True)]
    return found


def _shut_down(started: list[int]) -> None:
    """And wait until the processes of a cluster of ours are gone, of which some take a moment."""
    ours = _family(started)
    ray.shutdown()
    _, left = psutil.wait_procs(ours, timeout=SECONDS_TO_END)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def _describe() -> Cluster:
    context = ray.get_runtime_context()
    url = ray._private.worker.get_dashboard_url()
    return Cluster(
        address=context.gcs_address, local=False, dashboard_url=f"http://{url}" if url else None, nodes=alive_nodes()
    )


def _ours(cluster: Cluster, dashboard_host: str) -> Cluster:
    """What is known of a cluster besides by who started it."""
    url = cluster.dashboard_url
    if url is not None and not is_loopback(dashboard_host):
        # Ray tells the address of the node, where such a dashboard does not listen.
        url = dashboard_url(dashboard_host, url.rpartition(":")[2])
    return replace(
        cluster,
        local=True,
        dashboard_url=url,
        session_dir=ray._private.worker._global_node.get_session_dir_path(),
    )
