"""What a person asks for when a tree is to begin, checked before anything happens: a mistake costs a message, no more."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from gemot.abi import limits
from gemot.abi.events import Arrived
from gemot.abi.grants import Budget, Grant, Mode, Mount
from gemot.abi.labels import PERSON, Label
from gemot.abi.messages import Image
from gemot.abi.private import USUAL
from gemot.abi.programs import ProgramSpec
from gemot.authority import ledger
from gemot.authority.arguments import must_be_known
from gemot.authority.ledger import AMOUNT_MAX, NAMES, means
from gemot.authority.narrowing import MOUNT_NAME, anchor, listed, with_space
from gemot.authority.path_arguments import unfit
from gemot.authority.private import flaw
from gemot.authority.refusal import Refused
from gemot.authority.schema import flaw as schema_flaw
from gemot.authority.tool_names import clash, unknown_name
from gemot.drivers.kit import Driver, Picture, Tool, ToolError, drivers_of
from gemot.journal.contract import Damaged, Journal
from gemot.journal.records import legible
from gemot.kernel import Kernel, reviewing, revoking
from gemot.kernel.families import known_program
from gemot.kernel.feasible import Asker
from gemot.kernel.process import Process
from gemot.machine import pictures
from gemot.machine.home import Home, not_utf8
from gemot.machine.loop import MachineError
from gemot.machine.spaces import Spaces
from gemot.machine.stage import Stage
from gemot.models.port import Model
from gemot.programs.library import Library
from gemot.programs.port import unkept


def offered(drivers: Iterable[Driver], tools: Iterable[Tool]) -> list[Driver]:
    """The drivers, and those of single tools. Raises :class:`MachineError` where two tools have one name."""
    try:
        all_of_them = [*drivers, *drivers_of(tools)]
    except ValueError as error:
        raise MachineError(str(error)) from None
    wrong = clash(driver.manifest() for driver in all_of_them)
    if wrong:
        raise MachineError(wrong)
    return all_of_them


def must_fit(drivers: Iterable[Driver]) -> None:
    """Raises :class:`MachineError` for a tool that can't be installed: a schema that no argument can be checked by, or a path
    argument that the schema has not."""
    wrong = next((wrong for driver in drivers for tool in driver.tools.values() if (wrong := unfit(tool.spec))), "")
    if wrong:
        raise MachineError(f"a tool can't be installed. {wrong}")


HOMELESS = (
    "this machine was opened on a journal alone, so there is no folder in which it would last; name one: "
    "Machine.open(journal=..., folder=...)"
)
"""Why memories and copies of files are refused."""


def must_live_in_one_place(home: object, in_memory: bool, journal: object, folder: object) -> None:
    """Raises :class:`MachineError` where a machine was told several places to live in."""
    if journal is not None and (home is not None or in_memory):
        raise MachineError("a machine lives on a journal, in a home, or in memory: name one of them")
    if folder is not None and journal is None:
        raise MachineError(
            "folder= is where memories and copies of a journal= are kept; a home has a place for them itself"
        )


def must_have_no_journal(home: Home) -> None:
    """Raises :class:`MachineError` where a home has a journal of its own, and another was given in its place."""
    if home.journal.exists():
        raise MachineError(
            f"{home.folder} has a journal of its own ({home.journal.name}), and another was given in its place: name a folder without one, or "
            "leave journal= out"
        )


def must_be_kept(spaces: Spaces, mounts: Iterable[Mount]) -> None:
    """Raises :class:`MachineError` where a mount is a copy or a folder of its own, and there is no place for one."""
    copied = next((mount for mount in mounts if mount.mode in ("cow", "private")), None)
    if copied is not None and spaces.refused:
        raise MachineError(f"/{copied.name} would be a copy of files ({copied.mode}): {spaces.refused}")


def keep_texts(journal: Journal, library: Library) -> None:
    """Have the texts of all programs in the journal, also one that was lost since."""
    for text in library.texts.values():
        try:
            journal.value(text.spec.digest)
        except Damaged:
            journal.put_value(text.template)


def same(one: object, other: object) -> bool:
    """Is it the same once stored? Lists that were tuples, and the order of names, make no difference."""
    return msgspec.json.encode(one, order="sorted") == msgspec.json.encode(other, order="sorted")


def opener(named: Mapping[str, Model]) -> Callable[[str], Model]:
    """Opens models by name: those of ``named``, else those that `gemot.models.open_model` knows."""

    def opened(name: str) -> Model:
        if name in named:
            return named[name]
        from gemot.models.registry import open_model

        return open_model(name)

    return opened


def way(stage: Stage, model: str, route: Iterable[str]) -> tuple[str, ...]:
    """The models to be used one after the other, each once; all of them can be had here, or ``ModelFailed`` says which not."""
    models = tuple(dict.fromkeys((model, *listed_texts("route", route))))
    for one in models:
        stage.model(one)
    return models


def work_mount(work: Path | str, mode: Mode, untrusted: bool = False) -> Mount:
    """The folder that a process sees as ``/work``. Raises :class:`MachineError`."""
    folder = Path(work).expanduser().absolute()
    if not_utf8(folder):
        raise MachineError(not_utf8(folder))
    if not folder.is_dir():
        raise MachineError(f"there is no folder {folder}; make it first, or name another")
    return Mount("work", str(folder), mode, untrusted=untrusted)


class Privacy(Struct, frozen=True):
    """What a person says of all folders that their machine may show."""

    private: tuple[str, ...] = ()
    """Patterns of private paths, besides those of :data:`gemot.abi.private.DEFAULTS`; ``!`` takes one out again."""
    untrusted: tuple[str, ...] = ()
    """Folders whose files third parties chose: whatever shows a part of one is untrusted."""

    def __post_init__(self) -> None:
        must_be_patterns(self.private)

    def also(self, private: Iterable[str]) -> Privacy:
        """The same with more patterns of private paths."""
        return replace(self, private=(*self.private, *listed_texts("private", private)))

    def of(self, mount: Mount, shown: Iterable[str] = ()) -> Mount:
        """A mount that a person gives, with what is private and untrusted in it. Raises :class:`MachineError`."""
        named = (*mount.shown, *shown)
        must_be_patterns((*named, *(mount.private or ())))
        private = (USUAL, *self.private) if mount.private is None else mount.private
        return replace(
            mount,
            private=private,
            shown=tuple(dict.fromkeys(named)),
            untrusted=mount.untrusted or shows_untrusted(mount.folder, self.untrusted),
        )


def privacy(private: Iterable[str], untrusted: Iterable[str]) -> Privacy:
    """What a person says when a machine is opened. Raises :class:`MachineError`."""
    return Privacy(listed_texts("private", private), listed_texts("untrusted", untrusted))


def listed_texts(name: str, given: Iterable[str]) -> tuple[str, ...]:
    """Several texts. Raises :class:`MachineError` for one text in their place: its letters would be taken for them."""
    if isinstance(given, str | bytes):
        raise MachineError(f"{name} is a list of texts, such as {name}=[{given!r}], not one text")
    return tuple(given)


def must_be_patterns(patterns: Iterable[str]) -> None:
    """Raises :class:`MachineError` for a pattern of private paths that means nothing."""
    for pattern in patterns:
        if flaw(pattern):
            raise MachineError(flaw(pattern))


def shows_untrusted(folder: str, untrusted: Iterable[str]) -> bool:
    """Does a mounted folder show a part of one of these folders?"""
    if not folder.startswith("/"):
        return False
    here = Path(folder).resolve()
    there = [Path(one).expanduser().resolve() for one in untrusted]
    return any(here.is_relative_to(one) or one.is_relative_to(here) for one in there)


def must_be_outside(spaces: Spaces, mounts: Iterable[Mount]) -> None:
    """Raises :class:`MachineError` for a mount that would show gemot's own folders and nothing else."""
    for mount in mounts:
        closed = spaces.veil(mount).closed if mount.folder.startswith("/") else ""
        if closed:
            raise MachineError(f"/{mount.name} can't be shown: {closed}. Name another folder")


def flaw_of(spec: ProgramSpec, tools: Collection[str]) -> str:
    """Why a program can't be used here, or ``""``: a grant that names no tool, a parameter that is no JSON schema. ``tools``:
    the names that grants may use."""
    unknown = unknown_name(spec.grants, tools)
    if unknown:
        return unknown
    for name, schema in spec.parameters.get("properties", {}).items():
        wrong = schema_flaw(schema)
        if wrong:
            return f'the parameter {name} is a JSON schema, such as {name} = {{ type = "string" }}: {wrong}'
    return ""


def check_budget(budget: Budget) -> None:
    """Raises :class:`MachineError` for means that nobody can give."""
    try:
        means(budget)
    except Refused as refusal:
        raise MachineError(refusal.message) from refusal
    large = next((name for name in NAMES if getattr(budget, name) > AMOUNT_MAX), "")
    if large:
        raise MachineError(f"a budget is of numbers up to {AMOUNT_MAX}, not {large}={getattr(budget, large)!r:.40}")


def images(journal: Journal, program: ProgramSpec, shown: Iterable[Picture]) -> tuple[Image, ...]:
    """What a person shows to a program, kept. Raises :class:`MachineError` for what can't be shown, and where nobody would look."""
    try:
        seen = pictures.looked_at(shown)
    except ToolError as error:
        raise MachineError(str(error)) from error
    if seen and program.kind != "ai":
        raise MachineError(
            f"{program.name} is code, which looks at no image: name it a folder that they are in, and its tools see them"
        )
    return pictures.kept(journal, seen)


def check_words(text: str, needed: bool = False) -> None:
    """Raises :class:`MachineError` for what is longer than anybody can be told (its process could only end), and where words are
    ``needed`` for none."""
    if needed and not text.strip():
        raise MachineError("there is nothing to send: the message is empty")
    if len(text) > limits.TEXT_CHARS_MAX:
        raise MachineError(
            f"a message has at most {limits.TEXT_CHARS_MAX} characters, this has {len(text)}; put long texts into a file and name it"
        )


def checked(
    kernel: Kernel, event: Arrived, journal: Journal, shown: Iterable[Picture], tools: Collection[str]
) -> Arrived:
    """The same with what the person shows, which is kept only for what can begin. ``tools``: the names that grants may use.
    Raises :class:`MachineError`."""
    _check(kernel, event, tools)
    return msgspec.structs.replace(event, images=images(journal, kernel.programs[event.program], shown))


def _check(kernel: Kernel, event: Arrived, tools: Collection[str]) -> None:
    """Raises :class:`MachineError` for what can't begin so."""
    check_budget(event.budget)
    wrong = unkept(event) or unkept(legible(event))  # as it will be written
    if wrong:
        raise MachineError(f"what is asked for holds {wrong}; make it smaller")
    if not event.goal.strip():
        raise MachineError("a goal can't be empty: say what is to be done")
    if len(event.goal) > limits.TEXT_CHARS_MAX:
        raise MachineError(
            f"a goal has at most {limits.TEXT_CHARS_MAX} characters; put long texts into a file and name it"
        )
    if len(event.name) > limits.NAME_CHARS_MAX or not event.name.isprintable():
        raise MachineError(f"a name is one line of at most {limits.NAME_CHARS_MAX} printable characters")
    if not limits.PRIORITY_MIN <= event.priority <= limits.PRIORITY_MAX:
        raise MachineError(
            f"a priority is from {limits.PRIORITY_MIN} to {limits.PRIORITY_MAX}, not {event.priority}; left out, it is {limits.PRIORITY}"
        )
    for path in (
        *(path for mount in event.mounts for path in (mount.folder, mount.beneath)),
        *event.models,
        *event.route,
    ):
        if not_utf8(path):
            raise MachineError(not_utf8(path))
    for mount in event.mounts:
        placed = Path(mount.folder).is_absolute() if mount.folder or mount.mode != "private" else True
        if not MOUNT_NAME.fullmatch(mount.name) or not placed or mount.space or mount.source:
            raise MachineError(
                f"a mount is a name in lower-case letters and an absolute folder, not {mount.name!r} and {mount.folder!r}"
            )
    unknown = unknown_name((*(event.grants or ()), *event.policy), tools)
    if unknown:
        raise MachineError(f"a grant names something that does not exist: {unknown}")
    try:
        spec = known_program(kernel, event.program, event.arguments)
        given = spec.grants if event.grants is None else event.grants
        must_be_known((*given, *event.policy), kernel.tools)
        grants = anchor(given, event.mounts, kernel.tools)
        anchor(event.policy, event.mounts, kernel.tools)
        reviewing.must_be(kernel, event.review, event.tries, _asker(kernel, event, spec, grants))
    except Refused as refusal:
        raise MachineError(refusal.message) from refusal


def _asker(kernel: Kernel, event: Arrived, program: ProgramSpec, grants: tuple[Grant, ...]) -> Asker:
    """The person as whoever asks for a review: each tool may be used for a check."""
    mine = [Grant(name, endorsed=True) for name in kernel.tools]
    means = ledger.capped(ledger.means(event.budget), program.limits)
    mounts, label = tuple(with_space(mount, 1) for mount in event.mounts), Label((PERSON,))
    return Asker(0, mine, mounts, label, frozenset(), list(grants), event.models, means, program, None, False, {}, {})


def holders(kernel: Kernel, process: Process, tool: str) -> list[int]:
    """Who below a process holds a right that is to be revoked. Raises :class:`MachineError`."""
    if not isinstance(tool, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # the caller may be untyped code
        raise MachineError(f"a right is named by text, such as 'files/write', not {tool!r}")
    try:
        found = list(revoking.holders(kernel, process, tool))
    except Refused as refusal:
        raise MachineError(refusal.message) from refusal
    if not found:
        held = listed(process.grants, process.mounts)
        raise MachineError(
            f"neither {process.pid} nor a process below it may use {tool}; {process.pid} may use: {held}"
        )
    return found
