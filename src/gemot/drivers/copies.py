"""The driver ``copies``: what a parent does with the files of a child that works on a copy: look, read, merge, discard."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Generator, Iterable
from contextlib import contextmanager
from typing import Literal

from msgspec import Struct

from gemot.abi import answers
from gemot.abi.limits import DIFF_CHARS_MAX
from gemot.drivers import litter, reading
from gemot.drivers.children import Children, Copy
from gemot.drivers.comparing import Change, changes, counted, unified
from gemot.drivers.copying import GivenUp, Kind, never
from gemot.drivers.descent import Entry, open_top
from gemot.drivers.kit import Driver, ToolError
from gemot.drivers.merging import Step, Writer, hidden_there, plan
from gemot.drivers.names import parts_of, shortened, shown
from gemot.drivers.place import Location

LINES_MAX = 2_000
"""Lines of text in one look at the changes; name a file to see more of it."""
NAMED_MAX = 100
"""Paths that are named in a refusal."""
ENTRIES_MAX = 500


class Listed(Struct, frozen=True, omit_defaults=True):
    """One changed path, for other programs: as its process sees it, a folder ending in a slash. ``merges``: nothing stands in the
    way; else ``why`` it does, and what a person may say so that it is merged all the same (``unless``; nothing: it never is).
    ``added``, ``removed``: lines, where it is text that can be compared."""

    path: str
    what: Literal["added", "changed", "removed"]
    kind: Kind
    merges: bool
    why: str = ""
    unless: tuple[Literal["accept", "force"], ...] = ()
    added: int | None = None
    removed: int | None = None


copies = Driver(
    "copies", "The files of a child that works on a copy of yours: see what it changed, merge it, discard it."
)


@copies.tool(effect="reads", repeatable=True, children=("pid",), paths=("path",))
def diff(children: Children, pid: int, path: str = ".") -> str:
    """What a child changed in its copy, and what stands in the way of merging it. pid: the child, living or ended.

    path: a file or folder as the child sees it; "." is all of its first mount.
    """
    copy, where = _located(children, pid, path)
    return described(copy, where.parts)


@copies.tool(effect="reads", repeatable=True, children=("pid",), paths=("path",))
def read(children: Children, pid: int, path: str = ".", first_line: int = 1, lines: int = 400) -> str:
    """A file of a child's copy, or the names in a folder of it. pid: the child; path: as the child sees it.

    first_line: the line to begin with, from 1; lines: how many at most.
    """
    copy, where = _located(children, pid, path)
    if not copy.space.made:
        raise ToolError(_empty(copy))
    place = children.of[pid].place
    with place.spot(path) as (spot, facts):
        if not stat.S_ISDIR(facts.st_mode):
            with spot.open() as file:
                return reading.excerpt(file, spot.label, first_line, lines).text()
    with place.folder(path) as (folder, _):
        entries = sorted(place.entries(folder, where, ENTRIES_MAX + 1), key=lambda entry: entry.name)
    more = [f"[more than {ENTRIES_MAX} names; read a folder in it]"] if len(entries) > ENTRIES_MAX else []
    return "\n".join([_listed(entry) for entry in entries[:ENTRIES_MAX]] + more) or "[the folder is empty]"


@copies.tool(effect="writes", repeatable=False, children=("pid",), paths=("path",), needs="rw", steers=())
def merge(children: Children, pid: int, path: str = ".", leave_out: tuple[str, ...] = ()) -> str:
    """Bring what a child changed in its copy into your files: all of it, or nothing where something stands in the way.

    pid: the child; path: the file or folder to merge, as the child sees it; leave_out: paths in it that are not merged.
    """
    copy, where = _located(children, pid, path)
    merged = merge_into(copy, [where.parts], [parts_of(one) for one in leave_out])
    return f"merged {len(merged)}: " + ", ".join(merged) if merged else "there was nothing to merge"


@copies.tool(effect="writes", repeatable=False, children=("pid",), steers=())
def discard(children: Children, pid: int) -> str:
    """Take away the copies of a child with all that it changed in them. One that still works begins with a fresh copy. pid: the child."""
    child = children.of[pid]
    for copy in child.copies:
        copy.space.discard()
    return f"discarded {', '.join(f'/{copy.mount.name}' for copy in child.copies) or 'nothing: it has no copy'}"


def _empty(copy: Copy) -> str:
    return f"nothing is in the copy of {copy.pid}: it has not used it yet, or all of it was merged or discarded"


def _located(children: Children, pid: int, path: str) -> tuple[Copy, Location]:
    child = children.of[pid]
    where = child.place.locate(path)
    for copy in child.copies:
        if copy.mount == where.mount:
            child.place.reach.note_all(copy.mount)
            return copy, where
    has = ", ".join(f"/{copy.mount.name}" for copy in child.copies)
    raise ToolError(
        f"/{where.mount.name} of {pid} is no copy, so there is nothing apart in it; its copies: {has or 'none'}"
    )


@contextmanager
def _tops(copy: Copy) -> Generator[tuple[int, int]]:
    """The open tops of a copy and of its original (of a private folder: an empty one of its own)."""
    label = f"/{copy.mount.name} of {copy.pid}"
    here = open_top(copy.mount.folder, parts_of(copy.mount.beneath) if copy.mount.beneath else (), label)
    try:
        into = copy.into
        if into is None:
            there = os.open(copy.space.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        else:
            there = open_top(into.folder, parts_of(into.beneath) if into.beneath else (), f"the original of {label}")
        try:
            yield here, there
        finally:
            os.close(there)
    finally:
        os.close(here)


def changed(copy: Copy, within: tuple[str, ...] = ()) -> list[Change]:
    """What was changed in a copy since it was made."""
    if not copy.space.made:
        return []
    with _tops(copy) as (here, _):
        return changes(here, copy.space.base(), within)


def described(copy: Copy, within: tuple[str, ...] = ()) -> str:
    """The changes of a copy, one a line with what stands in the way of merging it, then the text of what was changed."""
    if not copy.space.made:
        return _empty(copy)
    with _tops(copy) as (here, there):
        found = changes(here, copy.space.base(), within)
        if not found:
            return "nothing was changed"
        if copy.into is None:
            return "\n".join(f"{change.what} {shown(change.path)}" for change in found[:LINES_MAX])
        steps = plan(found, here, there, copy.mount.beneath, copy.veil)
        lines = [_line(step) for step in steps[:LINES_MAX]]
        for step in steps:
            if len(lines) > LINES_MAX:
                lines = [*lines[:LINES_MAX], f"[more than {LINES_MAX} lines; name a file or folder]"]
                break
            if step.change.kind == "file" and not step.refused:
                lines += unified(step.change, there, here).splitlines()
    return "\n".join(lines)


def itemized(copy: Copy, within: tuple[str, ...] = ()) -> list[Listed]:
    """The same for other programs, without the text."""
    if not copy.space.made:
        return []
    with _tops(copy) as (here, there):
        found = changes(here, copy.space.base(), within)
        if copy.into is None:
            why = "it is in a folder of the process's own, which is no copy of anything"
            return [Listed(_seen(copy, change), change.what, change.kind, False, why) for change in found]
        return [_item(copy, step, here, there) for step in plan(found, here, there, copy.mount.beneath, copy.veil)]


def _item(copy: Copy, step: Step, here: int, there: int) -> Listed:
    change = step.change
    unless: tuple[Literal["accept", "force"], ...] = ()
    added = removed = None
    if not step.refused:
        unless = (*(("accept",) if step.later else ()), *(("force",) if step.conflict else ()))
        text = unified(change, there, here) if change.kind == "file" else "[]"
        if not text.startswith("["):  # which says why there is none
            added, removed = counted(text)
    return Listed(_seen(copy, change), change.what, change.kind, not step.why, step.why, unless, added, removed)


def summed(copy: Copy, given_up: Callable[[], bool] = never) -> tuple[list[answers.Change], str]:
    """What was changed in a copy, for a receipt: each path with the lines that were added and removed, and the text of it
    (what has no text is said to have none; what is longer than is kept is counted). Raises :class:`GivenUp`."""
    if not copy.space.made:
        return [], ""
    with _tops(copy) as (here, there):
        listed: list[answers.Change] = []
        told: list[str] = []
        size = left_out = 0
        for change in changes(here, copy.space.base(), given_up=given_up):
            if given_up():
                raise GivenUp("it took too long to look at what changed")
            seen = copy.into is not None and not hidden_there(change.parts, there, copy.veil)
            text = _text(change, there, here) if seen else ""
            if size + len(text) <= DIFF_CHARS_MAX:
                size += len(text)
                told += [text] if text else []
            else:
                left_out += 1
            listed.append(answers.Change(_named(copy, change), change.what, *counted(text)))
    more = [f"[of {left_out} more files it is left out, for there is too much]"] if left_out else []
    return listed, "\n".join(told + more)


def _text(change: Change, there: int, here: int) -> str:
    """What is to be read of a change: a file's lines, and what lines don't show."""
    now, before, name = change.now, change.before, shown(change.path)
    if now is not None and now.kind == "link":
        return f"[{name}: a link to {shown(os.fsdecode(now.digest))}]"
    if change.kind != "file":
        return ""
    text = unified(change, there, here)
    if text or now is None or before is None or before.kind != "file":
        return text
    return f"[{name}: mode {before.mode & 0o777:o} became {now.mode & 0o777:o}]"


def _named(copy: Copy, change: Change) -> str:
    """A changed path for a receipt."""
    return shortened(_seen(copy, change))


def _seen(copy: Copy, change: Change) -> str:
    """A changed path as its process sees it."""
    return f"/{copy.mount.name}/{shown(change.path)}{'/' if change.kind == 'folder' else ''}"


def _line(step: Step) -> str:
    change = step.change
    slash = "/" if change.kind == "folder" else ""
    why = f" ({'NOT MERGED: ' if step.refused or step.later else 'CONFLICT: '}{step.why})" if step.why else ""
    return f"{change.what} {shown(change.path)}{slash}{why}"


def merge_into(
    copy: Copy,
    wanted: Iterable[tuple[str, ...]],
    left_out: Iterable[tuple[str, ...]] = (),
    accepted: Collection[tuple[str, ...]] = (),
    forced: Collection[tuple[str, ...]] = (),
) -> list[str]:
    """Merge the changes at or beneath ``wanted``; the paths that were merged. ``accepted``: files that run code later and that a
    person has named; ``forced``: those to overwrite though their original changed. Raises :class:`ToolError`."""
    if copy.into is None:
        raise ToolError(
            f"/{copy.mount.name} of {copy.pid} is a folder of its own, no copy of anything; read what you need of it"
        )
    if not copy.space.made:
        return []
    with copy.space.held(), _tops(copy) as (here, there):
        base = copy.space.base()
        found = {change.parts: change for one in wanted for change in changes(here, base, one)}
        out = tuple(left_out)
        chosen = [change for parts, change in sorted(found.items()) if not any(parts[: len(one)] == one for one in out)]
        steps = plan(chosen, here, there, copy.mount.beneath, copy.veil)
        refused = [step for step in steps if _stands(step, accepted, forced)]
        if refused:
            raise ToolError(_why_not(copy, refused))
        litter.clear(copy.space.folder)
        folders = {step.change.parts[:-1] for step in steps}
        beneath = parts_of(copy.into.beneath) if copy.into.beneath else ()
        with litter.noted(copy.space.folder, copy.into.folder, beneath, folders) as prefix:
            known = Writer(here, there, prefix).write(steps)
        for parts, entry in known.items():
            key = os.fsencode("/".join(parts))
            if entry is None:
                base.pop(key, None)
            else:
                base[key] = entry
        copy.space.keep(base)
        whole = copy.ended and not changes(here, base)
    if whole:
        copy.space.discard()
    return [shown(step.change.path) for step in steps]


def _stands(step: Step, accepted: Collection[tuple[str, ...]], forced: Collection[tuple[str, ...]]) -> bool:
    parts = step.change.parts
    return bool(step.refused or (step.later and parts not in accepted) or (step.conflict and parts not in forced))


def _why_not(copy: Copy, refused: list[Step]) -> str:
    lines = [f"{shown(step.change.path)}: {step.why}" for step in refused[:NAMED_MAX]]
    if len(refused) > NAMED_MAX:
        lines.append(f"and {len(refused) - NAMED_MAX:,} more")
    first = shown(refused[0].change.path)
    hints = ["merge other paths, or leave these out"]
    if any(step.later and not step.refused for step in refused):
        hints.append(
            f"the person can accept a file that runs code by its name: gemot merge {copy.pid} --accept {first}"
        )
    if any(step.conflict for step in refused):
        hints.append(f"or overwrite what was changed since: gemot merge {copy.pid} --force PATH")
    return "nothing was merged, because of\n" + "\n".join(lines) + "\n" + "; ".join(hints)


def _listed(entry: Entry) -> str:
    return (
        f"{shown(entry.name)}/"
        if entry.kind == "folder"
        else f"{shown(entry.name)}\t{entry.kind}\t{entry.size_bytes:,} bytes"
    )
