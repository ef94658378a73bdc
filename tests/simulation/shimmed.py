"""A machine in a process of its own, with a library in C between it and the disk: see `shim.c`."""

from __future__ import annotations

import functools
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from test_kills import BUSY

CC = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
ABSENT = CC is None or sys.platform != "linux"
WHY = "NOTHING STANDS BEFORE THE DISK HERE: it takes Linux and a C compiler"

_ENTRY = struct.Struct("=qqqq")


class Call(NamedTuple):
    """One call that reached the disk. ``kind``: w(rite), t(runcate), s(ync), u(nlink). ``path``: ``stdout`` for what was said."""

    kind: str
    path: str
    at: int
    body: bytes


@functools.cache
def library() -> Path:
    """The library, compiled once for each process of tests."""
    folder = tempfile.TemporaryDirectory(prefix="gemot-shim-")
    _kept.append(folder)
    built = Path(folder.name) / "shim.so"
    source = Path(__file__).with_name("shim.c")
    subprocess.run([str(CC), "-shared", "-fPIC", "-O1", "-o", str(built), str(source), "-ldl", "-lpthread"], check=True)
    return built


_kept: list[tempfile.TemporaryDirectory[str]] = []


def lived(folder: Path, trees: int, **shimmed: int | str | Path) -> subprocess.CompletedProcess[str]:
    """One life of the machine in ``folder / "home"``."""
    variables = {f"SHIM_{name}": str(value) for name, value in shimmed.items()}
    done = subprocess.run(
        [sys.executable, str(BUSY), str(folder / "home"), str(folder / "ledger"), str(trees)],
        env=os.environ | variables | {"LD_PRELOAD": str(library())},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr[-2000:]
    return done


def started(text: str) -> set[str]:
    """The goals that a machine has acknowledged."""
    return {line.removeprefix("started ") for line in text.splitlines() if line.startswith("started ")}


def calls(trace: Path) -> Iterator[Call]:
    """What a life left in its trace."""
    body, place = trace.read_bytes(), 0
    while place < len(body):
        kind, at, length, path_length = _ENTRY.unpack_from(body, place)
        place += _ENTRY.size
        path = body[place : place + path_length].decode()
        place += path_length
        yield Call(chr(kind), path, at, body[place : place + length])
        place += length
