"""A planner that puts work on a board, and runners who take from it what is ready until nothing is left to do."""

from __future__ import annotations

import json
from typing import Any

from gemot.abi.messages import Request, Text
from gemot.models.scripted import heard, request

RUNNERS = 3


def model(question: Request):
    brief = next(part.text for part in question.messages[1].parts if isinstance(part, Text))
    return runner(question) if brief.startswith("Work on the board") else planner(question)


def planner(question: Request):
    """Six tasks, two of them after others; judges its own, leaves the last two to the person."""
    last = {one.name: one.text for one in heard(question)}
    if not last:
        return [request("add", tasks=TASKS)]
    if "add" in last:
        return [spawn(n) for n in range(1, RUNNERS + 1)]
    if "spawn" in last or "accept" in last:
        return [request("wait", board=True, messages=False)]
    if "wait" in last:
        return [request("list_tasks")]
    tasks = json.loads(last["list_tasks"])
    if all(task["state"] in ("accepted", "dropped") for task in tasks):
        return [request("exit", value="\n".join(task.get("result", "") for task in tasks))]
    mine = [task["number"] for task in tasks if task["state"] == "completed" and task["text"].startswith("write")]
    if mine:
        return [request("accept", task=number) for number in mine]
    return [request("wait", board=True, messages=False)]


TASKS: list[dict[str, Any]] = [
    {"text": "join the chapters", "name": "join", "after": ["one", "two", "three"], "priority": 1},
    {"text": "write chapter one", "name": "one", "grants": ["files/read"]},
    {"text": "write chapter two", "name": "two"},
    {"text": "write chapter three", "name": "three"},
    {"text": "print the book", "after": ["join"]},
    {"text": "choose a title"},
]


def spawn(number: int):
    return request(
        "spawn", brief=f"Work on the board as runner {number}.", program="runner", grants=["claim", "complete"]
    )


def runner(question: Request):
    """Claims what is ready, does it, and waits for the board when nothing is."""
    (last,) = heard(question) or (None,)
    if last is None or last.name in ("complete", "wait"):
        return [request("claim", lease_seconds=600)]
    if not last.ok:
        return [request("wait", board=True, messages=False)]
    task = json.loads(last.text)
    better = " (better)" if task.get("rejections") or task.get("note") else ""
    return [request("complete", task=task["number"], result=f"done: {task['text']}{better}")]


def stubborn(question: Request):
    """A planner that is not content with anything but what the person's advice leads to, and its one runner."""
    brief = next(part.text for part in question.messages[1].parts if isinstance(part, Text))
    if brief.startswith("Work on the board"):
        return obedient(question)
    last = {one.name: one.text for one in heard(question)}
    if not last:
        return [request("add", tasks=[{"text": "paint it"}]), spawn(1)]
    if "list_tasks" not in last:
        return [request("list_tasks")] if "wait" in last else [request("wait", board=True, messages=False)]
    (task,) = json.loads(last["list_tasks"])
    if task["state"] != "completed":
        return [request("wait", board=True, messages=False)]
    if task["result"] == "painted blue":
        return [request("accept", task=1), request("exit", value="painted blue")]
    return [request("accept", task=1, accepted=False, reason="not this colour")]


def obedient(question: Request):
    """Paints it in the last word that was said about it."""
    (last,) = heard(question) or (None,)
    if last is None or last.name in ("complete", "wait"):
        return [request("claim")]
    if not last.ok:
        return [request("wait", board=True, messages=False)]
    colour = json.loads(last.text).get("note", "in red").split()[-1]
    return [request("complete", task=1, result=f"painted {colour}")]


def idle(question: Request):
    """A planner whose one runner waits for tasks that nobody adds; told that nothing will come, the runner goes home."""
    brief = next(part.text for part in question.messages[1].parts if isinstance(part, Text))
    last = {one.name: one.text for one in heard(question)}
    if brief.startswith("Work on the board"):
        told = any(
            "standstill" in part.text for one in question.messages for part in one.parts if isinstance(part, Text)
        )
        return request("exit", value="there was nothing to do") if told else request("wait", board=True)
    if "spawn" in last:
        return request("wait")
    return request("exit", value=f"the runner said: {last['wait']}") if "wait" in last else spawn(1)


def patient(question: Request):
    """A planner whose one runner waits for tasks that nobody adds; whatever they are told, both wait again."""
    brief = next(part.text for part in question.messages[1].parts if isinstance(part, Text))
    last = {one.name: one.text for one in heard(question)}
    if brief.startswith("Work on the board"):
        said = [part.text for part in question.messages[-1].parts if isinstance(part, Text)]
        return (
            request("exit", value="then I go") if any("go home" in one for one in said) else request("wait", board=True)
        )
    return (
        request("exit", value=f"the runner said: {last['wait']}")
        if "then I go" in str(last)
        else request("wait")
        if last
        else spawn(1)
    )
