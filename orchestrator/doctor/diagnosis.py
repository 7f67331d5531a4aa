"""From findings to lines. Pure."""

import ipaddress
from collections.abc import Iterator

from orchestrator.display.words import counted, quantity
from orchestrator.doctor.lines import Level, Line, Verdict, by_node
from orchestrator.tables import aligned
from orchestrator.workers.examination.findings import ClusterFound, Findings, NodeFound, TokenFile
from orchestrator.workers.examination.machine import Machine, Room
from orchestrator.workers.examination.versions import THIS_PROCESS, are_decisive, differences, lacking, named, table_of
from orchestrator.workers.health import shown

GB = 10**9
LITTLE_DISK, LITTLE_DISK_SHARE, NO_DISK = 10 * GB, 0.1, GB
LITTLE_MEMORY_SHARE = 0.1
LATE, LATEST = 1.0, 60.0
"""Seconds between two clocks."""
THIS_MACHINE = "this machine"
OPEN_TO_OTHERS = 0o077

INSTALL = "install the same versions on all nodes, best from one image or one file of constraints"
FREE_DISK = "free some: Ray writes its logs and spills objects there (ray start --temp-dir chooses another place)"
FREE_MEMORY = "end what else uses it: Ray ends workers when 5 % are left"
SET_CLOCKS = "let all machines follow one time server (timedatectl set-ntp true)"
SWITCH_TOKEN_ON = "set RAY_AUTH_MODE=token and the same token on every node, and start the cluster again"
ENLARGE_SHARED_MEMORY = "enlarge it (docker run --shm-size, in Kubernetes an emptyDir of medium Memory), or Ray is slow"


def diagnose(findings: Findings) -> list[Line]:
    """A line for each topic, more where nodes differ in it."""
    if findings.problem is not None:
        return [Line("failure", "cluster", findings.problem)]
    if findings.cluster is None:
        return [*_this_machine(findings.here)]
    cluster = findings.cluster
    told = {node.name: node.machine for node in cluster.nodes if node.machine is not None}
    return [
        Line("ok", "cluster", f"{cluster.address}, Ray {findings.here.versions.get('ray')}"),
        *_nodes(cluster),
        *_versions(findings.here, cluster),
        *_gpus(cluster),
        *_authentication(cluster, findings.token),
        *_dashboard(cluster),
        *_metrics(cluster),
        *_disk(told),
        *_object_store(cluster),
        *_memory(told),
        *_clocks(cluster),
    ]


def _this_machine(here: Machine) -> Iterator[Line]:
    yield Line("ok", "cluster", "none runs on this machine, and no address is given: launch will start Ray here")
    missing = lacking({THIS_MACHINE: here.versions}, *here.versions)
    words = ", ".join(f"{name} {version}" for name, version in here.versions.items() if version is not None)
    if missing:
        yield Line("failure", "versions", f"{' and '.join(missing)} cannot be found; there are {words}", "install them")
    else:
        yield Line("ok", "versions", words)
    driver = f" (driver {here.gpu_driver})" if here.gpu_driver else ""
    yield Line("ok", "GPUs", f"{', '.join(here.gpus)}{driver}" if here.gpus else "no NVIDIA card is visible")
    yield from _disk({THIS_MACHINE: here})
    if here.shared_memory is not None:
        yield Line("ok", "object store", f"{_free(here.shared_memory)}")
    yield from _memory({THIS_MACHINE: here})


def _nodes(cluster: ClusterFound) -> Iterator[Line]:
    table = {
        "node": [node.name for node in cluster.nodes],
        "address": [node.address for node in cluster.nodes],
        "CPUs": [quantity(node.cpus) for node in cluster.nodes],
        "GPUs": [quantity(node.gpus) for node in cluster.nodes],
        "memory": [shown(int(node.memory)) for node in cluster.nodes],
        "object store": [shown(int(node.object_store)) for node in cluster.nodes],
    }
    alive = f"{counted(len(cluster.nodes), 'node')} alive"
    rows = aligned(table, {"CPUs", "GPUs", "memory", "object store"})
    yield Line("ok", "nodes", alive, table="\n".join(rows))
    if silent := {node.name: _failure(node.problem) for node in cluster.nodes if node.problem is not None}:
        advice = "look into its logs (ray logs), or take it away: no worker starts there"
        yield from by_node("nodes", silent, "", advice)
    if cluster.lost:
        text = f"{counted(len(cluster.lost), 'node')} lost within the last hour: {named(sorted(set(cluster.lost)))}"
        yield Line("warning", "nodes", text, "look for the cause there")


def _versions(here: Machine, cluster: ClusterFound) -> Iterator[Line]:
    found = {node.name: node.machine.versions for node in cluster.nodes if node.machine is not None}
    everywhere = {THIS_PROCESS: here.versions, **found}
    working = [node.name for node in cluster.nodes if node.machine is not None and node.cpus > 0]
    if missing := lacking({name: found[name] for name in working}, *here.versions):
        text = "; ".join(f"{name} is missing on {named(nodes)}" for name, nodes in missing.items())
        yield Line(
            "failure", "versions", text, INSTALL, table_of({THIS_PROCESS: here.versions, **found}, list(missing))
        )
        return
    everywhere = {THIS_PROCESS: here.versions, **found}
    if (table := differences(everywhere)) is None:
        words = ", ".join(f"{name} {version}" for name, version in here.versions.items())
        where = "everywhere" if len(found) == len(cluster.nodes) else "on all nodes that told theirs"
        yield Line("ok", "versions", f"the same {where}: {words}")
    else:
        level: Level = "failure" if are_decisive(everywhere) else "warning"
        yield Line(level, "versions", "not the same everywhere", INSTALL, table)


def _gpus(cluster: ClusterFound) -> Iterator[Line]:
    verdicts = {node.name: _gpu_verdict(node) for node in cluster.nodes if node.gpus or _cards(node)}
    if not verdicts:
        yield Line("ok", "GPUs", "there are none in this cluster")
        return
    total = sum(node.gpus for node in cluster.nodes)
    drivers = {node.machine.gpu_driver for node in cluster.nodes if node.machine and node.machine.gpu_driver}
    driver = f" (driver {', '.join(sorted(drivers))})" if drivers else ""
    fine = f"TensorFlow sees the GPUs that Ray hands out, {quantity(total)} in all{driver}"
    advice = "compare nvidia-smi there with Ray's count; TensorFlow needs a driver and CUDA (tensorflow[and-cuda])"
    yield from by_node("GPUs", verdicts, fine, advice)


def _cards(node: NodeFound) -> int:
    return len(node.machine.gpus) if node.machine is not None else 0


def _gpu_verdict(node: NodeFound) -> Verdict:
    if not node.gpus:
        return "warning", f"has {counted(_cards(node), 'card')} that Ray does not hand out (ray start --num-gpus)"
    if node.machine is None or node.machine.versions.get("tensorflow") is None:
        return "failure", "TensorFlow cannot be asked"
    if node.sight is None:
        return "warning", f"all of its {quantity(node.gpus)} are in use, so TensorFlow was not asked"
    if node.sight.problem is not None:
        return "warning" if node.sight.late else "failure", f"TensorFlow cannot be asked there: {node.sight.problem}"
    wanted, seen = max(1, int(node.sight.held)), len(node.sight.seen)
    if seen != wanted:
        return "failure", f"TensorFlow sees {seen} of the {counted(wanted, 'GPU')} that Ray hands out there"
    return "ok", ""


def _authentication(cluster: ClusterFound, token: TokenFile | None) -> Iterator[Line]:
    open_nodes = [node.name for node in cluster.nodes if node.asks_for_token is False]
    if not open_nodes:
        if not any(node.asks_for_token for node in cluster.nodes):
            yield Line("warning", "authentication", "no node told whether it asks for a token")
        elif token is not None and token.mode & OPEN_TO_OTHERS:
            text = f"by token, but others can read it: {token.path} has mode {token.mode:o}"
            advice = f"chmod 600 {token.path}; a new token if others use this machine"
            yield Line("warning", "authentication", text, advice)
        else:
            yield Line("ok", "authentication", "by token")
        return
    reachable = [] if cluster.dashboard is None else [at for at in _places(cluster) if not _is_loopback(at)]
    if reachable:
        text = f"none, while the dashboard listens at {', '.join(reachable)}: whoever reaches it runs code as you"
        yield Line("failure", "authentication", text, f"{SWITCH_TOKEN_ON}; or give --dashboard-host 127.0.0.1")
    else:
        where = "" if len(open_nodes) == len(cluster.nodes) else f" on {named(open_nodes)}"
        text = f"none{where}: whoever reaches {cluster.address} runs code as its owner"
        yield Line("warning", "authentication", text, SWITCH_TOKEN_ON)


def _places(cluster: ClusterFound) -> list[str]:
    """Where the dashboard listens; if its machine does not tell, where Ray says it is."""
    assert cluster.dashboard is not None
    return cluster.dashboard.listens or [cluster.dashboard.address.rpartition(":")[0].strip("[]")]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.removeprefix("::ffff:")).is_loopback
    except ValueError:
        return host == "localhost"


def _dashboard(cluster: ClusterFound) -> Iterator[Line]:
    dashboard = cluster.dashboard
    if dashboard is None:
        yield Line("warning", "dashboard", "there is none", "start the head with it: ray start --head, of ray[default]")
    elif dashboard.problem is not None:
        text = f"http://{dashboard.address} does not answer: {dashboard.problem}"
        yield Line("warning", "dashboard", text, "look into dashboard.log of the head; training goes on without it")
    else:
        alone = ", from its own machine only" if all(map(_is_loopback, _places(cluster))) else ""
        yield Line("ok", "dashboard", f"http://{dashboard.address} answers{alone}")


def _metrics(cluster: ClusterFound) -> Iterator[Line]:
    verdicts: dict[str, Verdict] = {
        node.name: ("warning", f"http://{node.metrics}/metrics does not answer: {node.metrics_problem}")
        if node.metrics_problem
        else ("ok", "")
        for node in cluster.nodes
    }
    fine = ", ".join(f"http://{node.metrics}/metrics" for node in cluster.nodes[:3])
    more = len(cluster.nodes) - 3
    advice = "look into its dashboard_agent.log, and let Prometheus through; training goes on without it"
    yield from by_node("metrics", verdicts, f"{fine}{f' and {more} more' if more > 0 else ''}", advice)


def _disk(machines: dict[str, Machine]) -> Iterator[Line]:
    def verdict(room: Room) -> Verdict:
        if room.free < NO_DISK:
            return "failure", _free(room)
        if room.free < LITTLE_DISK or room.free < LITTLE_DISK_SHARE * room.total:
            return "warning", _free(room)
        return "ok", ""

    if machines:
        least = min((machine.disk for machine in machines.values()), key=lambda room: room.free)
        verdicts = {name: verdict(machine.disk) for name, machine in machines.items()}
        yield from by_node("disk", verdicts, f"{_at_least(machines)}{_free(least)}", FREE_DISK)


def _object_store(cluster: ClusterFound) -> Iterator[Line]:
    verdicts: dict[str, Verdict] = {}
    for node in cluster.nodes:
        room = None if node.machine is None else node.machine.shared_memory
        if room is not None and room.total < node.object_store:
            text = f"{shown(int(node.object_store))}, more than {room.path} has ({shown(room.total)})"
            verdicts[node.name] = ("warning", text)
        else:
            verdicts[node.name] = ("ok", "")
    sizes = sorted({shown(int(node.object_store)) for node in cluster.nodes})
    yield from by_node("object store", verdicts, " and ".join(sizes[:3]), ENLARGE_SHARED_MEMORY)


def _memory(machines: dict[str, Machine]) -> Iterator[Line]:
    def text(machine: Machine) -> str:
        return f"{shown(machine.memory_available)} of {shown(machine.memory)} available"

    def verdict(machine: Machine) -> Verdict:
        little = machine.memory_available < LITTLE_MEMORY_SHARE * machine.memory
        return ("warning" if little else "ok"), text(machine)

    if machines:
        least = min(machines.values(), key=lambda machine: machine.memory_available)
        verdicts = {name: verdict(machine) for name, machine in machines.items()}
        yield from by_node("memory", verdicts, f"{_at_least(machines)}{text(least)}", FREE_MEMORY)


def _clocks(cluster: ClusterFound) -> Iterator[Line]:
    verdicts: dict[str, Verdict] = {}
    largest = 0.0
    for node in cluster.nodes:
        if node.clock is not None:
            surely = max(0.0, abs(node.clock) - node.clock_error)
            largest = max(largest, abs(node.clock) + node.clock_error)
            text = f"{abs(node.clock):.1f} s {'ahead of' if node.clock > 0 else 'behind'} this machine's"
            verdicts[node.name] = ("failure" if surely > LATEST else "warning" if surely > LATE else "ok", text)
    if verdicts:
        yield from by_node("clocks", verdicts, f"within {largest:.3f} s of this machine's", SET_CLOCKS)


def _failure(text: str) -> Verdict:
    return "failure", text


def _free(room: Room) -> str:
    return f"{shown(room.free)} of {shown(room.total)} free in {room.path}"


def _at_least(machines: dict[str, Machine]) -> str:
    return "at least " if len(machines) > 1 else ""
