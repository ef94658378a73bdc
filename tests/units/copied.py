"""An original, a secret beside it, and a copy: what the tests of copying and of merging share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gemot.drivers.children import Copy
from gemot.drivers.copies import changed, merge_into
from gemot.drivers.copying import Space
from gemot.drivers.errors import ToolError
from gemot.drivers.place import PlaceMount

SECRET = "the secret outside"


def deepen(folder: Path, name: str) -> None:
    """Folders within each other, deeper than any path could say."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(3_000):
        os.mkdir(name, dir_fd=here)
        inner = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)


class World:
    """An original with a secret beside it, and a copy of it."""

    def __init__(self, folder: Path) -> None:
        self.outside = folder / "outside"
        self.outside.mkdir()
        (self.outside / "secret.txt").write_text(SECRET)
        self.original = folder / "original"
        (self.original / "notes").mkdir(parents=True)
        (self.original / "a.md").write_text("alpha\n")
        (self.original / "notes" / "b.md").write_text("beta\n")
        (self.original / "run.sh").write_text("#!/bin/sh\n")
        (self.original / "run.sh").chmod(0o755)
        (folder / "spaces").mkdir()
        self.space = Space(folder / "spaces" / "2-work")
        self.ended = False

    @property
    def tree(self) -> Path:
        return self.space.tree

    def make(self, beneath: str = "") -> World:
        self.space.make(str(self.original), tuple(beneath.split("/")) if beneath else (), "/work")
        return self

    def copy(self, beneath: str = "") -> Copy:
        mount = PlaceMount("work", str(self.tree), "rw", beneath)
        return Copy(2, mount, self.space, PlaceMount("work", str(self.original), "rw", beneath), self.ended)

    def found(self) -> list[str]:
        return [f"{one.what} {one.path}" for one in changed(self.copy())]

    def merge(self, *paths: str, **more: list[str]) -> list[str]:
        options = {name: [tuple(one.split("/")) for one in some] for name, some in more.items()}
        return merge_into(self.copy(), [tuple(one.split("/")) for one in paths] or [()], **options)

    def refused(self, *paths: str, **more: list[str]) -> str:
        """Why nothing was merged; and nothing was."""
        before = snapshot(self.original)
        with pytest.raises(ToolError) as caught:
            self.merge(*paths, **more)
        assert snapshot(self.original) == before
        assert (self.outside / "secret.txt").read_text() == SECRET
        return str(caught.value)


def snapshot(folder: Path) -> dict[str, object]:
    seen: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        facts = path.lstat()
        says = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else None
        seen[str(path.relative_to(folder))] = (facts.st_mode, says)
    return seen
