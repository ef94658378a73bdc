"""Paths as texts: what a path argument means in a process's tree, so that rules about paths can't be talked around.

Only names are compared here. That a path stays beneath its mount on the disk is the drivers' duty (descriptors, not text).
"""

from __future__ import annotations

from gemot.abi.grants import Mount
from gemot.authority.private import compiled, folded_path
from gemot.authority.refusal import Refused

MODES = {
    "ro": "read-only",
    "rw": "read and write",
    "cow": "a copy of your own, read and write",
    "private": "your own, read and write",
}
"""Modes in words."""


def canonical(path: str, mounts: tuple[Mount, ...]) -> tuple[Mount, str]:
    """``path`` as a process writes it -> its mount and the path inside (``""`` is the mount itself).

    A relative path is in the first mount; ``/name/...`` is in the mount of that name. ``..`` does not exist.
    Raises :class:`Refused`.
    """
    if not mounts:
        raise Refused("mount", f"this process sees no files, so there is no {path!r}")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise Refused(
            "path",
            f"{path!r} goes up with '..', which is never allowed; name it from the mount's root: {roots(mounts)}",
        )
    if "\0" in path:
        raise Refused("path", "a path can't contain the NUL character")
    if not path.startswith("/"):
        return mounts[0], "/".join(parts)
    for mount in mounts:
        if parts and parts[0] == mount.name:
            return mount, "/".join(parts[1:])
    raise Refused(
        "path",
        f"there is no {path!r} here; this process sees {roots(mounts)}. Paths without a leading / are in /{mounts[0].name}",
    )


def roots(mounts: tuple[Mount, ...]) -> str:
    """What a process sees of the disk, in words."""
    return ", ".join(f"/{mount.name} ({MODES[mount.mode]})" for mount in mounts)


def private_by_name(mount: Mount, inside: str) -> str:
    """The pattern by which a path of a mount is private and that no person has shown; ``""`` if there is none. Only patterns
    of names are compared here; what is one place on the disk, the drivers look for."""
    path = folded_path("/".join(part for part in (mount.beneath, inside) if part))
    hits = compiled(mount.private or ()).private(path) if path else ()
    if not hits:
        return ""
    seen = compiled(mount.shown).anywhere
    named = any(hit in mount.shown for hit in hits) or any(rule.matches(path) for rule in seen)
    on_the_way = bool(inside) and any(rule.leads_to(path) for rule in seen)
    return "" if named or on_the_way else hits[0]


def anchored(mount: Mount, inside: str) -> str:
    """The one spelling of a path that rules are compared with: the same for a parent and for a child that sees only a part.

    ``//`` stands between the mounted folder and the path inside; it can't occur in either, so neither can pretend to be the other.
    """
    return mount.folder.rstrip("/") + "//" + "/".join(part for part in (mount.beneath, inside) if part)


def is_under(path: str, folder: str) -> bool:
    """Both spelled as by :func:`anchored`. A folder is under itself."""
    return path == folder or path.startswith(folder if folder.endswith("//") else folder + "/")


def shown(path: str, mounts: tuple[Mount, ...]) -> str:
    """An anchored path as the process that sees ``mounts`` would write it."""
    for index, mount in enumerate(mounts):
        root = anchored(mount, "")
        if is_under(path, root):
            inside = path[len(root) :].lstrip("/")
            return (inside or ".") if index == 0 else f"/{mount.name}/{inside}".rstrip("/")
    return "(a path outside of what this process sees)"
