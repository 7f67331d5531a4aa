"""The import laws: who may import whom, which libraries belong where, and how long files and functions may grow.

Everything is read from the source; nothing of ours is imported. To add a module, put its name into a table below; the
longest name that fits decides (`orchestrator.backends.base` before `orchestrator.backends`).
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OURS = ("search_spaces", "orchestrator")

# The tower, from the ground up: a module may import its own package and what stands on lower floors.
FLOORS = [
    {"search_spaces"},
    {
        "orchestrator.adaptation",
        "orchestrator.assignment",
        "orchestrator.draws",
        "orchestrator.errors",
        "orchestrator.files",
        "orchestrator.installed",
        "orchestrator.objective",
        "orchestrator.ranking",
    },
    {
        "orchestrator.interruptions",
        "orchestrator.lock",
        "orchestrator.specs",
        "orchestrator.storage",
        "orchestrator.study",
    },
    {"orchestrator.attachments"},
    {"orchestrator.study_file"},
    {"orchestrator.samplers", "orchestrator.stoppers"},
    {"orchestrator.settings"},
    {"orchestrator.scheduler"},
    {"orchestrator.journal"},
    {"orchestrator.tables"},
    {"orchestrator.leaderboard", "orchestrator.requests", "orchestrator.run_dir"},
    {"orchestrator.leaderboard_file", "orchestrator.run_metrics"},
    {"orchestrator.backends.base", "orchestrator.run_copy"},
    {"orchestrator.driver"},
    {"orchestrator.backends"},
    {"orchestrator.assembly", "orchestrator.placement"},
    {"orchestrator.execution", "orchestrator.resumption"},
    {"orchestrator.run", "orchestrator.stopping", "orchestrator.submission", "orchestrator.watching"},
    {"orchestrator.check", "orchestrator.doctor", "orchestrator.simulation"},
    {"orchestrator.cli"},
    {"orchestrator.__main__"},
]

# Beside the tower: a module may import its own package and what is named here.
BESIDE = {
    "orchestrator": set(),  # __init__.py itself, which re-exports lazily
    "orchestrator.studies": {"orchestrator", "orchestrator.errors", "orchestrator.study", "search_spaces"},
    "orchestrator.training": {
        "orchestrator.assignment",
        "orchestrator.errors",
        "orchestrator.objective",
        "orchestrator.ranking",
        "orchestrator.study",
        "search_spaces",
    },
    "orchestrator.workers": {
        "orchestrator.assignment",
        "orchestrator.errors",
        "orchestrator.files",
        "orchestrator.installed",
        "orchestrator.scheduler.events",
        "orchestrator.storage",
        "orchestrator.study",
        "orchestrator.study_file",
        "orchestrator.training",
    },
    "orchestrator.display": {
        "orchestrator",
        "orchestrator.assignment",
        "orchestrator.errors",
        "orchestrator.leaderboard",
        "orchestrator.objective",
        "orchestrator.ranking",
        "orchestrator.scheduler",
        "orchestrator.settings",
        "orchestrator.tables",
        "search_spaces",
    },
}

# What the tower may import of what stands beside it.
BESIDE_USERS = {
    "orchestrator.backends.ray": {"orchestrator.workers"},
    "orchestrator.assembly": {"orchestrator.studies"},
    "orchestrator.execution": {"orchestrator", "orchestrator.display", "orchestrator.workers"},
    "orchestrator.placement": {"orchestrator.workers"},
    "orchestrator.resumption": {"orchestrator.display"},
    "orchestrator.run_metrics": {"orchestrator.workers"},
    "orchestrator.run": {"orchestrator.display", "orchestrator.training", "orchestrator.workers"},
    "orchestrator.stopping": {"orchestrator.display", "orchestrator.workers"},
    "orchestrator.submission": {"orchestrator", "orchestrator.studies", "orchestrator.workers"},
    "orchestrator.watching": {"orchestrator.display"},
    "orchestrator.check": {"orchestrator.display", "orchestrator.training"},
    "orchestrator.doctor": {"orchestrator.display", "orchestrator.workers"},
    "orchestrator.simulation.plan": {"orchestrator.display"},
    "orchestrator.cli": {"orchestrator", "orchestrator.display", "orchestrator.studies"},
}

# Libraries that only some modules may import, wherever in the file. A type checker may import them anywhere.
ONLY_IN = {
    "fsspec": {"orchestrator.storage"},
    "ray": {"orchestrator.workers", "orchestrator.backends.ray"},
    "tensorflow": {"orchestrator.training", "orchestrator.studies"},
    "keras": {"orchestrator.training", "orchestrator.studies"},
    "pandas": {"orchestrator.leaderboard"},
    "optuna": {"orchestrator.samplers"},
    "plotly": {"orchestrator.simulation"},
}

# There only inside functions: the driver reads studies too.
ONLY_IN_FUNCTIONS = {"orchestrator.studies": {"tensorflow", "keras"}}

# Pure modules see no clock, thread, chance or machine.
PURE = {"search_spaces", "orchestrator.samplers", "orchestrator.scheduler", "orchestrator.stoppers"}
IMPURE = {
    *("time", "datetime", "sched", "signal"),
    *("threading", "_thread", "concurrent", "multiprocessing", "asyncio", "queue"),
    *("random", "secrets", "uuid"),
    *("os", "socket", "subprocess", "tempfile", "shutil", "platform"),
}

# What search_spaces may use beside the standard library.
GROUND = {"numpy"}

LONGEST_FILE = 400
LONGEST_FUNCTION = 60
MEASURED = (*OURS, "tests", "benchmarks")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Import:
    name: str
    line: int
    in_function: bool
    for_types: bool
    """Under `if TYPE_CHECKING:`, so it never happens."""


def named(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


MODULES = {named(path): path for package in OURS for path in sorted((ROOT / package).rglob("*.py"))}


def imports_of(module: str) -> list[Import]:
    return list(_imports(tree_of(MODULES[module]), module, in_function=False, for_types=False))


def _imports(node: ast.AST, module: str, in_function: bool, for_types: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield from (Import(name, child.lineno, in_function, for_types) for name in _names(child, module))
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for part in child.body:
                yield from _imports(ast.Module([part], []), module, in_function, True)
            for part in child.orelse:
                yield from _imports(ast.Module([part], []), module, in_function, for_types)
        else:
            yield from _imports(child, module, in_function or isinstance(child, Function | ast.Lambda), for_types)


def _names(node: ast.Import | ast.ImportFrom, module: str) -> list[str]:
    """The modules that one statement imports: `from orchestrator import samplers` is orchestrator.samplers."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        package = module.split(".") if MODULES[module].name == "__init__.py" else module.split(".")[:-1]
        above = package[: len(package) - node.level + 1]
        base = ".".join([*above, base] if base else above)
    whole = [f"{base}.{alias.name}" for alias in node.names]
    return sorted({name if name in MODULES else base for name in whole})


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def among(module: str, packages: set[str]) -> bool:
    return any(within(module, package) for package in packages)


def entry_of(module: str) -> str | None:
    """The name in the tables that stands for a module. `orchestrator` stands for its __init__.py alone."""
    entries = {entry for floor in FLOORS for entry in floor} | BESIDE.keys()
    fitting = [e for e in entries if (module == e if e == "orchestrator" else within(module, e))]
    return max(fitting, key=len, default=None)


def allowed_for(module: str) -> tuple[str, set[str]]:
    """The entry of a module and the entries (or modules) it may import."""
    entry = entry_of(module)
    assert entry is not None, f"{module} stands in no table of this file"
    if entry in BESIDE:
        return entry, BESIDE[entry]
    floor = next(number for number, entries in enumerate(FLOORS) if entry in entries)
    users = [allowed for user, allowed in BESIDE_USERS.items() if within(module, user)]
    return entry, set().union(*FLOORS[:floor], *users)


def is_allowed(imported: str, own: str, allowed: set[str]) -> bool:
    entry = entry_of(imported)
    return entry == own or entry in allowed or imported in allowed


def broken(module: str, found: Import, law: str) -> str:
    return f"{MODULES[module].relative_to(ROOT)}:{found.line} imports {found.name}: {law}"


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_one_way(module: str) -> None:
    own, allowed = allowed_for(module)
    ours = [found for found in imports_of(module) if found.name.split(".")[0] in OURS and not found.for_types]
    assert [
        broken(module, found, f"not among {sorted(allowed)}")
        for found in ours
        if not is_allowed(found.name, own, allowed)
    ] == []


@pytest.mark.parametrize("module", MODULES)
def test_libraries_stay_where_they_belong(module: str) -> None:
    problems = []
    for found in imports_of(module):
        library = found.name.split(".")[0]
        if found.for_types:
            continue
        if library in ONLY_IN and not among(module, ONLY_IN[library]):
            problems.append(broken(module, found, f"{library} belongs in {sorted(ONLY_IN[library])}"))
        for package, libraries in ONLY_IN_FUNCTIONS.items():
            if within(module, package) and library in libraries and not found.in_function:
                problems.append(broken(module, found, "only inside a function"))
        if among(module, PURE) and library in IMPURE:
            problems.append(broken(module, found, "this module is pure"))
    assert problems == []


def test_search_spaces_stand_on_the_ground() -> None:
    known = sys.stdlib_module_names | GROUND | {"search_spaces"}
    assert [
        broken(module, found, f"only the standard library and {sorted(GROUND)}")
        for module in MODULES
        if within(module, "search_spaces")
        for found in imports_of(module)
        if found.name.split(".")[0] not in known
    ] == []


def test_no_cycles() -> None:
    """Imports inside functions count: they hide a cycle, they do not mend it."""
    graph = {
        module: {found.name for found in imports_of(module) if found.name in MODULES and not found.for_types}
        for module in MODULES
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"cycle: {' -> '.join(reversed(error.args[1]))}")


def test_tables_name_no_module_twice() -> None:
    entries = [*BESIDE, *(entry for floor in FLOORS for entry in floor)]
    assert sorted(entries) == sorted(set(entries))
    assert {
        name for allowed in [*BESIDE.values(), *BESIDE_USERS.values()] for name in allowed if not entry_of(name)
    } == set()


@pytest.mark.parametrize("path", [p for d in MEASURED for p in sorted((ROOT / d).rglob("*.py"))], ids=named)
def test_files_and_functions_are_short(path: Path) -> None:
    tree = tree_of(path)
    long = [
        f"{node.name} at line {node.lineno} has {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(tree)
        if isinstance(node, Function) and node.end_lineno and node.end_lineno - node.lineno >= LONGEST_FUNCTION
    ]
    assert long == []
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_FILE


@pytest.mark.parametrize("module", MODULES)
def test_exports_are_sorted(module: str) -> None:
    """As ruff sorts them: constants, classes, functions."""
    for node in tree_of(MODULES[module]).body:
        if (
            isinstance(node, ast.Assign)
            and ast.unparse(node.targets[0]) == "__all__"
            and isinstance(node.value, ast.List)
        ):
            names = ast.literal_eval(node.value)
            assert names == sorted(names, key=lambda name: (not name.isupper(), not name[:1].isupper(), name))
