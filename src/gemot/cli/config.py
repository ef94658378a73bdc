"""Configuration: the person's `gemot.toml`, and the folders where programs are looked for."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from gemot.abi.grants import Grant
from gemot.authority.refusal import closest
from gemot.cli.failing import Usage
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


class Config(Struct, forbid_unknown_fields=True):
    """``model`` and ``program``: what `gemot run` uses when the command doesn't say. ``endorse``: what a plan may hold without
    a question: grants, each a table ``[[endorse]]``. ``provider``: by its name, how much may be asked of it. ``windows``: tokens
    that models take in, by name, where gemot can't know or knows wrong."""

    model: str = ""
    program: str = ""
    budget: BudgetTable = msgspec.field(default_factory=BudgetTable)
    endorse: tuple[Grant, ...] = ()
    route: tuple[RouteTable, ...] = ()
    provider: dict[str, Limits] = {}
    windows: dict[str, Annotated[int, Meta(ge=256)]] = {}


def folder() -> Path:
    """``GEMOT_CONFIG``, or the person's configuration folder."""
    named = os.environ.get("GEMOT_CONFIG")
    if named:
        return Path(named).expanduser()
    import platformdirs

    return platformdirs.user_config_path("gemot")


def read() -> Config:
    """What stands in `gemot.toml`; nothing if there is none. Raises :class:`Usage` that names the file."""
    path = folder() / "gemot.toml"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Config()
    except (OSError, UnicodeDecodeError) as error:
        raise Usage(f"{path} can't be read: {error}") from error
    try:
        config = msgspec.convert(tomllib.loads(text), Config)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Usage(
            f"{path}: {error}. It may have: model, program, tables [budget], [windows] and [provider.NAME] "
            f"({', '.join(Limits.__struct_fields__)}), and tables [[endorse]] and [[route]] (name, models)"
        ) from error
    for name in config.provider:  # a limit that is misspelt must not be a limit that is gone
        if name not in KINDS:
            raise Usage(f"{path}: there is no provider {name!r}; {closest(name, KINDS)}")
    return config


def program_folders() -> list[Path]:
    """The person's own."""
    return [place for place in (folder() / "programs",) if place.is_dir()]


def project_programs() -> Path | None:
    """Those of the folder that the person stands in; it may have come from anywhere."""
    place = Path.cwd() / ".gemot" / "programs"
    return place if place.is_dir() else None


def default_model(config: Config) -> str:
    return config.model or os.environ.get("GEMOT_MODEL", "") or "embedded"
