"""A real Prometheus asks after a real run: every query of the dashboard is answered."""

import json
import re
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import psutil
import pytest
import ray
import yaml
from ray.cluster_utils import Cluster

from tests.cluster.files import CLUSTER, prometheus_tool
from tests.on_ray.drivers import Driver, workers_of

STUDY = """
import os, time
from pathlib import Path
from orchestrator import Float, Space, Study

def first_time(name):
    try:
        (Path(__file__).parent / name).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True

def train(configuration, ctx):
    for epoch in ctx.epochs:
        time.sleep(0.2)
        ctx.report({"value": configuration["x"] + epoch})
        ctx.save(epoch=epoch)
        if first_time("failed"):
            raise ValueError("tried again")
        if first_time("lost"):
            os._exit(1)

study = Study(
    space=Space(x=Float(0, 1)), train=train, objective="value", direction="max",
    epochs=1000, trials=2, stopper="none", checkpoint_every=0.5,
)
"""
NEEDS_A_GPU = {"GPU utilisation", "GPU memory in use"}
"""No agent of Ray tells of a GPU where there is none."""
LONGEST = 60.0
Ask = Callable[..., Any]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@pytest.fixture
def ask(cluster: Cluster, tmp_path: Path) -> Iterator[Ask]:
    """Prometheus as `cluster/` sets it up, but more often, and told of the nodes as Ray's dashboard would tell it."""
    config = yaml.safe_load((CLUSTER / "prometheus" / "prometheus.yml").read_text())
    config["global"]["scrape_interval"] = "1s"
    found = tmp_path / "nodes.json"
    addresses = [f"{node['NodeManagerAddress']}:{node['MetricsExportPort']}" for node in ray.nodes() if node["Alive"]]
    found.write_text(json.dumps([{"targets": addresses, "labels": {}}]))
    [job] = config["scrape_configs"]
    [finder] = job["file_sd_configs"]
    finder["files"] = [str(found)]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    url = f"127.0.0.1:{free_port()}"
    command = [
        prometheus_tool("prometheus"),
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'series'}",
        f"--web.listen-address={url}",
    ]
    with (tmp_path / "prometheus.txt").open("w") as log, subprocess.Popen(command, stderr=log) as process:
        yield lambda path, **words: json.load(urlopen(f"http://{url}/api/v1/{path}?{urlencode(words)}"))["data"]
        process.terminate()


@pytest.fixture
def driver(
    cluster: Cluster, tmp_path: Path, write_study: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Driver]:
    """Of a run that goes on until it is ended."""
    monkeypatch.setenv("RAY_metrics_report_interval_ms", "1000")
    study = write_study(STUDY)
    driver = Driver(tmp_path / "run", cluster, "launch", str(study), "--run-dir", str(tmp_path / "run"), "--workers=2")
    yield driver
    driver.kill()


def wait_until(is_so: Callable[[], Any], driver: Driver) -> Any:
    deadline = time.monotonic() + LONGEST
    while not (answer := is_so()):
        assert driver.process.poll() is None, driver.output.read_text()
        assert time.monotonic() < deadline, driver.output.read_text()
        time.sleep(0.2)
    return answer


def test_every_query_of_the_dashboard_is_answered(ask: Ask, driver: Driver) -> None:
    dashboard = json.loads((CLUSTER / "grafana" / "dashboards" / "orchestrator.json").read_text())
    [variable] = dashboard["templating"]["list"]
    series, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]["query"]).groups()  # type: ignore[union-attr]
    driver.wait_for('"type":"WorkerLost"')
    driver.wait_for('"type":"TrialFailed"')
    wait_until(lambda: driver.run_dir.name in ask(f"label/{label}/values", **{"match[]": series}), driver)
    asked = 0
    for panel in dashboard["panels"]:
        for query in panel["targets"]:
            words = query["expr"].replace("$run", driver.run_dir.name).replace("$__rate_interval", "10s")
            if panel["title"] in NEEDS_A_GPU:
                ask("query", query=words)  # Prometheus refuses what is no query.
            else:
                wait_until(lambda words=words: ask("query", query=words)["result"], driver)
                asked += 1
    assert asked >= 9
    titled = 'ray_component_rss_mb{Component=~"ray::trial.*"}'
    assert ask("query", query='ray_component_rss_mb{Component=~"ray::.*"}')["result"]
    assert ask("query", query=titled)["result"] == []


def test_ray_shows_what_a_run_is_and_what_its_workers_are_at(driver: Driver) -> None:
    title = re.compile(r"ray::trial-[01] epoch \d+ of 1000")

    def titles() -> list[str]:
        return [process.cmdline()[0] for process in workers_of(driver.run_dir) if psutil.pid_exists(process.pid)]

    wait_until(lambda: any(title.fullmatch(found) for found in titles()), driver)
    jobs = ray._private.worker.global_worker.gcs_client.get_all_job_info().values()
    told = [dict(job.config.metadata) for job in jobs if job.driver_pid == driver.process.pid]
    assert told == [{"job_name": "my_study", "study": "my_study", "run_dir": str(driver.run_dir)}]
