"""Recorded replies of Anthropic's messages, and of servers that speak the format."""

from __future__ import annotations

import json
from typing import Any

from wire.recorded import Event, Recorded, sse

A, B = {"path": "a.md"}, {"path": "b.md"}


def start(usage: Any = None, **more: Any) -> dict[str, Any]:
    message = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None}
    return {
        "type": "message_start",
        "message": message | {"usage": usage or {"input_tokens": 10, "output_tokens": 1}} | more,
    }


def block(index: int, kind: str = "text", **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": {"type": kind} | fields}


def piece(index: Any, kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind} | fields}


def say(*words: str, index: int = 0) -> list[dict[str, Any]]:
    return [block(index, text=""), *(piece(index, "text_delta", text=word) for word in words), shut(index)]


def use(index: int, id_: Any, arguments: dict[str, Any], *cuts: int) -> list[dict[str, Any]]:
    text, ends = json.dumps(arguments), (0, *cuts)
    texts = [text[at : (*ends[1:], len(text))[n]] for n, at in enumerate(ends)]
    return [begin(index, id_), *(piece(index, "input_json_delta", partial_json=part) for part in texts), shut(index)]


def begin(index: int, id_: Any, **fields: Any) -> dict[str, Any]:
    return block(index, "tool_use", **{"id": id_, "name": "files__read", "input": {}} | fields)


def shut(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


def end(reason: Any = "end_turn", usage: Any = None) -> list[dict[str, Any]]:
    return [{"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage or {"output_tokens": 5}}, {"type": "message_stop"}]  # fmt: skip


def told(name: str, *events: Event, body: bytes | None = None, named: bool = True, **expected: Any) -> Recorded:
    body = sse(*events, named=named) if body is None else body
    return Recorded(name, "anthropic", body, **{"text": "Two files."} | expected)


def calls(name: str, *events: Event, is_: Any = (("files/read", A),), **expected: Any) -> Recorded:
    return told(name, start(), *events, *end("tool_use"), **{"text": "", "calls": is_} | expected)


def failed(name: str, *events: Event, body: bytes | None = None, **expected: Any) -> Recorded:
    return told(name, *events, body=body, **{"text": "", "usage": None} | expected)


HI = say("Two ", "files.")
TWO = [("files/read", A), ("files/read", B)]
WHOLE = start()["message"] | {"content": [{"type": "text", "text": "Two files."}], "stop_reason": "end_turn", "usage": {"input_tokens": 10, "output_tokens": 5}}  # fmt: skip
LATE = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}

RECORDS = [
    told("words", start(), {"type": "ping"}, *HI, *end()),
    told("no lines of events", start(), {"type": "ping"}, *HI, *end(), named=False),
    told("the type in the line of the event alone", body=b"".join(b"event: %s\ndata: %s\n\n" % (event["type"].encode(), json.dumps({key: value for key, value in event.items() if key != "type"}).encode()) for event in (start(), *HI, *end()))),
    told("no message_stop", start(), *HI, end()[0], framed=False),
    told("a reset after the reason", start(), *HI, end()[0], framed=False, breaks=True),
    told("an error after the reason", start(), *HI, end()[0], LATE),
    told("words after message_stop", start(), *HI, *end(), *say("no", index=1)),
    told("no reason, message_stop", start(), *HI, end()[1], usage=(10, 1)),
    told("the limit of the reply", start(), *HI, *end("max_tokens"), finish="length"),
    told("the end of the window", start(), *HI, *end("model_context_window_exceeded"), finish="length"),
    told("a refusal", start(), *HI, *end("refusal"), finish="refusal"),
    told("a refusal without a word", start(), *end("refusal"), text="", finish="refusal"),
    told("a pause", start(), *HI, *end("pause_turn")),
    told("a stop sequence", start(), *HI, *end("stop_sequence")),
    told("nothing but the end", start(), *end(), text=""),
    told("whole JSON", body=json.dumps(WHOLE).encode()),
    told("whole JSON over several lines, close-delimited", body=json.dumps(WHOLE, indent=2).encode(), framed=False),
    told("whole JSON with a request", body=json.dumps(WHOLE | {"content": [{"type": "tool_use", "id": "t", "name": "files__read", "input": A}], "stop_reason": "tool_use"}).encode(), text="", calls=TWO[:1]),
    told("error is null", start(), *HI, {"type": "message_delta", "error": None, "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}}, {"type": "message_stop"}),
    told("reasoning with a signature in pieces", start(), block(0, "thinking", thinking="", signature=""), piece(0, "thinking_delta", thinking="Hm. "), piece(0, "thinking_delta", thinking="Yes."), piece(0, "signature_delta", signature="c2"), piece(0, "signature_delta", signature="ln"), shut(0), *say("Two files.", index=1), *end(), thought="Hm. Yes."),
    told("reasoning that is hidden", start(), block(0, "redacted_thinking", data="eA=="), shut(0), *say("Two files.", index=1), *end()),
    told("reasoning in tags", start(), *say("<thi", "nking>Hm. Yes.</thinking>", "\n\nTwo files."), *end(), thought="Hm. Yes."),
    told("unknown blocks and events", start(), block(0, "server_tool_use", id="s", name="web_search", input={}), piece(0, "input_json_delta", partial_json='{"query": 1}'), shut(0), block(1, "web_search_tool_result", content=[]), shut(1), {"type": "new_event"}, piece(2, "citations_delta", citation={}), *say("Two files.", index=2), *end()),
    calls("one request", *use(0, "t1", A)),
    calls("in pieces", *use(0, "t1", A, 3, 9), *use(1, "t2", B, 1), is_=TWO),
    calls("an empty first piece", begin(0, "t1"), piece(0, "input_json_delta", partial_json=""), piece(0, "input_json_delta", partial_json=json.dumps(A)), shut(0)),
    calls("words before", *say("I look."), *use(1, "t1", A), text="I look."),
    calls("interleaved", begin(0, "t1"), begin(1, "t2"), piece(1, "input_json_delta", partial_json='{"path"'), piece(0, "input_json_delta", partial_json='{"path": '), piece(0, "input_json_delta", partial_json='"a.md"}'), piece(1, "input_json_delta", partial_json=': "b.md"}'), is_=TWO),
    calls("one index for both", *use(0, "t1", A, 4), *use(0, "t2", B, 4), is_=TWO),
    calls("all of it at the start", begin(0, "t1", input=A), shut(0), begin(1, "t2", input=B), shut(1), is_=TWO),
    calls("all of it at the start, and in pieces", begin(0, "t1", input=A), *use(0, "t1", A, 4)[1:]),
    calls("no arguments", begin(0, "t1", name="clock__now"), shut(0), is_=[("clock/now", {})]),
    calls("no index", *[{key: value for key, value in event.items() if key != "index"} for event in (*use(0, "t1", A, 4), *use(1, "t2", B, 4))], is_=TWO),
    calls("no ids", *use(0, None, A), *use(1, None, B), is_=TWO),
    calls("cut off at the limit", begin(0, "t1"), piece(0, "input_json_delta", partial_json='{"pa'), *end("max_tokens"), is_=[("files/read", '{"pa')], finish="length"),
    told("usage at both ends", start({"input_tokens": 10, "output_tokens": 1}), *HI, *end(usage={"input_tokens": 10, "output_tokens": 5})),
    told("cached and written", start({"input_tokens": 3, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 2, "output_tokens": 1}), *HI, *end(), usage=(10, 5, 5, 2)),
    told("cached, and told again without it", start({"input_tokens": 3, "cache_read_input_tokens": 7, "output_tokens": 1}), *HI, *end(usage={"input_tokens": 3, "output_tokens": 5}), usage=(10, 5, 7)),
    told("cached, and told again with it", start({"input_tokens": 3, "cache_read_input_tokens": 7, "output_tokens": 1}), *HI, *end(usage={"input_tokens": 3, "cache_read_input_tokens": 7, "output_tokens": 5}), usage=(10, 5, 7)),
    told("the question is counted at the end", start({"input_tokens": 0, "output_tokens": 0}), *HI, *end(usage={"input_tokens": 10, "output_tokens": 5})),
    told("usage of each piece of text", start(), *HI, {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 3}}, *end()),
    failed("an error at once", LATE, fails="overloaded", words=["Overloaded"]),
    failed("an error in the middle", start(), *HI, LATE, fails="overloaded", words=["Overloaded"], usage=(10, 1)),
    failed("an error of another kind", start(), {"type": "error", "error": {"type": "api_error", "message": "Internal server error"}}, fails="overloaded", usage=(10, 1)),
    failed("an error without events", body=json.dumps(LATE).encode(), fails="overloaded", words=["Overloaded"]),
    failed("no end", start(), *HI, framed=False, fails="unreachable", usage=(10, 1)),
    failed("half a request", start(), begin(0, "t1"), piece(0, "input_json_delta", partial_json='{"pa'), framed=False, fails="unreachable", usage=(10, 1)),
    failed("half a request with a good end", start(), begin(0, "t1"), piece(0, "input_json_delta", partial_json='{"pa'), fails="unreachable", usage=(10, 1)),
    failed("half a whole JSON", body=json.dumps(WHOLE).encode()[:-9], fails="garbled"),
    told("words without end", start(), block(0, text=""), *[piece(0, "text_delta", text="lorem ipsum ")] * 300, text="lorem ipsum " * 101, finish="cut", out_max=100, framed=False, usage=None, cuts="some"),
]  # fmt: skip
