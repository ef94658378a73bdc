"""Recorded replies of chat completions: words, reasoning, ends, usage, and what stands between the documents."""

from __future__ import annotations

import json
from typing import Any

from wire.recorded import Event, Recorded, lines, sse

U: dict[str, Any] = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
HEAD: dict[str, Any] = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}


def ch(
    delta: dict[str, Any] | None = None, finish: str | None = None, usage: Any = None, **more: Any
) -> dict[str, Any]:
    """One chunk."""
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    return HEAD | {"choices": [choice]} | ({"usage": usage} if usage is not None else {}) | more


def say(*words: str) -> list[dict[str, Any]]:
    return [ch({"content": word}) for word in words]


def think(field: str, *words: str) -> list[dict[str, Any]]:
    return [ch({field: word}) for word in words]


STOP = ch({}, "stop", U)
TRAILER = HEAD | {"choices": [], "usage": U}
WHOLE: dict[str, Any] = {
    "id": "c",
    "object": "chat.completion",
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Two files."}, "finish_reason": "stop"}],
    "usage": U,
}
HI = say("Two ", "files.")


def told(name: str, *events: Event, done: bool = True, body: bytes | None = None, **expected: Any) -> Recorded:
    return Recorded(
        name, "openai-chat", sse(*events, done=done) if body is None else body, **{"text": "Two files."} | expected
    )


def failed(name: str, *events: Event, done: bool = False, body: bytes | None = None, **expected: Any) -> Recorded:
    return told(name, *events, done=done, body=body, **{"text": "", "usage": None} | expected)


ENDS = [
    told("openai", ch({"role": "assistant", "content": ""}), *HI, ch({}, "stop"), TRAILER),
    told("the usage comes with the reason", *HI, STOP),
    told("no [DONE]", *HI, STOP, done=False),
    told("no [DONE], close-delimited", *HI, STOP, done=False, framed=False),
    told("a reset after the reason", *HI, STOP, done=False, framed=False, breaks=True),
    told("no reason, [DONE]", *HI, ch({}, None, U)),
    told("no reason, no [DONE], a length", *HI, ch({}, None, U), done=False),
    told("an empty reason", *HI, ch({}, "", U)),
    told("the reason comes with the last word", *say("Two "), ch({"content": "files."}, "stop", U)),
    told("the reason comes before the last word", *say("Two "), ch({}, "stop"), *say("files."), TRAILER),
    told("the reason in capitals", *HI, ch({}, "STOP", U)),
    told("eos", *HI, ch({}, "eos", U)),
    told("an unknown reason", *HI, ch({}, "bored", U), finish="bored"),
    told("the limit of the reply", *HI, ch({}, "length", U), finish="length"),
    told("mistral's limit", *HI, ch({}, "model_length", U), finish="length"),
    told("a content filter after some words", *HI, ch({}, "content_filter", U), finish="filter"),
    told("[DONE] in quotes", *HI, STOP, '"[DONE]"', done=False),
    told("words after [DONE]", *HI, STOP, "[DONE]", *say("nothing"), done=False),
    told("an error after the reason", *HI, STOP, {"error": {"message": "late"}}, done=False),
    told("half a document after the reason", *HI, STOP, b'data: {"usage": {"prompt_tok', done=False, framed=False),
    told("a refusal in its own field", ch({"refusal": "I "}), ch({"refusal": "won't."}), STOP, text="I won't.", finish="refusal"),
    told("words, then a refusal", *say("Well. "), ch({"refusal": "No."}), STOP, text="Well. No.", finish="refusal"),
    told("nothing but the end", ch({"role": "assistant", "content": ""}), STOP, text=""),
    told("content is null", ch({"role": "assistant", "content": None}), *HI, STOP),
    told("content in parts", ch({"content": [{"type": "text", "text": "Two "}, {"type": "text", "text": "files."}]}), STOP),
    told("a second choice", {**ch({"content": "Two files."}), "choices": [ch({"content": "Two files."})["choices"][0], {"index": 1, "delta": {"content": "No"}}]}, STOP),
    told("a second choice by itself", *HI, HEAD | {"choices": [{"index": 1, "delta": {"content": "No"}, "finish_reason": "length"}]}, STOP),
    told("choices is null", *HI, HEAD | {"choices": None}, STOP),
    told("delta is null", *HI, HEAD | {"choices": [{"index": 0, "delta": None, "finish_reason": None}]}, STOP),
    told("a message with all of it after the pieces", *HI, HEAD | {"choices": [{"index": 0, "delta": {}, "message": {"role": "assistant", "content": "Two files."}, "finish_reason": "stop"}], "usage": U}),
    told("text completions", *[HEAD | {"choices": [{"index": 0, "text": word, "finish_reason": None}]} for word in ("Two ", "files.")], STOP),
]  # fmt: skip

BETWEEN = [
    told("a byte order mark", b"\xef\xbb\xbf", *HI, STOP),
    told("two byte order marks and blanks", b"\xef\xbb\xbf \n\xef\xbb\xbf\r\n\n", *HI, STOP),
    told("a byte order mark in each event", *[b"data: \xef\xbb\xbf" + json.dumps(event).encode() + b"\n\n" for event in (*HI, STOP)]),
    told("CRLF", body=sse(*HI, STOP, end="\r\n", done=True)),
    told("CR", body=sse(*HI, STOP, end="\r", done=True)),
    told("no blank after the colon", *[b"data:" + json.dumps(event).encode() + b"\n\n" for event in (*HI, STOP)]),
    told("no empty lines", *[b"data: " + json.dumps(event).encode() + b"\n" for event in (*HI, STOP)]),
    told("no line end at the end", body=sse(*HI, STOP, done=False) + b"data: [DONE]"),
    told("lines of data with CRLF", body=sse(*HI, end="\r\n") + b"data: " + json.dumps(STOP, indent=1).replace("\n", "\r\ndata: ").encode() + b"\r\n\r\n"),
    told("three lines of data in one event", *HI, *["\ndata: ".join(json.dumps(STOP, indent=1).split("\n"))]),
    told("comments", b": ping\n\n", HI[0], b":\n\n", b": OPENROUTER PROCESSING\n\n", HI[1], b":ping\n", STOP, b": bye\n\n"),
    told("empty data", b"data:\n\n", HI[0], b"data: \n\n", b"data\n\n", HI[1], STOP),
    told("pings of every kind", b"event: ping\ndata: {\"type\": \"ping\"}\n\n", HI[0], b"event: keep-alive\ndata: x\n\n", "ping", b"retry: 3000\n\n", b"id: 7\n\n", "null", '""', "{}", "[]", HI[1], ": keep-alive", STOP),
    told("blank lines", b"\n\n\n", HI[0], b"\r\n\r\n", HI[1], b" \n", STOP),
    told("numbered events with names", *[b"id: %d\nevent: message\ndata: %s\n\n" % (n, json.dumps(event).encode()) for n, event in enumerate((*HI, STOP))]),
    told("characters of several bytes", *say("Zwei D", "ö", "r", "fer \U0001f600"), STOP, text="Zwei Dörfer \U0001f600"),
    told("half a character in each document", b'data: {"choices":[{"index":0,"delta":{"content":"ok \\ud83d"}}]}\n\n', b'data: {"choices":[{"index":0,"delta":{"content":"\\ude00!"}}]}\n\n', STOP, text="ok \U0001f600!"),
    told("half a character and no other", b'data: {"choices":[{"index":0,"delta":{"content":"ok \\ud83d"}}]}\n\n', STOP, text="ok \ufffd"),
    told("U+2028 and a form feed in a text", *say("a\u2028b\u0085c\x0cd"), STOP, text="a\u2028b\u0085c\x0cd"),
    told("numbers that JSON does not have", b'data: {"choices":[{"index":0,"delta":{"content":"Two files."},"logprob":NaN}]}\n\n', STOP),
    told("unknown fields and events", HEAD | {"choices": [], "prompt_filter_results": [{"prompt_index": 0}]}, *HI, b"event: x\nwhat: 5\ndata: {\"object\": \"other\"}\n\n", STOP),
    told("whole JSON", body=json.dumps(WHOLE).encode()),
    told("whole JSON over several lines", body=json.dumps(WHOLE, indent=2).encode() + b"\n\n"),
    told("whole JSON, close-delimited", body=json.dumps(WHOLE).encode(), framed=False),
    told("whole JSON, with a mark before it and [DONE] after it", body=b"\xef\xbb\xbf\n" + json.dumps(WHOLE).encode() + b"\n\ndata: [DONE]\n\n"),
    told("whole JSON after pings", body=b": ping\n\n" * 3 + json.dumps(WHOLE).encode()),
    told("whole JSON in an event", WHOLE),
    told("whole JSON without a reason", body=json.dumps(WHOLE | {"choices": [{"message": {"content": "Two files."}}]}).encode(), framed=False),
    told("lines of JSON", body=lines(*HI, STOP)),
    told("lines of JSON, close-delimited, no line end", body=lines(*HI, STOP).rstrip(), framed=False),
    told("a list of JSON", body=json.dumps([*HI, STOP]).encode(), framed=False),
]  # fmt: skip

THOUGHTS = [
    told("deepseek, vllm", *think("reasoning_content", "Hm. ", "Yes."), *HI, STOP, thought="Hm. Yes."),
    told("ollama, groq", *think("reasoning", "Hm. ", "Yes."), *HI, STOP, thought="Hm. Yes."),
    told("both fields at once", *[ch({"reasoning": word, "reasoning_content": word}) for word in ("Hm. ", "Yes.")], *HI, STOP, thought="Hm. Yes."),
    told("reasoning is null", ch({"reasoning_content": None, "content": "Two "}), ch({"reasoning_content": "", "content": "files."}), STOP),
    told("openrouter's details", ch({"reasoning": "Hm. ", "reasoning_details": [{"type": "reasoning.text", "text": "Hm. ", "index": 0}]}), ch({"reasoning": "Yes.", "reasoning_details": [{"type": "reasoning.text", "text": "Yes.", "index": 0}]}), *HI, STOP, thought="Hm. Yes."),
    told("mistral's parts", ch({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm. Yes."}]}]}), *HI, STOP, thought="Hm. Yes."),
    told("tags in one piece", *say("<think>Hm. Yes.</think>Two files."), STOP, thought="Hm. Yes."),
    told("tags in pieces", *say("<think>", "\n", "Hm. Yes.", "\n", "</think>", "\n\n", "Two files."), STOP, thought="Hm. Yes."),
    told("a tag with a line break", *say("<think>\n", "Hm. Yes.\n</think>\n\nTwo files."), STOP, thought="Hm. Yes."),
    told("tags at every character", *say(*"<think>Hm. Yes.</think>Two files."), STOP, thought="Hm. Yes."),
    told("blanks before the tag", *say("\n", " <th", "ink", ">Hm. ", "Yes.</", "think>", "Two files."), STOP, thought="Hm. Yes."),
    told("another tag", *say("<thinking>Hm. Yes.</thinking>Two files."), STOP, thought="Hm. Yes."),
    told("a tag in capitals", *say("<THINK>Hm. Yes.</THINK>Two files."), STOP, thought="Hm. Yes."),
    told("magistral's brackets", *say("[THI", "NK]Hm. Yes.[/TH", "INK]Two files."), STOP, thought="Hm. Yes."),
    told("tags twice", *say("<think>Hm. </think>\n<think>Yes.</think>", "Two files."), STOP, thought="Hm. Yes."),
    told("signs that are no tag within the tags", *say("<think>a < b, [c] </the", "n> d", "</think>Two files."), STOP, thought="a < b, [c] </then> d"),
    told("the first tag is missing", *say("Hm. ", "Yes.\n</think>\n\n", "Two files."), STOP, thought="Hm. Yes."),
    told("the end tag is missing", *say("<think>", "Hm. ", "Yes."), STOP, text="", thought="Hm. Yes."),
    told("nothing between the tags", *say("<think>\n\n</think>\n\n", "Two files."), STOP),
    told("a tag in the middle is text", *say("Use <think> here."), STOP, text="Use <think> here."),
    told("an end tag that is spoken of", *say("End it with `</think>`."), STOP, text="End it with `</think>`."),
    told("the beginning of a tag and no more", *say("<thi"), STOP, text="<thi"),
    told("another tag at the beginning", *say("<", "b>x</b>"), STOP, text="<b>x</b>"),
]  # fmt: skip


def counted(name: str, *usages: Any, usage: Any, words: str = "Two files.", field: str = "usage") -> Recorded:
    events = [ch({"content": words if not at else ""}) | {field: told} for at, told in enumerate(usages)]
    return told(name, *events, ch({}, "stop"), text=words, usage=usage)


USAGE = [
    counted("cumulative usage", *[{"prompt_tokens": 1000, "completion_tokens": n} for n in (1, 2, 3)], usage=(1000, 3)),
    counted("the same usage four times", *[U] * 4, usage=(10, 5)),
    told("usage of each piece", *[ch({"content": "word " * 4}, None, {"prompt_tokens": 9, "completion_tokens": 1}) for _ in range(40)], ch({}, "stop"), text="word " * 160, usage=(9, 40), cuts="some"),
    told("usage of each piece, in other sizes", *[ch({"content": "w " * n}, None, {"prompt_tokens": 9, "completion_tokens": n}) for n in (1, 9, 2, 8, 3)], ch({}, "stop"), text="w " * 23, usage=(9, 23)),
    counted("zeros at the end", U, {"prompt_tokens": 0, "completion_tokens": 0}, usage=(10, 5)),
    counted("usage is null in all chunks but the last", None, None, U, usage=(10, 5)),
    counted("halves of tokens", {"prompt_tokens": 10.5, "completion_tokens": 2.25}, usage=(11, 3)),
    counted("counts as texts", {"prompt_tokens": "10", "completion_tokens": "5"}, usage=(10, 5)),
    counted("only the total", {"prompt_tokens": 10, "total_tokens": 15}, usage=(10, 5)),
    counted("negative counts", {"prompt_tokens": -1, "completion_tokens": -5}, usage=None),
    counted("usage is a text", "lots", usage=None),
    counted("no usage", usage=None, words=""),
    told("no usage at all", *HI, ch({}, "stop"), usage=None),
    counted("openai's cache and reasoning", U | {"prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 3}}, usage=(10, 5, 4, 0, 3)),
    counted("deepseek's cache", U | {"prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 6}, usage=(10, 5, 4)),
    counted("moonshot's cache", U | {"cached_tokens": 4}, usage=(10, 5, 4)),
    counted("openrouter's cache", U | {"prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2}}, usage=(10, 5, 4, 2)),
    counted("more cached than asked", U | {"prompt_tokens_details": {"cached_tokens": 40}}, usage=(10, 5, 10)),
    counted("xai's reasoning beside the reply", U | {"total_tokens": 18, "completion_tokens_details": {"reasoning_tokens": 3}}, usage=(10, 8, 0, 0, 3)),
    counted("groq's field", {"id": "q", "usage": U}, usage=(10, 5), field="x_groq"),
    told("moonshot's usage in the choice", *HI, HEAD | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": U}]}),
    told("details are texts", *HI, ch({}, "stop", U | {"prompt_tokens_details": "x", "completion_tokens_details": 5})),
]  # fmt: skip

LOADING = {"error": {"message": "model is still loading", "type": "server_error"}}
FAILURES = [
    failed("an error in the place of a reply", body=json.dumps(LOADING).encode(), fails="overloaded", words=["model is still loading"]),
    failed("an error in an event", LOADING, fails="overloaded", words=["model is still loading"]),
    failed("an error in the middle", *HI, LOADING, fails="overloaded", words=["model is still loading"]),
    failed("an error in the middle, as a line", *HI, json.dumps(LOADING).encode() + b"\n", fails="overloaded", words=["model is still loading"]),
    failed("an error in the middle, over several lines", *HI, json.dumps(LOADING, indent=2).encode() + b"\n", fails="overloaded", words=["model is still loading"]),
    failed("an error that is a text", {"error": "model is still loading"}, fails="overloaded", words=["model is still loading"]),
    failed("an error's event of words", b"event: error\ndata: out of memory\n\n", fails="garbled", words=["out of memory"]),
    failed("an error's event of a text", b'event: error\ndata: "out of memory"\n\n', fails="garbled", words=["out of memory"]),
    failed("an error's event without a field", *HI, b'event: error\ndata: {"message": "out of memory"}\n\n', fails="overloaded", words=["out of memory"]),
    failed("an error beside a choice", *HI, ch({"content": ""}, "error") | {"error": {"code": 502, "message": "Provider disconnected"}}, fails="overloaded", words=["Provider disconnected", "502"]),
    failed("an error beside a choice without a reason", ch({"content": ""}) | {"error": {"code": 502, "message": "Provider disconnected"}}, fails="overloaded", words=["Provider disconnected"]),
    failed("an error in a choice", HEAD | {"choices": [{"index": 0, "error": {"code": 429, "message": "slow down"}}]}, fails="overloaded", words=["slow down", "429"]),
    failed("an error after [DONE] was due", *HI, ch(), {"error": {"message": "rate limit", "code": "rate_limit_exceeded"}}, fails="overloaded", words=["rate limit"]),
    failed("a window's error inside 200", {"error": {"message": "the request exceeds the available context size"}}, fails="window", passes=False, words=["context size"]),
    failed("a message without a field of error", body=b'{"message": "model is still loading"}', fails="overloaded", words=["still loading"]),
    failed("a detail without a field of error", body=b'{"detail": "model is still loading"}', fails="overloaded", words=["still loading"]),
    failed("plain words", body=b"Internal Server Error", fails="garbled", words=["Internal Server Error"]),
    failed("a web page", body=b"\n <!doctype html><title>Log in</title>", fails="garbled", passes=False, words=["web page"]),
    failed("a web page after a byte order mark", body=b"\xef\xbb\xbf<html>", fails="garbled", passes=False, words=["web page"]),
    failed("nothing", body=b"", fails="unreachable"),
    failed("nothing but pings", body=b": ping\n\n" * 9, fails="unreachable"),
    failed("[DONE] and nothing else", done=True, fails="garbled"),
    failed("a number", body=b"data: 5\n\n", fails="garbled"),
    failed("half a document", body=b'data: {"choices": [{"del\n\n', fails="garbled"),
    failed("half a whole JSON", body=json.dumps(WHOLE).encode()[:-20], fails="garbled"),
    failed("words that break off", *HI, framed=False, fails="unreachable"),
    failed("words before a reset", *HI, framed=False, breaks=True, fails="unreachable"),
    failed("usage before a reset", *HI, ch({}, None, U), framed=False, breaks=True, fails="unreachable", usage=(10, 5)),
    failed("lines of JSON that break off", body=lines(*HI), framed=False, fails="unreachable"),
    failed("a filter without a word", ch({}, "content_filter", U), done=True, fails="filtered", passes=False, usage=(10, 5), words=["content filter"]),
    failed("a document without an end", body=b'data: {"a": "' + b"x" * 300_000, fails="garbled", cuts="some"),
    failed("binary bytes", body=bytes(range(256)) * 4, fails="garbled", cuts="some"),
]  # fmt: skip

STATUSES = [
    failed("moved", status=301, headers=[("location", "https://elsewhere.test/v1")], body=b"<html>Moved", fails="refused", passes=False, words=["has moved to https://elsewhere.test/v1"]),
    failed("moved, with the body kept", status=307, headers=[("location", "/v2")], body=b"", fails="refused", passes=False, words=["/v2"]),
    failed("a web page with status 502", status=502, body=b"<html><head><title>Bad Gateway</title>" + b"<p>x" * 5_000, fails="overloaded", words=["Bad Gateway", "502"], cuts="some"),
    failed("an error text of a megabyte", status=500, body=b"trouble " * 140_000, fails="overloaded", words=["trouble"], cuts="some"),
    failed("a JSON error of a megabyte", status=400, body=json.dumps({"error": {"message": "bad hats " * 120_000}}).encode(), fails="refused", passes=False, words=["bad hats"], cuts="some"),
    failed("an error text of a megabyte of tags", status=503, body=b"<" * 1_100_000 + b">", fails="overloaded", words=["503"], cuts="some"),
    failed("overloaded", status=529, body=json.dumps(LOADING).encode(), fails="overloaded", words=["529"]),
    failed("no credit", status=402, body=b"insufficient credit", fails="quota", passes=False, words=["credit"]),
    failed("a filter refuses the question", status=400, body=json.dumps({"error": {"code": "content_filter", "message": "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."}}).encode(), fails="filtered", passes=False, words=["content filter"]),
    failed("a proxy wants a login", status=407, body=b"", fails="refused", passes=False, words=["407", "proxy"]),
    failed("no words at all", status=418, body=b"", fails="refused", passes=False, words=["418"]),
    failed("an empty reply with a good status", status=204, headers=[], body=b"", fails="unreachable"),
    told("another good status", *HI, STOP, status=201),
]  # fmt: skip

ENDLESS = [
    told("words without end", *say(*["lorem ipsum "] * 300), done=False, framed=False, text="lorem ipsum " * 101, finish="cut", usage=None, out_max=100, cuts="some"),
    told("arguments without end", *[ch({"tool_calls": [{"index": 0, "id": "x", "function": {"name": "files__read", "arguments": '{"path": "' + "a" * 90 if not n else "b" * 100}}]}) for n in range(40)], done=False, framed=False, text="", calls=[("files/read", '{"path": "' + "a" * 90 + "b" * 1000)], finish="cut", usage=None, out_max=100, cuts="some"),
    told("reasoning without end", *think("reasoning", *["hm, " * 9] * 90), done=False, framed=False, text="", thought="hm, " * 9 * 34, finish="cut", usage=None, out_max=100, cuts="some"),
]  # fmt: skip

RECORDS = [*ENDS, *BETWEEN, *THOUGHTS, *USAGE, *FAILURES, *STATUSES, *ENDLESS]
