"""Models that make trouble, and parents that have to live with it."""

from __future__ import annotations

import asyncio
import json

from gemot.abi.messages import Request, Text
from gemot.models.scripted import heard, request, say


def brief_of(question: Request) -> str:
    return next(part.text for part in question.messages[1].parts if isinstance(part, Text))


async def parent(question: Request):
    """Spawns a child that fails, one that hangs past its deadline, one that exits with nonsense; reports what came back."""
    brief = brief_of(question)
    if brief == "fail":
        return [request("exit", failed="there is no such thing")]
    if brief == "hang":
        await asyncio.sleep(3600)
    if brief == "nonsense":
        return [request("exit", value={"not": "a number"})]
    last = heard(question)
    if not last:
        return [
            request("spawn", brief="fail"),
            request("spawn", brief="hang", deadline_seconds=0.5),
            request("spawn", brief="nonsense", returns={"type": "number"}),
        ]
    if last[0].name == "spawn":
        return [request("wait")]
    ended = json.loads(last[0].text)["ended"]
    return [request("exit", value=" | ".join(f"{one['state']}: {one['rule']}" for one in ended))]


def forker(question: Request):
    """Forks for ever, and so does every child."""
    return [request("fork", brief=f"fork on {n}") for n in range(10)]


def silent(question: Request):
    return say("I have thought about it.")


def garbage(question: Request):
    """A request that is not JSON, a tool that does not exist, an argument of the wrong type; then it does it right."""
    from gemot.abi.messages import ToolRequest

    last = heard(question)
    if not last:
        return [
            ToolRequest("", "files/read", '{"path": '),
            request("files/raed", path="a.txt"),
            request("files/read", path=7),
            request("files/read", path="a.txt"),
        ]
    return [request("exit", value=" | ".join(("ok" if one.ok else one.text.split(":")[0]) for one in last))]


def overwriter(question: Request):
    last = heard(question)
    if not last:
        return [request("files/overwrite", path="kept.txt", content="new\n")]
    return [request("exit", value="replaced") if last[0].ok else request("exit", failed=last[0].text)]


def asker(question: Request):
    last = heard(question)
    if not last:
        return [request("ask", question="Which colour?", options=["red", "blue"])]
    return [request("exit", value=f"painted {last[0].text}")]


def listener(question: Request):
    """Waits for a message and exits with it."""
    texts = [part.text for message in question.messages if message.role == "user" for part in message.parts]
    told = [text for text in texts if text.startswith("[message from the person]")]
    if told:
        return [request("exit", value=told[-1].split("\n", 1)[1])]
    return [request("wait", timeout_seconds=3600)]


def spender(question: Request):
    return [request("clock/now")]
