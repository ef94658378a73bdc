"""Recorded replies of chat completions that request tools, in all the shapes that servers give them.

Two tools are offered: ``files/read`` and ``clock/now``.
"""

from __future__ import annotations

import json
from typing import Any

from wire.recorded import Event, Recorded
from wire.recorded_chat import HEAD, STOP, U, ch, say, told

READ, NOW = "files__read", "clock__now"
A, B = '{"path": "a.md"}', '{"path": "b.md"}'
TWO = [("files/read", {"path": "a.md"}), ("files/read", {"path": "b.md"})]
END = ch({}, "tool_calls", U)
NONE: Any = object()


def tc(index: Any = NONE, id_: Any = NONE, name: Any = NONE, arguments: Any = NONE) -> dict[str, Any]:
    """A chunk with one piece of a request; what is not given is not there."""
    function = {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not NONE}
    call = {key: value for key, value in (("index", index), ("id", id_)) if value is not NONE}
    return ch({"tool_calls": [call | {"type": "function", "function": function}]})


def calls(
    name: str, *events: Event, is_: Any = TWO[:1], done: bool = True, end: Event | None = END, **more: Any
) -> Recorded:
    return told(name, *events, *((end,) if end is not None else ()), done=done, **{"text": "", "calls": is_} | more)


def whole(*requests: Any, **message: Any) -> bytes:
    """A reply that is not streamed."""
    said = {"role": "assistant", "content": None, "tool_calls": list(requests)} | message
    return json.dumps(HEAD | {"object": "chat.completion", "choices": [{"index": 0, "message": said, "finish_reason": "tool_calls"}], "usage": U}).encode()  # fmt: skip


def f(name: Any, arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": arguments}


IN_ORDER = [
    calls("openai", tc(0, "x1", READ, ""), tc(0, arguments='{"path"'), tc(0, arguments=': "a.md"}'), tc(1, "x2", READ, ""), tc(1, arguments=B), is_=TWO),
    calls("vllm, all in one chunk", ch({"tool_calls": [{"index": 0, "id": "x1", "function": f(READ, A)}, {"index": 1, "id": "x2", "function": f(READ, B)}]}), is_=TWO),
    calls("interleaved", tc(0, "x1", READ, ""), tc(1, "x2", READ, ""), tc(1, arguments='{"path"'), tc(0, arguments='{"path": '), tc(0, arguments='"a.md"}'), tc(1, arguments=': "b.md"}'), is_=TWO),
    calls("the second index first", tc(1, "x2", READ, B), tc(0, "x1", READ, A), is_=TWO[::-1]),
    calls("words before, between and after", *say("I "), tc(0, "x1", READ, A), *say("look"), tc(1, "x2", READ, B), *say("."), text="I look.", is_=TWO),
    calls("reasoning before", ch({"reasoning_content": "Hm."}), tc(0, "x1", READ, A), thought="Hm."),
    calls("the name comes late", tc(0, "x1"), tc(0, arguments='{"path": '), tc(0, name=READ), tc(0, arguments='"a.md"}')),
    calls("the id comes late", tc(0, name=READ, arguments='{"path": '), tc(0, id_="x1", arguments='"a.md"}')),
    calls("no arguments at all", tc(0, "x1", NOW), tc(1, "x2", NOW), is_=[("clock/now", {})] * 2),
    calls("empty arguments", tc(0, "x1", NOW, ""), tc(1, "x2", NOW, " "), is_=[("clock/now", {})] * 2),
    calls("twice the same request", tc(0, "x1", READ, A), tc(1, "x2", READ, A), is_=[TWO[0]] * 2),
    calls("a tool that was not offered", tc(0, "x1", "rm", "{}"), is_=[("rm", {})]),
    calls("the end is named stop", tc(0, "x1", READ, A), end=STOP),
    calls("no reason, [DONE]", tc(0, "x1", READ, A), end=None, usage=None),
    calls("no reason, no [DONE], a length", tc(0, "x1", READ, A), end=None, usage=None, done=False),
    calls("broken arguments", tc(0, "x1", READ, '{"path": "a.md", '), is_=[("files/read", '{"path": "a.md", ')]),
    calls("cut off at the limit", tc(0, "x1", READ, '{"path": "a.m'), end=ch({}, "length", U), is_=[("files/read", '{"path": "a.m')], finish="length"),
    calls("braces and quotes in texts", tc(0, "x1", READ, '{"path": "}{'), tc(0, arguments='\\"'), tc(0, arguments='}'), tc(0, arguments='{"'), tc(0, arguments='}'), is_=[("files/read", {"path": '}{"}{'})]),
    calls("an object within the arguments", tc(0, "x1", READ, '{"a":'), tc(0, arguments='{"a":1}'), tc(0, arguments="}"), is_=[("files/read", {"a": {"a": 1}})]),
]  # fmt: skip

INDEXES = [
    calls("one index, two ids", tc(0, "x1", READ, A), tc(0, "x2", READ, B), is_=TWO),
    calls("one index, two ids, in pieces", tc(0, "x1", READ, ""), tc(0, arguments=A), tc(0, "x2", READ, ""), tc(0, arguments=B[:5]), tc(0, arguments=B[5:]), is_=TWO),
    calls("one index, two ids, interleaved", tc(0, "x1", READ, ""), tc(0, "x2", READ, ""), tc(0, "x1", arguments=A[:5]), tc(0, "x2", arguments=B[:5]), tc(0, "x1", arguments=A[5:]), tc(0, "x2", arguments=B[5:]), is_=TWO),
    calls("one index, no ids", tc(0, name=READ, arguments=A), tc(0, name=READ, arguments=B), is_=TWO),
    calls("one index, no ids, in pieces", tc(0, name=READ), tc(0, arguments=A[:5]), tc(0, arguments=A[5:]), tc(0, name=NOW), tc(0, arguments="{}"), is_=[TWO[0], ("clock/now", {})]),
    calls("one index, no ids, the first without arguments", tc(0, name=NOW), tc(0, name=READ), tc(0, arguments=A), is_=[("clock/now", {}), TWO[0]]),
    calls("one index, one name for both", tc(0, name=READ, arguments=A), tc(0, arguments=B), is_=TWO),
    calls("one index and one id for all", tc(0, "x", READ, A), tc(0, "x", READ, B), is_=TWO),
    calls("one id for all", tc(0, "x", READ, A), tc(1, "x", READ, B), is_=TWO),
    calls("one id for all, in pieces", tc(0, "x", READ, A[:5]), tc(1, "x", READ, B[:5]), tc(0, "x", arguments=A[5:]), tc(1, "x", arguments=B[5:]), is_=TWO),
    calls("no index", tc(id_="x1", name=READ, arguments=A), tc(id_="x2", name=READ, arguments=B), is_=TWO),
    calls("no index, in pieces", tc(id_="x1", name=READ), tc(arguments=A[:5]), tc(arguments=A[5:]), tc(id_="x2", name=READ), tc(arguments=B), is_=TWO),
    calls("no index, the id in each piece", tc(id_="x1", name=READ, arguments=""), tc(id_="x2", name=READ, arguments=""), tc(id_="x1", arguments=A[:5]), tc(id_="x2", arguments=B), tc(id_="x1", arguments=A[5:]), is_=TWO),
    calls("neither index nor id", tc(name=READ, arguments=A), tc(name=READ, arguments=B), is_=TWO),
    calls("neither index nor id, in pieces", tc(name=READ), tc(arguments=A[:5]), tc(arguments=A[5:]), tc(name=NOW, arguments="{}"), is_=[TWO[0], ("clock/now", {})]),
    calls("indexes are texts", tc("0", "x1", READ, A[:5]), tc("1", "x2", READ, B[:5]), tc("0", arguments=A[5:]), tc("1", arguments=B[5:]), is_=TWO),
    calls("indexes are words", tc("a", NONE, READ, A[:5]), tc("b", NONE, READ, B[:5]), tc("a", arguments=A[5:]), tc("b", arguments=B[5:]), is_=TWO),
    calls("indexes are fractions", tc(0.0, "x1", READ, A), tc(1.0, "x2", READ, B), is_=TWO),
    calls("indexes are null", tc(None, "x1", READ, A), tc(None, "x2", READ, B), is_=TWO),
    calls("indexes below zero", tc(-1, "x1", READ, A), tc(-1, "x2", READ, B), is_=TWO),
    calls("indexes begin at 7", tc(7, "x1", READ, A), tc(9, "x2", READ, B), is_=TWO),
    calls("an index for each piece", tc(0, "x1", READ, A[:5]), tc(1, arguments=A[5:9]), tc(2, arguments=A[9:])),
    calls("an index for each piece, and one id", tc(0, "x1", READ, A[:5]), tc(1, "x1", arguments=A[5:9]), tc(2, "x1", arguments=A[9:])),
    calls("ids are numbers", tc(0, 7, READ, A), tc(1, 8, READ, B), is_=TWO),
    calls("ids are null", tc(0, None, READ, A), tc(1, None, READ, B), is_=TWO),
    calls("ids are empty", tc(0, "", READ, A), tc(1, "", READ, B), is_=TWO),
    calls("ids are objects", tc(0, {"a": 1}, READ, A), tc(1, {"a": 2}, READ, B), is_=TWO),
    calls("the id in each piece", tc(0, "x1", READ, ""), tc(0, "x1", NONE, A[:5]), tc(0, "x1", NONE, A[5:])),
    calls("an id for each piece", tc(0, "r1", READ, A[:5]), tc(0, "r2", None, A[5:9]), tc(0, "r3", None, A[9:])),
    calls("an id and the name for each piece", tc(0, "r1", READ, A[:5]), tc(0, "r2", READ, A[5:9]), tc(0, "r3", READ, A[9:])),
    calls("an id of a thousand letters", tc(0, "x" * 1000, READ, A), cuts="some"),
]  # fmt: skip

NAMES = [
    calls("the name in each piece", tc(0, "x1", READ, A[:5]), tc(0, "x1", READ, A[5:9]), tc(0, "x1", READ, A[9:])),
    calls("the name in each piece, without an id", tc(0, NONE, READ, A[:5]), tc(0, NONE, READ, A[5:9]), tc(0, NONE, READ, A[9:])),
    calls("the name twice, the arguments once", tc(0, "x1", READ, ""), tc(0, "x1", READ, A)),
    calls("the name again at the end", tc(0, "x1", READ, A), tc(0, "x1", READ, "")),
    calls("the name in pieces", tc(0, "x1", "files"), tc(0, NONE, "__re"), tc(0, NONE, "ad"), tc(0, arguments=A)),
    calls("the name so far in each piece", tc(0, "x1", "files"), tc(0, NONE, "files__re"), tc(0, NONE, READ), tc(0, arguments=A)),
    calls("the name is null in later pieces", tc(0, "x1", READ, A[:5]), tc(0, None, None, A[5:])),
    calls("the name is empty in later pieces", tc(0, "x1", READ, A[:5]), tc(0, "", "", A[5:])),
    calls("no name", tc(0, "x1", None, A), is_=[("", {"path": "a.md"})]),
    calls("the name is a number", tc(0, "x1", 7, A), is_=[("7", {"path": "a.md"})]),
    calls("the name is an object", tc(0, "x1", {"a": 1}, A), is_=[('{"a": 1}', {"path": "a.md"})]),
    calls("the name and the arguments beside the function", ch({"tool_calls": [{"index": 0, "id": "x1", "name": READ, "arguments": A}]})),
    calls("one request without a list", ch({"tool_calls": {"id": "x1", "function": f(READ, A)}})),
    calls("a list with nothing in it", ch({"tool_calls": [None, 5, {}]}), tc(0, "x1", READ, A)),
]  # fmt: skip

ARGUMENTS = [
    calls("an object", tc(0, "x1", READ, {"path": "a.md"}), tc(1, "x2", READ, {"path": "b.md"}), is_=TWO),
    calls("an object, one index, two ids", tc(0, "x1", READ, {"path": "a.md"}), tc(0, "x2", READ, {"path": "b.md"}), is_=TWO),
    calls("an object, neither index nor id", tc(NONE, NONE, READ, {"path": "a.md"}), tc(NONE, NONE, READ, {"path": "b.md"}), is_=TWO),
    calls("an object that grows", tc(0, "x1", READ, {}), tc(0, "x1", NONE, {"path": "a.md"}), tc(0, "x1", NONE, {"path": "a.md"})),
    calls("an empty object, then the text", tc(0, "x1", READ, {}), tc(0, arguments=A[:5]), tc(0, arguments=A[5:])),
    calls("the text {}, then the text", tc(0, "x1", READ, "{}"), tc(0, arguments=A[:5]), tc(0, arguments=A[5:])),
    calls("null", tc(0, "x1", NOW, None), tc(1, "x2", NOW, "null"), is_=[("clock/now", {})] * 2),
    calls("encoded twice", tc(0, "x1", READ, json.dumps(A))),
    calls("encoded twice, in pieces", tc(0, "x1", READ, json.dumps(A)[:9]), tc(0, arguments=json.dumps(A)[9:14]), tc(0, arguments=json.dumps(A)[14:])),
    calls("encoded twice, twice, one index", tc(0, "x1", READ, json.dumps(A)), tc(0, "x2", READ, json.dumps(B)), is_=TWO),
    calls("encoded twice, twice, one index, no ids", tc(0, NONE, READ, json.dumps(A)), tc(0, NONE, READ, json.dumps(B)), is_=TWO),
    calls("all again at the end", tc(0, "x1", READ, A[:5]), tc(0, arguments=A[5:]), tc(0, "x1", READ, A)),
    calls("all again at the end, without an id", tc(0, "x1", READ, A[:5]), tc(0, arguments=A[5:]), tc(0, arguments=A)),
    calls("the arguments so far in each piece", tc(0, "x1", READ, A[:5]), tc(0, arguments=A[:9]), tc(0, arguments=A)),
    calls("a list", tc(0, "x1", READ, "[1]"), is_=[("files/read", [1])]),
    calls("a text that is no object", tc(0, "x1", READ, '"a.md"'), is_=[("files/read", "a.md")]),
    calls("half a character in each piece", b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"x1","function":{"name":"files__read","arguments":"{\\"path\\": \\"\\ud83d"}}]}}]}\n\n', b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\\ude00\\"}"}}]}}]}\n\n', is_=[("files/read", {"path": "\U0001f600"})]),
    calls("blanks around", tc(0, "x1", READ, " \n" + A[:5]), tc(0, arguments=A[5:] + "\n"), tc(0, "x2", READ, B), is_=TWO),
]  # fmt: skip

OLD = [
    calls("function_call", ch({"function_call": f(READ, "")}), ch({"function_call": {"arguments": A[:5]}}), ch({"function_call": {"arguments": A[5:]}}), end=ch({}, "function_call", U)),
    calls("function_call in one piece", ch({"function_call": f(READ, A)}), end=ch({}, "function_call", U)),
    calls("both forms of one request", ch({"function_call": f(READ, A), "tool_calls": [{"index": 0, "id": "x1", "function": f(READ, A)}]})),
    calls("both forms, one after the other", tc(0, "x1", READ, A), ch({"function_call": f(READ, A)})),
    calls("function_call in a message", body=whole(function_call=f(READ, A))),
]  # fmt: skip

NOT_STREAMED = [
    calls("two requests", body=whole({"id": "x1", "function": f(READ, A)}, {"id": "x2", "function": f(READ, B)}), is_=TWO),
    calls("two requests without ids", body=whole({"function": f(READ, A)}, {"function": f(READ, B)}), is_=TWO),
    calls("the same request twice without ids", body=whole({"function": f(NOW, "{}")}, {"function": f(NOW, "{}")}), is_=[("clock/now", {})] * 2),
    calls("the same request with one id", body=whole({"id": "x", "function": f(NOW, "{}")}, {"id": "x", "function": f(NOW, "{}")}), is_=[("clock/now", {})]),
    calls("objects", body=whole({"id": "x1", "function": f(READ, {"path": "a.md"})})),
    calls("encoded twice in a message", body=whole({"id": "x1", "function": f(READ, json.dumps(A))})),
    calls("null and missing", body=whole({"id": "x1", "function": f(NOW, None)}, {"id": "x2", "function": {"name": NOW}}), is_=[("clock/now", {})] * 2),
    calls("a message with all of it after the pieces", tc(0, "x1", READ, A), HEAD | {"choices": [{"index": 0, "message": {"role": "assistant", "content": None, "tool_calls": [{"id": "x1", "function": f(READ, A)}]}, "finish_reason": "tool_calls"}]}),
]  # fmt: skip

IN_WORDS = [
    calls("hermes", *say("I look.\n<tool_call>\n", '{"name": "files__read", "argu', 'ments": {"path": "a.md"}}\n</tool', "_call>\n"), text="I look.", end=STOP),
    calls("two of them", *say(f'<tool_call>{{"name": "{READ}", "arguments": {A}}}</tool_call>\n<tool_call>{{"name": "{READ}", "parameters": {B}}}</tool_call>'), end=STOP, is_=TWO),
    calls("after reasoning in tags", *say("<think>Hm.</think>", f'<tool_call>{{"name": "{READ}", "arguments": {A}}}</tool_call>'), end=STOP, thought="Hm."),
    told("of a tool that is not offered", *say('<tool_call>{"name": "rm", "arguments": {}}</tool_call>'), STOP, text='<tool_call>{"name": "rm", "arguments": {}}</tool_call>'),
    told("spoken of", *say("Write <tool_call>{}</tool_call> for it."), STOP, text="Write <tool_call>{}</tool_call> for it."),
]  # fmt: skip

BROKEN = [
    told("half arguments that break off", tc(0, "x1", READ, A[:9]), done=False, framed=False, text="", usage=None, fails="unreachable"),
    told("half arguments with [DONE]", tc(0, "x1", READ, A[:9]), text="", usage=None, fails="unreachable"),
    told("half arguments and a length", tc(0, "x1", READ, A[:9]), done=False, text="", usage=None, fails="unreachable"),
    told("half of the second one's", tc(0, "x1", READ, A), tc(1, "x2", READ, B[:9]), text="", usage=None, fails="unreachable"),
    told("half arguments encoded twice", tc(0, "x1", READ, json.dumps(A)[:9]), text="", usage=None, fails="unreachable"),
]  # fmt: skip

MANY = [
    calls("three thousand", *[tc(n, f"x{n}", NOW, "{}") for n in range(3_000)], is_=[("clock/now", {})] * 3_000, cuts="some", out_max=100_000),
    calls("three thousand, one index", *[tc(0, f"x{n}", NOW, "{}") for n in range(3_000)], is_=[("clock/now", {})] * 3_000, cuts="some", out_max=100_000),
    calls("three thousand, no index", *[tc(NONE, f"x{n}", NOW, "{}") for n in range(3_000)], is_=[("clock/now", {})] * 3_000, cuts="some", out_max=100_000),
    calls("three thousand, one id", *[tc(n, "x", READ, json.dumps({"path": str(n)})) for n in range(3_000)], is_=[("files/read", {"path": str(n)}) for n in range(3_000)], cuts="some", out_max=100_000),
    calls("more than there may be", *[tc(n, f"x{n}", NOW, "{}") for n in range(5_000)], is_=[("clock/now", {})] * 4_097, finish="cut", usage=None, cuts="some", out_max=100_000),
]  # fmt: skip

RECORDS = [*IN_ORDER, *INDEXES, *NAMES, *ARGUMENTS, *OLD, *NOT_STREAMED, *IN_WORDS, *BROKEN, *MANY]
