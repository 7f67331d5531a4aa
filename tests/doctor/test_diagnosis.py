"""From findings to lines, without a cluster."""

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.doctor.diagnosis import diagnose
from orchestrator.doctor.lines import Line, as_text, exit_code
from orchestrator.workers.examination.findings import ClusterFound, Dashboard, Findings, NodeFound, Sight, TokenFile
from orchestrator.workers.examination.machine import Machine, Room

GB = 10**9
VERSIONS: dict[str, str | None] = {
    "python": "3.12.1",
    "ray": "2.60.0",
    "tensorflow": "2.21.0",
    "keras": "3.15.1",
    "numpy": "2.4.0",
    "msgspec": "0.22.0",
}


def machine(**changed: Any) -> Machine:
    found = Machine(
        versions=VERSIONS,
        disk=Room("/tmp/ray", 100 * GB, 200 * GB),
        shared_memory=Room("/dev/shm", 8 * GB, 8 * GB),
        memory=32 * GB,
        memory_available=16 * GB,
        gpu_driver=None,
        gpus=[],
    )
    return replace(found, **changed)


def node(name: str = "a", **changed: Any) -> NodeFound:
    found = NodeFound(
        name=name,
        address="10.0.0.1",
        cpus=4,
        gpus=0,
        gpus_free=0,
        memory=20 * GB,
        object_store=4 * GB,
        metrics="10.0.0.1:8080",
        machine=machine(),
        asks_for_token=True,
        clock=0.01,
        clock_error=0.002,
    )
    return replace(found, **changed)


def with_gpus(sight: Sight | None, gpus: float = 2, **changed: Any) -> NodeFound:
    return node(gpus=gpus, sight=sight, machine=machine(gpus=["H100"] * 2, gpu_driver="570.86"), **changed)


DASHBOARD = Dashboard(address="10.0.0.1:8265", problem=None, listens=["127.0.0.1"])


def lines(*nodes: NodeFound, token: TokenFile | None = None, **changed: Any) -> list[Line]:
    cluster = ClusterFound(address="10.0.0.1:6379", nodes=list(nodes or (node(),)), lost=[], dashboard=DASHBOARD)
    return diagnose(Findings(here=machine(), token=token, cluster=replace(cluster, **changed)))


def bad(found: list[Line]) -> list[tuple[str, str, str]]:
    return [(line.level, line.topic, line.found) for line in found if line.level != "ok"]


def test_a_healthy_cluster() -> None:
    found = lines(node("a"), node("b"), token=TokenFile(path="/t", mode=0o600))
    assert bad(found) == [] and exit_code(found) == 0
    topics = "cluster nodes versions GPUs authentication dashboard metrics disk,object store,memory clocks"
    assert [line.topic for line in found] == topics.replace(" ", ",").replace("object,", "object ").split(",")
    text = "\n".join(as_text(found, lambda word, _: word))
    assert text.endswith("all is well") and "10.0.0.1:6379, Ray 2.60.0" in text


def test_no_cluster_where_one_was_expected() -> None:
    found = diagnose(Findings(here=machine(), problem="there is no Ray cluster at 'x:1'"))
    assert bad(found) == [("failure", "cluster", "there is no Ray cluster at 'x:1'")] and exit_code(found) == 1


def test_this_machine_alone() -> None:
    found = diagnose(Findings(here=machine()))
    assert bad(found) == [] and "launch will start Ray here" in found[0].found
    found = diagnose(Findings(here=machine(versions=VERSIONS | {"tensorflow": None})))
    assert exit_code(found) == 1 and bad(found)[0][2].startswith("tensorflow cannot be found; there are python 3.12.1,")


@pytest.mark.parametrize(
    ("changed", "level"),
    [
        ({"tensorflow": "2.20.0"}, "failure"),
        ({"keras": "3.14.0"}, "failure"),
        ({"python": "3.11.1"}, "failure"),
        ({"python": "3.12.2"}, "warning"),
        ({"numpy": "2.3.0"}, "warning"),
        ({"tensorflow": None}, "failure"),
        ({"msgspec": None}, "failure"),
        ({"msgspec": "0.21.0"}, None),
    ],
)
def test_versions_that_differ(changed: dict[str, str | None], level: str | None) -> None:
    found = lines(node("a"), node("b", machine=machine(versions=VERSIONS | changed)))
    assert [found_level for found_level, _, _ in bad(found)] == ([level] if level else [])
    if level:
        (line,) = [line for line in found if line.topic == "versions"]
        (library, version) = next(iter(changed.items()))
        assert line.table.splitlines()[0].split() == [library, "nodes"]
        assert line.table.splitlines()[2].split() == [version or "missing", "b"] and line.advice


def test_a_head_without_workers_needs_no_tensorflow_of_its_own() -> None:
    head = node("head", cpus=0, machine=machine(versions=VERSIONS | {"msgspec": None}))
    assert bad(lines(head, node("b"))) == []


@pytest.mark.parametrize(
    ("found", "level", "text"),
    [
        (with_gpus(Sight(held=2, seen=["H100", "H100"])), None, ""),
        (with_gpus(Sight(held=0.5, seen=["H100"])), None, ""),
        (with_gpus(Sight(held=2, seen=["H100"])), "failure", "a: TensorFlow sees 1 of the 2 GPUs that Ray hands out"),
        (with_gpus(Sight(held=0.5, seen=[])), "failure", "a: TensorFlow sees 0 of the 1 GPU that Ray hands out"),
        (with_gpus(None), "warning", "a: all of its 2 are in use"),
        (with_gpus(Sight(held=1, problem="no answer within 15 s", late=True)), "warning", "no answer within 15 s"),
        (with_gpus(Sight(held=1, problem="ImportError: libcuda")), "failure", "ImportError: libcuda"),
        (with_gpus(None, gpus=0), "warning", "a: has 2 cards that Ray does not hand out"),
    ],
)
def test_gpus(found: NodeFound, level: str | None, text: str) -> None:
    (line,) = [line for line in lines(found) if line.topic == "GPUs"]
    assert line.level == (level or "ok") and text in line.found
    if level is None:
        assert line.found == "TensorFlow sees the GPUs that Ray hands out, 2 in all (driver 570.86)"


@pytest.mark.parametrize(
    ("asks", "listens", "address", "level"),
    [
        (True, ["0.0.0.0"], "10.0.0.1:8265", None),
        (False, ["127.0.0.1"], "127.0.0.1:8265", "warning"),
        (False, ["::ffff:127.0.0.1"], "127.0.0.1:8265", "warning"),
        (False, ["0.0.0.0"], "127.0.0.1:8265", "failure"),
        (False, ["::"], "127.0.0.1:8265", "failure"),
        (False, [], "127.0.0.1:8265", "warning"),
        (False, [], "10.0.0.1:8265", "failure"),
        (False, [], "[::1]:8265", "warning"),
    ],
)
def test_a_dashboard_that_others_reach_asks_for_a_token(
    asks: bool, listens: list[str], address: str, level: str | None
) -> None:
    found = lines(node(asks_for_token=asks), dashboard=Dashboard(address=address, problem=None, listens=listens))
    assert [(one, topic) for one, topic, _ in bad(found)] == ([(level, "authentication")] if level else [])


def test_a_token_that_others_can_read() -> None:
    (told,) = bad(lines(token=TokenFile(path="/t", mode=0o644)))
    assert told == ("warning", "authentication", "by token, but others can read it: /t has mode 644")


@pytest.mark.parametrize(
    ("changed", "level", "topic"),
    [
        ({"machine": machine(disk=Room("/tmp", 9 * GB, 50 * GB))}, "warning", "disk"),
        ({"machine": machine(disk=Room("/tmp", 90 * GB, 1000 * GB))}, "warning", "disk"),
        ({"machine": machine(disk=Room("/tmp", GB - 1, 50 * GB))}, "failure", "disk"),
        ({"object_store": 9 * GB}, "warning", "object store"),
        ({"machine": machine(memory_available=3 * GB)}, "warning", "memory"),
        ({"clock": -1.5}, "warning", "clocks"),
        ({"clock": 1.5, "clock_error": 0.6}, None, ""),
        ({"clock": 61.0}, "failure", "clocks"),
        ({"clock": None}, None, ""),
        ({"metrics_problem": "Connection refused"}, "warning", "metrics"),
        ({"machine": None, "asks_for_token": None, "problem": "no answer within 8 s"}, "failure", "nodes"),
    ],
)
def test_what_is_wrong_with_one_node_names_it(changed: dict[str, Any], level: str | None, topic: str) -> None:
    found = bad(lines(node("a"), node("b", **changed)))
    assert [(one, of) for one, of, _ in found] == ([(level, topic)] if level else [])
    assert all(text.startswith("b: ") for _, _, text in found)


def test_what_is_wrong_with_many_nodes_is_one_line() -> None:
    nodes = [node(f"n{number}", clock=float(number)) for number in range(2, 60)]
    ((level, topic, text),) = bad(lines(*nodes, *(node(f"m{number}", clock=5.0) for number in range(9))))
    assert (level, topic) == ("warning", "clocks")
    assert text.startswith("n2: 2.0 s ahead of") and text.endswith("; and 55 more") and len(text) < 200


def test_lost_nodes_and_a_dashboard_that_is_gone_or_silent() -> None:
    assert bad(lines(lost=["b (10.0.0.2): killed"] * 2)) == [
        ("warning", "nodes", "2 nodes lost within the last hour: b (10.0.0.2): killed")
    ]
    assert bad(lines(dashboard=None)) == [("warning", "dashboard", "there is none")]
    silent = replace(DASHBOARD, problem="Connection refused")
    assert bad(lines(dashboard=silent))[0][2] == "http://10.0.0.1:8265 does not answer: Connection refused"


def test_names_from_elsewhere_do_nothing_to_the_terminal() -> None:
    found = lines(node("evil\x1b[2J\n", problem="\x1b]0;owned\x07", machine=None))
    text = "\n".join(as_text(found, lambda word, _: word))
    assert "\x1b" not in text and "\x07" not in text and "evil\\x1b[2J" in text


def test_columns_and_what_to_do() -> None:
    found = [Line("failure", "disk", "full", "free some", "a  b\n1  2"), Line("ok", "memory", "enough", "nothing")]
    assert list(as_text(found, lambda word, level: f"<{word}>" if level == "failure" else word)) == [
        "<failure  >disk           full",
        "                        a  b",
        "                        1  2",
        "                        free some",
        "ok       memory         enough",
        "",
        "1 failure",
    ]
