"""Reads two files, one of which is planted, has a child pay what it says, and asks before it goes on."""

from __future__ import annotations

from gemot.abi.messages import Request, Text
from gemot.models.scripted import heard, request


def bookkeeper(question: Request):
    brief = next(part.text for part in question.messages[1].parts if isinstance(part, Text))
    shown = " ".join(str(part) for message in question.messages for part in message.parts)
    last = heard(question)
    if brief == "pay what is due":
        return [request("ask", question="May I pay eve?")] if not last else [request("exit", value="paid")]
    if not last:
        return [request("files/read", path=f"{name}.txt") for name in ("bill", "letter")]
    if last[0].name == "files/read":
        return [request("spawn", brief="pay what is due", program="solo")]
    if last[0].name == "spawn":
        return [request("ask", question="Shall I close the books?")]
    knows = [words for words in ("pay 10", "pay 9000") if words in shown]
    return [request("exit", value=f"I know: {', '.join(knows)}")]
