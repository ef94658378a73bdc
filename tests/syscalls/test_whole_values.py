"""Judged = used = shown: a use is decided, asked about and done with the same whole value, whatever its size and wherever
it comes from. What is not at hand as a whole is not used."""

from __future__ import annotations

import hashlib
import os
from random import Random
from typing import Any

import msgspec
import pytest
from guarded import GUARDED, refer, results
from worlds import EVERY_SYSCALL, KernelWorld, put, started

from gemot.abi import limits
from gemot.abi.answers import Error
from gemot.abi.effects import Asked, PutAsk, StartTool
from gemot.abi.events import Value
from gemot.abi.grants import Grant, Rule
from gemot.abi.syscalls import Call, Endorse, Exec, Fork, Spawn, ToolUse
from gemot.abi.tools import ToolSpec
from gemot.kernel.process import Filled

STRING = {"type": "string"}
OUT = ToolSpec(
    "out/put",
    "Put something out.",
    {
        "type": "object",
        "properties": {
            "text": {"anyOf": [STRING, {"type": "array", "items": STRING}, {"type": "integer"}]},
            "box": {"type": "object", "properties": {"inner": {"type": "array", "items": STRING}}},
        },
    },
    "sends",
    False,
)
SOURCE = ToolSpec("plain/read", "Text.", {"type": "object", "properties": {}}, "reads", True)
SEEDS = [int(os.environ["GEMOT_SEED"])] if "GEMOT_SEED" in os.environ else list(range(60))


def tree(world: KernelWorld, *grants: Grant) -> int:
    world.install((*GUARDED, OUT, SOURCE))
    return world.tree(grants=(*EVERY_SYSCALL, Grant("plain/read"), Grant("sums/add"), *grants))


def large(world: KernelWorld, pid: int, text: str, value: Value | None = None) -> int:
    """A result of a plain tool that is no document; its handle."""
    (effect,) = started(world.trap(pid, Call((ToolUse("plain/read"),))))
    (result,) = results(pid, world.done(effect, value or world.large(text)))
    assert result.handle is not None
    return result.handle.number


def use(**arguments: Any) -> Call:
    return Call((ToolUse("out/put", arguments),))


def begun(effects: list[Any]) -> StartTool | None:
    return next((one for one in effects if isinstance(one, StartTool)), None)


def question(effects: list[Any]) -> Asked | None:
    return next((one.asked for one in effects if isinstance(one, PutAsk)), None)


def digest(start: StartTool, places: dict[str, str] | None = None) -> str:
    shown = [start.tool, start.arguments, places or {}]
    return hashlib.sha256(msgspec.json.encode(shown, order="sorted")).hexdigest()


# Values of which the beginning fits a rule and the rest does not.

BREAKS: dict[str, tuple[Rule, Any]] = {
    "chars_max": (Rule(chars_max=9_000), lambda size: "a" * size),
    "hosts": (Rule(hosts=("good.example",)), lambda size: "https://good.example/" + "a" * size + " https://evil.example"),
    "one_of": (Rule(one_of=("a" * limits.PREVIEW_CHARS, "b")), lambda size: "a" * size),
    "kind email": (Rule(kind="email"), lambda size: "a@" + "b" * 58 + ".c" * (size // 2)),
    "kind integer": (Rule(kind="integer"), lambda size: "1" * size),
    "kind date": (Rule(kind="date"), lambda size: "2024-01-01" + " " * size + "x"),
    "at_most": (Rule(at_most=5), lambda size: "1" + " " * size + "9"),
}  # fmt: skip


@pytest.mark.parametrize("seed", SEEDS)
def test_a_value_whose_rest_breaks_a_rule_is_never_used(world: KernelWorld, seed: int) -> None:
    chance = Random(seed)
    print(f"GEMOT_SEED={seed}")
    name = chance.choice(sorted(BREAKS))
    rule, make = BREAKS[name]
    text = make(chance.choice([9_001, 20_000, 200_001, 1_000_000 - 200]))
    root = tree(world, Grant("out/put", {"text": rule}))
    number = large(world, root, text)
    shape = chance.choice(["alone", "list", "fork", "child"])
    pid = root
    if shape == "fork":
        pid = world.born(root, Fork("x"))
    if shape == "child":
        grants = (Grant("out/put", {"text": rule}),)
        pid = world.born(root, Spawn("x", "worker", handles=(number,), grants=grants))
    given = [refer(number)] if shape == "list" else refer(number)
    effects = world.trap(pid, use(text=given))
    assert begun(effects) is None and not put(effects), (name, shape)
    (result,) = results(pid, effects)
    assert result.rule in ("grant", "malformed") and not result.ok


@pytest.mark.parametrize("seed", SEEDS)
def test_what_a_person_is_asked_is_what_the_tool_gets(world: KernelWorld, seed: int) -> None:
    chance = Random(seed)
    print(f"GEMOT_SEED={seed}")
    size = chance.choice([0, 1, limits.PREVIEW_CHARS, limits.INLINE_CHARS_MAX + 1, 200_000, 200_001, 1_000_000])
    text = "".join(chance.choices("ab\n\u202e\u00e9 {}", k=min(size, 1_000))) + "x" * max(0, size - 1_000)
    root = tree(world, Grant("out/put", {"text": Rule(one_of=("other",))}, otherwise="ask"))
    number = large(world, root, text)
    given = chance.choice([refer(number), [refer(number), "more"]])
    inner = {"inner": [refer(number)]} if size <= 200_000 and chance.random() < 0.5 else None
    asked = question(world.trap(root, use(text=given, **({"box": inner} if inner else {}))))
    assert asked is not None
    assert asked.arguments["text"] == (text if isinstance(given, dict) else [text, "more"])
    start = begun(world.answer(asked.ask))
    assert start is not None
    assert start.arguments == asked.arguments and digest(start) == asked.digest


@pytest.mark.parametrize("size", [8_001, 200_001, 1_000_000])
def test_a_value_that_fits_as_a_whole_is_used_as_a_whole(world: KernelWorld, size: int) -> None:
    text = "a" * size
    root = tree(world, Grant("out/put", {"text": Rule(chars_max=size)}))
    start = begun(world.trap(root, use(text=refer(large(world, root, text)))))
    assert start is not None and start.arguments == {"text": text}


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (Rule(prefix="begin"), "begin" + "x" * 10_000),
        (Rule(contains="needle"), "x" * 900_000 + "NEEDLE"),
        (Rule(kind="text"), "x" * 10_000),
    ],
)
def test_a_rule_looks_at_the_end_of_a_value_too(world: KernelWorld, rule: Rule, text: str) -> None:
    root = tree(world, Grant("out/put", {"text": rule}))
    start = begun(world.trap(root, use(text=refer(large(world, root, text)))))
    assert start is not None and start.arguments == {"text": text}


def test_a_schema_is_checked_against_the_whole_value(world: KernelWorld) -> None:
    strict = msgspec.structs.replace(
        OUT, schema={"type": "object", "properties": {"text": {"type": "string", "maxLength": 9_000}}}
    )
    world.install((*GUARDED, strict, SOURCE))
    root = world.tree(grants=(*EVERY_SYSCALL, Grant("*")))
    (result,) = results(root, world.trap(root, use(text=refer(large(world, root, "a" * 9_001)))))
    assert result.rule == "malformed"


def test_a_part_can_be_taken_of_the_large_result_of_a_plain_tool(world: KernelWorld) -> None:
    root = tree(world, Grant("out/put"))
    number = large(world, root, msgspec.json.encode({"a": ["x" * 9_000, "y"], "id": "due 2024-05-01"}).decode())
    for reference, wanted in (
        (refer(number, "a[1]"), "y"),
        (refer(number, "", field="id"), "due 2024-05-01"),
        (refer(number, "id", extract="date"), "2024-05-01"),
    ):
        start = begun(world.trap(root, use(text=reference)))
        assert start is not None and start.arguments == {"text": wanted}
        world.done(start.effect)


def test_a_value_beyond_the_bound_is_refused_with_what_would_work(world: KernelWorld) -> None:
    root = tree(world, Grant("out/put"))
    number = large(world, root, "a" * (limits.VALUE_CHARS_MAX + 1))
    (result,) = results(root, world.trap(root, use(text=refer(number))))
    assert result.rule == "limit" and "2,000,001 characters" in result.text and "Read it in parts" in result.text


def test_values_together_beyond_the_bound_are_refused(world: KernelWorld) -> None:
    root = tree(world, Grant("out/put"))
    number = large(world, root, "a" * (limits.VALUES_CHARS_MAX // 2))
    assert begun(world.trap(world.born(root, Fork("x")), use(text=[refer(number)] * 2))) is not None
    (result,) = results(root, world.trap(root, use(text=[refer(number)] * 3)))
    assert result.rule == "limit" and "several calls" in result.text
    third = ToolUse("out/put", {"text": refer(number)})
    told = results(root, world.trap(root, Call((third, third, third))))
    assert [one.rule for one in told] == ["limit"] * 3


def test_a_value_that_is_not_kept_any_more_is_refused(world: KernelWorld) -> None:
    root = tree(world, Grant("out/put"))
    number = large(world, root, "a" * 9_000)
    world.values.clear()
    (result,) = results(root, world.trap(root, use(text=refer(number))))
    assert result.rule == "limit" and "kept" in result.text


def test_a_value_of_another_size_than_its_handle_says_is_refused(world: KernelWorld) -> None:
    root = tree(world, Grant("out/put"))
    short = world.large("a" * 9_000)
    number = large(world, root, "", msgspec.structs.replace(short, size_chars=9_001))
    (result,) = results(root, world.trap(root, use(text=refer(number))))
    assert result.rule == "limit" and not result.ok


def test_what_was_read_for_a_call_is_not_held_after_it(world: KernelWorld) -> None:
    root = tree(world, Grant("out/put"))
    number = large(world, root, "a" * 900_000)
    before = len(msgspec.json.encode(world.kernel.processes[root]))
    for _ in range(3):
        start = begun(world.trap(root, use(text=refer(number))))
        assert start is not None
        world.done(start.effect)
    process = world.kernel.processes[root]
    assert len(msgspec.json.encode([process.handles, process.documents, process.work])) < 10_000
    assert before < 10_000


def test_a_short_value_that_is_not_held_can_be_endorsed_and_a_long_one_not(world: KernelWorld) -> None:
    root = tree(world, Grant("out/put"))
    short, long = "b" * limits.NOTE_CHARS_MAX, "b" * (limits.NOTE_CHARS_MAX + 1)
    number = large(world, root, short)
    asked = question(world.trap(root, Endorse(number, "look")))
    assert asked is not None and asked.plan[0] == short
    world.answer(asked.ask, allow=False)
    number = large(world, root, long)
    answer = world.ask(root, Endorse(number, "look"))
    assert isinstance(answer, Error) and answer.rule == "limit" and "2,001 characters" in answer.message


def test_questions_of_a_tree_have_a_bound_together(world: KernelWorld) -> None:
    root = tree(world, Grant("out/put", {"text": Rule(one_of=())}, otherwise="ask"))
    most = "a" * (limits.ASKS_CHARS_MAX // 2)
    assert question(world.trap(world.born(root, Fork("x")), use(text=most)))
    (result,) = results(root, world.trap(root, use(text=most)))
    assert result.rule == "limit" and "open questions" in result.text
    assert question(world.trap(root, use(text="a" * 1_000)))


def test_a_use_that_an_earlier_version_judged_by_its_beginning_is_not_started(world: KernelWorld) -> None:
    root = tree(world, Grant("out/put", {"text": Rule(one_of=("b",))}, otherwise="ask"))
    asked = question(world.trap(root, use(text="a")))
    assert asked is not None
    for kernel in (world.kernel, world.witness.shadow):
        kernel.processes[root].work[0].filled = (Filled(("text",), "d" * 64),)
    effects = world.answer(asked.ask)
    assert begun(effects) is None
    (result,) = results(root, effects)
    assert result.rule == "limit" and "beginning" in result.text


def test_a_value_is_whole_after_a_restart(world: KernelWorld) -> None:
    root = tree(world, Grant("out/put", {"text": Rule(one_of=("b",))}, otherwise="ask"))
    text = "a" * 300_000
    asked = question(world.trap(root, use(text=refer(large(world, root, text)))))
    assert asked is not None and asked.arguments == {"text": text}
    world.reboot()
    world.resume(root)
    start = begun(world.answer(asked.ask))
    assert start is not None and start.arguments == {"text": text} and digest(start) == asked.digest


def test_handles_end_with_exec(world: KernelWorld) -> None:
    root = tree(world, Grant("out/put"))
    number = large(world, root, "a" * 9_000)
    world.trap(root, Exec("worker", "x"))
    (result,) = results(root, world.trap(root, use(text=refer(number))))
    assert result.rule == "unknown"


@pytest.mark.parametrize("values", [{}, {"day": "Monday"}])
def test_composed_text_without_references_is_done_as_it_was_judged(world: KernelWorld, values: dict[str, str]) -> None:
    root = tree(world, Grant("out/put", {"text": Rule(chars_max=20)}))
    words = "Dinner on {day}" if values else "Dinner"
    done = begun(world.trap(root, use(text={"$text": words, "with": values})))
    assert done is not None and done.arguments == {"text": words.format(**values)}


def test_composed_text_without_references_is_shown_as_it_is_done(world: KernelWorld) -> None:
    root = tree(world, Grant("out/put", {"text": Rule(one_of=("hello",))}, otherwise="ask"))
    effects = world.trap(root, use(text={"$text": "Dinner {n}", "with": {"n": 7}}))
    (asked,) = [effect.asked for effect in effects if isinstance(effect, PutAsk)]
    assert asked.arguments == {"text": "Dinner 7"}
    done = begun(world.answer(asked.ask, allow=True))
    assert done is not None and done.arguments == asked.arguments
