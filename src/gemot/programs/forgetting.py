"""What an answer is when words in it were taken back."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

import msgspec

from gemot.abi.answers import Answer, Error, Mail, Ok, Outcome, Returned, Waited
from gemot.abi.effects import TakeBack
from gemot.abi.memories import Memory
from gemot.programs.pages import taken

RULE = "retracted"


def without(answer: Answer, lost: TakeBack, number: int) -> Answer:
    """The same answer, a process's answer of this number, with nothing in it that is taken back."""
    sources = {source for place, source in lost.places if place == number}
    mail = tuple(one for one in answer.mail if one.said_by not in sources)
    if lost.entry is not None and lost.entry.number == number:
        return _void(answer, lost.entry.part, lost.why, mail)
    if not isinstance(answer, Ok):
        return msgspec.structs.replace(answer, mail=mail)
    return Ok(_value(answer.value, sources, lost.why), mail)


def _void(answer: Answer, part: int, why: str, mail: tuple[Mail, ...]) -> Answer:
    """An answer that is taken back itself; of a batch of uses perhaps only the result of one."""
    value = answer.value if isinstance(answer, Ok) else None
    results = cast("tuple[object, ...]", value) if isinstance(value, tuple | list) else ()
    left = tuple(
        Returned(one.tool, False, why, rule=RULE) if part in (-1, place) else one
        for place, one in enumerate(results)
        if isinstance(one, Returned)
    )
    return Ok(left, mail) if left else Error(RULE, why, mail=mail)


def _value(value: Any, sources: Collection[int], why: str) -> Any:
    match value:
        case Outcome():
            return _outcome(value, sources, why)
        case Waited():
            ended = tuple(_outcome(one, sources, why) for one in value.ended)
            return msgspec.structs.replace(value, ended=ended)
        case tuple():
            return tuple(one for one in cast("tuple[Any, ...]", value) if _source(one) not in sources)
        case list() | dict():
            left: Any = cast("Any", value)
            for pid in sources:
                left = taken(left, why, pid)
            return left
        case _:
            return value


def _outcome(outcome: Outcome, sources: Collection[int], why: str) -> Outcome:
    if outcome.pid in sources:
        return blank(outcome, why)
    return msgspec.structs.replace(outcome, finding=why) if outcome.finding_by in sources else outcome


def _source(one: Any) -> int | None:
    return one.said_by if isinstance(one, Mail) else one.writer if isinstance(one, Memory) else None


def blank(outcome: Outcome, why: str) -> Outcome:
    """How a process ended whose result is not to be read any more."""
    return Outcome(outcome.pid, outcome.name, "failed", error=why, rule=RULE, spent=outcome.spent)
