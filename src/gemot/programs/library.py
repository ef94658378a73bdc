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

A file that is no usable program is left out and named with the reason (:attr:`Library.unusable`); the other programs work.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import re
import string
import sys
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

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


PROJECT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
"""What a project's program may be called: ASCII, so that no name looks like another one."""


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
    """An AI program."""

    spec: ProgramSpec
    """What the kernel knows of it."""
    template: str
    """What instructs its model."""
    suggested_model: str = ""
    """The model that a project's file names: shown to the person, never used by itself."""


@dataclass(frozen=True)
class Unusable:
    """A file in a folder of programs that was left out."""

    path: Path
    """The file."""
    names: frozenset[str]
    """The programs that it would be, as far as that can be told: by its file name and by what it says."""
    reason: str
    """Why it is left out; names the file."""


@dataclass(frozen=True)
class Library:
    """All programs that this machine knows, by name."""

    texts: dict[str, Text]
    """AI programs, by name."""
    natives: dict[str, Native]
    """Native programs, by name."""
    unusable: tuple[Unusable, ...] = ()
    """Files that were left out, in the order in which they were read."""

    def why_not(self, name: str) -> str:
        """Why the program ``name`` can't be had although a file for it is there, or ``""``."""
        if name in self.texts or name in self.natives:
            return ""
        return next((file.reason for file in self.unusable if name in file.names), "")

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
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    end = _front_end(lines, where)
    try:
        front = msgspec.convert(tomllib.loads("\n".join(lines[1:end])), _Front)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ProgramError(f"{where}: {error}") from error
    _check_front(front, where)
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


def _front_end(lines: list[str], where: str) -> int:
    """The index of the line that ends the front matter. Raises :class:`ProgramError`."""
    shape = f"a program begins with a line {FENCE}, then TOML, then a line {FENCE}, then its text"
    if not any(line.strip() for line in lines):
        raise ProgramError(f"{where}: the file is empty; {shape}")
    first = lines[0].strip()
    if not first:
        raise ProgramError(f"{where}: the first line is blank; {shape}")
    if first == "---":
        raise ProgramError(f"{where}: it begins with ---; {shape}: {FENCE} and TOML, not --- and YAML")
    if first != FENCE:
        raise ProgramError(f"{where}: it begins with {first[:40]!r}; {shape}")
    end = next((index for index, line in enumerate(lines[1:], 1) if line.strip() == FENCE), None)
    if end is None:
        raise ProgramError(f"{where}: the second line {FENCE} is missing; {shape}")
    return end


def _check_front(front: _Front, where: str) -> None:
    """Raises :class:`ProgramError` for front matter that has the right form and no meaning."""
    if not front.name.strip() or not front.name.isprintable():
        raise ProgramError(f"{where}: name is one line of printable characters, not {front.name!a:.80}")
    for grant in front.grants:
        if isinstance(grant, Grant) and (grant.endorsed or grant.unsure or grant.planned):
            raise ProgramError(
                f"{where}: {grant.tool}: a file can't say 'endorsed', 'planned' or 'unsure' of its grants: a person endorses, "
                "the kernel notes it"
            )
    for name, schema in front.parameters.items():
        example = f'{name} = {{ type = "string" }}'
        if not isinstance(schema, dict):
            raise ProgramError(f"{where}: the parameter {name} is a JSON schema, such as {example}, not {schema!r:.40}")


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
    """The native programs of a Python file. Raises :class:`ProgramError`."""
    if not path.is_file():  # a pipe would be waited for
        raise ProgramError(f"{path} is not a plain file; a program is a plain file")
    name = f"gemot_program_{hashlib.sha256(str(path).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ProgramError(f"{path} can't be loaded as Python")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        with contextlib.redirect_stdout(sys.stderr):  # standard output belongs to the command, such as its --json
            spec.loader.exec_module(module)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        raise ProgramError(f"{path}: {_words_of(error)}") from error
    return [value for value in vars(module).values() if isinstance(value, Native)]


def _words_of(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}"
    except BaseException:  # noqa: BLE001 - the edge: the words of a file's exception are its code, too
        return type(error).__name__


def load(
    folders: Iterable[Path] = (),
    extra: Iterable[Native] = (),
    project: Path | None = None,
    flaw: Callable[[ProgramSpec], str] = lambda _: "",
) -> Library:
    """Read the programs of the package, of the person's ``folders`` in order, ``extra``, and of a ``project``.

    The person's programs may replace those that ship. A project's may not, its Python is never run, and it chooses neither a
    model nor where secrets may go: a folder that came from elsewhere can add instructions for models, which act under the
    kernel's law, and nothing else. ``flaw``: why a program can't be used here, or ``""``
    (:func:`gemot.machine.starting.flaw_of`). A file that is no usable program is left out, with its reason in
    `Library.unusable`.
    """
    from gemot.programs.shipped import natives

    known: dict[str, Text | Native] = {native.spec.name: native for native in natives()}
    known |= {text.spec.name: text for text in map(_text_of, sorted(SHIPPED.glob("*.md")))}
    unusable: list[Unusable] = []
    for folder in folders:
        for path in _files(folder, "*.md"):
            _add(known, unusable, path, lambda path: [_checked(_text_of(path), path, flaw)])
        for path in _files(folder, "*.py"):
            _add(
                known,
                unusable,
                path,
                lambda path: [_checked(native, path, flaw) for native in natives_in(path)],
            )
    for file in unusable:  # a person's broken program hides the one that ships under its name: it is what they mean
        for name in file.names:
            known.pop(name, None)
    known |= {native.spec.name: native for native in extra}
    ours = frozenset(known) | {name for file in unusable for name in file.names}
    for path in _files(project, "*.md") if project is not None else ():
        _add(known, unusable, path, lambda path: [_foreign(_checked(_text_of(path), path, flaw), path, ours)])
    return Library(
        {name: program for name, program in known.items() if isinstance(program, Text)},
        {name: program for name, program in known.items() if isinstance(program, Native)},
        tuple(unusable),
    )


AnyProgram = TypeVar("AnyProgram", Text, Native)


def _files(folder: Path, pattern: str) -> list[Path]:
    """The files of a folder that may be programs. Hidden files are none: editors and systems leave theirs."""
    try:
        return sorted(path for path in folder.glob(pattern) if not path.name.startswith("."))
    except OSError:  # a folder that can't be listed has no programs for us
        return []


def _add(
    known: dict[str, Text | Native],
    unusable: list[Unusable],
    path: Path,
    programs_of: Callable[[Path], Iterable[Text | Native]],
) -> None:
    """Add the programs of one file to those that are known, or the file to the unusable ones."""
    try:
        known |= {program.spec.name: program for program in programs_of(path)}
    except ProgramError as error:
        unusable.append(Unusable(path, frozenset(_names_in(path)), str(error)))


def _names_in(path: Path) -> Iterator[str]:
    """The names that the program in an unusable file may have."""
    yield path.stem
    try:
        head = _plain_bytes(path)[:4096].decode("utf-8", "replace")
    except ProgramError:
        return
    named = re.search(r'^\s*name\s*=\s*"([^"\n]+)"', head, re.MULTILINE)
    if named and path.suffix == ".md":
        yield named[1]


def _text_of(path: Path) -> Text:
    """The program in a Markdown file. Raises :class:`ProgramError`."""
    try:
        return parse(_plain_bytes(path).decode("utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise ProgramError(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8") from error


def _plain_bytes(path: Path) -> bytes:
    """What stands in a plain file, at most `TEXT_BYTES_MAX`. Raises :class:`ProgramError`."""
    try:
        if not path.is_file():
            what = "a link that leads nowhere" if path.is_symlink() and not path.exists() else "not a plain file"
            raise ProgramError(f"{path} is {what}; a program is a plain file")
        with path.open("rb") as file:
            body = file.read(TEXT_BYTES_MAX + 1)
    except OSError as error:
        raise ProgramError(f"{path} can't be read: {error.strerror or error}") from error
    if len(body) > TEXT_BYTES_MAX:
        raise ProgramError(f"{path} is too large: a program has at most {TEXT_BYTES_MAX:,} bytes")
    return body


def _checked(program: AnyProgram, path: Path, flaw: Callable[[ProgramSpec], str]) -> AnyProgram:
    """The same program if it can be used. Raises :class:`ProgramError`."""
    wrong = flaw(program.spec)
    if wrong:
        raise ProgramError(f"{path}: {wrong}")
    return program


def _foreign(text: Text, path: Path, ours: Collection[str]) -> Text:
    """A project's program with what a folder from elsewhere may say. Raises :class:`ProgramError`."""
    spec = text.spec
    if not PROJECT_NAME.fullmatch(spec.name):
        raise ProgramError(
            f"{path}: a project's program is called by ASCII letters, digits, - and _, not {spec.name!a}: other letters can "
            "look like those of another program"
        )
    if spec.name in ours:
        raise ProgramError(
            f"{path}: a program called {spec.name!r} is there already, and a project's can't take its place; "
            "give it another name, or put it into your own configuration folder"
        )
    if any(grant.carries for grant in spec.grants):
        raise ProgramError(
            f"{path}: a project's program can't say that secrets may leave ('carries'); put the program into your own "
            "configuration folder if you mean it"
        )
    return Text(msgspec.structs.replace(spec, model=""), text.template, spec.model)
