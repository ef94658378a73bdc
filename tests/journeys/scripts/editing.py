"""A model that edits one file, makes another, and says so."""

from __future__ import annotations

from gemot.abi.messages import Request
from gemot.models.scripted import heard, request


def model(question: Request):
    if heard(question):
        return request("exit", value="edited", claims={"I edited a.md": "files/edit", "the tests pass": "shell/run"})
    return [
        request("files/edit", path="a.md", old="alpha", new="beta"),
        request("files/write", path="b.md", content="new\n"),
    ]
