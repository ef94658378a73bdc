"""Models that plan and run the notes journey."""

from __future__ import annotations

from gemot.abi.messages import Request, Text
from gemot.models.scripted import heard, request

NOTES = ("one.md", "two.md", "three.md")


def brief_of(question: Request) -> str:
    return next(part.text for part in question.messages[1].parts if isinstance(part, Text))


def model(question: Request):
    brief = brief_of(question)
    return runner(question, brief) if brief.startswith("Describe ") else planner(question)


def planner(question: Request):
    """Two runners for three notes: the first gets two, the second one."""
    last = heard(question)
    names = [one.name for one in last]
    if not last:
        return [request("files/find", pattern="*.md")]
    if "files/find" in names:
        return [request("add", tasks=[{"text": "describe one and two"}, {"text": "describe three"}])]
    if "add" in names:
        return [spawn(1, "one.md", "two.md"), spawn(2, "three.md")]
    if "spawn" in names:
        return [request("wait")]
    if "wait" in names:
        return [request("accept", task=1), request("accept", task=2), request("list_tasks")]
    if "list_tasks" in names:
        import json

        tasks = json.loads(next(one.text for one in last if one.name == "list_tasks"))
        lines = "\n".join(task["result"] for task in tasks if task["state"] == "accepted")
        return [request("files/write", path="index.md", content=lines + "\n")]
    return [request("exit", value="index.md is written")]


def spawn(task: int, *paths: str):
    grant = {"tool": "files/read", "where": {"path": {"one_of": list(paths)}}}
    return request("spawn", brief=f"Describe {' '.join(paths)}", program="runner", grants=[grant], task=task)


def runner(question: Request, brief: str):
    """Reads its notes, and tries one that is not its own."""
    mine = brief.split()[1:]
    last = heard(question)
    if not last:
        other = next(note for note in NOTES if note not in mine)
        return [request("files/read", path=other), *(request("files/read", path=path) for path in mine)]
    refused, *texts = last
    assert not refused.ok, "a runner could read a note that is not its own"
    return [
        request("exit", value="\n".join(f"- {path}: {one.text.strip()}" for path, one in zip(mine, texts, strict=True)))
    ]
