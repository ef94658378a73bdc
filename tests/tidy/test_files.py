"""Files: none too long, none that nobody uses, none that knows the computer it was written on."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from houses import ROOT, files, imports, modules, shown, tree

LINES_MAX = 500
LONGER: dict[str, str] = {}
"""Files that are longer -> why."""

ENTRY_POINTS = {
    "gemot": "the library's front",
    "gemot.__main__": "python -m gemot",
    "gemot.cli.main": "the command",
    "gemot.journal.lmdb": "a store for those who ask for it",
    "gemot.desk": "a room of the design that says it is not built yet",
}
TEXT = (".py", ".md", ".toml", ".txt", ".yml", ".yaml", ".json", ".cfg", ".sh", "")
HOST_PATHS = re.compile(
    "|".join(
        (
            "/wor" + "k/(?:main|shared)",
            "/wor" + r"k/\.library",
            "/tmp/exp" + "lore",
            "/roo" + "t/",
            "/hom" + r"e/(?!you\b)\w+/",
        )
    )
)


@pytest.mark.parametrize("path", files(".py"), ids=shown)
def test_a_file_fits_a_readers_head(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LINES_MAX or shown(path) in LONGER, "split it, or say in LONGER why not"


def test_every_module_is_used() -> None:
    known = modules()
    used: set[str] = set(ENTRY_POINTS)
    for path in files(".py"):
        if "tests" in path.relative_to(ROOT).parts[:1]:
            continue
        own = next((name for name, one in known.items() if one == path), "")
        used |= {one for one in imports(path) if one != own}
        used |= {text for text in _texts(path) if text in known}
    for name in sorted(used):
        while "." in name:
            name = name.rpartition(".")[0]
            used.add(name)
    assert not sorted(set(known) - used), "nothing imports these: take them away"


def _texts(path: Path) -> set[str]:
    """Names of modules that are loaded by name, or run in a process of their own."""
    texts = {
        node.value for node in ast.walk(tree(path)) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    return {text for text in texts if text.startswith("gemot.")}


@pytest.mark.parametrize("path", [one for one in files() if one.suffix in TEXT], ids=shown)
def test_a_file_knows_nothing_of_the_computer_it_was_written_on(path: Path) -> None:
    text = path.read_bytes().decode("utf-8", "replace")
    found = HOST_PATHS.search(text)
    assert not found, f"names the host path {found and found.group()!r}"
