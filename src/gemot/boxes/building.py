"""A box as bubblewrap is told to build it: what is seen where, and what is taken away.

Nothing of the disk is seen but the system's programs (read-only), an interpreter, and the folders of the key. The root,
``/dev`` and ``/proc/sys`` are read-only; everything that can be written is a folder of the key, opened for writing, or
a scratch disk in memory of a fixed size. Bubblewrap takes every capability away, forbids new ones, and begins a session
without a terminal.

The interpreter also stands where it stands outside, as a link: its libraries, and environments that were made with it, look for it
there. ``gemot-python`` on the PATH is that interpreter, whatever other ones the system has.

Started by root, the box's user is the computer's root with all its powers removed, seen as 65534, because it must be
able to read and write root's own folders. The owner of files in ``/proc`` and ``/usr`` is that same root, so that what only the
mode of a file keeps from others is open to it; hence the masks.
"""

from __future__ import annotations

import importlib.util
import marshal
import os
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from gemot.boxes import framing
from gemot.boxes.guarding import Guard
from gemot.boxes.inner import counting, running, sealing, use, worker
from gemot.boxes.shape import RESERVED, Key

NOBODY = "65534"
PYTHON_AT = "/opt/python"
WORKER_AT = "/opt/box"
PROXY_AT = "/run/proxy"
PROGRAMS_AT = f"{WORKER_AT}/bin"
"""Programs that a box has of gemot."""
MASKS_MAX = 256
"""Files and folders of the system that are hidden one by one; where there are more, the folders that they lie in are."""

INSIDE = (framing, counting, running, sealing, use, worker)
"""The modules that a box has of gemot."""
_TOP = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")
_STORES = ("/nix/store", "/gnu/store")
"""Where some systems keep what others have in /usr."""
_CONFIGURATION = ("alternatives", "ld.so.cache", "pki/ca-trust/extracted", "pki/tls/certs", "ssl/certs")
"""What is seen of the computer's /etc: nothing that tells who uses it, and no keys."""
_OWN_CONFIGURATION = {
    "passwd": "box:x:65534:65534:box:/tmp:/bin/sh\n",
    "group": "box:x:65534:\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
_SEEN_IN_PROC = frozenset(("self", "thread-self", "net", "mounts", "sys"))
"""Links to what belongs to the process that looks, and ``sys``, which is read-only as a whole."""


def arguments(key: Key, seen: list[Seen], own: dict[int, str]) -> list[str]:
    """What bubblewrap is told about the box; see :func:`command` for what runs in it.

    ``seen``: its :func:`view`; ``own``: the descriptors from which it can read :func:`files`, and the place of each.
    """
    libraries = interpreter()[1]
    return [
        *("--unshare-all", "--die-with-parent", "--new-session", "--as-pid-1", "--clearenv", "--hostname", "box"),
        *("--uid", NOBODY, "--gid", NOBODY, "--cap-drop", "ALL"),
        *_system(),
        *("--dev", "/dev", "--size", str(key.limits.shared_bytes), "--tmpfs", "/dev/shm", "--remount-ro", "/dev"),
        *_proc(),
        *("--size", str(key.limits.scratch_bytes), "--perms", "1777", "--tmpfs", "/tmp"),
        *("--dir", "/var", "--symlink", "/tmp", "/var/tmp", "--dir", "/run"),
        *_python(),
        *_masks((path, folder) for path, folder, outside in private(os.geteuid()) if os.path.lexists(outside)),
        *(("--ro-bind", key.proxy, PROXY_AT) if key.proxy else ()),
        *(word for number, path in own.items() for word in ("--perms", _mode(path), "--file", str(number), path)),
        *(word for one in seen for word in ("--bind" if one.writable else "--ro-bind", one.source, one.target)),
        *_covers(key),
        *("--remount-ro", "/", "--chdir", "/"),
        *(("--setenv", "LD_LIBRARY_PATH", libraries) if libraries else ()),
    ]


def command() -> list[str]:
    """The worker, as started in the box: isolated from whatever lies around there, and without site packages."""
    start = f"import sys; sys.path.insert(0, {WORKER_AT!r}); from {worker.__name__} import main; main()"
    return [interpreter()[0], "-I", "-S", "-X", "utf8", "-c", start]


@cache
def files() -> dict[str, bytes]:
    """Small files that a box has of its own, by their place in it. The worker is there compiled: a fresh box waits for it."""
    own = {f"/etc/{name}": text.encode() for name, text in _OWN_CONFIGURATION.items()}
    for module in INSIDE:
        place = f"{WORKER_AT}/{module.__name__.replace('.', '/')}.pyc"
        code = compile(Path(str(module.__file__)).read_bytes(), place, "exec", dont_inherit=True, optimize=0)
        own[place] = importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code)
    python, libraries = interpreter()
    # Only where the interpreter does not find its libraries by itself: whatever it starts would look there first, too.
    told = f"LD_LIBRARY_PATH={libraries} " if libraries and os.environ.get("LD_LIBRARY_PATH") else ""
    own[f"{PROGRAMS_AT}/gemot-python"] = f'#!/bin/sh\n{told}exec {python} "$@"\n'.encode()
    return own


def _mode(path: str) -> str:
    return "0555" if path.startswith(f"{PROGRAMS_AT}/") else "0444"


def environment(key: Key) -> dict[str, str]:
    """All that a call finds in its environment. Nothing of it is the machine's."""
    python = os.path.dirname(interpreter()[0])
    known = {
        "PATH": ":".join(dict.fromkeys(("/usr/local/bin", "/usr/bin", "/bin", python, PROGRAMS_AT))),
        "HOME": "/tmp",
        "TMPDIR": "/tmp",
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TERM": "dumb",
    }
    if key.proxy:
        known |= dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:3128")
    return known


def interpreter() -> tuple[str, str]:
    """The Python of a box, as seen in it, and where its libraries are if it needs to be told."""
    name = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    if _is_systems():
        return os.path.join(sys.base_prefix, "bin", name), ""
    return f"{PYTHON_AT}/bin/{name}", f"{PYTHON_AT}/lib"


def _is_systems() -> bool:
    prefix = os.path.realpath(sys.base_prefix)
    return prefix == "/usr" or prefix.startswith("/usr/")


def _python() -> list[str]:
    if _is_systems():
        return []
    return ["--ro-bind", os.path.realpath(sys.base_prefix), PYTHON_AT, *_link_to_python()]


def _link_to_python() -> list[str]:
    """Where the interpreter stands outside it is in the box, too, unless that is a place of the box's own."""
    said: list[str] = []
    for prefix in dict.fromkeys((sys.base_prefix, os.path.realpath(sys.base_prefix))):
        if prefix.split("/")[1] in RESERVED - {"opt", "tmp", "var"} or PYTHON_AT in (prefix, os.path.dirname(prefix)):
            continue
        said += ["--symlink", PYTHON_AT, prefix]
    return said


def _system() -> list[str]:
    said = ["--ro-bind", "/usr", "/usr"]
    for name in _TOP:
        path = f"/{name}"
        if os.path.islink(path):
            said += ["--symlink", os.readlink(path), path]
        elif os.path.isdir(path):
            said += ["--ro-bind", path, path]
    for path in _STORES:
        said += ["--ro-bind-try", path, path]
    for name in _CONFIGURATION:
        said += ["--ro-bind-try", f"/etc/{name}", f"/etc/{name}"]
    return said


def _proc() -> list[str]:
    hidden = ((path, os.path.isdir(path)) for path in masked(os.geteuid()))
    return ["--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys", *_masks(hidden)]


def _masks(hidden: Iterable[tuple[str, bool]]) -> list[str]:
    """Nothing in place of these paths; each with whether it is a folder."""
    said: list[str] = []
    for path, folder in hidden:
        if folder:
            said += ["--size", "4096", "--tmpfs", path, "--remount-ro", path]
        else:
            said += ["--ro-bind", "/dev/null", path]
    return said


@cache
def masked(user: int) -> tuple[str, ...]:
    """What in /proc, outside the processes, is open to the owner of its files and not to everybody.

    Nobody but root is their owner, so for others there is nothing to mask: what they can't reach stays out of reach.
    """
    if user != 0:
        return ()
    tops = (f"/proc/{name}" for name in sorted(os.listdir("/proc")) if not name.isdigit() and name not in _SEEN_IN_PROC)
    return tuple(path for path in tops if any(map(_is_owners, _beneath(path))))


@cache
def private(user: int) -> tuple[tuple[str, bool, str], ...]:
    """What of the system's programs, libraries and interpreter is for their owner alone, where that is whoever runs boxes: root.

    Each as it is seen in a box, whether it is a folder, and its path outside. Found once in each machine: it takes about half a second.
    """
    if user != 0:
        return ()
    prefix = os.path.realpath(sys.base_prefix)
    tops = ["/usr", *(f"/{name}" for name in _TOP), *(f"/etc/{name}" for name in _CONFIGURATION), prefix]
    tops = [path for path in tops if os.path.exists(path) and not os.path.islink(path)]
    only = ("!", "-type", "l", "(", "!", "-perm", "-0004", "-o", "-type", "d", "!", "-perm", "-0001", ")")
    said = subprocess.run(
        ["find", *tops, "-xdev", *only, "-prune", "-print0"], env={"PATH": os.defpath}, capture_output=True
    )
    found = {path for path in map(os.fsdecode, said.stdout.split(b"\0")) if path}
    while len(found) > MASKS_MAX:
        fullest = Counter(map(os.path.dirname, found)).most_common(1)[0][0]
        found = {path for path in found if not path.startswith(f"{fullest}/")} | {fullest}
    return tuple((_in_a_box(path, prefix), os.path.isdir(path), path) for path in sorted(found))


def _in_a_box(path: str, prefix: str) -> str:
    beneath = path.startswith(f"{prefix}/") and not _is_systems()
    return PYTHON_AT + path.removeprefix(prefix) if beneath else path


def _is_owners(path: str) -> bool:
    mode = os.lstat(path).st_mode
    return not stat.S_ISDIR(mode) and not stat.S_ISLNK(mode) and (bool(mode & 0o222) or not mode & 0o004)


def _beneath(path: str) -> Iterator[str]:
    yield path
    if os.path.isdir(path):
        for folder, _, names in os.walk(path):
            yield from (os.path.join(folder, name) for name in names)


def _covers(key: Key) -> list[str]:
    """Over a hidden folder lies an empty one that nobody may enter, over a hidden file a device that nobody may open."""
    said: list[str] = []
    for bind in key.binds:
        for path, folder in bind.covered:
            target = f"{bind.target}/{path}"
            if folder:
                said += ["--perms", "0000", "--tmpfs", target, "--remount-ro", target]
            else:
                said += ["--ro-bind", "/dev/null", target]
    return said


class Seen(NamedTuple):
    """One place of a box and what must stand there once it is built: its device and inode, or None if nobody looked."""

    source: str
    target: str
    writable: bool
    identity: tuple[int, int] | None


def view(key: Key) -> tuple[list[Seen], dict[str, Guard]]:
    """What a box sees of the person's folders, and the guards of those that it may write.

    In a folder for writing, what runs code later is read-only, and what it lies in stays where it is: nothing can be moved away that
    something else is mounted in once it is a mount itself. Raises ``OSError``.
    """
    seen: list[Seen] = []
    guards: dict[str, Guard] = {}
    for bind in sorted(key.binds, key=lambda one: one.target):
        covered = tuple(path for path, _ in bind.covered)
        guard = Guard(bind.source, bind.keep, bind.guarded, covered) if bind.writable else None
        writable = guard is not None and "" not in guard.closed
        seen.append(Seen(bind.source, bind.target, writable, bind.identity))
        if guard is not None:
            guards[bind.target] = guard
        if guard is not None and writable:
            seen += [
                Seen(os.path.join(bind.source, path), f"{bind.target}/{path}", free, guard.identities[path])
                for free, paths in ((True, guard.above()), (False, guard.closed))
                for path in paths
            ]
    return seen, guards


def repositories(folder: str) -> list[str]:
    """The paths in a folder that are read-only in every box: see :class:`Guard`. Raises ``OSError``."""
    return Guard(folder).closed
