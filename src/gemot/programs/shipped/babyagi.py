"""babyagi: do the first task, think of new ones, put them in order; until none is left.

The loop is the one published under this name in 2023: an objective and a first task; one call does the task at the head of the
list, knowing earlier results that have to do with it; one makes new tasks from its result; one puts the list in order. Here
the list is the board, a task is done by a child with tools, and `rounds` bounds what used to run for ever.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from gemot.abi import limits
from gemot.abi.syscalls import Reorder, Task
from gemot.programs.native import Calls, program
from gemot.programs.shipped.forms import filled, quoted

RELEVANT_MAX = 5
RESULT_CHARS = 2_000
"""How much of one earlier result others are told (characters)."""
NEW_TASKS_MAX = 10


class NewTasks(msgspec.Struct):
    """What is to be done that is on no list yet."""

    tasks: tuple[str, ...]


class Order(msgspec.Struct):
    """Numbers of tasks, first things first."""

    order: tuple[int, ...]


@program(grants=("spawn", "retract", "add", "accept", "reorder", "files/*", "calculator/*", "clock/*"))
async def babyagi(calls: Calls, brief: str, first: str = "Make a list of tasks.", rounds: int = 10) -> dict[str, Any]:
    """Do tasks towards an objective, one after the other; each result makes new tasks, until none is left."""
    await calls.add(Task(first))
    results: list[dict[str, Any]] = []
    for _ in range(rounds):
        waiting = await _open(calls, results)
        if not waiting:
            break
        number, text = next(iter(waiting.items()))
        result = await _done(calls, brief, number, text, results)
        results.append({"number": number, "task": text, "result": result})
        del waiting[number]
        made = await filled(calls, NewTasks, '{"tasks": ["..."]}', _creation(brief, text, result, waiting))
        known = {one["task"] for one in results} | set(waiting.values())
        fresh = [one.strip() for one in dict.fromkeys(made.tasks) if one.strip() and one.strip() not in known]
        if fresh:
            await calls.add(*[Task(one[: limits.TASK_CHARS_MAX]) for one in fresh[:NEW_TASKS_MAX]])
        waiting = await _open(calls, results)
        if len(waiting) > 1:
            prompt = f"Objective: {brief}\nPut these tasks in the order in which they should be done: {quoted(waiting)}"
            wanted = await filled(calls, Order, '{"order": [3, 2]}', prompt)
            await calls.trap(Reorder(tuple([one for one in dict.fromkeys(wanted.order) if one in waiting])))
    return {"results": results, "left": list((await _open(calls, results)).values())}


async def _open(calls: Calls, results: list[dict[str, Any]]) -> dict[int, str]:
    """Tasks that nobody has tried, in the order of the board."""
    tried = {one["number"] for one in results}
    tasks = await calls.tasks()
    return {one["number"]: one["text"] for one in tasks if one["state"] == "open" and one["number"] not in tried}


async def _done(calls: Calls, objective: str, number: int, text: str, results: list[dict[str, Any]]) -> str:
    """One task, by a child that knows the objective and those results that have most words in common with the task."""
    words = _words(text)
    ranked = sorted(results, key=lambda one: -len(words & _words(f"{one['task']} {one['result']}")))
    known = {one["task"]: one["result"][:RESULT_CHARS] for one in ranked[:RELEVANT_MAX]}
    told = f"Your task: {text}\nIt serves this objective: {objective}\nResults so far, as found: {quoted(known)}\nExit with the result."
    pid = await calls.spawn(told, task=number, name=text[: limits.NAME_CHARS_MAX])
    (outcome,) = (await calls.wait([pid])).ended
    if outcome.state != "done":
        return f"not done ({outcome.state}): {outcome.error}"
    await calls.accept(number)
    return str(outcome.value)


def _creation(objective: str, text: str, result: str, waiting: dict[int, str]) -> str:
    return (
        f"Objective: {objective}\nThe task {quoted(text)} was tried. Its result, as found: {quoted(result[:RESULT_CHARS])}\n"
        f"Still to be done: {quoted(list(waiting.values()))}\n"
        "Which new tasks does the objective need because of this result? None that is there already; an empty list if there is none."
    )


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w{4,}", text.lower()))
