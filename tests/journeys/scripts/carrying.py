"""A model that asks, and when it is answered reads a file and says what is in it."""

from __future__ import annotations

from gemot.abi.messages import Request
from gemot.models.scripted import heard, request


def reader(question: Request):
    last = heard(question)
    if not last:
        return [request("ask", question="Shall I?")]
    if last[0].name == "ask":
        return [request("files/read", path="a.txt")]
    return [request("exit", value=last[0].text) if last[0].ok else request("exit", failed=last[0].text)]
