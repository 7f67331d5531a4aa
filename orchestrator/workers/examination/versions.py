"""Versions of Python and the libraries on the nodes of a cluster, side by side."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping

from orchestrator.errors import UserError

Versions = Mapping[str, str | None]
"""By library, `python` with them; None where it is missing."""

COMPARED = ("python", "ray", "tensorflow", "keras", "numpy")
DECISIVE = ("ray", "tensorflow", "keras")
"""Trials go on at other nodes, from checkpoints that these have written."""
MOST_NODES = 3
"""Named in a row."""
MISSING = "missing"
THIS_PROCESS = "this process"


def compared(here: Versions, found: Mapping[str, Versions | None], for_keras: Collection[str]) -> str | None:
    """A warning before a run, with a table where versions differ; None if they do not.

    Args:
        found: By node; None for one that did not tell.
        for_keras: The nodes where Keras models are to be trained.

    Raises:
        UserError: They cannot be, on one of these.
    """
    told = {node: versions for node, versions in found.items() if versions is not None}
    if missing := lacking({node: told[node] for node in for_keras if node in told}, "tensorflow", "keras"):
        what = "; ".join(f"{name} is missing on {named(nodes)}" for name, nodes in missing.items())
        table = table_of({THIS_PROCESS: here, **told}, ["tensorflow", "keras"])
        raise UserError(f"Keras models cannot be trained on all nodes: {what}; install them there:\n{table}")
    silent = [node for node, versions in found.items() if versions is None]
    unknown = f"; {named(silent)} did not tell in time" if silent else ""
    if (unlike := differences({THIS_PROCESS: here, **told})) is not None:
        return f"versions are not the same everywhere, so where a trial trains may matter{unknown}:\n{unlike}"
    return f"not all versions could be compared{unknown}" if silent else None


def differences(found: Mapping[str, Versions]) -> str | None:
    """A table of those libraries that are not the same everywhere, most nodes first; None if all are.

    Args:
        found: By node.
    """
    unlike = [name for name in COMPARED if len({_shown(versions, name) for versions in found.values()}) > 1]
    return table_of(found, unlike) if unlike else None


def lacking(found: Mapping[str, Versions], *libraries: str) -> dict[str, list[str]]:
    """The nodes that lack one of these libraries, by library."""
    lack = {name: [node for node, versions in found.items() if versions.get(name) is None] for name in libraries}
    return {name: nodes for name, nodes in lack.items() if nodes}


def are_decisive(found: Mapping[str, Versions]) -> bool:
    """A trial may end otherwise, or not at all, at another node."""
    told = list(found.values())
    pythons = {(versions.get("python") or "").rpartition(".")[0] for versions in told}
    return len(pythons) > 1 or any(len({_shown(versions, name) for versions in told}) > 1 for name in DECISIVE)


def table_of(found: Mapping[str, Versions], libraries: list[str]) -> str:
    """One row for all nodes that have the same."""
    rows: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for node, versions in found.items():
        rows[tuple(_shown(versions, name) for name in libraries)].append(node)
    most_first = sorted(rows.items(), key=lambda row: -len(row[1]))
    lines = [(*libraries, "nodes"), *((*row, named(nodes)) for row, nodes in most_first)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(_padded(line, widths)).rstrip() for line in lines)


def named(nodes: list[str]) -> str:
    """
    >>> named(["a", "b", "c", "d", "e"])
    'a, b, c and 2 more'
    """
    more = len(nodes) - MOST_NODES
    shown = ", ".join(nodes[:MOST_NODES])
    return f"{shown} and {more} more" if more > 0 else shown


def labels(nodes: Mapping[str, str]) -> dict[str, str]:
    """What to call each node by its id: its name, and with a part of the id where several have one."""
    times = Counter(nodes.values())
    return {node: name if times[name] == 1 else f"{name} ({node[:6]})" for node, name in nodes.items()}


def _padded(cells: tuple[str, ...], widths: list[int]) -> Iterator[str]:
    return (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))


def _shown(versions: Versions, library: str) -> str:
    return versions.get(library) or MISSING
