"""Recorded replies of OpenAI's responses, and of servers that speak the format."""

from __future__ import annotations

import json
from typing import Any

from wire.recorded import Event, Recorded, sse

U: dict[str, Any] = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
A, B = {"path": "a.md"}, {"path": "b.md"}
TWO = [("files/read", A), ("files/read", B)]


def response(*output: dict[str, Any], status: str = "completed", **more: Any) -> dict[str, Any]:
    return {"id": "r", "object": "response", "status": status, "model": "m", "error": None, "output": list(output), "usage": U} | more  # fmt: skip


def end(*output: dict[str, Any], status: str = "completed", **more: Any) -> dict[str, Any]:
    return {"type": f"response.{status}", "response": response(*output, status=status, **more)}


BEGIN: list[Event] = [{"type": f"response.{kind}", "response": response(status="in_progress", usage=None)} for kind in ("created", "in_progress")]  # fmt: skip


def message(*texts: str, refusal: str = "") -> dict[str, Any]:
    content: list[dict[str, Any]] = [{"type": "output_text", "text": text, "annotations": []} for text in texts]
    if refusal:
        content.append({"type": "refusal", "refusal": refusal})
    return {"type": "message", "id": "msg", "role": "assistant", "status": "completed", "content": content}


def say(*words: str, index: int = 0, kind: str = "output_text") -> list[Event]:
    place = {"item_id": f"msg{index}", "output_index": index, "content_index": 0}
    whole = message("".join(words)) if kind == "output_text" else message(refusal="".join(words))
    return [
        {"type": "response.output_item.added", "output_index": index, "item": whole | {"content": []}},
        *({"type": f"response.{kind}.delta", "delta": word} | place for word in words),
        {"type": f"response.{kind}.done", "text": "".join(words)} | place,
        {"type": "response.output_item.done", "output_index": index, "item": whole},
    ]


def item(arguments: Any, id_: Any = "c1", index: int = 0, **more: Any) -> dict[str, Any]:
    return {"type": "function_call", "id": f"fc{index}", "call_id": id_, "name": "files__read", "arguments": arguments} | more  # fmt: skip


def call(arguments: dict[str, Any], id_: Any = "c1", index: int = 0, cuts: tuple[int, ...] = (4,)) -> list[Any]:
    text, ends = json.dumps(arguments), (0, *cuts)
    place = {"item_id": f"fc{index}", "output_index": index}
    kind = "response.function_call_arguments"
    return [
        {"type": "response.output_item.added", "output_index": index, "item": item("", id_, index)},
        *(
            {"type": f"{kind}.delta", "delta": text[at : (*ends[1:], len(text))[n]]} | place
            for n, at in enumerate(ends)
        ),
        {"type": f"{kind}.done", "arguments": text} | place,
        {"type": "response.output_item.done", "output_index": index, "item": item(text, id_, index)},
    ]


def without(key: str, *events: Any) -> list[Any]:
    return [{name: value for name, value in event.items() if name != key} for event in events]


def thinking(*words: str, index: int = 0, **more: Any) -> list[Event]:
    whole = {
        "type": "reasoning",
        "id": f"rs{index}",
        "summary": [{"type": "summary_text", "text": "".join(words)}],
    } | more
    return [
        {"type": "response.output_item.added", "output_index": index, "item": {"type": "reasoning", "id": f"rs{index}", "summary": []}},
        *({"type": "response.reasoning_summary_text.delta", "output_index": index, "delta": word} for word in words),
        {"type": "response.output_item.done", "output_index": index, "item": whole},
    ]  # fmt: skip


def told(name: str, *events: Event, body: bytes | None = None, named: bool = True, **expected: Any) -> Recorded:
    body = sse(*events, named=named) if body is None else body
    return Recorded(name, "openai-responses", body, **{"text": "Two files."} | expected)


def calls(name: str, *events: Event, is_: Any = TWO[:1], ending: Event | None = None, **expected: Any) -> Recorded:
    return told(name, *BEGIN, *events, ending or end(), **{"text": "", "calls": is_} | expected)


def failed(name: str, *events: Event, body: bytes | None = None, **expected: Any) -> Recorded:
    return told(name, *events, body=body, **{"text": "", "usage": None} | expected)


HI = say("Two ", "files.")
INCOMPLETE = {"incomplete_details": {"reason": "max_output_tokens"}}
FILTERED = {"incomplete_details": {"reason": "content_filter"}}
FAILED = {"code": "server_error", "message": "The server had an error."}

RECORDS = [
    told("words", *BEGIN, *HI, end(message("Two files."))),
    told("no lines of events", *BEGIN, *HI, end(message("Two files.")), named=False),
    told("[DONE] after the end", *BEGIN, *HI, end(), "[DONE]"),
    told("[DONE] instead of the end", *BEGIN, *HI, "[DONE]", usage=None),
    told("a length instead of the end", *BEGIN, *HI, usage=None),
    told("a reset after the end", *BEGIN, *HI, end(), framed=False, breaks=True),
    told("words after the end", *BEGIN, *HI, end(), *say("no", index=1)),
    told("items without pieces", *BEGIN, {"type": "response.output_item.done", "output_index": 0, "item": message("Two ", "files.")}, end()),
    told("the end without pieces and items", *BEGIN, end(message("Two ", "files."))),
    told("whole JSON", body=json.dumps(response(message("Two files."))).encode()),
    told("whole JSON with everything", body=json.dumps(response({"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "Hm. Yes."}]}, message("Two files."), item(json.dumps(A)), item(json.dumps(B), "c2"))).encode(), thought="Hm. Yes.", calls=TWO),
    told("no index", *without("output_index", *BEGIN, *HI), end()),
    told("the limit of the reply", *BEGIN, *HI, end(status="incomplete", **INCOMPLETE), finish="length"),
    told("a content filter after some words", *BEGIN, *HI, end(status="incomplete", **FILTERED), finish="filter"),
    told("a refusal", *BEGIN, *say("I ", "won't.", kind="refusal"), end(), text="I won't.", finish="refusal"),
    told("a refusal without pieces", *BEGIN, end(message(refusal="I won't.")), text="I won't.", finish="refusal"),
    told("reasoning in pieces", *BEGIN, *thinking("Hm. ", "Yes."), *say("Two files.", index=1), end(), thought="Hm. Yes."),
    told("reasoning without pieces", *BEGIN, thinking("Hm. Yes.")[-1], *say("Two files.", index=1), end(), thought="Hm. Yes."),
    told("reasoning that is hidden", *BEGIN, *thinking(encrypted_content="eA=="), *say("Two files.", index=1), end()),
    told("reasoning in open text", *BEGIN, {"type": "response.reasoning_text.delta", "output_index": 0, "delta": "Hm. Yes."}, *say("Two files.", index=1), end(), thought="Hm. Yes."),
    told("unknown items and events", *BEGIN, {"type": "response.output_item.added", "output_index": 0, "item": {"type": "web_search_call", "id": "w"}}, {"type": "response.web_search_call.searching", "output_index": 0}, {"type": "response.output_item.done", "output_index": 0, "item": {"type": "web_search_call", "id": "w"}}, *say("Two files.", index=1), {"type": "keepalive", "sequence_number": 9}, end()),
    calls("one request", *call(A)),
    calls("two requests", *call(A), *call(B, "c2", 1), is_=TWO),
    calls("interleaved", *[event for pair in zip(call(A), call(B, "c2", 1), strict=True) for event in pair], is_=TWO),
    calls("no index", *without("output_index", *call(A), *call(B, "c2", 1)), is_=TWO),
    calls("no index, interleaved", *without("output_index", *[event for pair in zip(call(A), call(B, "c2", 1), strict=True) for event in pair]), is_=TWO),
    calls("no pieces", call(A)[-1], call(B, "c2", 1)[-1], is_=TWO),
    calls("no items at the end", *call(A)[:-1], *call(B, "c2", 1)[:-1], is_=TWO),
    calls("all of it at the start", {"type": "response.output_item.added", "output_index": 0, "item": item(json.dumps(A))}, call(A)[-1]),
    calls("the end alone", is_=TWO, ending=end(item(json.dumps(A)), item(json.dumps(B), "c2"))),
    calls("ids are numbers", *call(A, 7), *call(B, 8, 1), is_=TWO),
    calls("one id for both", *call(A, "c"), *call(B, "c", 1), is_=TWO),
    calls("no ids", *call(A, None), *call(B, None, 1), is_=TWO),
    calls("an object", {"type": "response.output_item.done", "output_index": 0, "item": item(A)}),
    calls("encoded twice", {"type": "response.output_item.done", "output_index": 0, "item": item(json.dumps(json.dumps(A)))}),
    calls("no arguments", {"type": "response.output_item.done", "output_index": 0, "item": item("", name="clock__now")}, is_=[("clock/now", {})]),
    calls("words before", *say("I look."), *call(A, index=1), text="I look."),
    calls("cut off at the limit", *call(A)[:2], ending=end(status="incomplete", **INCOMPLETE), is_=[("files/read", json.dumps(A)[:4])], finish="length"),
    told("cached and reasoning", *BEGIN, *HI, end(usage=U | {"input_tokens_details": {"cached_tokens": 4}, "output_tokens_details": {"reasoning_tokens": 3}}), usage=(10, 5, 4, 0, 3)),
    told("no usage", *BEGIN, *HI, end(usage=None), usage=None),
    failed("it failed", *BEGIN, {"type": "response.failed", "response": response(status="failed", error=FAILED)}, fails="overloaded", words=["The server had an error."], usage=(10, 5)),
    failed("it failed in the middle", *BEGIN, *HI, {"type": "response.failed", "response": response(status="failed", error=FAILED, usage=None)}, fails="overloaded", words=["The server had an error."]),
    failed("an error", *BEGIN, {"type": "error", "code": "rate_limit_exceeded", "message": "slow down"}, fails="overloaded", words=["slow down", "429"]),
    failed("an error that is nested", *BEGIN, {"type": "error", "error": {"code": "context_length_exceeded", "message": "Your input exceeds the context window"}}, fails="window", passes=False, words=["context window"]),
    failed("whole JSON that failed", body=json.dumps(response(message("Two"), status="failed", error=FAILED, usage=None)).encode(), fails="overloaded", words=["The server had an error."]),
    failed("a filter without a word", *BEGIN, end(status="incomplete", **FILTERED), fails="filtered", passes=False, usage=(10, 5)),
    failed("no end", *BEGIN, *HI, framed=False, fails="unreachable"),
    failed("half a request", *BEGIN, *call(A)[:2], framed=False, fails="unreachable"),
    failed("half a request with a good end", *BEGIN, *call(A)[:2], fails="unreachable"),
    failed("nothing but the beginning", *BEGIN, framed=False, fails="unreachable"),
]  # fmt: skip
