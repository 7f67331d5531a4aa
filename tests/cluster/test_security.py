"""No file opens a cluster to others: tokens, loopback and private addresses, no user who is root, no secrets."""

import ipaddress
import re
from typing import Any

import pytest

from tests.cluster.files import CLUSTER, KUBERAY_YAMLS, KUBERNETES_YAML, RAY_YAMLS, documents, read, strings

FILES = [path for path in sorted(CLUSTER.rglob("*")) if path.is_file()]
ADDRESS = re.compile(r"\b\d{1,3}(?:\.\d{1,3}){3}\b(?:/\d+)?")
EVERY_INTERFACE = {"kuberay/rayjob.yaml"}
"""There the operator has to reach the dashboard; a policy keeps all others from it."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(CLUSTER).as_posix())
def test_addresses_are_private(path: Any) -> None:
    name = path.relative_to(CLUSTER).as_posix()
    found = {address for address in ADDRESS.findall(path.read_text()) if not address.startswith("2.60.0")}
    if name in EVERY_INTERFACE:
        found.discard("0.0.0.0")
    assert [a for a in found if not ipaddress.ip_network(a, strict=False).is_private or a.startswith("0.")] == []


@pytest.mark.parametrize("name", RAY_YAMLS)
def test_nodes_started_by_ray_ask_for_the_token(name: str) -> None:
    [config] = documents(name)
    assert config["file_mounts"]["~/.ray/auth_token"] == "~/.ray/auth_token"
    assert "chmod 600 ~/.ray/auth_token" in config["setup_commands"]
    started = [text for text in strings(config) if "ray start" in text]
    assert len(started) == 2
    assert all("RAY_AUTH_MODE=token" in text and "--disable-usage-stats" in text for text in started)
    [head] = [text for text in started if "--head" in text]
    assert "--dashboard-host=127.0.0.1" in head


def test_machines_of_a_cloud_are_in_a_group_and_a_network_of_ones_own() -> None:
    """Ray's default opens SSH to the world."""
    [config] = documents("ray-cloud-gpu.yaml")
    assert config["provider"]["use_internal_ips"] is True
    for node in config["available_node_types"].values():
        assert {"SecurityGroupIds", "SubnetIds"} <= node["node_config"].keys()
        assert node["node_config"]["MetadataOptions"] == {"HttpTokens": "required"}


@pytest.mark.parametrize("name", KUBERAY_YAMLS)
def test_pods_ask_for_the_token_and_are_reached_by_each_other(name: str) -> None:
    [resource] = documents(name)
    [policy] = [document for document in documents(KUBERNETES_YAML) if document["kind"] == "NetworkPolicy"]
    spec = resource["spec"].get("rayClusterSpec", resource["spec"])
    assert spec["authOptions"] == {"mode": "token"}
    assert spec["headGroupSpec"]["serviceType"] == "ClusterIP"
    host = spec["headGroupSpec"]["rayStartParams"]["dashboard-host"]
    assert host == ("0.0.0.0" if name in EVERY_INTERFACE else "127.0.0.1")
    assert policy["spec"]["policyTypes"] == ["Ingress"]
    selected = policy["spec"]["podSelector"]["matchLabels"]
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        template = group["template"]
        assert template["metadata"]["labels"].items() >= selected.items()
        assert template["spec"]["securityContext"]["runAsNonRoot"] is True
        for container in template["spec"]["containers"]:
            assert container["securityContext"]["allowPrivilegeEscalation"] is False
            assert {"name": "RAY_USAGE_STATS_ENABLED", "value": "0"} in container["env"]


def test_a_job_of_slurm_asks_for_the_token() -> None:
    script = read("slurm.sh")
    for text in ("umask 077", "RAY_AUTH_MODE=token", 'chmod 600 "$HOME/.ray/auth_token"', "--dashboard-host 127.0.0.1"):
        assert text in script
    assert "--disable-usage-stats" in script


def test_the_image_has_a_user_of_its_own_and_asks_for_the_token() -> None:
    lines = [line.strip(" \\") for line in read("Dockerfile").splitlines()]
    assert "USER 1000" in lines and "RAY_AUTH_MODE=token" in lines and "RAY_USAGE_STATS_ENABLED=0" in lines
    assert all(re.search(r":[\w.-]*\d", line) for line in lines if line.startswith("FROM "))
