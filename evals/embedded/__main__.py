"""Runs the goals on the embedded model against real folders and the real tools: ``python -m evals.embedded``.

A one-step goal is judged by its first request, a multi-step goal by what the folder holds and what the task ended
with. Held-out goals were written before the chooser was and are never tuned on: their failures are counted, not shown,
unless asked for. Independent goals were written by a second author who had not seen the chooser or the other goals; they
are treated as held out and reported apart. Results go to ``results.json`` beside this file.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from gemot.abi.messages import Message, Request, Text, ToolOffer, ToolRequest, ToolResult
from gemot.drivers.calculator import calculator
from gemot.drivers.clock import clock
from gemot.drivers.files import files
from gemot.drivers.kit import ToolError
from gemot.drivers.place import Place, PlaceMount
from gemot.models.embedded.model import EmbeddedModel
from gemot.programs.replying import schema_of

HERE = Path(__file__).parent
STEPS_MAX = 8
SETS = (
    "one_step",
    "multi_step",
    "independent_one_step",
    "independent_multi_step",
    "tune_more_one_step",
    "tune_more_multi_step",
    "reviews",
)
SPLITS = ("tune", "held_out", "seen", "hidden")
TOOLS = {name: tool for driver in (files, calculator, clock) for name, tool in driver.tools.items()}
EXIT = ToolOffer("exit", "End with your result.", schema_of("exit"))
OFFERS = (*(ToolOffer(tool.spec.name, tool.spec.description, tool.spec.schema) for tool in TOOLS.values()), EXIT)
BRIEF = "You work on a goal with tools in a folder. Use one tool at a time. When the goal is reached, exit."


def goals(name: str) -> list[dict[str, Any]]:
    """The goals of a set; a file that is not named after one kind holds those of both."""
    file, kind = name, ""
    for one in ("one_step", "multi_step"):
        if name.endswith(f"_{one}"):
            file, kind = name.removesuffix(f"_{one}"), one
    found = [json.loads(line) for line in (HERE / f"{file}.jsonl").read_text().splitlines()]
    return [goal for goal in found if not kind or goal["kind"] == kind]


def lay_out(folder: Path) -> None:
    """The folder that every goal starts with."""
    for path, text in json.loads((HERE / "folder.json").read_text()).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)


def perform(folder: Path, request: ToolRequest) -> ToolResult:
    """One request carried out as the machine would, every question to a person answered with yes."""
    tool = TOOLS[request.name]
    try:
        arguments = tool.decode(request.arguments)
        if tool.place:
            arguments[tool.place] = Place((PlaceMount("work", str(folder.resolve()), "rw"),))
        value = tool.function(**arguments)
    except (ToolError, msgspec.ValidationError) as error:
        return ToolResult(request.id, request.name, str(error), ok=False)
    return ToolResult(request.id, request.name, value if isinstance(value, str) else json.dumps(value))


@dataclass
class Outcome:
    """The requests the model made, and how it ended: ``value`` is None and ``failed`` empty if it did not."""

    requests: list[ToolRequest]
    value: str | None = None
    failed: str = ""


async def work(model: EmbeddedModel, goal: str, folder: Path, steps_max: int) -> Outcome:
    messages = [Message("system", (Text(BRIEF),)), Message("user", (Text(goal),))]
    requests: list[ToolRequest] = []
    while len(requests) < steps_max:
        reply = await model.generate(Request(tuple(messages), OFFERS), lambda piece: None)
        request = reply.parts[0]
        if not isinstance(request, ToolRequest):
            return Outcome(requests, request.text if isinstance(request, Text) else None)
        if request.name == "exit":
            end = json.loads(request.arguments)
            return Outcome(requests, None, end["failed"]) if "failed" in end else Outcome(requests, str(end["value"]))
        requests.append(request)
        messages += [Message("model", reply.parts), Message("tool", (perform(folder, request),))]
    return Outcome(requests)


def right_first(goal: dict[str, Any], requests: list[ToolRequest]) -> bool:
    if not requests:
        return False
    made = json.loads(requests[0].arguments)
    for accepted in goal["accept"]:
        wanted = accepted["arguments"]
        defaults = TOOLS[requests[0].name].spec.schema["properties"]
        fits = all(
            made.get(name, defaults.get(name, {}).get("default")) in (value if isinstance(value, list) else [value])
            for name, value in wanted.items()
        )
        spare = {name: value for name, value in made.items() if name not in wanted}
        if (
            requests[0].name == accepted["tool"]
            and fits
            and all(defaults.get(name, {}).get("default") == value for name, value in spare.items())
        ):
            return True
    return False


def right_effect(goal: dict[str, Any], folder: Path, outcome: Outcome) -> bool:
    """Every file as wanted, every other as it was, and the value telling what was asked, or the failure where there must be one."""
    before: dict[str, str] = json.loads((HERE / "folder.json").read_text())
    now = {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}
    if goal.get("fails"):
        return bool(outcome.failed) and now == before
    value = outcome.value
    if value is None or set(now) != set(before) | set(goal["files"]):
        return False
    for path, text in now.items():
        wanted: Any = goal["files"].get(path)
        if wanted is None and text != before[path]:
            return False
        if wanted is not None and not fits(text, wanted):
            return False
    return all(re.search(rf"(?<![\w.]){re.escape(part)}(?!\w)", value) for part in goal["value"])


def fits(text: str, wanted: Any) -> bool:
    """``["text"]``: exactly that, but for space around it; ``{"has": [...]}``: all of these somewhere."""
    match wanted:
        case [str(whole)]:
            return text.strip() == whole.strip()
        case {"has": [*parts]}:
            return all(str(part) in text for part in parts)
        case _:
            raise ValueError(f"a goal's files are wanted as a list or an object, not {wanted!r}")


async def labels(model: EmbeddedModel) -> list[tuple[dict[str, Any], bool]]:
    outcomes: list[tuple[dict[str, Any], bool]] = []
    for review in goals("reviews"):
        text = review.get("text") or (HERE.parents[1] / "examples" / "reviews" / review["file"]).read_text()
        messages = (
            Message("system", (Text("You read one product review and say what it is."),)),
            Message("user", (Text(f"Is this review good or bad?\n\n{text}"),)),
        )
        reply = await model.generate(Request(messages, choose=("good", "bad")), lambda piece: None)
        said = reply.parts[0]
        outcomes.append((review, isinstance(said, Text) and said.text == review["label"]))
    return outcomes


async def run(show_held_out: bool, sets: Sequence[str]) -> dict[str, Any]:
    model = EmbeddedModel()
    await model.generate(Request((Message("user", (Text("Hello"),)),), choose=("a", "b")), lambda piece: None)
    results: dict[str, Any] = {}
    for name in sets:
        started = time.monotonic()
        outcomes: list[tuple[dict[str, Any], bool]] = []
        wrong_successes = 0
        if name == "reviews":
            outcomes = await labels(model)
        else:
            for goal in goals(name):
                with tempfile.TemporaryDirectory() as temporary:
                    lay_out(Path(temporary))
                    one_step = name.endswith("one_step")
                    steps_max = 1 if one_step else STEPS_MAX
                    done = await work(model, goal["goal"], Path(temporary), steps_max)
                    right = right_first(goal, done.requests) if one_step else right_effect(goal, Path(temporary), done)
                outcomes.append((goal, right))
                wrong_successes += not right and not one_step and not done.failed
                if not right and (show_held_out or goal["split"] in ("tune", "seen")):
                    made = " | ".join(f"{request.name} {request.arguments}" for request in done.requests)
                    print(
                        f"  {goal['id']}: {goal['goal']}\n      {made or 'no request'} -> {done.failed or done.value!r}"
                    )
        seconds = (time.monotonic() - started) / len(outcomes)
        results[name] = {"seconds_each": round(seconds, 2)}
        for split in SPLITS:
            of_split = [right for goal, right in outcomes if goal["split"] == split]
            if of_split:
                results[name][split] = {"right": sum(of_split), "of": len(of_split)}
        if name.endswith("multi_step"):
            results[name]["wrong_successes"] = wrong_successes
        if name == "reviews":
            wrong = [
                g.get("file", g["id"]) for g, right in outcomes if not right and (show_held_out or g["split"] == "tune")
            ]
            print("  labelled wrong:", ", ".join(wrong) or "none shown")
    await model.close()
    return results


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m evals.embedded", description=__doc__)
    parser.add_argument(
        "--show-held-out", action="store_true", help="name failed held-out and independent goals too; then stop tuning"
    )
    parser.add_argument(
        "--set", action="append", default=[], help="only this set: a file here, or file_one_step; no results are kept"
    )
    asked = parser.parse_args()
    results = asyncio.run(run(asked.show_held_out, asked.set or SETS))
    print(f"{'set':<24}{'tune':>10}{'held out':>10}{'all':>10}{'s each':>8}{'wrong success':>16}")
    for name, result in results.items():
        splits = [result[split] for split in SPLITS if split in result]
        cells = [f"{one['right']}/{one['of']}" for one in splits] if len(splits) > 1 else ["", ""]
        cells.append(f"{sum(one['right'] for one in splits)}/{sum(one['of'] for one in splits)}")
        print(
            f"{name:<24}"
            + "".join(f"{cell:>10}" for cell in cells)
            + f"{result['seconds_each']:>8}{result.get('wrong_successes', ''):>16}"
        )
    if asked.set:
        return
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    good = results["one_step"]["tune"]["right"] + results["one_step"]["held_out"]["right"]
    sys.exit(0 if good >= 51 else 1)


if __name__ == "__main__":
    main()
