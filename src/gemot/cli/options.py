"""Options: what a person writes after `--budget`, `--work`, `--set` and `--model`, as what a machine takes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from gemot.abi import limits
from gemot.abi.grants import Budget, Mode
from gemot.abi.programs import ProgramSpec
from gemot.abi.reviews import Check, PersonCheck, ReviewerCheck, ToolCheck
from gemot.authority.refusal import closest
from gemot.cli.config import BudgetTable, RouteTable
from gemot.cli.failing import Usage
from gemot.cli.plain import one_line
from gemot.machine.home import here as whole_path
from gemot.machine.home import not_utf8

if TYPE_CHECKING:
    from gemot.machine.wishes import Shown

BUDGET_FORM = "tokens=200000,usd=0.50,seconds=600,processes=8,depth=3"


def budget(text: str, table: BudgetTable, default: Budget) -> Budget:
    """``tokens=..,usd=..`` over the configuration's table over the defaults. Raises :class:`Usage`."""
    given = {name: value for name, value in msgspec.structs.asdict(table).items() if value is not None}
    for part in filter(None, (one.strip() for one in text.split(","))):
        name, _, value = part.partition("=")
        name = name.strip()
        if name not in table.__struct_fields__:
            raise Usage(f"--budget has no {name!r}; it has {', '.join(table.__struct_fields__)}: {BUDGET_FORM}")
        try:
            given[name] = float(value) if name in ("usd", "seconds") else int(value.replace("_", ""))
        except ValueError:
            raise Usage(f"--budget {name} must be a number, not {value!r}: {BUDGET_FORM}") from None
    for name, value in given.items():
        if not 0 <= value < 10**12:
            raise Usage(f"--budget {name} must be a number from 0 up, not {value}")
    fields: dict[str, int] = {}
    for name, value in given.items():
        match name:
            case "usd":
                fields["usd_micros"] = round(value * 1_000_000)
            case "seconds":
                fields["millis"] = round(value * 1000)
            case _:
                fields[name] = int(value)
    return msgspec.structs.replace(default, **fields)


MODES: dict[str, Mode] = {"ro": "ro", "rw": "rw", "cow": "cow"}
UNTRUSTED = "untrusted"


class Work(NamedTuple):
    """The work folder, as a person names it."""

    folder: str
    """An absolute path."""
    mode: Mode
    untrusted: bool = False
    """Third parties chose its files."""
    named: bool = True
    """The person wrote it down; else it is the folder that they are in."""


def work(text: str | None) -> Work:
    """``DIR``, ``DIR:ro``, ``DIR:cow,untrusted`` -> a folder and what holds for it. Left out: the current folder, to read only.
    Raises :class:`Usage`."""
    if text is None:
        try:
            here = str(Path.cwd())
        except FileNotFoundError:
            raise Usage(
                "the folder you are in is not there any more; go to another one, or name one with --work"
            ) from None
        if not_utf8(here):
            raise Usage(f"the folder you are in can't be used: {not_utf8(here)}")
        return Work(here, "ro", named=False)
    if not text.strip():
        raise Usage('--work "" names no folder; write --work . for the one that you are in')
    name, mode, untrusted = marked(text, "--work")
    folder = whole_path(Path(name or "."))
    if not_utf8(folder):
        raise Usage(f"--work: {not_utf8(folder)}")
    if folder.exists() and not folder.is_dir():
        raise Usage(f"--work {name}: that is a file; name the folder that it is in")
    if not folder.is_dir():
        before, colon, ending = name.rpartition(":")
        if colon and Path(before).expanduser().is_dir():
            raise Usage(
                f"--work {name}: after the folder stands :ro, :rw or :cow, and perhaps ,untrusted; not :{ending}"
            )
        raise Usage(f"--work {name}: there is no such folder; make it first, or name another")
    return Work(str(folder), mode or "rw", untrusted)


def marked(text: str, option: str) -> tuple[str, Mode | None, bool]:
    """What stands after the last colon: a mode, and whether it is untrusted. A folder whose own name ends so is that folder.
    Raises :class:`Usage` where both could be meant."""
    before, colon, ending = text.rpartition(":")
    words = ending.split(",")
    if not colon or not all(word in MODES or word == UNTRUSTED for word in words):
        return text, None, False
    modes = [word for word in words if word in MODES]
    if len(modes) > 1 or len(set(words)) < len(words):
        raise Usage(f"{option} {text}: one of {', '.join(MODES)}, and perhaps untrusted; each once")
    if Path(text).expanduser().is_dir():
        if not Path(before or ".").expanduser().is_dir():
            return text, None, False
        raise Usage(
            f"{option} {text}: there is a folder of this name and a folder {before}; write {text}:rw or {before}/:{ending}"
        )
    return before, MODES[modes[0]] if modes else None, UNTRUSTED in words


def model_name(name: str) -> str:
    """A script's file is named whole, so that its process can be resumed from another folder."""
    if not name.startswith("scripted:"):
        return name
    if not_utf8(name):
        raise Usage(f"--model: {not_utf8(name)}")
    file, _, function = name.removeprefix("scripted:").rpartition(":")
    return f"scripted:{whole_path(Path(file))}:{function}" if file.endswith(".py") else name


def way(names: Sequence[str], routes: Sequence[RouteTable]) -> tuple[str, ...]:
    """What was named after ``--model``, once or several times, as the models to be used one after the other; ``route:NAME`` is
    the route of that name. Raises :class:`Usage`."""
    known = {route.name: route.models for route in routes}
    models: list[str] = []
    for name in names:
        kind, _, route = name.partition(":")
        if kind != "route":
            models.append(model_name(name))
        elif route in known:
            models.extend(map(model_name, known[route]))
        elif known:
            raise Usage(f"there is no route {route!r}; {closest(route, known)}")
        else:
            raise Usage(f"there is no route {route!r}: gemot.toml in your configuration folder has no [[route]]")
    return tuple(dict.fromkeys(models))


def arguments(settings: Iterable[str], spec: ProgramSpec) -> dict[str, Any]:
    """``--set name=value`` by the program's JSON schema. Raises :class:`Usage`."""
    known: dict[str, Any] = spec.parameters.get("properties", {})
    has = f"it has {', '.join(known)}" if known else "it has none"
    found: dict[str, Any] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        name = name.strip()
        if not equals:
            raise Usage(
                f"--set takes name=value, not {setting!r}; parameters of {spec.name}: {', '.join(known) or 'none'}"
            )
        if name not in known:
            raise Usage(f"the program {spec.name} has no parameter {name!r}; {has}")
        try:
            found[name] = _typed(value, known[name])
        except ValueError as error:
            raise Usage(f"--set {name}: {error}") from None
    missing = [name for name in spec.parameters.get("required", []) if name not in found]
    if missing:
        raise Usage(f"the program {spec.name} needs --set {missing[0]}=...; {has}")
    return found


def _typed(text: str, schema: dict[str, Any]) -> Any:
    for choice in schema.get("anyOf", ()):
        try:
            return _typed(text, choice)
        except ValueError:
            continue
    if "anyOf" in schema:
        kinds = " or ".join(choice.get("type", "text") for choice in schema["anyOf"])
        raise ValueError(f"must be {kinds}, not {text!r}")
    match schema.get("type", "string"):
        case "integer":
            try:
                return int(text)
            except ValueError:
                raise ValueError(f"must be a whole number, not {text!r}") from None
        case "number":
            try:
                return float(text)
            except ValueError:
                raise ValueError(f"must be a number, not {text!r}") from None
        case "boolean":
            words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
            if text.lower() not in words:
                raise ValueError(f"must be yes or no, not {text!r}")
            return words[text.lower()]
        case "array":
            parts = [one.strip() for one in text.split(",")] if text.strip() else []
            return [_typed(one, schema.get("items", {})) for one in parts]
        case "null":
            if text:
                raise ValueError("must be empty")
            return None
        case "object":
            try:
                return msgspec.json.decode(text, type=dict[str, Any])
            except msgspec.DecodeError as error:
                raise ValueError(f"must be a JSON object: {error}") from None
        case _:
            return text


def review(commands: Iterable[str], judges: Iterable[str]) -> tuple[Check, ...]:
    """``--check COMMAND`` and ``--review reviewer|person``, the cheapest first. Raises :class:`Usage`."""
    if any(not one.strip() for one in commands):
        raise Usage("--check needs a command, in quotes, that ends with exit code 0 where the result is right")
    kinds: dict[str, Check] = {"reviewer": ReviewerCheck(), "person": PersonCheck()}
    ran = tuple(ToolCheck("shell/run", {"command": one}) for one in commands)
    return (*ran, *(kinds[one] for one in kinds if one in set(judges)))


def goal(text: str | None) -> str:
    """The goal as given; ``-`` is read from the standard input. Raises :class:`Usage`."""
    if text == "-":
        text = _from_pipe()
    if text is None or not text.strip():
        raise Usage(
            'what is to be done? Say it in quotes, like: gemot run "sum up notes.md", or - to read it from a pipe'
        )
    return text


def _from_pipe() -> str:
    """The standard input, as far as a goal may reach: a pipe may never end. Raises :class:`Usage`."""
    import sys

    raw = sys.stdin.buffer.read(4 * limits.TEXT_CHARS_MAX + 1)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.end < len(raw) or len(raw) <= 4 * limits.TEXT_CHARS_MAX:
            raise Usage(
                f"the goal from the standard input is not text in UTF-8 (byte {error.start + 1:,}); put data into a file "
                "and name it"
            ) from None
        text = raw[: error.start].decode("utf-8-sig")
    if len(text) > limits.TEXT_CHARS_MAX:
        raise Usage(
            f"the goal from the standard input is longer than {limits.TEXT_CHARS_MAX:,} characters; put long texts into a "
            "file and name it"
        )
    return text


def _plain_file(path: str, flags: int) -> int:
    """Opens without waiting for anybody, and only a plain file: a pipe or device may never end."""
    file = os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0))
    kind = os.fstat(file).st_mode
    if not stat.S_ISREG(kind):
        os.close(file)
        what = "a folder" if stat.S_ISDIR(kind) else "a pipe" if stat.S_ISFIFO(kind) else "a device"
        raise Usage(f"{one_line(path)} is {what}, not a file; an image is shown from a file")
    return file


def images(names: Sequence[str]) -> tuple[Shown, ...]:
    """The image files of these names. Raises :class:`Usage`."""
    from gemot.drivers.kit import ToolError
    from gemot.drivers.pictures import header

    found: list[Shown] = []
    for name in names:
        try:
            with open(name, "rb", opener=_plain_file) as file:
                data = file.read(limits.IMAGE_BYTES_MAX + 1)
                header(data, one_line(name), file.seek(0, 2))
        except OSError as error:
            raise Usage(f"{one_line(name)} can't be read: {error.strerror}") from error
        except ToolError as error:
            raise Usage(str(error)) from error
        found.append((data, one_line(os.path.basename(name))))
    return tuple(found)


def can_be_kept(budget: str, model: str) -> None:
    """A bound in money needs a price. Raises :class:`Usage` where there is none."""
    from gemot.models.registry import price_known

    if "usd" in budget and not price_known(model):
        raise Usage(
            f"the price of {model} is not known here, so usd=... can't be kept; bound its work with tokens=... or seconds=..."
        )
