"""Garbage: replies that no provider should give, one kind after the other."""

from __future__ import annotations

from typing import Any

from gemot.abi.messages import Reasoning, Reply, Request, Text, ToolRequest, Usage
from gemot.models.beasts.seeing import turn
from gemot.models.scripted import Said, request

DEEP = 50_000
LONG = 200_000
CONTROL = "".join(map(chr, range(32))) + "\x7f\x9b\u202e\u2066\ufeff\ufffe\ud800"


def _raw(name: str, arguments: str) -> ToolRequest:
    return ToolRequest("", name, arguments)


def _used(*parts: Any, usage: Usage) -> Reply:
    return Reply(parts, usage, finish="tool_call")


KINDS: tuple[Said, ...] = (
    [_raw("files/read", one) for one in ('{"path": "a.t', "{", "[]", "null", '"path"', "{'path': 'a'}", "\0", "NaN")],
    [_raw("exit", one) for one in ('{"value":' + "[" * DEEP, '{"value":' + "[" * DEEP + "]" * DEEP + "}", "[" * DEEP)],
    [_raw("files/find", '{"pattern": 1e400}'), _raw("read", '{"handle": ' + "9" * 5_000 + "}")],
    [
        request(name)
        for name in ("raed", "files/raed", "/", "files/", "FILES/READ", "files/read\0", "", "a/b/c", "💥/💥")
    ],
    [request(CONTROL), request("files/read", path=CONTROL), Text(CONTROL)],
    [request("files/read", path=wrong) for wrong in (7, None, ["a"], {"a": 1}, True, 1.5)],
    [request("files/read", path="p" * LONG), _raw("n" * LONG, "{}"), Text("w" * LONG)],
    [request("spawn", brief=7, grants="*", budget="all"), request("wait", children="all", mode="some")],
    [_raw("files/read", '{"path": "a.txt", "path": "b.txt", "__class__": "x", "type": "kill"}')],
    _used(Text("minus"), request("status"), usage=Usage(-(10**12), -(10**12), -(10**12), -(10**12), -(10**9))),
    [ToolRequest("same", "status", "{}"), ToolRequest("same", "status", "{}"), ToolRequest("", "status", "")],
    [Reasoning("r" * LONG, "nobody", {"nobody": {"deep": [[[[[[]]]]]]}}), request("status", pid="me")],
    [request("files/list") for _ in range(500)],
    [],
    [Text("")],
)


def garbage(question: Request) -> Said:
    """Malformed, huge and deeply nested output, unknown tools, wrong types, invalid JSON, control characters, halves of
    characters, use below nothing, the same id twice, nothing at all. At last it says nothing more.

    What contains it: every request is an allegation, decoded completely or answered with what is wrong. Nothing of it
    is carried out by halves, and two silent replies in a row end the process.
    """
    at = turn(question)
    return KINDS[at] if at < len(KINDS) else ""
