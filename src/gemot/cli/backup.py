"""Backup: a copy of the machine's folder, and bringing one back."""

from __future__ import annotations

from pathlib import Path

from gemot.cli.failing import DONE, Usage, put
from gemot.cli.repair import known_programs
from gemot.cli.sight import known_home
from gemot.cli.times import when
from gemot.machine import backups
from gemot.machine.home import default_home
from gemot.machine.own import config_folder


def backup(home: Path | None, place: Path) -> int:
    try:
        made = backups.make(known_home(home), place, config_folder())
    except backups.BackupError as error:
        raise Usage(str(error)) from None
    put(
        f"the machine as of record {made.position:,} is in {place}; gemot backup --restore {place} --home DIR brings it back"
    )
    return DONE


def restore(home: Path | None, place: Path, doubt: bool) -> int:
    folder = default_home() if home is None else home
    try:
        made, has_settings = backups.restore(place, folder, config_folder(), known_programs(), doubt)
    except backups.BackupError as error:
        raise Usage(str(error)) from None
    put(f"the machine as of {when(made.at * 1000)} (record {made.position:,}) is in {folder}, with everything asleep")
    if not has_settings and (place / "settings").is_dir():
        put(f"there are settings here already, so those of the backup stay in {place / 'settings'}")
    if not doubt:
        put(
            "What it did after that moment it does not know, and would do again when it is resumed. Where it went on after the backup, restore "
            "with --doubt instead"
        )
    return DONE
