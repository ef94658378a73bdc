"""Doctor: what this computer has and lacks for gemot, one line each, and what to do about what is missing."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from msgspec import Struct

from gemot.cli import config, times
from gemot.cli.failing import DONE, FAILED, Usage, columns_of, put
from gemot.cli.paint import coloured, painted
from gemot.cli.plain import hanging, plain
from gemot.cli.sight import is_running
from gemot.journal.contract import Damaged, JournalError
from gemot.journal.database import ready_of
from gemot.journal.endmark import path_of
from gemot.journal.sqlite import SqliteJournal
from gemot.machine import backups, calendar, checkpoint, inspecting, stop_reason
from gemot.machine.clock import large
from gemot.machine.home import Home, HomeError, default_home
from gemot.machine.snapshot import Snapshot
from gemot.machine.spaces import taken

DISK_BYTES_MIN = 500_000_000
"""Less free space than this is worth a word: the embedded model needs most of it while it is installed."""


class Finding(Struct, frozen=True):
    """``ok``; ``missing``: something can't be used until it is there; ``broken``: the machine can't work."""

    state: Literal["ok", "missing", "broken"]
    what: str


FLAWS_MAX = 10
"""So many flaws of the journal are told; what can be had of it is told in any case."""


def doctor(folder: Path | None, deep: bool = True) -> int:
    """Print the findings. ``deep``: with all that the home holds read and checked; else what takes no longer on a long history."""
    colour, columns = coloured(sys.stdout), columns_of(sys.stdout)
    worst = DONE
    for finding in _look(folder, deep):
        style = "done" if finding.state == "ok" else "ask" if finding.state == "missing" else "failed"
        first, *rest = [finding.what] if columns is None else hanging(finding.what, max(20, columns - 9))
        put(f"{painted(f'{finding.state:<8}', style, colour)} {first}")
        for line in rest:
            put(f"{'':<8} {line}")
        worst = FAILED if finding.state == "broken" else worst
    return worst


def _each(part: str, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """The findings about a part. What can't be looked at is named, and the other parts are looked at all the same."""
    try:
        yield from look()
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one part must not hide the others
        words = str(error) or type(error).__name__
        yield Finding("broken", f"{part} can't be looked at: {plain(words, 300)}")


def _look(folder: Path | None, deep: bool = True) -> Iterator[Finding]:
    yield _python()
    yield _sqlite()
    if folder is not None and backups.is_backup(folder):
        yield from _each("the backup", partial(_backup, folder))
        return
    try:
        home = Home(default_home() if folder is None else folder)
    except HomeError as error:
        yield Finding("broken", str(error))
    else:
        for part, look in (
            ("the machine's folder", _home),
            ("room on its disk", _room),
            ("copies of files", _copies),
            ("the machine that runs", _machine),
            *(ALL_OF_IT if deep else (("the journal", _newest),)),
        ):
            yield from _each(part, partial(look, home))
    for part, look in (
        ("the configuration", _configuration),
        ("secrets", _secrets),
        ("models", partial(_models, deep)),
        ("walls around drivers", _walls),
    ):
        yield from _each(part, look)
    yield _terminal()


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return Finding("ok", f"Python {version}, {sys.platform}")


def _sqlite() -> Finding:
    if sqlite3.sqlite_version_info < (3, 22):
        return Finding(
            "broken", f"SQLite {sqlite3.sqlite_version}: the journal needs 3.22 or newer; use a newer Python"
        )
    return Finding("ok", f"SQLite {sqlite3.sqlite_version}")


def _backup(place: Path) -> Iterator[Finding]:
    """Whether a backup holds all that was written into it."""
    try:
        made = backups.listed(place)
    except backups.BackupError as error:
        yield Finding("broken", str(error))
        return
    wrong = list(backups.flaws(place, made))
    for words in wrong[:FLAWS_MAX]:
        yield Finding("broken", f"the backup {place}: {words}")
    if len(wrong) > FLAWS_MAX:
        yield Finding("broken", f"{len(wrong) - FLAWS_MAX} more flaws in the backup")
    if not wrong:
        parts = (
            "its parts are not listed, since an earlier gemot made it"
            if made.parts is None
            else f"{len(made.parts)} files"
        )
        yield Finding(
            "ok",
            f"the backup {place} is whole: {made.position:,} records, {parts}; gemot backup --restore brings it back",
        )


def _home(home: Home) -> Iterator[Finding]:
    seen = home.folder.stat()
    if seen.st_mode & 0o077:
        yield Finding("missing", f"privacy: others may look into {home.folder}: chmod 700 {home.folder}")
    else:
        yield Finding("ok", f"the machine's folder is {home.folder}")
    yield _write_ahead(home)


def _room(home: Home) -> Iterator[Finding]:
    free = shutil.disk_usage(home.folder).free
    state = "ok" if free >= DISK_BYTES_MIN else "missing"
    yield Finding(state, f"{free / 1e9:.1f} GB free there" + ("" if state == "ok" else ": make room"))


def _copies(home: Home) -> Iterator[Finding]:
    count, used = taken(home)
    if count:
        yield Finding("ok", f"{count} copies of files there take {used / 1e6:,.0f} MB: gemot merge, gemot discard")


def _machine(home: Home) -> Iterator[Finding]:
    words = stop_reason.said(home)
    if words:
        yield Finding("missing", words)
    pid = is_running(home)
    yield Finding(
        "ok", "no machine is running" if pid is None else f"a machine is running (process {pid or 'unknown'})"
    )


def _write_ahead(home: Home) -> Finding:
    """Try what the journal does, in a file beside it: some network disks can't."""
    trial = home.folder / f".doctor-{os.getpid()}.db"
    try:
        SqliteJournal(trial).close()
        db = sqlite3.connect(trial)
        mode = db.execute("PRAGMA journal_mode").fetchone()[0]
        db.close()
    except (JournalError, sqlite3.Error) as error:
        return Finding("broken", f"a journal can't be written in {home.folder}: {error}")
    finally:
        for file in (*(Path(f"{trial}{suffix}") for suffix in ("", "-wal", "-shm")), path_of(trial)):
            with contextlib.suppress(OSError):  # a disk that can only be read
                file.unlink(missing_ok=True)
    if mode != "wal":
        return Finding(
            "broken", f"the disk of {home.folder} has no write-ahead log (it has {mode}): name another with --home"
        )
    return Finding("ok", "a journal can be written there")


def _others(home: Home) -> Iterator[Finding]:
    from gemot.cli.repair import memory_prospects

    found = list(inspecting.others(home))
    for flaw in found:
        yield Finding("broken", flaw.what)
    if any(flaw.part == "memories" for flaw in found):
        yield Finding("broken", f"salvage: {memory_prospects(home)}")


def _journal(home: Home) -> Iterator[Finding]:
    from gemot.cli.repair import known_programs, prospects

    if not _is_there(home):
        yield Finding("ok", "no journal yet; the first run begins one")
        return
    try:
        found = inspecting.journal(home, known_programs())
        if not isinstance(found, inspecting.Sound):
            for flaw in found[:FLAWS_MAX]:
                yield Finding("broken", f"{flaw.part}: {flaw.what}")
            if len(found) > FLAWS_MAX:
                yield Finding("broken", f"{len(found) - FLAWS_MAX} more flaws in the journal")
            yield from (Finding("broken", f"salvage: {line}") for line in prospects(home))
            return
    except (JournalError, OSError) as error:
        yield Finding("broken", str(error))
        return
    yield _clock(found.today, found.lead)
    counts = found.counts
    gone = [f"{counts.lost} records"] * bool(counts.lost) + [f"{counts.texts_lost} texts"] * bool(counts.texts_lost)
    lost = f"; {' and '.join(gone)} from before a salvage are lost" if gone else ""
    yield Finding(
        "ok",
        f"the journal is whole: {found.position} records, {found.counts.texts} texts, {found.processes} processes, {found.alive} not "
        f"ended{lost}",
    )


ALL_OF_IT = (("what is beside the journal", _others), ("the journal", _journal))
"""What is looked at where everything is."""


def _newest(home: Home) -> Iterator[Finding]:
    """The journal as a machine opens it: its end, its newest checkpoint and the records after that. Where anything is wrong with those,
    everything is looked at."""
    if not _is_there(home):
        yield Finding("ok", "no journal yet; the first run begins one")
        return
    snapshot = Snapshot(home.journal, recent=True)
    try:
        if "damaged" in stop_reason.said(home) or _is_damaged(home):
            raise Damaged("what a machine or its checkpoint says", 0)
        snapshot.fold()
    except (JournalError, OSError):
        for part, look in ALL_OF_IT:
            yield from _each(part, partial(look, home))
        return
    finally:
        snapshot.close()
    kernel = snapshot.kernel
    yield _clock(kernel.today, kernel.lead)
    trees = len(kernel.away.keys() | {root for root in kernel.trees if kernel.processes[root].alive})
    yield Finding(
        "ok",
        f"the journal ends as its mark says, and a machine can begin at its checkpoint: {snapshot.position} records, {trees} trees not "
        "ended. Older records, texts, memories and copies were not looked at: gemot doctor --deep reads all of them",
    )


def _is_damaged(home: Home) -> bool:
    """Whether there is a checkpoint that can't be read. Raises ``JournalError``."""
    journal = SqliteJournal(home.journal, writing=False)
    try:
        kept = journal.database.execute("SELECT count(*) FROM checkpoints").fetchone()
        return bool(kept and kept[0]) and checkpoint.of(journal) is None
    finally:
        journal.close()


def _is_there(home: Home) -> bool:
    return any(there.exists() for there in (home.journal, path_of(home.journal), ready_of(home.journal)))


def _clock(today: int, lead_millis: int) -> Finding:
    """Whether the computer's clock fits the journal."""
    notice = calendar.behind(today, times.now())
    if notice:
        return Finding("missing", notice)
    lead = large(lead_millis)
    if lead:
        side = "ahead of" if lead_millis > 0 else "behind"
        return Finding(
            "ok", f"the order of the journal's records is {lead} {side} the clock, which was set; dates go by the clock"
        )
    return Finding("ok", "the computer's clock fits the journal")


def _configuration() -> Iterator[Finding]:
    from gemot.cli import programs

    try:
        known = config.read()
        library = programs.library()
        misspelt = programs.misspelt_policy()
    except Usage as error:
        yield Finding("missing", f"configuration: {error}")
        return
    except FileNotFoundError:
        if _standing():
            raise
        yield Finding("missing", "configuration: the current folder is not there any more; stand in another one")
        return
    count = len(library.specs())
    yield Finding(
        "ok", f"configuration in {config.folder()}: {count} programs, model {config.default_model(known)} unless told"
    )
    if misspelt:
        yield Finding("broken", f"{config.folder()}/gemot.toml, [[endorse]]: {misspelt}")
    for file in library.unusable:
        yield Finding("broken", f"left out: {plain(file.reason, 300)}")


def _standing() -> bool:
    """Whether the current folder is there."""
    try:
        return bool(os.getcwd())
    except FileNotFoundError:
        return False


def _secrets() -> Iterator[Finding]:
    """The variables whose values are taken for secrets, and those that only have such a name."""
    from gemot.models.redacting import named_secret, secrets_of

    try:
        chosen = config.read().secrets
    except Usage:
        return  # told as a finding about the configuration
    found = secrets_of(os.environ, chosen)
    names = ", ".join(sorted(found)) or "none"
    yield Finding("ok", f"variables that count as secrets, so no model is shown their values: {names}")
    others = sorted(name for name, value in os.environ.items() if value and named_secret(name) and name not in found)
    if others:
        yield Finding(
            "ok",
            f"variables that don't, because their values could be ordinary text or are paths: {', '.join(others)}. "
            f"To count one, write {others[0]} = true under [secrets] in gemot.toml",
        )


def _models(deep: bool) -> Iterator[Finding]:
    """``deep``: the embedded model is started, which takes seconds."""
    from gemot.models.embedded.install import folder as models_folder
    from gemot.models.embedded.install import installed as weights
    from gemot.models.registry import list_models

    if find_spec("xllamacpp") is None:
        yield Finding("missing", "the embedded model's engine: pip install gemot[local]")
    else:
        yield Finding("ok", "the embedded model's engine is installed")
    if weights() is None:
        yield Finding("missing", f"the embedded model's weights (in {models_folder()}): gemot model install")
    else:
        yield Finding("ok", f"the embedded model's weights are in {models_folder()}")
        if deep and find_spec("xllamacpp") is not None:
            yield _embedded()
    for row in list_models():
        if row.name == "embedded" or row.name.startswith(("scripted", "bestiary")):
            continue
        if row.state == "ready":
            yield Finding("ok", f"models like {row.name}: {row.help}")
        else:
            yield Finding("missing", f"models like {row.name}: {row.help}")


def _embedded() -> Finding:
    """Start the embedded model: what it needs of this computer is tried before it is relied on."""
    from gemot.models.embedded.model import EmbeddedModel
    from gemot.models.port import ModelFailed

    async def check() -> str:
        model = EmbeddedModel()
        try:
            return await model.check()
        finally:
            await model.close()

    try:
        unshared = asyncio.run(check())
    except ModelFailed as error:
        return Finding("missing", f"the embedded model does not start: {error}")
    if unshared:
        return Finding(
            "missing",
            f"the embedded model works, but computes every prompt whole, so forks are slow: {unshared}. "
            "Reinstall its engine: pip install --force-reinstall gemot[local]",
        )
    return Finding("ok", "the embedded model works, and prompts that begin alike share what was computed")


def _walls() -> Iterator[Finding]:
    """What boxes hold here; probed, which takes a second the first time after a start of the computer."""
    from gemot.boxes import guarantees, remedy

    found = guarantees()
    if found.held:
        second = f", with Landlock {found.landlock} behind them" if found.landlock else ""
        yield Finding("ok", f"walls around drivers hold: {', '.join(sorted(found.held))}{second}")
    reasons: dict[str, list[str]] = {}
    for guarantee, reason in sorted(found.broken.items()):
        reasons.setdefault(reason, []).append(guarantee)
    for reason, names in reasons.items():
        yield Finding("missing", f"walls ({', '.join(names)}), so shell/run and python/run are not offered: {reason}")
    if found.broken:
        yield Finding("missing", remedy())


def _terminal() -> Finding:
    if not sys.stderr.isatty():
        return Finding("ok", "no terminal here: runs are shown as plain lines, asks wait for gemot answer")
    kind = os.environ.get("TERM", "") or "unknown"
    colour = "with colour" if coloured(sys.stderr) else "without colour"
    return Finding("ok", f"terminal {kind}, {columns_of(sys.stderr)} columns, {colour}")
