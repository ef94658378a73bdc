"""The world of a run: the suite's tools as tools of a machine, an environment of its own, and a list of what was really done.

Runs follow one another on a machine, so the tools work on whatever run is the current one. Names are translated at this door:
arguments back to the suite's own, results forth to those of the run (see :mod:`evals.agentdojo.renaming`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from evals.agentdojo.plans import Manifest, tool_name
from evals.agentdojo.renaming import Renaming
from evals.agentdojo.suite import Suite, Use
from gemot.abi.tools import ToolSpec
from gemot.drivers.kit import Tool, ToolError


@dataclass
class Scene:
    """What the tools work on now. ``done``: every use that got as far as the suite's own code, with the suite's own names."""

    environment: Any = None
    done: list[Use] = field(default_factory=list[Use])


class World:
    """The tools of one suite under one set of names, before one scene that changes from run to run."""

    def __init__(self, suite: Suite, manifest: Manifest, names: Renaming) -> None:
        self.suite, self.names = suite, names
        self.scene = Scene()
        self.tools = tuple(self._tool(tool, manifest) for tool in suite.tools)

    def enter(self, environment: Any) -> Scene:
        self.scene = Scene(environment)
        return self.scene

    def _tool(self, own: str, manifest: Manifest) -> Tool:
        renamed = self.names.text(own)
        told = manifest.tools[renamed]
        schema = self.names.schema(self.suite.schema(own))
        known = {field.encode_name for field in msgspec.structs.fields(ToolSpec)}
        extra = {
            word: tuple(value) if isinstance(value, list) else value for word, value in told.items() if word in known
        }
        description = self.suite.tools[own].description if renamed == own else f"A tool called {renamed}."
        spec = ToolSpec(name=tool_name(renamed), description=description, schema=schema, repeatable=False, **extra)
        fields = [(name, Any, msgspec.UNSET) for name in schema.get("properties", {})]
        arguments = msgspec.defstruct(f"arguments_of_{renamed}", fields, forbid_unknown_fields=True, kw_only=True)

        async def use(**given: Any) -> Any:
            return self._use(own, {name: value for name, value in given.items() if value is not msgspec.UNSET})

        return Tool(spec, use, None, arguments)

    def _use(self, own: str, arguments: dict[str, Any]) -> Any:
        use = self.suite.bare(Use(own, self.names.value_back(arguments)))
        self.scene.done.append(use)
        try:
            result = self.suite.use(self.scene.environment, use)
        except Exception as error:
            raise ToolError(f"{type(error).__name__}: {error}") from error
        return self.names.value(result)

    def renamed(self, use: Use) -> Use:
        return Use(self.names.text(use.tool), self.names.value(use.arguments))
