"""Carrying a tree: out to one file, into another machine, or out of the journal for good when it has ended.

A tree's file holds its tables, its programs, its records and the values that it names, under one checksum. What comes in
from a file was written by anybody: it sleeps until a person lets it go on, sees no folder but those that the person names,
and its rights and means are shown first.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path

import msgspec
from msgspec.structs import replace

import gemot
from gemot.abi.events import Adopted
from gemot.abi.grants import Grant, Mount, Rule
from gemot.journal.contract import Damaged, Journal, Record
from gemot.kernel import Kernel, receipts
from gemot.kernel import freezing as tables
from gemot.kernel.process import Process
from gemot.machine.cast import Cast
from gemot.machine.forgeries import whole
from gemot.machine.home import not_utf8
from gemot.machine.loop import Loop, MachineError
from gemot.machine.starting import Privacy, must_be_outside
from gemot.models.registry import names_its_own_code_or_address
from gemot.programs import freezing as folds
from gemot.programs.conversation import Conversation

MAGIC = b"gemot tree 1\n"
FILE_BYTES_MAX = 1 << 28
"""The largest file that is read."""

LARGEST_BYTES = 1 << 29
"""The largest tree that is read from a file, unpacked: a small file can't fill the memory."""


class CarryError(MachineError):
    """A tree can't be carried as asked; the message says why and what would work."""


class Carried(msgspec.Struct, frozen=True):
    """A tree in a file. ``version``: of the gemot that wrote it. ``tables`` and ``programs``: as checkpoints keep them.
    ``records``: (at, pid, body) of everything that happened in it. ``values``: the texts that its handles name."""

    version: str
    tables: bytes
    programs: bytes
    records: list[tuple[int, int, bytes]]
    values: list[str]

    def processes(self) -> list[Process]:
        return tables.carried(self.tables).tree.processes


def export(loop: Loop, root: int, path: Path) -> None:
    write(pack(loop.journal, loop.kernel, loop.cast, root), path)


def coming(
    loop: Loop,
    carried: Carried,
    folders: Mapping[str, Path | str],
    model: str,
    now: int,
    privacy: Privacy,
    untrusted: Collection[str] = (),
) -> Adopted:
    """The event that brings a tree in; its values are in the journal then. ``model``: takes the place of each model in
    :func:`unsafe_models`. ``privacy``: what no process sees here; ``untrusted``: the mounts among ``folders`` whose files
    come from third parties. Raises :class:`MachineError`."""
    places = {name: str(Path(folder).expanduser().absolute()) for name, folder in folders.items()}
    known = {one.name for one in mounts(carried)}
    for name, folder in places.items():
        if name not in known:
            raise MachineError(f"the tree has no mount {name!r}; it has: {', '.join(sorted(known)) or 'none'}")
        if not_utf8(folder):
            raise MachineError(not_utf8(folder))
        if not Path(folder).is_dir():
            raise MachineError(f"there is no folder {folder}; make it first, or name another")
    taken = [one.pid for one in carried.processes() if one.pid in loop.kernel.processes]
    if taken:
        raise MachineError(
            f"this machine has a process {taken[0]} of its own, and a process keeps its number; import the tree into "
            "another home (--home DIR)"
        )

    def here(mount: Mount) -> Mount:
        """What the file says is shown or private counts for nothing here."""
        own = replace(mount, private=None, shown=(), untrusted=mount.untrusted or mount.name in untrusted)
        return privacy.of(own)

    must_be_outside(loop.spaces, (here(Mount(name, folder)) for name, folder in places.items()))
    unsafe = unsafe_models(carried)
    if unsafe and not model:
        raise CarryError(
            f"the tree names the model {unsafe[0]!a:.120}: a file that came from elsewhere starts no script and chooses no "
            "address; name the model that takes its place (--model NAME)"
        )
    if model:
        loop.stage.model(model)
    moved = remodelled(relocated(carried, places, here), model)
    brought = {loop.journal.put_value(text) for text in moved.values}
    return Adopted(now, _only_brought(moved.tables, brought), moved.programs, decided_here=True)


def _only_brought(body: bytes, brought: Collection[str]) -> bytes:
    """The tables without the names of texts and images that the file did not bring: the journal here may hold them for others."""
    coming = tables.carried(body)
    for process in coming.tree.processes:
        process.handles = {
            number: handle if handle.digest in brought else replace(handle, digest="")
            for number, handle in process.handles.items()
        }
        process.mailbox = [
            replace(mail, images=tuple(image for image in mail.images if image.digest in brought))
            for mail in process.mailbox
        ]
    return msgspec.msgpack.encode(coming)


def pack(journal: Journal, kernel: Kernel, cast: Cast, root: int, records: Iterable[Record] | None = None) -> Carried:
    """A tree as it is now. ``records``: its own, where they are known. Raises :class:`CarryError` where something is under way in it."""
    pids = set(kernel.trees[root])
    if not tables.waits(kernel, root):
        raise CarryError(f"something is under way in tree {root}; let it end, or stop the machine first")
    if pids & cast.missing.keys():
        raise CarryError(f"a program of tree {root} is not installed here, so the tree can't be carried whole")
    programs = folds.freeze({pid: cast.programs[pid] for pid in sorted(pids) if pid in cast.programs})
    family = kernel.tree(root)
    digests = {handle.digest for one in family for handle in one.handles.values() if handle.digest}
    return Carried(
        gemot.__version__,
        tables.carry(kernel, root),
        msgspec.msgpack.encode(programs),
        [(one.at, one.pid, one.body) for one in (journal.read() if records is None else records) if one.pid in pids],
        [*(journal.value(digest) for digest in sorted(digests)), *_told(journal, cast, family)],
    )


def _told(journal: Journal, cast: Cast, family: Iterable[Process]) -> Iterator[str]:
    """The images in readings and messages, and the texts of receipts. One that is not there any more, or never was (a tree that
    was carried here may name anything), is only spoken of, here as anywhere."""
    programs = [cast.programs.get(one.pid) for one in family]
    named = {one for program in programs if isinstance(program, Conversation) for one in program.images}
    named |= {image.digest for one in family for mail in one.mailbox for image in mail.images}
    named |= {digest for one in family for digest in receipts.receipt(one, {}).diffs}
    named |= {digest for one in family if one.outcome is not None for digest in one.outcome.receipt.diffs}
    for digest in sorted(named - {""}):
        with contextlib.suppress(Damaged):
            yield journal.value(digest)


def write(carried: Carried, path: Path) -> None:
    """Put a tree into a file that is there whole or not at all. Raises :class:`CarryError`."""
    packed = zlib.compress(msgspec.msgpack.encode(carried))
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as out:
            out.write(MAGIC + hashlib.sha256(packed).digest() + packed)
            out.flush()
            os.fsync(out.fileno())
        Path(out.name).replace(path)
    except OSError as error:
        raise CarryError(f"{path} can't be written: {error.strerror}") from error


def read(path: Path) -> Carried:
    """A tree from a file. Raises :class:`CarryError` for anything that is not one, or not whole."""
    body = _body(path)
    packed = body[len(MAGIC) + 32 :]
    if not body.startswith(MAGIC):
        raise CarryError(f"{path} is not a tree that this gemot can read; gemot export writes them")
    if hashlib.sha256(packed).digest() != body[len(MAGIC) : len(MAGIC) + 32]:
        raise CarryError(f"{path} is damaged: its checksum is another one")
    try:
        unpacking = zlib.decompressobj()
        plain = unpacking.decompress(packed, LARGEST_BYTES)
        if unpacking.unconsumed_tail:
            raise CarryError(f"{path} is larger than {LARGEST_BYTES >> 20} MB unpacked, which is the limit for a tree")
        carried = msgspec.msgpack.decode(plain, type=Carried)
        if carried.version != gemot.__version__:
            raise CarryError(
                f"{path} was written by gemot {carried.version}, this is {gemot.__version__}: open it with the one that wrote it"
            )
        if not whole(tables.carried(carried.tables)):
            raise CarryError("this file does not hold one whole tree")
        msgspec.msgpack.decode(carried.programs, type=folds.FrozenPrograms)
    except (zlib.error, msgspec.DecodeError) as error:
        raise CarryError(f"{path} is not a tree that this gemot can read: {error}") from error
    return carried


def _body(path: Path) -> bytes:
    """What is in a plain file. A pipe keeps its reader waiting, and a device may never end."""
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK | os.O_NOCTTY)) as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                raise CarryError(f"{path} is a pipe or a device, not a file; name a file that gemot export wrote")
            if facts.st_size > FILE_BYTES_MAX:
                raise _too_large(path, facts.st_size)
            body = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise CarryError(f"{path} can't be read: {error.strerror}") from error
    except ValueError as error:
        raise CarryError(f"{str(path)!r} can't be the name of a file: {error}") from error
    if len(body) > FILE_BYTES_MAX:  # it grows
        raise _too_large(path, len(body))
    return body


def _too_large(path: Path, size: int) -> CarryError:
    return CarryError(
        f"{path} has {size / 1e6:,.0f} MB, and a tree's file has at most {FILE_BYTES_MAX / 1e6:,.0f} MB; nothing of it was read"
    )


def relocated(
    carried: Carried, folders: Mapping[str, str], here: Callable[[Mount], Mount] = lambda mount: mount
) -> Carried:
    """The same tree, seeing of the disk only ``folders``: for each mount's name the folder here that takes its place, as
    ``here`` makes it."""
    coming = tables.carried(carried.tables)
    private = {f"private:{one.space}" for process in coming.tree.processes for one in process.mounts if one.space}
    for process in coming.tree.processes:
        moved = {one.folder.rstrip("/"): folders[one.name].rstrip("/") for one in process.mounts if one.name in folders}
        process.mounts = tuple(
            here(one if one.folder in private else replace(one, folder=folders[one.name]))
            for one in process.mounts
            if one.name in folders or one.folder in private
        )
        process.grants = [_moved(grant, moved) for grant in process.grants]
        process.policy = tuple(_moved(grant, moved) for grant in process.policy)
        if process.mandate is not None:
            process.mandate = tuple(_moved(grant, moved) for grant in process.mandate)
    return replace(carried, tables=msgspec.msgpack.encode(coming))


def unsafe_models(carried: Carried) -> list[str]:
    """The models of a tree's living processes that would run a file here, or be asked at an address of the file's choice."""
    living = (process for process in carried.processes() if process.alive)
    names = (name for process in living for name in (*process.models, *process.route))
    return [name for name in dict.fromkeys(names) if names_its_own_code_or_address(name)]


def remodelled(carried: Carried, model: str) -> Carried:
    """The same tree with ``model`` in the place of each unsafe one; each name stands once in a process's list."""
    unsafe = frozenset(unsafe_models(carried))
    if not unsafe:
        return carried
    coming = tables.carried(carried.tables)

    def safe(names: Iterable[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(model if name in unsafe else name for name in names))

    for process in coming.tree.processes:
        process.models, process.route = safe(process.models), safe(process.route)
    return replace(carried, tables=msgspec.msgpack.encode(coming))


def _moved(grant: Grant, folders: Mapping[str, str]) -> Grant:
    """A grant whose anchored paths are where its folders are now; those of folders that are not here fit nothing."""

    def path(text: object) -> object:
        if not isinstance(text, str) or "//" not in text:
            return text
        folder, _, inside = text.partition("//")
        return f"{folders[folder]}//{inside}" if folder in folders else text

    def rule(one: Rule) -> Rule:
        some = None if one.one_of is None else tuple(path(text) for text in one.one_of)
        return replace(one, one_of=some, under=path(one.under))

    return replace(grant, where={name: rule(one) for name, one in grant.where.items()})


def mounts(carried: Carried) -> list[Mount]:
    """All folders that a carried tree saw where it came from, each once."""
    return list({(one.name, one.folder): one for process in carried.processes() for one in process.mounts}.values())
