"""Each file by the validator of the tool that reads it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from ray.autoscaler._private.util import prepare_config, validate_config

from tests.cluster.files import CLUSTER, KUBERAY_YAMLS, KUBERNETES_YAML, RAY_YAMLS, ROOT, documents, prometheus_tool

KUBERNETES = "1.34"
KUBERAY_FIELDS = {
    "RayCluster": {"apiVersion", "kind", "metadata", "spec"},
    "RayJob": {"apiVersion", "kind", "metadata", "spec"},
    "RayJobSpec": {
        *("entrypoint", "submissionMode", "shutdownAfterJobFinishes", "ttlSecondsAfterFinished", "rayClusterSpec"),
        *("activeDeadlineSeconds", "backoffLimit", "runtimeEnvYAML", "metadata", "suspend"),
    },
    "RayClusterSpec": {
        *("rayVersion", "authOptions", "enableInTreeAutoscaling", "autoscalerOptions"),
        *("headGroupSpec", "workerGroupSpecs"),
    },
    "authOptions": {"mode"},
    "autoscalerOptions": {"idleTimeoutSeconds", "upscalingMode", "version", "resources"},
    "headGroupSpec": {"serviceType", "headService", "enableIngress", "rayStartParams", "template"},
    "workerGroupSpec": {"groupName", "replicas", "minReplicas", "maxReplicas", "rayStartParams", "template"},
}
"""Of KubeRay 1.5, by its reference: its resource definitions are in no package that could be installed here."""


def check(*command: str | Path) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def tool(name: str) -> Path:
    """Installed beside this Python."""
    return Path(sys.executable).with_name(name)


@pytest.mark.parametrize("name", RAY_YAMLS)
def test_ray_takes_its_files(name: str) -> None:
    [config] = documents(name)
    validate_config(prepare_config(config))


def test_kubernetes_takes_what_is_its_own() -> None:
    for document in documents(KUBERNETES_YAML):
        kubernetes_validate.validate(document, KUBERNETES, strict=True)


@pytest.mark.parametrize("name", KUBERAY_YAMLS)
def test_kubernetes_takes_the_templates_of_pods(name: str) -> None:
    [document] = documents(name)
    spec = document["spec"].get("rayClusterSpec", document["spec"])
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        template = {"apiVersion": "v1", "kind": "PodTemplate", "template": group["template"]}
        kubernetes_validate.validate(template, KUBERNETES, strict=True)


@pytest.mark.parametrize("name", KUBERAY_YAMLS)
def test_kuberay_knows_the_fields(name: str) -> None:
    [document] = documents(name)
    known(document["kind"], document)
    spec = document["spec"]
    if document["kind"] == "RayJob":
        known("RayJobSpec", spec)
        spec = spec["rayClusterSpec"]
    known("RayClusterSpec", spec)
    for field in ("authOptions", "autoscalerOptions", "headGroupSpec"):
        known(field, spec[field])
    for group in spec["workerGroupSpecs"]:
        known("workerGroupSpec", group)
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    started = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    assert all(isinstance(value, str) for group in started for value in group["rayStartParams"].values())


def known(kind: str, value: dict[str, Any]) -> None:
    assert value.keys() <= KUBERAY_FIELDS[kind]


@pytest.mark.parametrize("script", [*sorted(CLUSTER.rglob("*.sh")), ROOT / ".ci" / "run"], ids=lambda path: path.name)
def test_scripts_are_sound(script: Path) -> None:
    check(tool("shellcheck"), script)


def test_the_dockerfile_is_sound() -> None:
    check(tool("hadolint"), CLUSTER / "Dockerfile")


def test_the_image_gets_all_that_its_build_takes() -> None:
    """The list of what Docker does not see begins with everything."""
    text = (CLUSTER / "Dockerfile").read_text()
    copied = {word for line in text.splitlines() if line.startswith("COPY ") for word in line.split()[1:-1]}
    seen = (CLUSTER / "Dockerfile.dockerignore").read_text().splitlines()
    assert {f"!{name}" for name in copied if not name.startswith(("--", "/"))} == {
        line for line in seen if line.startswith("!")
    }


def test_prometheus_takes_its_file(tmp_path: Path) -> None:
    copy = shutil.copy(CLUSTER / "prometheus" / "prometheus.yml", tmp_path)
    check(prometheus_tool("promtool"), "check", "config", "--syntax-only", copy)


def test_grafana_finds_the_source_that_the_dashboard_names() -> None:
    [sources] = documents("grafana/provisioning/datasources/prometheus.yaml")
    dashboard = json.loads((CLUSTER / "grafana" / "dashboards" / "orchestrator.json").read_text())
    named = {query["datasource"]["uid"] for panel in dashboard["panels"] for query in (panel, *panel["targets"])}
    assert named == {source["uid"] for source in sources["datasources"]}
