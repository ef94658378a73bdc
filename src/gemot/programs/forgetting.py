"""What an answer is when words in it were taken back."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, cast

import msgspec

from gemot.abi.answers import Answer, Mail, Ok, Outcome, Waited

RULE = "retracted"

DONE = ("result", "result_sent_back", "done_by")
"""What a task on a board says of what was done."""


def without(answer: Answer, sources: Collection[int], why: str) -> Answer:
    """The same answer with nothing in it that one of these processes said."""
    mail = tuple(one for one in answer.mail if one.sender not in sources)
    if not isinstance(answer, Ok):
        return msgspec.structs.replace(answer, mail=mail)
    return Ok(_value(answer.value, sources, why), mail)


def _value(value: Any, sources: Collection[int], why: str) -> Any:
    match value:
        case Outcome():
            return blank(value, why) if value.pid in sources else value
        case Waited():
            ended = tuple(blank(one, why) if one.pid in sources else one for one in value.ended)
            return msgspec.structs.replace(value, ended=ended)
        case tuple():
            return tuple(
                one for one in cast("tuple[Any, ...]", value) if not (isinstance(one, Mail) and one.sender in sources)
            )
        case list():
            return [_task(one, sources, why) for one in cast("list[Any]", value)]
        case dict():
            return _task(value, sources, why)
        case _:
            return value


def blank(outcome: Outcome, why: str) -> Outcome:
    """How a process ended whose result is not to be read any more."""
    return Outcome(outcome.pid, outcome.name, "failed", error=why, rule=RULE, spent=outcome.spent)


def _task(task: Any, sources: Collection[int], why: str) -> Any:
    """A task of a board, whoever has it now: its result is gone if one of these did it, and what they did before somebody sent it
    back."""
    if not isinstance(task, dict):
        return task
    told = cast("dict[str, Any]", task)
    if told.get("done_by") not in sources:
        return told
    return {name: one for name, one in told.items() if name not in DONE} | {"note": why}
