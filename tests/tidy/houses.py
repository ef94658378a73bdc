"""The house as the tests see it: its files, its packages, and what each of its modules imports."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src"
NOT_OURS = {
    ".git",
    ".venv",
    ".hypothesis",
    ".pytest_cache",
    ".ruff_cache",
    "__pycache__",
    "dist",
    "build",
    "node_modules",
}
"""What is in the folder and not in the house: made by tools, or another's."""


def files(*suffixes: str, beneath: Path = ROOT) -> list[Path]:
    """All files of the house, in a stable order."""
    return sorted(path for path in _walk(beneath) if not suffixes or path.suffix in suffixes)


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name in NOT_OURS or path.name.endswith(".egg-info") or path.is_symlink():
            continue
        if path.is_dir():
            yield from _walk(path)
        else:
            yield path


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name."""
    named: dict[str, Path] = {}
    for path in files(".py", beneath=SOURCE):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        named[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return named


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(path: Path) -> set[str]:
    """Every dotted name that a file imports, wherever in it: for types only, or when a function runs, counts too."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import hides what it names"
            found.add(node.module or "")
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return found


def package_of(name: str) -> str:
    """``gemot.kernel.trap`` -> ``kernel``; the front, ``gemot`` and ``gemot.__main__``, -> ``""``."""
    return name.split(".")[1] if "." in name and not name.endswith("__main__") else ""


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))
