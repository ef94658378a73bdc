"""Steps between two lives of a machine: its home is backed up and restored, or its journal is damaged and salvaged, and nothing is lost.

The damage is one that costs no record, so the history goes on as it would have. Damage that costs records is in :mod:`salvages`.
"""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from random import Random

from checkers import LawBroken
from disk import Disk
from minds import LIBRARY

from gemot.journal.inspecting import inspect
from gemot.journal.salvage import beside, discard, swap
from gemot.machine import backups, salvaging
from gemot.machine.home import Home

STEPS = ("backup", "salvage", "", "", "")


def take(disk: Disk, chance: Random) -> str:
    """Do one step or none, and say which. Also in memory it counts as a sync, so that the store changes nothing."""
    step = chance.choice(STEPS)
    if not step:
        return ""
    disk._sync()
    path = disk.path
    if path is None and step == "salvage":
        disk._memory.drop_checkpoint()  # as on a file
    if path is None or not path.exists():
        return step
    before = disk.records()
    (_back_up if step == "backup" else _salvage)(path)
    after = disk.records()
    if [record.body for record in after] != [record.body for record in before]:
        raise LawBroken(f"{step}: {len(before)} records became {len(after)}, or others")
    return step


def _back_up(path: Path) -> None:
    """Make a backup of a home with this journal, and put the journal of the restored one in its place."""
    home, kept, restored = (path.with_name(f"{path.stem}.{name}") for name in ("home", "kept", "restored"))
    home.mkdir(mode=0o700)
    _move(path, home / "journal.db")
    backups.make(Home(home), kept, None)
    backups.restore(kept, restored, None, LIBRARY)
    _move(restored / "journal.db", path)
    for folder in (home, kept, restored):
        shutil.rmtree(folder)


def _move(path: Path, to: Path) -> None:
    for old, new in zip((path, *beside(path)), (to, *beside(to)), strict=True):
        if old.exists():
            old.rename(new)


def _salvage(path: Path) -> None:
    """Damage what a checkpoint keeps, and salvage."""
    with sqlite3.connect(path) as database:
        for table in ("checkpoints", "trees", "pieces"):
            database.execute(f"UPDATE {table} SET body=x'00'")
    database.close()
    if not inspect(path)[1]:
        return
    new, damaged = Path(f"{path}.new"), path.with_name(f"{path.stem}.damaged")
    salvaging.prepare(path, new, LIBRARY)
    swap(path, new, damaged)
    discard(damaged)
