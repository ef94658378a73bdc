"""What a model's name means, what is listed, and the model that is a function."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gemot.abi.messages import Message, Reply, Request, Text, ToolRequest, ToolResult, Usage
from gemot.models import ModelFailed, list_models, open_model, price_known
from gemot.models.catalogue import PROVIDERS, url_of, window_tokens
from gemot.models.scripted import heard, request, say, scripted


def told(model: Any, question: Request) -> tuple[Reply, list[str]]:
    words: list[str] = []
    return asyncio.run(model.generate(question, words.append)), words


ASK = Request((Message("user", (Text("x" * 400),)),))


def test_a_function_is_a_model() -> None:
    reply, words = told(scripted(lambda _: "Four words are enough."), ASK)
    assert reply.parts == (Text("Four words are enough."),)
    assert words == ["Four words are enough."]
    assert reply.usage == Usage(100, 6, 0, 0)
    assert reply.model == "scripted"


def test_a_script_decides_on_the_results_it_heard() -> None:
    async def clerk(question: Request) -> Any:
        await asyncio.sleep(0)
        results = heard(question)
        if not results:
            return ["I look.", request("files/read", path="a"), request("files/read", path="b")]
        return say(" and ".join(result.text for result in results))

    model = scripted(clerk)
    first, _ = told(model, ASK)
    one, two = (part for part in first.parts if isinstance(part, ToolRequest))
    assert (one.name, one.arguments) == ("files/read", '{"path": "a"}')
    assert one.id != two.id
    assert first.finish == "tool_call"
    assert told(model, ASK)[0] == first  # the same log, the same reply
    results = tuple(ToolResult(part.id, part.name, text) for part, text in ((one, "alpha"), (two, "beta")))
    so_far = (*ASK.messages, Message("model", first.parts), Message("tool", results))
    assert told(model, Request(so_far))[0].parts == (Text("alpha and beta"),)


def test_a_script_may_say_everything_itself() -> None:
    whole = Reply((Text("So."),), Usage(7, 8, 0, 9), "clerk", "length")
    assert told(scripted(lambda _: whole), ASK)[0] == whole


def test_what_a_script_may_not_say_is_explained() -> None:
    nonsense: Any = lambda _: 7  # noqa: E731
    with pytest.raises(ModelFailed, match="may return a str"):
        told(scripted(nonsense), ASK)
    with pytest.raises(ModelFailed, match="was to choose"):
        told(scripted(lambda _: "maybe"), Request(ASK.messages, choose=("yes", "no")))


def test_a_script_is_named_by_file_or_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "clerk.py"
    file.write_text(
        "from gemot.models import scripted\ndef answer(question): return 'Yes.'\nready = scripted(answer)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for where in (f"{file}:answer", f"{file}:ready", "clerk:answer"):
        assert told(open_model(f"scripted:{where}"), ASK)[0].parts == (Text("Yes."),)
    for wrong, why in ((f"{file}:nobody", "nobody"), (f"{tmp_path}/no.py:f", "no file"), ("no.module:f", "imported")):
        with pytest.raises(ModelFailed, match=why):
            open_model(f"scripted:{wrong}")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("opnai:gpt-5-mini", "Did you mean openai?"),
        ("openai", "A model's name is missing"),
        ("openai:", "A model's name is missing"),
        ("embeded", "Did you mean embedded?"),
        ("hand:8765", "comes an address"),
        ("hand:http://me:secret@127.0.0.1/v1", "set OPENAI_COMPATIBLE_API_KEY"),
        ("", "Names look like: embedded, "),
    ],
)
def test_a_name_that_means_nothing_is_answered_with_what_would(name: str, says: str) -> None:
    with pytest.raises(ModelFailed, match=says.replace("?", r"\?")) as caught:
        open_model(name)
    assert caught.value.kind == "missing"
    assert "secret" not in str(caught.value)


def test_slash_and_colon_are_the_same_and_a_model_may_have_both() -> None:
    assert open_model("openai/gpt-5-mini", {}).tokens_max == open_model("openai:gpt-5-mini", {}).tokens_max == 272_000
    assert "qwen/qwen3:8b" in repr(open_model("ollama:qwen/qwen3:8b", {}))


def test_the_list_says_what_is_ready_and_what_to_do() -> None:
    without = {row.name.partition(":")[0]: row for row in list_models({})}
    assert without["scripted"].state == "ready"
    assert without["ollama"].state == "ready"
    assert (without["google"].state, without["google"].help) == ("no key", "set GOOGLE_API_KEY or GEMINI_API_KEY")
    having = {row.name.partition(":")[0]: row for row in list_models({"GEMINI_API_KEY": "k"})}
    assert having["google"].state == "ready"


def test_prices_are_known_or_not() -> None:
    assert price_known("openai:gpt-4.1-mini") and price_known("anthropic/claude-haiku-4-5")
    assert price_known("embedded") and price_known("scripted:a.py:f") and price_known("ollama:qwen3:8b")
    assert not price_known("openai:model-of-tomorrow") and not price_known("hand:http://127.0.0.1:1/v1")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("", "http://127.0.0.1:11434/v1"),
        ("0.0.0.0", "http://127.0.0.1:11434/v1"),
        ("box:1234", "http://box:1234/v1"),
        ("https://box/ollama/", "https://box:443/ollama/v1"),
        ("http://[::1]:5/v1", "http://[::1]:5/v1"),
    ],
)
def test_ollamas_own_variable_is_read_as_ollama_reads_it(host: str, url: str) -> None:
    assert url_of(PROVIDERS["ollama"], {"OLLAMA_HOST": host}) == url


def test_ollamas_window_is_what_its_server_was_started_with() -> None:
    assert window_tokens(PROVIDERS["ollama"], "qwen3", {"OLLAMA_CONTEXT_LENGTH": "65536"}) == 65_536


def test_importing_the_models_imports_no_client_library() -> None:
    heavy = ("pydantic", "pydantic_ai", "httpx2", "openai", "anthropic", "google.genai", "genai_prices", "xllamacpp")
    code = f"import sys, gemot.models; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert found.stdout.strip() == "[]"
