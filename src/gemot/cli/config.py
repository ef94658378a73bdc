"""Configuration: the person's `gemot.toml`, and the folders where programs are looked for."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from gemot.abi.grants import Grant
from gemot.authority.private import flaw
from gemot.authority.refusal import closest
from gemot.cli.failing import Usage
from gemot.machine.home import open_to_others
from gemot.machine.own import config_folder
from gemot.machine.retention import RUNS_KEPT, Limit, Retention
from gemot.models.catalogue import Limits
from gemot.models.registry import KINDS


class BudgetTable(Struct, forbid_unknown_fields=True):
    """Like ``--budget``; what is left out keeps its default."""

    tokens: int | None = None
    usd: float | None = None
    seconds: float | None = None
    processes: int | None = None
    depth: int | None = None
    calls: int | None = None


class RouteTable(Struct, forbid_unknown_fields=True):
    """``[[route]]``: models under a name, in the order in which a process goes on when one fails or is not good enough."""

    name: str
    models: Annotated[tuple[str, ...], Meta(min_length=1)]


class FilesTable(Struct, forbid_unknown_fields=True):
    """``[files]``: what processes see of the person's files."""

    private: tuple[str, ...] = ()
    """Patterns of paths that no process sees unless they are shown by name, besides the usual ones; ``!`` takes one out."""
    untrusted: tuple[str, ...] = ()
    """Folders whose files third parties chose."""


class LimitTable(Struct, forbid_unknown_fields=True):
    """Of what has ended: the newest ``count`` may stay, as long as ``age``."""

    count: Annotated[int, Meta(ge=0)] | None = None
    """How many stay at most."""
    age: str = ""
    """How long one stays at most, such as 90d."""


class RetentionTable(LimitTable):
    """``[retention]``: what leaves by itself. ``count`` and ``age`` are for trees that a person started."""

    schedules: LimitTable = msgspec.field(default_factory=lambda: LimitTable(count=RUNS_KEPT))
    """For the runs of each schedule."""


class Config(Struct, forbid_unknown_fields=True):
    """``model`` and ``program``: what `gemot run` uses when the command doesn't say. ``endorse``: what a plan may hold without
    a question: grants, each a table ``[[endorse]]``. ``provider``: by its name, how much may be asked of it. ``windows``: tokens
    that models take in, by name, where gemot can't know or knows wrong. ``files``: what is private and untrusted."""

    model: str = ""
    program: str = ""
    budget: BudgetTable = msgspec.field(default_factory=BudgetTable)
    endorse: tuple[Grant, ...] = ()
    route: tuple[RouteTable, ...] = ()
    provider: dict[str, Limits] = {}
    windows: dict[str, Annotated[int, Meta(ge=256)]] = {}
    files: FilesTable = msgspec.field(default_factory=FilesTable)
    secrets: dict[str, bool] = {}
    """Variable -> whether its value is a secret, where that is not what the value says."""
    retention: RetentionTable = msgspec.field(default_factory=RetentionTable)
    """What leaves by itself when it has ended."""


def folder() -> Path:
    """``GEMOT_CONFIG``, or the person's configuration folder. Raises :class:`Usage` where others could write into it."""
    place = config_folder()
    wrong = open_to_others(place)
    if wrong:
        raise Usage(f"the configuration folder {place} {wrong}")
    return place


def read() -> Config:
    """What stands in `gemot.toml`; nothing if there is none. Raises :class:`Usage` that names the file."""
    path = folder() / "gemot.toml"
    wrong = open_to_others(path)
    if wrong:
        raise Usage(f"{path} {wrong}")
    try:
        text = path.read_text(encoding="utf-8-sig")  # editors on other systems begin a file with a mark
    except FileNotFoundError:
        return Config()
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"{path} can't be read: {error}") from error
    try:
        config = msgspec.convert(tomllib.loads(text), Config)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Usage(
            f"{path}: {error}. It may have: model, program, tables [budget], [windows], [secrets] and [provider.NAME] "
            f"({', '.join(Limits.__struct_fields__)}), and tables [[endorse]] and [[route]] (name, models), "
            "and tables [files] (private, untrusted), [retention] (count, age) and [retention.schedules] (count, age)"
        ) from error
    for pattern in config.files.private:
        if flaw(pattern):
            raise Usage(f"{path}: [files] private: {flaw(pattern)}")
    for place in config.files.untrusted:
        if not Path(place).expanduser().is_absolute():
            raise Usage(
                f"{path}: [files] untrusted names folders by their whole path, such as ~/Downloads, not {place!r}"
            )
    for name, table in (("retention", config.retention), ("retention.schedules", config.retention.schedules)):
        try:
            of_table(table)
        except Usage as error:
            raise Usage(f"{path}: [{name}] {error}") from error
    rules(config)
    for name in config.provider:  # a limit that is misspelt must not be a limit that is gone
        if name not in KINDS:
            raise Usage(f"{path}: there is no provider {name!r}; {closest(name, KINDS)}")
    return config


def rules(config: Config) -> Retention:
    """What leaves by itself, as the person wants it. Raises :class:`Usage`."""
    table = config.retention
    return Retention(of_table(table), of_table(table.schedules))


def of_table(table: LimitTable) -> Limit:
    return Limit(table.count, span(table.age, "age") if table.age else None)


def span(text: str, name: str) -> int:
    """How long that is, in milliseconds. Raises :class:`Usage`."""
    found = re.fullmatch(r"([0-9]{1,6})\s?([smhdw])", text.strip().lower())
    if found is None:
        raise Usage(f"{name} is a number and a unit, such as 12h, 30d or 8w, not {text!r}")
    return int(found[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}[found[2]] * 1000


def program_folders() -> list[Path]:
    """The person's own. Raises :class:`Usage` where others could write into it."""
    place = folder() / "programs"
    wrong = open_to_others(place)
    if wrong:
        raise Usage(f"the folder of your programs, {place}, {wrong}")
    return [place] if place.is_dir() else []


def project_programs() -> Path | None:
    """Those of the folder that the person stands in; it may have come from anywhere."""
    place = Path.cwd() / ".gemot" / "programs"
    return place if place.is_dir() else None


def default_model(config: Config) -> str:
    return config.model or os.environ.get("GEMOT_MODEL", "") or "embedded"
