"""Where programs are found, and how a Markdown file becomes one.

A program is a Markdown file: TOML between ``+++`` lines, then the text that instructs the model.

    +++
    name = "runner"
    description = "Does one task."
    grants = ["files/*", { tool = "files/write", where = { path = { under = "out" } } }]
    model = "openai:gpt-5-mini"
    limits = { tokens = 50_000, seconds = 120 }
    summaries = true                 # what leaves its reading is summed up by a child
    +++
    You are $name ...

The text is a strict template: ``$name``, ``$pid``, ``$files`` and the program's own parameters; any other variable is an
error when the file is read, not when it runs. ``$$`` is a dollar sign.

They are looked for in the package, the person's configuration folder and the project's ``.gemot/programs``. A Python file
in the person's folder may hold native programs made with ``@program``.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import string
import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from gemot.abi.answers import Answer
from gemot.abi.grants import BudgetRequest, Grant
from gemot.abi.programs import ProgramSpec
from gemot.abi.syscalls import Syscall
from gemot.programs.conversation import Conversation
from gemot.programs.native import Native, NativeProcess
from gemot.programs.port import NotHere, Program, Start

SHIPPED = Path(__file__).parent / "shipped"
VARIABLES = frozenset({"name", "pid", "files"})
FENCE = "+++"
TEXT_BYTES_MAX = 1_000_000
"""The largest program file that is read: far more than any model should be told at every turn."""


class ProgramError(Exception):
    """A program file can't be used; the message says where and why."""


class _Front(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    description: str
    grants: tuple[str | Grant, ...] = ()
    model: str = ""
    limits: BudgetRequest = BudgetRequest()
    dialect: Literal["native"] = "native"
    parameters: dict[str, Any] = {}
    summaries: bool = False


@dataclass(frozen=True)
class Text:
    """An AI program: its spec and its template."""

    spec: ProgramSpec
    template: str


@dataclass(frozen=True)
class Library:
    """All programs that this machine knows, by name."""

    texts: dict[str, Text]
    natives: dict[str, Native]

    def specs(self) -> tuple[ProgramSpec, ...]:
        both: dict[str, Text | Native] = {**self.texts, **self.natives}
        return tuple(both[name].spec for name in sorted(both))

    def start(self, spec: ProgramSpec, text: str, start: Start) -> Program:
        """A process of a program, told its start. ``text`` is the template the journal kept for it (AI programs)."""
        process: Program = (
            NativeProcess(self._native(spec))
            if spec.kind == "native"
            else Conversation(rendered(text, start), spec.summaries)
        )
        process.absorb(start)
        return process

    def relive(self, spec: ProgramSpec, start: Start, history: list[tuple[Syscall, Answer]]) -> Program:
        """A native program, run again on the answers it had."""
        process = NativeProcess(self._native(spec))
        process.relive(start, history)
        return process

    def _native(self, spec: ProgramSpec) -> Native:
        native = self.natives.get(spec.name)
        if native is None:
            raise NotHere(f"the native program {spec.name} is not installed here; put it back, or end the process")
        if native.spec.digest != spec.digest:
            raise NotHere(
                f"the native program {spec.name} has changed since this process began; end it, or bring the old version back"
            )
        return native


def parse(text: str, where: str) -> Text:
    """A program file's text -> the program. Raises :class:`ProgramError`."""
    lines = text.split("\n")
    if lines[0].strip() != FENCE or FENCE not in [line.strip() for line in lines[1:]]:
        raise ProgramError(
            f"{where}: a program begins with a line {FENCE}, then TOML, then a line {FENCE}, then its text"
        )
    end = next(index for index, line in enumerate(lines[1:], 1) if line.strip() == FENCE)
    try:
        front = msgspec.convert(tomllib.loads("\n".join(lines[1:end])), _Front)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ProgramError(f"{where}: {error}") from error
    body = "\n".join(lines[end + 1 :]).strip()
    template = string.Template(body)
    known = VARIABLES | set(front.parameters)
    if not template.is_valid():
        raise ProgramError(f"{where}: there is a lone $ in the text; write $$ for a dollar sign")
    unknown = sorted(set(template.get_identifiers()) - known)
    if unknown:
        raise ProgramError(
            f"{where}: the text uses ${unknown[0]}, which nothing fills in; it can use {', '.join('$' + one for one in sorted(known))}"
        )
    parameters = (
        {
            "type": "object",
            "properties": front.parameters,
            "required": list(front.parameters),
            "additionalProperties": False,
        }
        if front.parameters
        else {}
    )
    spec = ProgramSpec(
        name=front.name,
        description=front.description,
        kind="ai",
        digest=hashlib.sha256(body.encode()).hexdigest(),
        grants=tuple(Grant(one) if isinstance(one, str) else one for one in front.grants),
        model=front.model,
        limits=front.limits,
        dialect=front.dialect,
        parameters=parameters,
        inline_mail=True,
        summaries=front.summaries,
    )
    if spec.summaries and not any(grant.tool == "spawn" for grant in spec.grants):
        raise ProgramError(
            f"{where}: summaries are written by a child, so the program needs the grant to spawn one: "
            '{ tool = "spawn", where = { program = { one_of = ["summarizer"] } } }'
        )
    return Text(spec, body)


def rendered(template: str, start: Start) -> str:
    """The instructions of one process. Programs that don't name their process get the same text, once in memory; and
    the same beginning of every conversation, which is what a provider's prompt cache wants."""
    own = {key: str(value) for key, value in start.arguments.items()}
    values = own | {"name": start.name, "pid": str(start.pid), "files": start.files}
    return _substituted(template, tuple((name, values[name]) for name in _variables(template)))


@functools.lru_cache(256)
def _variables(template: str) -> tuple[str, ...]:
    return tuple(string.Template(template).get_identifiers())


@functools.lru_cache(256)
def _substituted(template: str, values: tuple[tuple[str, str], ...]) -> str:
    return string.Template(template).substitute(dict(values))


def natives_in(path: Path) -> Iterable[Native]:
    """The native programs of a Python file."""
    name = f"gemot_program_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ProgramError(f"{path} can't be loaded as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever a stranger's file does when it is loaded, it is that file's failure
        raise ProgramError(f"{path}: {type(error).__name__}: {error}") from error
    return [value for value in vars(module).values() if isinstance(value, Native)]


def load(folders: Iterable[Path] = (), extra: Iterable[Native] = (), project: Path | None = None) -> Library:
    """Read the programs of the package, of the person's ``folders`` in order, ``extra``, and of a ``project``.

    The person's programs may replace those that ship. A project's may not, and its Python is never run: a folder that
    came from elsewhere can add instructions for models, which act under the kernel's law, and nothing else.
    Raises :class:`ProgramError`.
    """
    from gemot.programs.shipped import natives

    known: dict[str, Text | Native] = {native.spec.name: native for native in natives()}
    for folder in (SHIPPED, *folders):
        known |= {text.spec.name: text for text in _texts_in(folder)}
        if folder != SHIPPED:
            known |= {native.spec.name: native for path in sorted(folder.glob("*.py")) for native in natives_in(path)}
    known |= {native.spec.name: native for native in extra}
    for text in _texts_in(project) if project is not None else ():
        if text.spec.name in known:
            raise ProgramError(
                f"{project}: a program called {text.spec.name!r} is there already, and a project's can't take its place; "
                "give it another name, or put it into your own configuration folder"
            )
        known[text.spec.name] = text
    return Library(
        {name: one for name, one in known.items() if isinstance(one, Text)},
        {name: one for name, one in known.items() if isinstance(one, Native)},
    )


def _texts_in(folder: Path) -> Iterable[Text]:
    for path in sorted(folder.glob("*.md")):
        try:
            if not path.is_file() or path.stat().st_size > TEXT_BYTES_MAX:
                raise ProgramError(f"{path} is no program: a program is a plain file of at most {TEXT_BYTES_MAX} bytes")
            yield parse(path.read_text(encoding="utf-8"), str(path))
        except (OSError, UnicodeDecodeError) as error:
            raise ProgramError(f"{path} can't be read: {error}") from error
