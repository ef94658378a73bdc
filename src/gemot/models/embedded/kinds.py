"""What an offered tool's arguments are for, read from its schema, their names and their descriptions."""

from __future__ import annotations

import re
from typing import Any, cast

from gemot.abi.messages import ToolOffer


def kind_of(name: str, schema: dict[str, Any]) -> str:
    """What an argument is for: path, pattern, sum, zone, diff, choice, integer, number, boolean, text or other."""
    if "enum" in schema or "const" in schema:
        return "choice"
    said: Any = schema.get("type")
    if isinstance(said, list):
        types = cast("list[str]", said)
        said = next((one for one in types if one != "null"), None)
    if said in ("integer", "number", "boolean"):
        return str(said)
    if said not in ("string", None) or "anyOf" in schema:
        return "other"
    name = name.lower()
    for kind, words in _KINDS:
        if re.search(rf"(?:^|_)(?:{words})(?:$|_)", name):
            return kind
    description = str(schema.get("description", "")).lower()
    for kind, words in _KINDS:
        if re.search(rf"\b(?:{words})\b", description):
            return kind
    return "text"


_KINDS = (
    ("diff", "diff|patch"),
    ("path", "path|file|filename|folder|dir|directory|source|target|destination"),
    ("pattern", "pattern|glob"),
    ("sum", "expression|formula|sum"),
    ("zone", "zone|timezone|tz"),
)


def text_arguments(offer: ToolOffer) -> list[str]:
    """The required arguments that take free text."""
    required = offer.schema.get("required", [])
    properties: dict[str, Any] = offer.schema.get("properties", {})
    return [name for name in properties if name in required and kind_of(name, properties[name]) == "text"]


def writes(offer: ToolOffer) -> bool:
    """Whether the tool puts a text somewhere: it needs both a free text and a path, or a diff."""
    properties: dict[str, Any] = offer.schema.get("properties", {})
    kinds = {kind_of(name, properties[name]) for name in offer.schema.get("required", []) if name in properties}
    return "path" in kinds and bool(kinds & {"text", "diff"})
