"""The server of OpenAI's responses is as strict as the real one."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from test_wire import post
from wire import Speech, WireServer
from wire.pictures import JPEG, png

CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "x"}
THOUGHT = {"type": "reasoning", "id": "rs_0", "summary": [], "encrypted_content": "c2ln"}
HI = {"role": "user", "content": "Hi."}
SAID = {"role": "assistant", "content": [{"type": "output_text", "text": "Yes."}]}


def asked(*items: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": "m", "input": [HI, *items], "store": False} | fields


def tool(**fields: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    return {"type": "function", "name": "f", "description": "", "parameters": schema, "strict": False} | fields


def image(data: bytes) -> dict[str, Any]:
    return {"type": "input_image", "image_url": f"data:image/png;base64,{b64encode(data).decode()}"}


GOOD = [
    asked(),
    asked(CALL, OUTPUT),
    asked(THOUGHT, SAID, CALL, CALL | {"call_id": "c2"}, OUTPUT | {"call_id": "c2"}, OUTPUT, HI),
    asked(CALL, OUTPUT | {"output": [{"type": "input_text", "text": "Here."}, image(png())]}, tools=[tool()]),
]
BAD: list[tuple[dict[str, Any], str]] = [
    ({"model": "m", "input": []}, "Missing required parameter"),
    (asked(temperature=1), "temperature"),
    (asked(messages=[]), "messages"),
    (asked(max_output_tokens=5), "integer below minimum"),
    (asked({"role": "tool", "content": "x"}), "role"),
    (asked({"type": "message", "role": "user", "content": []}), "empty"),
    (asked({"role": "assistant", "content": [{"type": "input_text", "text": "x"}]}), "Supported values"),
    (asked({"role": "user", "content": [{"type": "output_text", "text": "x"}]}), "Supported values"),
    (asked(HI | {"name2": 1}), "Unknown parameter"),
    (asked({"type": "tool_result"}), "Invalid value"),
    (asked(OUTPUT), "No tool call found"),
    (asked(OUTPUT, CALL), "No tool call found"),
    (asked(CALL), "No tool output found"),
    (asked(CALL, OUTPUT, OUTPUT), "No tool call found"),
    (asked(CALL, CALL, OUTPUT), "Duplicate"),
    (asked(CALL | {"call_id": "x" * 65}), "call_id"),
    (asked(CALL | {"name": "a/b"}, OUTPUT), "name"),
    (asked(CALL | {"arguments": {}}, OUTPUT), "arguments"),
    (asked(CALL | {"id": "c1"}, OUTPUT), "begins with 'fc'"),
    (asked(THOUGHT), "required following item"),
    (asked(THOUGHT, HI), "required following item"),
    (asked(THOUGHT | {"encrypted_content": "other"}, SAID), "could not be verified"),
    (asked(THOUGHT | {"id": "x"}, SAID), "begins with 'rs'"),
    (asked({"role": "user", "content": [image(JPEG)]}), "unsupported image"),
    (asked(tools=[tool(strict=True)]), "additionalProperties"),
    (asked(tools=[{"type": "function", "function": {}}]), "tools"),
    (asked(tools=[tool(name="a/b")]), "name"),
    (asked(tool_choice="none"), "only allowed with tools"),
]


@pytest.fixture(scope="module")
def server() -> Any:
    with WireServer("responses", lambda _, __: Speech("Yes.", reasoning="Hm.", signature="c2ln")) as running:
        post(running, asked())  # from here on it knows its own reasoning
        yield running


@pytest.mark.parametrize("body", GOOD)
def test_request_as_the_provider_takes_it_is_answered(server: WireServer, body: dict[str, Any]) -> None:
    status, answer = post(server, body)
    assert status == 200, answer
    assert [item["type"] for item in answer["output"]] == ["reasoning", "message"]


@pytest.mark.parametrize(("body", "why"), BAD)
def test_request_that_the_provider_refuses_is_refused(server: WireServer, body: dict[str, Any], why: str) -> None:
    status, answer = post(server, body)
    assert status == 400
    assert why in answer["error"]["message"]
