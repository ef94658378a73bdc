"""What a process could write to satisfy a rule: shown where a use is refused."""

from __future__ import annotations

from typing import Any

import msgspec

from gemot.abi.grants import Rule, Source
from gemot.authority.documents import called_as
from gemot.authority.holder import Holder
from gemot.authority.references import TEXT, WITH, Form

HINTS_MAX = 3
"""The most references that are shown in one refusal."""


def hint(process: Holder, rule: Rule) -> str:
    """What satisfies a rule if anything does, as a process would write it: references, and texts with references in them. It
    is the rule itself, so it tells nothing of what stands in the results."""
    forms: list[str] = []
    for source in rule.source or ():
        for number, document in reversed(process.documents.items()):
            if document.tool != source.tool or not called_as(source, document):
                continue
            form = _as_reference(source, number)
            forms.append(msgspec.json.encode(form).decode())
            if source.over or len(forms) >= HINTS_MAX:
                break
    if rule.template is not None:
        written = {name: _hole(process, hole) for name, hole in rule.template.holes.items()}
        values = ", ".join(f"{msgspec.json.encode(name).decode()}: {value}" for name, value in written.items())
        if all(written.values()):
            words = msgspec.json.encode(rule.template.text).decode()
            forms.append(f'{{"{TEXT}": {words}, "{WITH}": {{{values}}}}}')
    return " or ".join(list(dict.fromkeys(forms))[:HINTS_MAX])


def _as_reference(source: Source, number: int) -> Form:
    extract = source.extract or source.pattern
    pick: Any = "" if source.pick in ("any", "only") else source.pick
    wide = (source.records, source.value, source.argument, source.over)
    return Form(number, "", source.field, source.where, pick, source.by, extract, *wide)


def _hole(process: Holder, rule: Rule) -> str:
    """What to write for one value of a text; ``""`` where a source has no result yet."""
    if rule.one_of:
        return msgspec.json.encode(rule.one_of[0]).decode()
    return hint(process, rule).partition(" or ")[0] if rule.source else '"..."'
