"""What `diff`, `merge` and `discard` do. They work beside a running machine: a copy is files, and nothing of it is in the journal."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from gemot.cli.dumping import dump
from gemot.cli.failing import DONE, REFUSED, Usage, put, say
from gemot.cli.plain import plain
from gemot.cli.sight import family, known_home
from gemot.drivers.children import Child, Copy
from gemot.drivers.copies import described, itemized, merge_into
from gemot.drivers.errors import ToolError
from gemot.kernel import Kernel
from gemot.machine.home import Home
from gemot.machine.spaces import Spaces

Parts = tuple[str, ...]


def diff(home: Path | None, pid: int, path: str | None, as_json: bool) -> int:
    """What a process changed in its copies, or in one path of them."""
    child = _child(home, pid)
    chosen = [_located(child, pid, path)] if path else [(copy, ()) for copy in child.copies]
    if as_json:
        try:
            return dump([one for copy, within in chosen for one in itemized(copy, within)])
        except ToolError as error:
            return _refused(error)
    for copy, within in chosen:
        if len(child.copies) > 1:
            put(f"/{copy.mount.name}:")
        try:
            text = described(copy, within)
        except ToolError as error:
            return _refused(error)
        for line in text.splitlines():
            put(plain(line))
    return DONE


def merge(
    home: Path | None, pid: int, paths: list[str], left_out: list[str], accepted: list[str], forced: list[str]
) -> int:
    child = _child(home, pid)
    wanted = [_located(child, pid, path) for path in paths]
    out, yes, force = ([_located(child, pid, one) for one in some] for some in (left_out, accepted, forced))
    copies = [copy for copy in child.copies if any(copy is one for one, _ in wanted)] if wanted else None
    for copy in child.copies if copies is None else copies:
        if copies is None and copy.into is None:
            continue  # its own folder is no copy of anything; who names a path in it is told so
        of_copy = [parts for one, parts in wanted if one is copy] if wanted else [()]
        try:
            merged = merge_into(copy, of_copy, _of(out, copy), _of(yes, copy), _of(force, copy))
        except ToolError as error:
            return _refused(error)
        for name in merged:
            put(f"merged {plain(name)}")
        if not merged:
            put(f"/{copy.mount.name}: there was nothing to merge")
    return DONE


def discard(home: Path | None, pid: int) -> int:
    child = _child(home, pid)
    for copy in child.copies:
        copy.space.discard()
        put(f"discarded /{copy.mount.name} of {pid}")
    return DONE


def unmerged(home: Home, pids: Iterable[int], kernel: Kernel | None = None) -> list[int]:
    """Those of these processes that changed something in a copy of theirs that is not merged. ``kernel``: of the machine that is open
    here; without it the journal is looked at."""
    chosen = [pid for pid in pids if any(home.folder.glob(f"spaces/{pid}-*"))]
    if not chosen:
        return []
    known = family(home, chosen) if kernel is None else kernel
    spaces = Spaces(known, home)
    found = [process for pid in chosen if (process := known.processes.get(pid)) is not None]
    return [process.pid for process in found if spaces.unmerged(process)]


def _child(home: Path | None, pid: int) -> Child:
    place = known_home(home)
    kernel = family(place, [pid])
    process = kernel.processes.get(pid)
    if process is None:
        raise Usage(f"there is no process {pid}; gemot ps --all shows all there were")
    child = Spaces(kernel, place).child(process)
    if not child.copies:
        raise Usage(f"process {pid} has no copy of its own: what it writes it writes where it is")
    return child


def _located(child: Child, pid: int, path: str) -> tuple[Copy, Parts]:
    try:
        where = child.place.locate(path)
    except ToolError as error:
        raise Usage(str(error)) from error
    for copy in child.copies:
        if copy.mount == where.mount:
            return copy, where.parts
    raise Usage(
        f"/{where.mount.name} of {pid} is no copy; it has: {', '.join(f'/{one.mount.name}' for one in child.copies)}"
    )


def _of(chosen: Iterable[tuple[Copy, Parts]], copy: Copy) -> list[Parts]:
    return [parts for one, parts in chosen if one is copy]


def _refused(error: ToolError) -> int:
    for line in str(error).splitlines():
        say(f"gemot: {plain(line, 4000)}")
    return REFUSED
