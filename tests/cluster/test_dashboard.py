"""The metrics by name: what the run tells, what Grafana asks for, and what the page lists are the same."""

import json
import re

from ray.dashboard.modules.reporter.reporter_agent import METRICS_GAUGES

from orchestrator.workers.metrics import METRICS
from tests.cluster.files import CLUSTER, ROOT

OURS = {metric.exported: metric for metric in METRICS}


def queries() -> list[str]:
    dashboard = json.loads((CLUSTER / "grafana" / "dashboards" / "orchestrator.json").read_text())
    asked = [query["expr"] for panel in dashboard["panels"] for query in panel["targets"]]
    return [*asked, *(variable["query"]["query"] for variable in dashboard["templating"]["list"])]


def test_the_dashboard_asks_for_every_metric_and_for_no_other() -> None:
    asked = {name for query in queries() for name in re.findall(r"\bray_\w+", query)}
    of_ray = {f"ray_{name}" for name in METRICS_GAUGES}
    assert asked - of_ray == set(OURS)


def test_queries_group_by_labels_that_there_are() -> None:
    for query in queries():
        [name] = re.findall(r"\bray_\w+", query)
        if name in OURS:
            labels = {label for group in re.findall(r"by \(([^)]*)\)", query) for label in group.split(", ")}
            assert labels <= {"run", OURS[name].label}


def test_the_page_lists_them_as_they_are() -> None:
    page = (ROOT / "docs" / "cluster.md").read_text()
    rows = re.findall(r"^\| `(ray_orchestrator_\w+)` \| (\w+) \| (?:`(\w+)` )?\| (.*) \|$", page, re.MULTILINE)
    assert rows == [(metric.exported, metric.kind, metric.label or "", metric.help) for metric in METRICS]
