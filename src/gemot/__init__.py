"""gemot: an operating system for AI agents. A conversation is the process.

The whole public library is named here; each name is loaded when it is first used, so `import gemot` costs little.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = (
    False  # the module typing takes longer to load than all of this, and Ctrl-C meanwhile would show a traceback
)
if TYPE_CHECKING:
    from typing import Any

    from gemot.abi.answers import Outcome
    from gemot.abi.grants import Budget, BudgetRequest, Grant, Mount, MountRequest, Rule, Source
    from gemot.drivers.kit import Driver, Picture, ToolError, tool
    from gemot.machine.machine import DEFAULT_BUDGET, Machine, MachineError
    from gemot.models.bestiary import bestiary
    from gemot.models.scripted import request, say, scripted
    from gemot.programs.native import Calls, SyscallFailed, program

__version__ = "0.1.0"

_HOMES = {
    "Machine": "gemot.machine.machine",
    "MachineError": "gemot.machine.machine",
    "DEFAULT_BUDGET": "gemot.machine.machine",
    "Outcome": "gemot.abi.answers",
    "Budget": "gemot.abi.grants",
    "BudgetRequest": "gemot.abi.grants",
    "Grant": "gemot.abi.grants",
    "Mount": "gemot.abi.grants",
    "MountRequest": "gemot.abi.grants",
    "Rule": "gemot.abi.grants",
    "Source": "gemot.abi.grants",
    "Driver": "gemot.drivers.kit",
    "Picture": "gemot.drivers.kit",
    "ToolError": "gemot.drivers.kit",
    "tool": "gemot.drivers.kit",
    "scripted": "gemot.models.scripted",
    "say": "gemot.models.scripted",
    "request": "gemot.models.scripted",
    "bestiary": "gemot.models.bestiary",
    "program": "gemot.programs.native",
    "Calls": "gemot.programs.native",
    "SyscallFailed": "gemot.programs.native",
}

__all__ = [
    "DEFAULT_BUDGET",
    "Budget",
    "BudgetRequest",
    "Calls",
    "Driver",
    "Grant",
    "Machine",
    "MachineError",
    "Mount",
    "MountRequest",
    "Outcome",
    "Picture",
    "Rule",
    "Source",
    "SyscallFailed",
    "ToolError",
    "bestiary",
    "program",
    "request",
    "say",
    "scripted",
    "tool",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"gemot has no {name!r}; it has: {', '.join(__all__)}")
    value = globals()[name] = getattr(import_module(_HOMES[name]), name)
    return value
