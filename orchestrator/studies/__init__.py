"""The shipped studies, to run as they are and to copy from: one file each, its first line says what it is."""

import ast
from pathlib import Path


def shipped() -> list[tuple[str, str]]:
    """Name and description of each; nothing is imported to tell."""
    folder = Path(__file__).parent
    return [(path.stem, _first_line(path)) for path in sorted(folder.glob("*.py")) if path.stem != "__init__"]


def _first_line(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]
