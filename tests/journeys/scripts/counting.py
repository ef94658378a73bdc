"""A model with a small window that counts, and at the end says how it began."""

from __future__ import annotations

from gemot.abi.messages import Request
from gemot.models.scripted import heard, request

window = 8_000
LAST = 90


def counts(question: Request):
    results = heard(question)
    if not results:
        return request("calculator/evaluate", expression="1+1")
    last = results[-1]
    if last.name == "page_in":
        return request("exit", value="\n".join(line.removeprefix("> ") for line in last.text.split("\n")[1:]))
    so_far = int(last.text)
    if so_far == LAST:
        return request("page_in", pages=[8])
    return ["I go on to the next number. " * 20, request("calculator/evaluate", expression=f"{so_far}+1")]
