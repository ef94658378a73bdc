"""Two levels that build on what a child says: a root, its helper, and the helper's source, which is wrong."""

from __future__ import annotations

from gemot.abi.messages import Request, Text
from gemot.models.scripted import heard, request


def everybody(question: Request):
    brief = next(part.text for part in question.messages[1].parts if isinstance(part, Text))
    last = heard(question)
    shown = " ".join(str(part) for message in question.messages for part in message.parts)
    if brief == "source":
        return [request("exit", value="the moon is made of cheese")]
    if brief == "helper":
        if not last:
            return [request("spawn", brief="source", program="solo")]
        if last[0].name == "spawn":
            return [request("wait")]
        if last[0].name == "wait":
            return [request("files/write", path="moon.md", content="cheese")]
        return [request("exit", value="everybody says that the moon is made of cheese")]
    if not last:
        return [request("spawn", brief="helper", program="solo")]
    if last[0].name == "spawn":
        return [request("wait")]
    if last[0].name == "wait":
        return [request("ask", question="Shall I write the book?")]
    return [
        request(
            "exit", value="a book about cheese" if "cheese" in shown else "no book: what it rests on was taken back"
        )
    ]
