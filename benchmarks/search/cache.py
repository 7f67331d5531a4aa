"""Runs that were replayed before: a rerun does only what is new.

One file of JSON lines for each method, curve file, number of workers and cost of resuming; its name carries a
fingerprint of all that the outcome depends on, so that what is out of date is never read.
"""

import ast
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from pathlib import Path

import msgspec

import orchestrator
from benchmarks.search.replay import Run

_decode = msgspec.json.Decoder(tuple[str, Run]).decode
_encode = msgspec.json.Encoder().encode


class Cache:
    def __init__(self, folder: Path | None) -> None:
        """Without a folder nothing is kept."""
        self.folder = folder

    def runs(
        self, key: tuple[str, ...], wanted: Iterable[tuple[str, int]], make: Callable[[str, int], Run]
    ) -> list[Run]:
        """The runs of (task, seed), in that order."""
        known: dict[tuple[str, int], Run] = {}
        if self.folder is None:
            return [make(task, seed) for task, seed in wanted]
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / _file_name(key)
        if path.exists():
            whole, _, torn = path.read_bytes().rpartition(b"\n")
            known = {(task, run.seed): run for task, run in map(_decode, whole.splitlines())}
            if torn:
                path.write_bytes(whole + b"\n")
        with path.open("ab", buffering=0) as file:
            runs = []
            for task, seed in wanted:
                if (task, seed) not in known:
                    known[task, seed] = make(task, seed)
                    file.write(_encode((task, known[task, seed])) + b"\n")
                runs.append(known[task, seed])
        return runs


def fingerprint(used: Iterable[str], kinds: Mapping[str, object], parts: Iterable[str], *more: Path) -> str:
    """Of those parts of our source from which a run follows, without the files of kinds that are not used in it.

    Args:
        used: The names of the stoppers, or samplers, in it.
        kinds: All of them, by name.
        parts: Files and folders of the package.
        more: Other files.
    """
    root = Path(orchestrator.__file__).parent
    known = {name: kind for name, kind in kinds.items() if isinstance(kind, type)}
    own = {inspect.getfile(base) for name in used if name in known for base in known[name].__mro__[:-1]}
    others = {inspect.getfile(kind) for kind in known.values()} - own
    ours = [file for part in parts for file in ([root / part] if part.endswith(".py") else (root / part).rglob("*.py"))]
    digest = sha256()
    for file in sorted([*(file for file in ours if file.name != "__init__.py" and str(file) not in others), *more]):
        digest.update(_code_of(file).encode())
    return digest.hexdigest()[:12]


def _code_of(file: Path) -> str:
    """Without comments, layout and docstrings."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    texts = {node for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)}
    for node in ast.walk(tree):
        if isinstance(body := getattr(node, "body", None), list):
            body[:] = [statement for statement in body if statement not in texts]
    return ast.dump(tree)


def _file_name(key: tuple[str, ...]) -> str:
    readable = re.sub(r"[^a-z0-9]+", "-", " ".join(key[:3]).lower()).strip("-")
    return f"{readable}-{sha256('|'.join(key).encode()).hexdigest()[:12]}.jsonl"
