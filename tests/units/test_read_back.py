"""What is appended can be read back: every event is checked before it is written, whoever made it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from msgspec import inspect

from gemot import Calls, Machine, MachineError, program
from gemot.abi.events import Event
from gemot.abi.messages import Reasoning, Reply, Request, Text, ToolRequest, Usage
from gemot.journal.memory import MemoryJournal
from gemot.journal.records import Illegible, as_read, decode, encode
from gemot.models.counting import settled
from gemot.programs.library import load

OTHERS: tuple[Any, ...] = (
    1.5, -1, 0, True, None, "", "text", "\ud800", b"bytes", (), (1,), ["a"], {}, {"a": 1}, {1: 2}, {"a"}, object(), 2**70, -(2**70),
    math.nan, math.inf, Text("a"), int,
)  # fmt: skip


def sample(kind: inspect.Type) -> Any:
    """A value of this type, as small as can be."""
    match kind:
        case inspect.IntType():
            return 1
        case inspect.FloatType():
            return 1.5
        case inspect.BoolType():
            return True
        case inspect.BytesType():
            return b"a"
        case inspect.NoneType():
            return None
        case inspect.LiteralType(values):
            return values[0]
        case inspect.VarTupleType(item):
            return (sample(item),)
        case inspect.TupleType(items):
            return tuple(map(sample, items))
        case inspect.ListType(item) | inspect.SetType(item):
            return [sample(item)]
        case inspect.DictType(key, value):
            return {sample(key): sample(value)}
        case inspect.UnionType(types):
            return sample(next(one for one in types if not isinstance(one, inspect.NoneType)))
        case inspect.StructType(cls, fields):
            return cls(**{field.name: sample(field.type) for field in fields if field.required})
        case _:
            return "a"


def within(kind: inspect.Type, seen: tuple[type, ...] = ()) -> Iterator[inspect.StructType]:
    """All structs that a type is made of."""
    match kind:
        case inspect.StructType(cls, fields) if cls not in seen:
            yield kind
            for field in fields:
                yield from within(field.type, (*seen, cls))
        case inspect.VarTupleType(item) | inspect.ListType(item):
            yield from within(item, seen)
        case inspect.TupleType(types) | inspect.UnionType(types):
            for one in types:
                yield from within(one, seen)
        case inspect.DictType(_, value):
            yield from within(value, seen)
        case _:
            return


EVENTS: tuple[type[msgspec.Struct], ...] = get_args(Event)


def reads_back(event: Any) -> None:
    """The promise: it is refused, or what is read is what was written."""
    try:
        kept = as_read(event)
    except Illegible:
        return
    assert decode(encode(kept)) == kept


@pytest.mark.parametrize("event", EVENTS, ids=lambda one: one.__name__)
def test_value_of_another_type_in_an_event_is_refused_or_read_back(event: type[Any]) -> None:
    whole = inspect.type_info(event)
    assert isinstance(whole, inspect.StructType)
    given = sample(whole)
    assert as_read(given) == given, "the sample itself"
    fields = {field.name: sample(field.type) for field in whole.fields}
    assert as_read(event(**fields)) == event(**fields)
    tried = 0
    for field in whole.fields:
        for other in OTHERS:
            reads_back(event(**{**fields, field.name: other}))
            tried += 1
        for struct in within(field.type, (event,)):
            inner = {one.name: sample(one.type) for one in struct.fields}
            for name in inner:
                for other in OTHERS:
                    nested = struct.cls(**{**inner, name: other})
                    reads_back(event(**{**fields, field.name: nested}))
                    reads_back(event(**{**fields, field.name: (nested,)}))
    assert tried >= len(OTHERS)


@program(grants=("ask", "receive"))
async def asker(calls: Calls, brief: str) -> Any:
    """Asks, and waits for ever."""
    return await calls.ask("may I?")


@pytest.mark.parametrize(
    ("method", "given"),
    [
        ("answer", (1, "no")),
        ("answer", (1, None)),
        ("answer", (1, True, None)),
        ("answer", (1, True, 5)),
        ("answer", (1, True, "yes", "always")),
        ("kill", (1, 5)),
        ("kill", ("1",)),
        ("revoke", (1, 5)),
        ("send", (1, 5)),
        ("send", (1, None)),
        ("move", (1, 5)),
        ("fork", (1, 5)),
        ("fork", (1, "on", 5)),
        ("retract", (1, 5)),
        ("start", (5,)),
        ("start", (None,)),
        ("start", (b"ask",)),
        ("kill", (1, b"enough")),
        ("kill", (1, Decimal(1))),
        ("answer", (1, True, b"yes")),
        ("retract", (1, b"wrong")),
        ("send", (1, b"on")),
        ("fork", (1, b"on")),
    ],
)
def test_wrong_type_from_a_caller_raises_before_anything_happens(
    method: str, given: tuple[Any, ...], tmp_path: Path
) -> None:
    async def story() -> None:
        async with await Machine.open(tmp_path, programs=(asker,)) as machine:
            await machine.start("ask", program="asker")
            machine._loop.drain()
            before = machine._loop.journal.position
            with pytest.raises((MachineError, TypeError, ValueError, AttributeError)):
                await getattr(machine, method)(*given)
            assert machine._loop.journal.position == before
            assert machine.failure is None and len(machine.asks()) == 1
        async with await Machine.open(tmp_path, programs=(asker,)) as machine:
            assert len(machine.asks()) == 1

    asyncio.run(story())


@pytest.mark.parametrize("name", ["models", "route", "shown", "private"])
def test_text_in_the_place_of_a_list_is_not_taken_apart(name: str) -> None:
    async def story() -> None:
        async with await Machine.open(in_memory=True, programs=(asker,)) as machine:
            for text in ("keys", b"keys", ""):
                with pytest.raises(MachineError, match=f"{name} is a list of texts"):
                    await machine.start("ask", program="asker", **{name: text})  # type: ignore[arg-type]
            assert not machine.processes()
        for option in ("private", "untrusted"):
            with pytest.raises(MachineError, match=f"{option} is a list of texts"):
                await Machine.open(in_memory=True, **{option: "keys"})  # type: ignore[arg-type]

    asyncio.run(story())


REQUEST = Request((), size_chars=400)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ((10.5, 2.25), (11, 3)),
        (("10", "2"), (10, 2)),
        (("10.5", 2), (11, 2)),
        ((None, 2), (134, 2)),
        ((10, None), (10, 2)),
        ((None, None), (134, 2)),
        ((-5, -5), (134, 2)),
        ((10, -5), (10, 2)),
        ((math.nan, math.inf), (134, 2)),
        ((10**30, 1), (134, 1)),
        ((1e300, 1), (134, 1)),
        (([], {}), (134, 2)),
        ((True, False), (134, 2)),
        (("many", "1e999"), (134, 2)),
        ((0, 0), (134, 2)),
    ],
)
def test_counts_of_a_provider_are_converted_or_estimated(given: tuple[Any, Any], kept: tuple[int, int]) -> None:
    usage = settled(Reply((Text("abcd"),), Usage(*given)), REQUEST).usage
    assert (usage.tokens_in, usage.tokens_out) == kept


def test_other_parts_of_a_reply_become_texts() -> None:
    odd: Any = {"id": 7, "name": None, "arguments": {"value": 1}, "extra": {"a": object}}
    reply: Any = Reply((ToolRequest(**odd), Text(5), Reasoning(None, "p")), Usage(1, 1, "x", 1.5, None), 3, None)  # type: ignore[arg-type]
    kept = settled(reply, REQUEST)
    request = kept.parts[0]
    assert isinstance(request, ToolRequest) and (request.id, request.name, request.arguments) == (
        "7",
        "",
        '{"value": 1}',
    )
    assert (kept.usage.tokens_cached, kept.usage.usd_micros, kept.usage.millis) == (0, 2, 0)
    assert msgspec.json.decode(msgspec.json.encode(kept), type=Reply) == kept


def test_home_opens_again_after_a_model_that_reports_anything(tmp_path: Path) -> None:
    class Odd:
        counts = iter(((10.5, 1), (None, "x"), (math.nan, -1), (10**40, {})))

        async def generate(self, request: Request, heard: Any) -> Any:
            tokens = next(self.counts, (1.5, 1.5))
            return Reply((ToolRequest(7, "exit", {"value": 1}),), Usage(*tokens, usd_micros=0.5), finish=None)  # type: ignore[arg-type]

        async def close(self) -> None:
            return None

    async def story() -> None:
        async with await Machine.open(tmp_path, models={"odd": Odd()}) as machine:  # type: ignore[dict-item]
            outcome = await machine.result(await machine.start("go", model="odd"))
            assert outcome.state == "done", outcome
        async with await Machine.open(tmp_path) as machine:
            assert machine.processes()[0].outcome is not None

    asyncio.run(story())


def test_fault_of_a_program_is_no_fault_of_the_machine() -> None:
    """A syscall whose field has another type ends its process, and the machine goes on."""

    @program()
    async def wrong(calls: Calls, brief: str) -> Any:
        from gemot.abi.syscalls import Ask

        return await calls.trap(Ask(5))  # type: ignore[arg-type]

    async def story() -> None:
        machine = Machine(MemoryJournal(), load((), (wrong,)), (), lambda name: None)  # type: ignore[arg-type, return-value]
        machine._boot(resume=True)
        outcome = await machine.result(await machine.start("go", program="wrong"))
        assert outcome.state == "failed" and machine.failure is None
        for record in machine._loop.journal.read():
            decode(record.body)
        await machine.close()

    asyncio.run(story())
