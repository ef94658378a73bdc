"""Recorded replies of Google's generateContent."""

from __future__ import annotations

import json
from typing import Any

from wire.recorded import Event, Recorded, lines, sse

U: dict[str, Any] = {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15}
A, B = {"path": "a.md"}, {"path": "b.md"}
TWO = [("files/read", A), ("files/read", B)]


def ch(*parts: dict[str, Any], finish: Any = None, usage: Any = U, **more: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"index": 0, "content": {"role": "model", "parts": list(parts)}}
    if finish is not None:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "modelVersion": "m"} | ({"usageMetadata": usage} if usage else {}) | more


def say(*words: str) -> list[dict[str, Any]]:
    return [ch({"text": word}) for word in words]


def call(arguments: Any = None, name: Any = "files__read", id_: Any = None, **more: Any) -> dict[str, Any]:
    given = {key: value for key, value in (("id", id_), ("name", name), ("args", arguments)) if value is not None}
    return {"functionCall": given} | more


def told(name: str, *events: Event, body: bytes | None = None, **expected: Any) -> Recorded:
    return Recorded(name, "google", sse(*events) if body is None else body, **{"text": "Two files."} | expected)


def failed(name: str, *events: Event, body: bytes | None = None, **expected: Any) -> Recorded:
    return told(name, *events, body=body, **{"text": "", "usage": None} | expected)


STOP = ch(finish="STOP")
HI = say("Two ", "files.")
BUSY = {"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}
BLOCKED = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 10}}

RECORDS = [
    told("words", *HI, STOP),
    told("the reason comes with the last word", *say("Two "), ch({"text": "files."}, finish="STOP")),
    told("a reset after the reason", *HI, STOP, framed=False, breaks=True),
    told("usage after the reason", *say("Two "), ch({"text": "files."}, finish="STOP", usage=None), {"usageMetadata": U}),
    told("no reason, a length", *HI),
    told("a reason that says nothing", *say("Two "), ch({"text": "files."}, finish="FINISH_REASON_UNSPECIFIED"), STOP),
    told("an error after the reason", *HI, STOP, BUSY),
    told("CRLF", body=sse(*HI, STOP, end="\r\n")),
    told("a list", body=json.dumps([*HI, STOP], indent=2).encode()),
    told("a list as it is streamed", body=b"[" + b"\n,\r\n".join(json.dumps(event, indent=2).encode() for event in (*HI, STOP)) + b"\n]\n", framed=False),
    told("whole JSON", body=json.dumps(ch({"text": "Two files."}, finish="STOP")).encode()),
    told("lines of JSON", body=lines(*HI, STOP)),
    told("no parts", *HI, {"candidates": [{"index": 0, "finishReason": "STOP"}], "usageMetadata": U}),
    told("content is null", *HI, {"candidates": [{"content": None, "finishReason": "STOP"}], "usageMetadata": U}),
    told("unknown parts", ch({"executableCode": {"code": "1"}}), *HI, ch({"inlineData": {"data": ""}}, finish="STOP")),
    told("reasoning", ch({"text": "Hm. ", "thought": True}), ch({"text": "Yes.", "thought": True}), *HI, STOP, thought="Hm. Yes."),
    told("a signature on an empty text", *HI, ch({"text": "", "thoughtSignature": "c2ln"}, finish="STOP")),
    told("the limit of the reply", *HI, ch(finish="MAX_TOKENS"), finish="length"),
    told("safety after some words", *HI, ch(finish="SAFETY"), finish="filter"),
    told("a reason of tomorrow", *HI, ch(finish="BORED"), finish="BORED"),
    told("one request", ch(call(A), finish="STOP"), text="", calls=TWO[:1]),
    told("two in one document", ch(call(A), call(B), finish="STOP"), text="", calls=TWO),
    told("two in two documents", ch(call(A)), ch(call(B)), STOP, text="", calls=TWO),
    told("with ids and signatures", ch(call(A, id_="c1", thoughtSignature="c2ln"), call(B, id_="c2"), finish="STOP"), text="", calls=TWO),
    told("one id for both", ch(call(A, id_="c"), call(B, id_="c"), finish="STOP"), text="", calls=TWO),
    told("ids are numbers", ch(call(A, id_=7), call(B, id_=8), finish="STOP"), text="", calls=TWO),
    told("no arguments", ch(call(None, "clock__now"), call({}, "clock__now"), finish="STOP"), text="", calls=[("clock/now", {})] * 2),
    told("arguments are a text", ch(call(json.dumps(A)), finish="STOP"), text="", calls=TWO[:1]),
    told("no name", ch(call(A, None), finish="STOP"), text="", calls=[("", A)]),
    told("a name that is a number", ch(call(A, 7), finish="STOP"), text="", calls=[("7", A)]),
    told("words and a request", *say("I look."), ch(call(A), finish="STOP"), text="I look.", calls=TWO[:1]),
    told("cumulative usage", ch({"text": "Two "}, usage=U | {"candidatesTokenCount": 1}), ch({"text": "files."}, usage=U | {"candidatesTokenCount": 3}), STOP),
    told("cached and reasoning", *HI, ch(finish="STOP", usage=U | {"cachedContentTokenCount": 4, "thoughtsTokenCount": 7}), usage=(10, 12, 4, 0, 7)),
    told("the results of tools beside the question", *HI, ch(finish="STOP", usage=U | {"promptTokenCount": 6, "toolUsePromptTokenCount": 4})),
    told("no usage", *[ch({"text": word}, usage=None) for word in ("Two ", "files.")], ch(finish="STOP", usage=None), usage=None),
    failed("the question is blocked", BLOCKED, fails="filtered", passes=False, words=["PROHIBITED_CONTENT", "question"], usage=(10, 0)),
    failed("the reply is withheld", ch(finish="SAFETY"), fails="filtered", passes=False, words=["content filter"], usage=(10, 5)),
    failed("recitation", ch(finish="RECITATION"), fails="filtered", passes=False, usage=(10, 5)),
    failed("a request that the provider could not read", ch(finish="MALFORMED_FUNCTION_CALL"), fails="garbled", words=["request for a tool"], usage=(10, 5)),
    failed("an error at once", BUSY, fails="overloaded", words=["overloaded", "503"]),
    failed("an error in a list", body=json.dumps([BUSY]).encode(), fails="overloaded", words=["overloaded"]),
    failed("an error in the middle", *HI, BUSY, fails="overloaded", words=["overloaded"], usage=(10, 5)),
    failed("an error in the middle, without events", *HI, json.dumps(BUSY, indent=2).encode(), fails="overloaded", words=["overloaded"], usage=(10, 5)),
    failed("no end", *HI, framed=False, fails="unreachable", usage=(10, 5)),
    failed("half a list", body=json.dumps([*HI, STOP]).encode()[:-2], framed=False, fails="garbled"),
    failed("nothing", body=b"", fails="unreachable"),
]  # fmt: skip
