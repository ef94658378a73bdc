"""Replies in a form: a model is asked for JSON of a given type, and told what was wrong until it fits."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from gemot.programs.native import Calls, SyscallFailed

TRIES = 3
SHOWN_CHARS = 600
"""How much of a reply that does not fit is shown to the model again."""

Form = TypeVar("Form")


async def filled(calls: Calls, form: type[Form], example: str, prompt: str, system: str = "") -> Form:
    """The model's reply as a ``form``. ``example``: that form in JSON, as the model is shown it.

    Raises :class:`SyscallFailed` (``form``) after :data:`TRIES` replies that don't fit.
    """
    asked = f"{prompt}\n\nReply with one JSON object of this form and nothing else:\n{example}"
    told = why = ""
    for _ in range(TRIES):
        reply = await calls.generate(asked + told, system=system)
        try:
            return msgspec.json.decode(_object(reply), type=form)
        except msgspec.MsgspecError as error:
            why = str(error) if "{" in reply else "it holds no JSON object"
            told = f"\n\nYour last reply was not of this form ({why}); it began: {quoted(reply[:SHOWN_CHARS])}"
    raise SyscallFailed("form", f"the model did not reply in the form {example}: {why}")


def _object(reply: str) -> str:
    """From the first brace to the last: models like to put words or a fence around what they were asked for."""
    start, end = reply.find("{"), reply.rfind("}")
    return reply[start : end + 1] if 0 <= start < end else reply


def quoted(value: object) -> str:
    """Any value on one line between quotation marks or brackets, so that nothing in it can end them."""
    return msgspec.json.encode(value).decode()
