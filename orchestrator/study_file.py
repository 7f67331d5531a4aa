"""A study's file: loaded here, shipped as source, and loaded again in every worker.

The source is shipped, not the objects, because TensorFlow's AutoGraph reads the source of what it compiles. The file is
imported under a private name and the files beside it come last on the path of imports, so that they may be called
anything without hiding a library's module or one of ours. What the study imports from beside it is shipped with it.
"""

import ast
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, ModuleType

import msgspec

from orchestrator.attachments import Files, are_there, read_files, write_files
from orchestrator.errors import UserError, nearest
from orchestrator.study import Study
from search_spaces import SpaceError

PREFIX = "orchestrator_study_"


class SourceFile(msgspec.Struct, frozen=True):
    """One Python file: where it came from, and what is in it."""

    path: str
    text: str

    @property
    def is_package(self) -> bool:
        return Path(self.path).name == "__init__.py"


class StudySource(msgspec.Struct, frozen=True):
    """The study's file, and by module name the files beside it that it imports, anywhere in its code."""

    file: SourceFile
    beside: dict[str, SourceFile]
    files: Files = {}
    """What the study reads from its folder (`Study(files=…)`)."""


Find = Callable[[str], SourceFile | None]


class Beside(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Imports the modules that `find` knows; asked last, after the libraries."""

    def __init__(self, find: Find) -> None:
        self._find = find
        self.imported: dict[str, SourceFile] = {}

    def find_spec(
        self, fullname: str, path: object = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        file = self._find(fullname)
        if file is None:
            return None
        self.imported[fullname] = file
        return self.spec_of(fullname, file)

    def spec_of(self, fullname: str, file: SourceFile) -> importlib.machinery.ModuleSpec:
        spec = importlib.machinery.ModuleSpec(fullname, self, origin=file.path, is_package=file.is_package)
        spec.has_location = True
        return spec

    def get_source(self, fullname: str) -> str:
        return self.imported[fullname].text

    def get_code(self, fullname: str) -> CodeType:
        file = self.imported[fullname]
        return self.source_to_code(file.text, file.path)

    def is_package(self, fullname: str) -> bool:
        return self.imported[fullname].is_package


def read_study(path: Path) -> tuple[Study, StudySource]:
    """Load a study's file, from disk.

    Raises:
        UserError: It cannot be read or imported, or holds no study.
    """
    folder = path.resolve().parent

    def on_disk(name: str) -> SourceFile | None:
        stem = folder.joinpath(*name.split("."))
        file = _read(stem.with_name(stem.name + ".py")) or _read(stem / "__init__.py")
        # A folder is a package, also without a file that says so.
        return file or (SourceFile(str(stem / "__init__.py"), "") if stem.is_dir() else None)

    file = _read(path.resolve())
    if file is None:
        raise UserError(f"{path}: there is no such file")
    study = _load(file, on_disk)
    return study, StudySource(file, _neighbours(file, folder, on_disk), read_files(study.files, folder))


def load_shipped(source: StudySource) -> Study:
    """Load a study from shipped source, in a worker."""
    source = _placed(source)
    return _load(source.file, source.beside.get)


def _placed(source: StudySource) -> StudySource:
    """Where it finds its files: where they are, or else in a folder of this process."""
    folder = Path(source.file.path).parent
    if not source.files or are_there(source.files, folder):
        return source
    place = Path(tempfile.mkdtemp(prefix="study-"))
    write_files(source.files, place)

    def moved(file: SourceFile) -> SourceFile:
        path = Path(file.path)
        return SourceFile(str(place / path.relative_to(folder)), file.text) if path.is_relative_to(folder) else file

    return StudySource(moved(source.file), {name: moved(file) for name, file in source.beside.items()})


def _load(file: SourceFile, find: Find) -> Study:
    """Import a study. Its finder stays until the next: functions may import when they are called."""
    _forget_studies()
    name = PREFIX + "".join(c if c.isalnum() else "_" for c in Path(file.path).stem)
    beside = Beside(find)
    sys.meta_path.append(beside)
    beside.imported[name] = file
    module = importlib.util.module_from_spec(beside.spec_of(name, file))
    sys.modules[name] = module
    try:
        beside.exec_module(module)
    except (UserError, SpaceError) as error:
        raise UserError("\n".join(f"{file.path}: {line}" for line in str(error).splitlines())) from error
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise UserError(f"{file.path} does not import: {_describe(error, file.path)}") from error
    return _study_of(module, file.path)


def _forget_studies() -> None:
    """What an earlier study imported from beside it may have changed, or be another's by the same name."""
    for finder in [finder for finder in sys.meta_path if isinstance(finder, Beside)]:
        sys.meta_path.remove(finder)
        for name in finder.imported:
            sys.modules.pop(name, None)


def _neighbours(file: SourceFile, folder: Path, find: Find) -> dict[str, SourceFile]:
    """What a file imports from its folder, and what that imports, also inside functions. Libraries win there too."""
    found: dict[str, SourceFile] = {}
    to_read = [("", file)]
    while to_read:
        package, source = to_read.pop()
        for name in _imported_names(source.text, package):
            if name in found or _is_library(name.partition(".")[0], folder) or (neighbour := find(name)) is None:
                continue
            found[name] = neighbour
            to_read.append((name if neighbour.is_package else name.rpartition(".")[0], neighbour))
    return found


def _imported_names(text: str, package: str) -> Iterator[str]:
    """Every module that could be meant, parents first: of `from a.b import c`, a, a.b and a.b.c."""
    try:
        nodes = list(ast.walk(ast.parse(text)))
    except SyntaxError:
        return
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and (package or not node.level):
            module = importlib.util.resolve_name("." * node.level + (node.module or ""), package or None)
            names += [f"{module}.{alias.name}" for alias in node.names]
    for name in names:
        parts = name.split(".")
        yield from (".".join(parts[:length]) for length in range(1, len(parts) + 1))


def _is_library(name: str, folder: Path) -> bool:
    if name in sys.stdlib_module_names:
        return True
    spec = importlib.machinery.PathFinder.find_spec(name)
    return spec is not None and spec.origin is not None and folder not in Path(spec.origin).resolve().parents


def _study_of(module: ModuleType, path: str) -> Study:
    study = getattr(module, "study", None)
    if isinstance(study, Study):
        return study
    if study is not None:
        raise UserError(f"{path}: `study` is {type(study).__name__}, not a Study: write study = Study(space=…, …)")
    hint = nearest("study", [name for name, value in vars(module).items() if isinstance(value, Study)])
    raise UserError(f"{path} defines no `study`{hint or ': write study = Study(space=…, build=…, data=…, …)'}")


def _describe(error: BaseException, path: str) -> str:
    """The exception and the line of the study's file that it came through, on one line."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == path]
    if isinstance(error, SyntaxError) and error.filename == path:
        lines = [error.lineno]
    where = f"line {lines[-1]}: " if lines else ""
    first = (str(error).splitlines() or [""])[0]
    return f"{where}{type(error).__name__}{': ' * bool(first)}{first}"


def _read(path: Path) -> SourceFile | None:
    """None where there is no such file. In the encoding that it declares, as Python reads it."""
    try:
        return SourceFile(str(path), importlib.util.decode_source(path.read_bytes()))
    except OSError:
        return None
    except (UnicodeDecodeError, SyntaxError) as error:
        raise UserError(f"{path} is not text in UTF-8: save it as UTF-8, or declare its encoding ({error})") from error
