"""How a driver is written: plain functions with types and a docstring become tools with a manifest.

    clock = Driver("clock", "What time it is.")

    @clock.tool(effect="reads", repeatable=True)
    def now(zone: str = "UTC") -> str:
        "The date and time now. zone: an IANA name such as Europe/Berlin."
        ...

A parameter annotated ``Place`` is the process's file tree, one annotated ``Secret`` a key of the person's that the tool names
in ``secrets``, one annotated ``Children`` what the children see that ``children`` names; they are filled in by the machine and
are no arguments.
A tool returns text (or anything JSON can say, or a :class:`Picture`, or a list of texts and pictures) and raises :class:`ToolError` for what its user can mend.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Required, TypedDict, Unpack

import msgspec

from gemot.abi.tools import Effect, Manifest, ToolSpec
from gemot.drivers.children import Children as Children
from gemot.drivers.errors import ToolError as ToolError
from gemot.drivers.errors import Unsure as Unsure
from gemot.drivers.pictures import Picture as Picture
from gemot.drivers.place import Place
from gemot.drivers.secret import Secret as Secret


class Words(TypedDict, total=False):
    """What is said of a tool besides its function; what each word means, and what is so without it, says
    :class:`gemot.abi.tools.ToolSpec`."""

    effect: Required[Effect]
    repeatable: Required[bool]
    paths: tuple[str, ...]
    needs: typing.Literal["ro", "rw"]
    asks: bool
    seconds_max: int
    walls: tuple[str, ...]
    steers: tuple[str, ...] | None
    payload: tuple[str, ...]
    foreign: bool
    vouches: tuple[str, ...]
    secret: str
    secrets: tuple[str, ...]
    children: tuple[str, ...]
    guards: bool
    records: str


@dataclass(frozen=True)
class Tool:
    spec: ToolSpec
    function: Callable[..., Any]
    place: str | None
    """The parameter that takes the process's file tree, if any."""
    arguments: type[msgspec.Struct]
    children: str | None = None
    """The parameter that takes what the children see that it names, if any."""

    def decode(self, raw: bytes | str) -> dict[str, Any]:
        """Arguments as JSON text -> checked keyword arguments. Raises :class:`msgspec.ValidationError`."""
        decoded = msgspec.json.decode(raw, type=self.arguments)
        return {name: getattr(decoded, name) for name in self.arguments.__struct_fields__}


@dataclass
class Driver:
    """A named set of tools. ``name`` is lower-case letters, digits and underscores."""

    name: str
    description: str
    version: str = "1"
    tools: dict[str, Tool] = field(default_factory=dict[str, Tool])

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", self.name):
            raise ValueError(f"driver name {self.name!r}: use lower-case letters, digits and underscores")

    def tool(
        self, *, name: str | None = None, **words: Unpack[Words]
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Make a function a tool of this driver, called as the function unless ``name`` says otherwise."""

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            made = tool(f"{self.name}/{name or function.__name__}", **words)(function)
            if made.spec.name in self.tools:
                raise ValueError(f"there is a tool {made.spec.name} already; give this one another name")
            self.tools[made.spec.name] = made
            return function

        return register

    def manifest(self) -> Manifest:
        return Manifest(self.name, self.version, self.description, tuple(tool.spec for tool in self.tools.values()))


def tool(name: str, **words: Unpack[Words]) -> Callable[[Callable[..., Any]], Tool]:
    """Make a function a tool called ``name`` (``driver/tool``), to be given to a machine as it is.

    The words are those of :class:`gemot.abi.tools.ToolSpec`; the description is the function's docstring.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*/[a-z][a-z0-9_]*", name):
        raise ValueError(
            f"{name!r} can't name a tool: write driver/tool, in lower-case letters, digits and underscores"
        )

    def make(function: Callable[..., Any]) -> Tool:
        description = inspect.cleandoc(function.__doc__ or "")
        if not description:
            raise ValueError(f"{name} has no docstring: a model knows a tool by its description only")
        given, arguments = _arguments_of(function, name, words.get("secrets", ()))
        schema = _schema_of(arguments)
        spec = ToolSpec(name=name, description=description, schema=schema, **words)
        known = schema.get("properties", {})
        strange = [
            one
            for one in (*spec.paths, *(spec.steers or ()), *spec.payload, *spec.children)
            if one not in known and not (one in spec.paths and one.partition(".")[0] in known)
        ]
        if strange:
            raise ValueError(f"{name} has no parameter {strange[0]!r}; it has: {', '.join(known) or 'none'}")
        return Tool(spec, function, given.get(Place), arguments, given.get(Children))

    return make


def drivers_of(tools: Iterable[Tool]) -> list[Driver]:
    """Single tools, gathered by the driver that their names begin with. Raises :class:`ValueError` for a second one of a name."""
    drivers: dict[str, Driver] = {}
    for one in tools:
        driver_name = one.spec.name.partition("/")[0]
        driver = drivers.setdefault(driver_name, Driver(driver_name, f"The tools of {driver_name}."))
        if one.spec.name in driver.tools:
            raise ValueError(f"there are two tools called {one.spec.name!r}; give one of them another name")
        driver.tools[one.spec.name] = one
    return list(drivers.values())


def standing(drivers: Iterable[Driver]) -> list[Driver]:
    """The same drivers without the tools whose walls do not hold here, and without those that then have none."""
    there = [
        replace(one, tools={name: tool for name, tool in one.tools.items() if stands(tool.spec)}) for one in drivers
    ]
    return [one for one in there if one.tools]


def stands(spec: ToolSpec) -> bool:
    """Whether this computer gives the walls that a tool needs. Probed when first asked for a tool that needs any."""
    if not spec.walls:
        return True
    from gemot.boxes import guarantees

    return not guarantees().missing(spec.walls)


def _arguments_of(
    function: Callable[..., Any], name: str, secrets: tuple[str, ...]
) -> tuple[dict[type, str], type[msgspec.Struct]]:
    hints = typing.get_type_hints(function, include_extras=True)
    given: dict[type, str] = {}
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for parameter in inspect.signature(function).parameters.values():
        hint = hints.get(parameter.name)
        if hint is None:
            raise ValueError(f"{name}: parameter {parameter.name!r} has no type")
        if hint is Secret or parameter.name in secrets:
            if hint is not Secret or parameter.name not in secrets:
                raise ValueError(
                    f"{name}: a secret stands in secrets=(...) and as a parameter of that name, annotated Secret; "
                    f"{parameter.name!r} is only one of these"
                )
        elif hint in (Place, Children):
            given[hint] = parameter.name
        elif parameter.default is inspect.Parameter.empty:
            fields.append((parameter.name, hint))
        else:
            fields.append((parameter.name, hint, parameter.default))
    missing = [one for one in secrets if one not in hints]
    if missing:
        raise ValueError(f"{name} has no parameter {missing[0]!r} for the secret of that name")
    struct = msgspec.defstruct(name.replace("/", "_"), fields, forbid_unknown_fields=True, kw_only=True)
    return given, struct


def _schema_of(arguments: type[msgspec.Struct]) -> dict[str, Any]:
    (reference,), components = msgspec.json.schema_components([arguments])
    schema: dict[str, Any] = components.pop(reference["$ref"].rsplit("/", 1)[1])
    schema.pop("title", None)
    if components:
        schema["$defs"] = components
    return schema
