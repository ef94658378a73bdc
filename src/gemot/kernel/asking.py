"""Asking a person about tool uses: one question for all uses of a call that need their word.

A question shows each use with its exact arguments, under one hash over all of them, and is answered once: yes, no, or yes to
some by their numbers. A question of which a part is no longer to be done is taken back, and the rest is asked anew: nobody
answers for what they were not shown, and nobody is shown what can't be done any more.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

import msgspec

from gemot.abi import limits
from gemot.abi.answers import Returned
from gemot.abi.effects import Action, Asked
from gemot.abi.grants import Mount
from gemot.abi.tools import ToolSpec
from gemot.authority.deciding import steering, untrusted
from gemot.authority.path_arguments import located
from gemot.authority.quoting import named
from gemot.authority.references import Filling
from gemot.kernel import rights
from gemot.kernel.process import OpenAsk, Process, Work

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel

WHOLE = re.compile(r"\s*(?:yes|all)?\s*", re.IGNORECASE)
PARTS = re.compile(r"[\s,]*\d{1,4}(?:[\s,]+\d{1,4})*[\s,]*")
"""Which parts of what is shown a person means: all of them, or some by their numbers."""

Waiting = Sequence[tuple[Work, Action]]
"""Uses that need a person's word, each with what the person is to see of it."""


def action(tool: ToolSpec, filling: Filling, seen: tuple[Mount, ...], why: str) -> Action:
    """What a person sees of one use."""
    return Action(
        tool.name, filling.arguments, located(tool, filling.arguments, seen), why, untrusted(filling), steering(tool)
    )


def put(kernel: Kernel, process: Process, waiting: Waiting) -> None:
    """Ask about these uses of the pending call: together, as far as a person can look at them in one go."""
    for start in range(0, len(waiting), limits.ASKED_TOGETHER_MAX):
        _put(kernel, process, waiting[start : start + limits.ASKED_TOGETHER_MAX])


def _put(kernel: Kernel, process: Process, waiting: Waiting) -> None:
    why = _too_much(kernel, process, waiting)
    if why:
        for work, one in waiting:
            rights.give_back(kernel, process, work)
            work.state = "done"
            work.result = Returned(one.tool, False, why, rule="limit")
        return
    number = kernel.ask()
    for work, _ in waiting:
        work.state, work.ask = "asking", number
    process.state = "asking"
    actions = tuple(one for _, one in waiting)
    asked = _alone(process, number, actions[0]) if len(actions) == 1 else _together(process, number, actions)
    kernel.put_ask(OpenAsk(asked, waiting[0][0].effect, process.root))


def _too_much(kernel: Kernel, process: Process, waiting: Waiting) -> str:
    """Why a person can't be asked this now, or ``""``."""
    if kernel.asks_open(process.root) >= limits.ASKS_OPEN_MAX:
        return f"{limits.ASKS_OPEN_MAX} questions of this tree are open; a person must answer some first"
    mine = sum(_chars(one.arguments) for _, one in waiting)
    room = limits.ASKS_CHARS_MAX - mine
    for opened in kernel.asks.values():
        if opened.root == process.root:
            room -= _chars(opened.asked.arguments) + sum(_chars(one.arguments) for one in opened.asked.actions)
    if room >= 0:
        return ""
    return (
        f"a person would have to look at {mine:,} characters; the open questions of a tree have at most "
        f"{limits.ASKS_CHARS_MAX:,} together. Ask for less, or wait until some are answered"
    )


def _chars(value: Any) -> int:
    """About how many characters a person has to look at."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        return sum(len(name) + _chars(member) for name, member in members.items())
    return sum(map(_chars, cast("list[Any]", value))) if isinstance(value, list | tuple) else 8


def _alone(process: Process, number: int, one: Action) -> Asked:
    return Asked(
        number,
        process.pid,
        f"May {named(process.name)} ({process.pid}) use {one.tool}?",
        ("yes", "no"),
        one.tool,
        one.arguments,
        _digest([one.tool, one.arguments, one.places]),
        one.places,
        one.why,
        bool(one.why),
        one.untrusted,
        steers=one.steers,
    )


def _together(process: Process, number: int, actions: tuple[Action, ...]) -> Asked:
    return Asked(
        number,
        process.pid,
        f"May {named(process.name)} ({process.pid}) do these {len(actions)} things?",
        digest=_digest([[one.tool, one.arguments, one.places] for one in actions]),
        once=any(one.why for one in actions),
        actions=actions,
    )


def _digest(shown: object) -> str:
    return hashlib.sha256(msgspec.json.encode(shown, order="sorted")).hexdigest()


def asked_about(process: Process, ask: int) -> list[Work]:
    """The work that waits for the answer to a question, in the order in which the person sees it."""
    return [work for work in process.work if work.ask == ask and work.state == "asking"]


def understood(text: str, parts: int) -> list[int] | None:
    """The numbers of the parts that a person's answer names, from 1; None if it can't be understood."""
    if WHOLE.fullmatch(text):
        return list(range(1, parts + 1))
    if not PARTS.fullmatch(text):
        return None
    named = sorted({int(number) for number in re.findall(r"\d+", text)})
    return named if all(0 < number <= parts for number in named) else None


def allowed(asked: Asked, allow: bool, text: str) -> list[int] | None:
    """The numbers of the uses that an answer allows, from 1; None if it can't be understood."""
    if not allow:
        return []
    return understood(text, len(asked.actions)) if asked.actions else [1]


def unfit(asked: Asked, text: str) -> str:
    """Why a yes with these words can't be taken for an answer to a question, or ``""``."""
    if asked.whole and understood(text, 0) != []:
        return "is about all of it: say yes or no"
    if asked.plan and understood(text, len(asked.plan)) is None:
        return f"is about a plan of {len(asked.plan)} steps: say yes, or name steps"
    if asked.tool and understood(text, 1) is None:
        return "is about one action: say yes or no"
    if asked.actions and understood(text, len(asked.actions)) is None:
        return f"is about {len(asked.actions)} actions: say yes, no, or name some, as in 1 3"
    if asked.options and not asked.tool and text not in asked.options:
        return f"wants one of: {', '.join(asked.options)}"
    return ""


def again(kernel: Kernel, process: Process, asked: Waiting) -> None:
    """Part of what a question was about is given up, and so is the question: ask about the rest."""
    put(kernel, process, [(work, one) for work, one in asked if work.state == "asking"])
