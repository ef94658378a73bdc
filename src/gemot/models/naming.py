"""Tool names and schemas as providers take them: no slash in a name, no references in a schema. Reversible."""

from __future__ import annotations

import re
from collections.abc import Iterable
from hashlib import blake2s
from typing import Any, cast

LENGTH_MAX = 64


class ToolNames:
    """Both directions between our names (``files/read``) and the names on one request's wire (``files__read``)."""

    def __init__(self, names: Iterable[str]) -> None:
        self._wire: dict[str, str] = {}
        self._ours: dict[str, str] = {}
        for name in names:
            self.wire(name)

    def wire(self, name: str) -> str:
        known = self._wire.get(name)
        if known is None:
            known = _plain(name)
            if len(known) > LENGTH_MAX or known in self._ours:
                known = f"{known[: LENGTH_MAX - 9]}_{blake2s(name.encode(), digest_size=4).hexdigest()}"
            self._wire[name] = known
            self._ours[known] = name
        return known

    def ours(self, wire: str) -> str:
        """Our name for what a model wrote. A name that nobody offered is read as it would have been spelled, so that the
        error about it can name what is near."""
        return self._ours.get(wire) or wire.replace("__", "/", 1)


def _plain(name: str) -> str:
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", name.replace("/", "__"))
    return plain if re.match(r"[A-Za-z_]", plain) else f"_{plain}"


def self_contained(schema: dict[str, Any]) -> dict[str, Any]:
    """``schema`` with its local references written out, as an object with properties.

    Local model servers and older provider models ignore or refuse ``$defs``. A schema that contains itself is written
    out once; deeper than that the model is told in words, and the trap still checks against the whole schema.
    """
    plain = cast(dict[str, Any], _Written(schema).out(schema, ()))
    plain.pop("$defs", None)
    plain.pop("definitions", None)
    plain.setdefault("type", "object")
    plain.setdefault("properties", {})
    return plain


PARTS_WRITTEN_MAX = 20_000
"""A schema whose parts refer to each other can be written out without end, nearly; of one that is, this many parts are."""


class _Written:
    """One schema while its references are written out."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root, self._parts = root, 0

    def out(self, node: Any, within: tuple[str, ...]) -> Any:
        if isinstance(node, list):
            return [self.out(item, within) for item in cast(list[Any], node)]
        if not isinstance(node, dict):
            return node
        self._parts += 1
        node = cast(dict[str, Any], node)
        reference = node.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return {key: self.out(value, within) for key, value in node.items()}
        target: Any = self._root
        for step in reference[2:].split("/"):
            key = step.replace("~1", "/").replace("~0", "~")
            if not isinstance(target, dict) or key not in target:
                return node  # it points nowhere: the provider says so better than we would
            target = cast(dict[str, Any], target)[key]
        if reference in within or self._parts > PARTS_WRITTEN_MAX:
            kind = cast(dict[str, Any], target).get("type", "object") if isinstance(target, dict) else "object"
            return {"type": kind, "description": "Of the same form again."}
        beside = {key: value for key, value in node.items() if key != "$ref"}
        written = self.out(target, (*within, reference))
        if not isinstance(written, dict):
            return written
        return cast(dict[str, Any], written) | cast(dict[str, Any], self.out(beside, within))
