"""The wire servers themselves: a strict server that is not strict would prove nothing."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from wire import KINDS, Kind, Speech, WireServer
from wire.pictures import GIF, JPEG, png

CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
USE = {"type": "tool_use", "id": "c1", "name": "f", "input": {}}
TOOLS = [{"name": "f", "input_schema": {"type": "object"}}]
GIVEN = {"functionCall": {"name": "f", "args": {}}, "thoughtSignature": "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="}


def say(role: str, *blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "content": list(blocks) or [{"type": "text", "text": "Hi."}]}


def turn(role: str, *parts: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "parts": list(parts) or [{"text": "Hi."}]}


def image_url(data: bytes, media_type: str = "image/png") -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": f"data:{media_type};base64,{b64encode(data).decode()}"}}


def image(data: bytes, media_type: str = "image/png") -> dict[str, Any]:
    source = {"type": "base64", "media_type": media_type, "data": b64encode(data).decode()}
    return {"type": "image", "source": source}


def blob(data: bytes, media_type: str = "image/png") -> dict[str, Any]:
    return {"inlineData": {"mimeType": media_type, "data": b64encode(data).decode()}}


def chat(*content: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(content) or "Hi."}, *more.get("then", [])]}


def result(*content: dict[str, Any], **fields: Any) -> dict[str, Any]:
    block = {"type": "tool_result", "tool_use_id": "c1", "content": list(content)} | fields
    return {"max_tokens": 9, "tools": TOOLS, "messages": [say("user"), say("assistant", USE), say("user", block)]}


LARGE = png(3_000, 3_000) + b"\0" * 4_000_000
"""Too large for Anthropic, and no whole image."""


def post(server: WireServer, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    paths = {
        "openai": "/chat/completions",
        "ollama": "/chat/completions",
        "responses": "/responses",
        "anthropic": "/v1/messages",
        "google": "/v1beta/models/gemini-2.5-flash:generateContent",
    }
    keys = {"authorization": f"Bearer {server.key}", "x-api-key": server.key, "x-goog-api-key": server.key}
    request = Request(server.url + paths[server.kind], json.dumps(body).encode(), keys)
    try:
        with build_opener(ProxyHandler({})).open(request) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        return error.code, json.load(error)


GOOD: dict[Kind, dict[str, Any]] = {
    "openai": {"messages": [{"role": "user", "content": "Hi."}]},
    "ollama": {"messages": [{"role": "user", "content": "Hi."}]},
    "anthropic": {"max_tokens": 9, "messages": [say("user")]},
    "google": {"contents": [turn("user")]},
}


GOOD_IMAGES: dict[Kind, dict[str, Any]] = {
    "openai": chat({"type": "text", "text": "Look."}, image_url(GIF, "image/gif")),
    "ollama": chat(image_url(JPEG, "image/jpeg")),
    "anthropic": result({"type": "text", "text": "Here."}, image(png())),
    "google": {"contents": [turn("user", {"text": "Look."}, blob(png()))]},
}


@pytest.mark.parametrize("kind", KINDS)
def test_images_are_taken_unless_the_server_sees_none(kind: Kind) -> None:
    with WireServer(kind) as server:
        assert post(server, GOOD_IMAGES[kind])[0] == 200
        assert len(server.pictures()) == 1
    with WireServer(kind, sees=False) as server:
        status, answer = post(server, GOOD_IMAGES[kind])
        assert status == 400 and "mage" in json.dumps(answer)
        assert post(server, GOOD[kind])[0] == 200
        assert server.unseen == 1 and not server.refused


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_reply_has_everything_that_was_to_be_said(kind: Kind) -> None:
    speech = Speech("Some words.", tools=[("a/b", {"c": 1})], reasoning="A thought.", signature="c2ln")
    with WireServer(kind, lambda _, __: speech) as server:
        status, body = post(server, GOOD[kind])
    assert status == 200
    for word in ("Some words.", "a__b", "A thought."):
        assert word in json.dumps(body)


@pytest.mark.parametrize(
    ("kind", "body", "why"),
    [
        ("openai", {"messages": []}, "empty"),
        ("openai", {"messages": [{"role": "assistant", "content": None}]}, "needs content"),
        ("openai", {"messages": [{"role": "assistant", "tool_calls": [CALL]}]}, "without a tool message"),
        ("openai", {"messages": [{"role": "tool", "tool_call_id": "c1", "content": "x"}]}, "must follow"),
        ("openai", {"messages": [{"role": "user", "content": "x", "name2": 1}]}, "unknown fields"),
        ("anthropic", {"messages": [say("user")]}, "max_tokens"),
        ("anthropic", {"max_tokens": 9, "messages": [say("user"), say("user")]}, "alternate"),
        ("anthropic", {"max_tokens": 9, "messages": [say("user"), say("assistant")]}, "last message"),
        ("anthropic", {"max_tokens": 9, "messages": [say("user", {"type": "text", "text": " "})]}, "non-whitespace"),
        (
            "anthropic",
            {"max_tokens": 9, "tools": TOOLS, "messages": [say("user"), say("assistant", USE), say("user")]},
            "need tool_result",
        ),
        ("google", {"contents": [turn("model"), turn("user")]}, "first turn"),
        ("google", {"contents": [turn("user"), turn("model", GIVEN), turn("user")]}, "must equal"),
        ("google", {"contents": [turn("user", {"text": ""})]}, "empty text"),
        ("openai", chat(image_url(JPEG)), "unsupported image"),
        ("openai", chat(image_url(b"no image")), "unsupported image"),
        ("openai", chat({"type": "image_url", "image_url": {"url": "data:image/png;base64,?"}}), "invalid base64"),
        ("openai", chat({"type": "text", "text": ""}), "text"),
        ("openai", chat({"type": "image", "image": ""}), "Supported values"),
        ("openai", chat(then=[{"role": "assistant", "content": [image_url(png())]}]), "role 'assistant'"),
        (
            "openai",
            chat(
                then=[
                    {"role": "assistant", "tool_calls": [CALL]},
                    {"role": "tool", "tool_call_id": "c1", "content": [image_url(png())]},
                ]
            ),
            "this message with role 'tool' contains an image URL",
        ),
        ("ollama", chat(image_url(GIF, "image/gif")), "Unsupported"),
        ("anthropic", result(image(JPEG)), "does not match the provided media type"),
        ("anthropic", result(image(b"no image")), "Could not process image"),
        ("anthropic", result(image(GIF, "image/bmp")), "Unsupported"),
        ("anthropic", result(image(LARGE)), "exceeds 5 MB maximum"),
        ("anthropic", result(image(png(8_001, 1))), "8000 pixels"),
        ("anthropic", result(*[image(png(2_001, 1))] * 21), "2000 pixels"),
        ("anthropic", result(image(png()), is_error=True), "must be type 'text'"),
        ("anthropic", result({"type": "text", "text": " "}), "non-whitespace"),
        (
            "anthropic",
            {"max_tokens": 9, "messages": [say("user"), say("assistant", image(png())), say("user")]},
            "message of the assistant",
        ),
        ("google", {"contents": [turn("user", blob(GIF, "image/gif"))]}, "Unsupported MIME type: image/gif"),
        ("google", {"contents": [turn("user", blob(JPEG))]}, "Unable to process input image"),
        (
            "google",
            {
                "contents": [
                    turn("user"),
                    turn("model", GIVEN),
                    turn("user", {"functionResponse": {"name": "f", "response": {}, "parts": [blob(png())]}}),
                ]
            },
            "not supported for this model",
        ),
    ],
)
def test_what_a_provider_refuses_is_refused(kind: Kind, body: dict[str, Any], why: str) -> None:
    with WireServer(kind) as server:
        status, answer = post(server, body)
        assert status == 400
        assert why in json.dumps(answer)
        assert post(server, GOOD[kind])[0] == 200
    assert any(why in reason for reason in server.refused)
