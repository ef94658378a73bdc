"""How a driver is written: plain functions with types and a docstring become tools with a manifest.

    clock = Driver("clock", "What time it is.")

    @clock.tool(effect="reads", repeatable=True)
    def now(zone: str = "UTC") -> str:
        "The date and time now. zone: an IANA name such as Europe/Berlin."
        ...

A parameter annotated ``Place`` is the process's file tree; it is filled in by the machine and is not an argument.
A tool returns text (or anything JSON can say) and raises :class:`ToolError` for what its user can mend.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from gemot.abi.tools import Effect, Manifest, ToolSpec
from gemot.drivers.errors import ToolError as ToolError
from gemot.drivers.place import Place


@dataclass(frozen=True)
class Tool:
    spec: ToolSpec
    function: Callable[..., Any]
    place: str | None
    """The parameter that takes the process's file tree, if any."""
    arguments: type[msgspec.Struct]

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
        self,
        *,
        effect: Effect,
        repeatable: bool,
        paths: tuple[str, ...] = (),
        needs: typing.Literal["ro", "rw"] = "ro",
        asks: bool = False,
        seconds_max: int = 60,
        name: str | None = None,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Make a function a tool of this driver. The words are those of :class:`gemot.abi.tools.ToolSpec`."""

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            made = tool(
                f"{self.name}/{name or function.__name__}",
                effect=effect,
                repeatable=repeatable,
                paths=paths,
                needs=needs,
                asks=asks,
                seconds_max=seconds_max,
            )(function)
            if made.spec.name in self.tools:
                raise ValueError(f"there is a tool {made.spec.name} already; give this one another name")
            self.tools[made.spec.name] = made
            return function

        return register

    def manifest(self) -> Manifest:
        return Manifest(self.name, self.version, self.description, tuple(tool.spec for tool in self.tools.values()))


def tool(
    name: str,
    *,
    effect: Effect,
    repeatable: bool,
    paths: tuple[str, ...] = (),
    needs: typing.Literal["ro", "rw"] = "ro",
    asks: bool = False,
    seconds_max: int = 60,
) -> Callable[[Callable[..., Any]], Tool]:
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
        place, arguments = _arguments_of(function, name)
        schema = _schema_of(arguments)
        spec = ToolSpec(name, description, schema, effect, repeatable, paths, needs, asks, seconds_max)
        return Tool(spec, function, place, arguments)

    return make


def drivers_of(tools: Iterable[Tool]) -> list[Driver]:
    """Single tools, gathered by the driver that their names begin with."""
    drivers: dict[str, Driver] = {}
    for one in tools:
        driver_name = one.spec.name.partition("/")[0]
        driver = drivers.setdefault(driver_name, Driver(driver_name, f"The tools of {driver_name}."))
        driver.tools[one.spec.name] = one
    return list(drivers.values())


def _arguments_of(function: Callable[..., Any], name: str) -> tuple[str | None, type[msgspec.Struct]]:
    hints = typing.get_type_hints(function, include_extras=True)
    place: str | None = None
    fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
    for parameter in inspect.signature(function).parameters.values():
        hint = hints.get(parameter.name)
        if hint is None:
            raise ValueError(f"{name}: parameter {parameter.name!r} has no type")
        if hint is Place:
            place = parameter.name
        elif parameter.default is inspect.Parameter.empty:
            fields.append((parameter.name, hint))
        else:
            fields.append((parameter.name, hint, parameter.default))
    struct = msgspec.defstruct(name.replace("/", "_"), fields, forbid_unknown_fields=True, kw_only=True)
    return place, struct


def _schema_of(arguments: type[msgspec.Struct]) -> dict[str, Any]:
    (reference,), components = msgspec.json.schema_components([arguments])
    schema: dict[str, Any] = components.pop(reference["$ref"].rsplit("/", 1)[1])
    schema.pop("title", None)
    if components:
        schema["$defs"] = components
    return schema
