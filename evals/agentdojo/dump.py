"""What whoever writes the two files of a suite may look at: ``python -m evals.agentdojo.dump SUITE``.

The users' prompts, and of each tool its signature, its description and the fields of its results. Nothing else: no data, no
ground truths, no injections.
"""

from __future__ import annotations

import argparse
import json
import typing
from typing import Any

from evals.agentdojo.suite import Suite, load


def shape(kind: Any, seen: dict[str, Any]) -> str:
    """A type in words; records are noted in ``seen`` with their fields."""
    fields: Any = getattr(kind, "model_fields", None)
    if fields is not None:
        if kind.__name__ not in seen:
            seen[kind.__name__] = {}
            seen[kind.__name__] = {name: shape(one.annotation, seen) for name, one in fields.items()}
        return kind.__name__
    inner = typing.get_args(kind)
    if not inner:
        return getattr(kind, "__name__", str(kind))
    outer = typing.get_origin(kind)
    return f"{getattr(outer, '__name__', outer)}[{', '.join(shape(one, seen) for one in inner)}]"


def told(suite: Suite) -> str:
    lines: list[str] = []
    records: dict[str, Any] = {}
    for name, tool in suite.tools.items():
        schema = suite.schema(name)
        lines += [f"\n## {name}: {tool.description}", f"   gives {shape(tool.return_type, records)}"]
        for argument, one in schema["properties"].items():
            said = json.dumps({word: value for word, value in one.items() if word != "title"})
            lines.append(f"   - {argument} {said}{'' if argument in schema.get('required', ()) else ' (optional)'}")
        lines += [
            f"   where {one}: {json.dumps(what['enum'])}"
            for one, what in schema.get("$defs", {}).items()
            if "enum" in what
        ]
    lines += ["\n## records", *(f"   {name} {fields}" for name, fields in records.items()), "\n## prompts"]
    lines += [f"{name}: {task.PROMPT}\n" for name, task in suite.user_tasks.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m evals.agentdojo.dump", description=__doc__)
    parser.add_argument("suite")
    print(told(load(parser.parse_args().suite)))
