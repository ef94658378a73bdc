"""Fixed words with values in them: ``Dinner at {name}``.

The words are read once, before any value is put in. So braces in a value are characters like others.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

from gemot.abi.limits import RULE_CHARS_MAX
from gemot.authority.refusal import Refused

_PART = re.compile(r"\{\{|\}\}|\{([A-Za-z_][A-Za-z0-9_]{0,62})\}|[^{}]+")
HOLES_MAX = 16
"""The most values in one text."""


@functools.lru_cache(256)
def parts_of(text: str) -> tuple[tuple[str, str], ...]:
    """The words and the names of a template in their order, each ``(words, "")`` or ``("", name)``. Raises :class:`Refused`."""
    if len(text) > RULE_CHARS_MAX:
        raise Refused("malformed", f"a template has at most {RULE_CHARS_MAX:,} characters")
    parts: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        match = _PART.match(text, at)
        if match is None:
            raise Refused(
                "malformed",
                f"{text[at : at + 20]!r} is no part of a template; write {{name}} for a value, {{{{ and }}}} for braces",
            )
        name = match.group(1) or ""
        parts.append(("" if name else match.group()[0] if match.group() in ("{{", "}}") else match.group(), name))
        at = match.end()
    if len({name for _, name in parts if name}) > HOLES_MAX:
        raise Refused("malformed", f"a template has at most {HOLES_MAX} values")
    return tuple(parts)


def names_in(text: str) -> set[str]:
    """The names of the values of a template. Raises :class:`Refused`."""
    return {name for _, name in parts_of(text) if name}


def composed(text: str, values: Mapping[str, Any]) -> str:
    """A template with its values put in. A value is a number or one line of text. Raises :class:`Refused`, and repeats no value."""
    names = names_in(text)
    if names != set(values):
        wanted = ", ".join(sorted(names)) or "none"
        raise Refused("malformed", f'the template {text!r:.200} has the values {wanted}; name each of them in "with"')
    said: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise Refused("malformed", f"the value of {name} in a template must be a text or a number")
        said[name] = str(value)
        if said[name].splitlines() not in ([], [said[name]]):
            raise Refused("malformed", f"the value of {name} in a template must be one line")
    return "".join(words or said.get(name, "") for words, name in parts_of(text))
