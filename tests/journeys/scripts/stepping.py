"""A model that does what its goal says: a JSON list of steps, each a tool and its arguments, one after the other; then it ends with
the list of what came of them."""

from __future__ import annotations

import json
from typing import Any

from gemot.abi.messages import Request, Text, ToolResult
from gemot.models.scripted import request


def steps(question: Request) -> Any:
    """The next step, or the end."""
    goal = next(part.text for part in question.messages[1].parts if isinstance(part, Text))
    wanted = json.loads(goal)
    results = [part for message in question.messages for part in message.parts if isinstance(part, ToolResult)]
    if len(results) < len(wanted):
        tool, arguments = wanted[len(results)]
        return [request(tool, **arguments)]
    return [request("exit", value=[{"ok": one.ok, "text": one.text} for one in results])]
