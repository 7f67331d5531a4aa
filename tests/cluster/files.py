"""The files that start a cluster, and the tools that check them."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "cluster"
RAY_YAMLS = ("ray-cloud-gpu.yaml", "ray-own-machines.yaml")
KUBERAY_YAMLS = ("kuberay/raycluster.yaml", "kuberay/rayjob.yaml")
KUBERNETES_YAML = "kuberay/common.yaml"
UNPACKED = ROOT / "build" / "prometheus" / "usr" / "bin"
"""Where `.ci/run` puts Debian's package, without installing it: nothing is to listen for its sake."""


def read(name: str) -> str:
    return (CLUSTER / name).read_text()


def documents(name: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(read(name)))


def strings(value: Any) -> Iterator[str]:
    """Every text within."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)


def prometheus_tool(name: str) -> str:
    """The path of `prometheus` or `promtool`; skips the test where they are not installed."""
    path = shutil.which(name) or shutil.which(name, path=UNPACKED)
    if path is None:
        pytest.skip(f"{name} is not installed (Debian, Ubuntu: apt-get install prometheus; .ci/run unpacks it)")
    return path
