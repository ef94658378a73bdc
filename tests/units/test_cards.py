"""The cards of models: which values hold for a name, from which source, and what a call costs."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from gemot.models.cards import ASSUMED, KEYS, PERSON, Card, Facts, Price
from gemot.models.catalogue import PROVIDERS, card

NOTHING: dict[str, str] = {}


def known(name: str, corrections: dict[str, Facts] | None = None, environment: dict[str, str] = NOTHING) -> Card:
    kind, _, model = name.partition(":")
    provider = PROVIDERS["openai-compatible" if kind == "hand" else kind]
    return card(provider, model.rpartition("#")[2], corrections, name=name, environment=environment)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_unknown_model_of_each_provider_has_a_whole_card(provider: str) -> None:
    model = card(PROVIDERS[provider], "a-model-of-next-year", environment=NOTHING)
    assert model.window_tokens >= 8_192
    assert model.sources["window"] == ASSUMED
    assert model.seconds.connect == 10


@pytest.mark.parametrize(
    ("name", "dialect", "window", "reply", "limit", "temperature"),
    [
        ("openai:gpt-5-mini", "openai-chat", 272_000, 128_000, "max_completion_tokens", False),
        ("openai:gpt-5-nano-2025-08-07", "openai-chat", 272_000, 128_000, "max_completion_tokens", False),
        ("openai:gpt-5-chat-latest", "openai-chat", 128_000, 16_384, "max_completion_tokens", True),
        ("openai:gpt-5.2-chat-latest", "openai-chat", 128_000, 16_384, "max_completion_tokens", False),
        ("openai:gpt-5.2", "openai-chat", 272_000, 128_000, "max_completion_tokens", True),
        ("openai:gpt-5.2-pro", "openai-responses", 272_000, 128_000, "max_output_tokens", False),
        ("openai:gpt-5.1-codex-max", "openai-responses", 272_000, 128_000, "max_output_tokens", False),
        ("openai:gpt-5.6-terra", "openai-responses", 1_050_000, 128_000, "max_output_tokens", False),
        ("openai:gpt-6.7-of-next-year", "openai-responses", 1_050_000, 128_000, "max_output_tokens", False),
        ("openai:gpt-4o-mini", "openai-chat", 128_000, 16_384, "max_completion_tokens", True),
        ("openai:gpt-4.1-nano", "openai-chat", 1_047_576, 32_768, "max_completion_tokens", True),
        ("openai:o3-mini", "openai-chat", 200_000, 100_000, "max_completion_tokens", False),
        ("openai:o3-pro", "openai-responses", 200_000, 100_000, "max_output_tokens", False),
        ("anthropic:claude-haiku-4-5", "anthropic", 200_000, 64_000, "max_tokens", True),
        ("anthropic:claude-sonnet-4-6", "anthropic", 1_000_000, 128_000, "max_tokens", True),
        ("anthropic:claude-opus-4-1-20250805", "anthropic", 200_000, 32_000, "max_tokens", True),
        ("anthropic:claude-opus-5-5", "anthropic", 1_000_000, 128_000, "max_tokens", False),
        ("anthropic:claude-saga-6-of-next-year", "anthropic", 1_000_000, 128_000, "max_tokens", False),
        ("google:gemini-2.5-flash", "google", 1_048_576, 65_536, "max_output_tokens", True),
        ("google:gemini-2.0-flash", "google", 1_048_576, 8_192, "max_output_tokens", True),
        ("ollama:qwen3:8b", "openai-chat", 8_192, None, "max_tokens", True),
        ("openai-compatible:http://127.0.0.1:8000/v1#qwen3-8b", "openai-chat", 32_768, None, "max_tokens", True),
        ("openai-compatible:https://api.groq.com/v1#q", "openai-chat", 32_768, None, "max_completion_tokens", True),
    ],
)
def test_family_gives_its_values_to_a_model(
    name: str, dialect: str, window: int, reply: int | None, limit: str, temperature: bool
) -> None:
    model = known(name)
    values = (
        model.dialect,
        model.window_tokens,
        model.reply_max_tokens,
        model.reply_limit_name,
        model.takes_temperature,
    )
    assert values == (dialect, window, reply, limit, temperature)


def test_images_in_results_follow_the_family() -> None:
    assert known("google:gemini-2.5-flash").image_types_in_results == ()
    assert "image/png" in known("google:gemini-3.5-flash").image_types_in_results
    assert known("openai:gpt-5-mini").image_place == "user"
    assert known("anthropic:claude-haiku-4-5").image_place == "result"
    assert known("openai:o3-mini").image_types == ()


def test_mistral_takes_ids_of_nine_characters_at_any_address() -> None:
    assert known("openai-compatible:https://api.mistral.ai/v1#x").tool_id_form == "alnum9"
    assert known("openai-compatible:http://127.0.0.1:8000/v1#mistralai/Mistral-7B").tool_id_form == "alnum9"
    assert known("openai-compatible:http://127.0.0.1:8000/v1#qwen3").tool_id_form == "any"


def test_person_who_plays_the_model_has_no_limit_of_time() -> None:
    seconds = known("hand:http://127.0.0.1:8765/v1").seconds
    assert (seconds.first_byte, seconds.silence, seconds.whole) == (None, None, None)


def test_environment_gives_the_window_of_ollama() -> None:
    model = known("ollama:qwen3:8b", environment={"OLLAMA_CONTEXT_LENGTH": "32768"})
    assert (model.window_tokens, model.sources["window"]) == (32_768, "OLLAMA_CONTEXT_LENGTH")


@pytest.mark.parametrize("length", ["", "0", "many", "-5", "²", "1.5"])
def test_context_length_that_is_no_count_is_left_alone(length: str) -> None:
    assert known("ollama:qwen3:8b", environment={"OLLAMA_CONTEXT_LENGTH": length}).window_tokens == 8_192


def test_more_exact_correction_wins_key_by_key() -> None:
    corrections = {
        "openai:gpt-5-mini": Facts(window=1_000),
        "openai:gpt-5*": Facts(window=2_000, temperature=True),
        "*": Facts(window=3_000, temperature=False, silence_seconds=7, first_byte_seconds="none"),
    }
    model = known("openai:GPT-5-Mini", corrections)
    assert (model.window_tokens, model.takes_temperature) == (1_000, True)
    assert (model.seconds.silence, model.seconds.first_byte) == (7, None)
    assert {model.sources[key] for key in ("window", "temperature", "silence_seconds")} == {PERSON}


def test_pattern_takes_other_characters_as_they_are() -> None:
    corrections = {"openai:gpt.5[a]?": Facts(window=1_000)}
    assert known("openai:gpt.5[a]?", corrections).window_tokens == 1_000
    assert known("openai:gpt-5a!", corrections).window_tokens != 1_000


def test_each_stated_value_names_its_source() -> None:
    stated: dict[str, Any] = dict.fromkeys(KEYS) | {"price_in": 1.5, "price_out": 2.0, "reply_max": 5}
    model = known("openai:gpt-5-mini", {"openai:*": Facts(**stated)})
    assert set(KEYS) - set(model.sources) <= {"price_cached", "price_written"}
    assert model.sources["reply_max"] == PERSON
    assert model.sources["dialect"].startswith("built in 20")


CARD = known("openai:gpt-5-mini", {"*": Facts(price_in=0.25, price_cached=0.025, price_written=0.3, price_out=2)})


@pytest.mark.parametrize(
    ("tokens", "micros"),
    [
        ((0, 0, 0, 0), 0),
        ((1, 0, 0, 0), 1),  # a quarter of a millionth, rounded up
        ((4, 0, 0, 0), 1),
        ((5, 0, 0, 0), 2),
        ((0, 1, 0, 0), 2),
        ((1_000, 10, 1_000, 0), 45),
        ((1_000, 0, 400, 600), 190),
        ((10**15, 0, 0, 0), 25 * 10**13),
        ((100, 0, 1_000, 0), 25),  # more from the cache than there was: charged as told
    ],
)
def test_cost_is_exact_and_rounded_up(tokens: tuple[int, int, int, int], micros: int) -> None:
    assert CARD.usd_micros(*tokens) == micros


def test_price_above_a_length_holds_for_the_whole_call() -> None:
    long = Card(
        **{
            **{key: getattr(CARD, key) for key in Card.__struct_fields__},
            "prices": (Price(1_000_000, 2_000_000), Price(3_000_000, 4_000_000, above_tokens=100)),
        }
    )
    assert long.usd_micros(100, 1) == 102
    assert long.usd_micros(101, 1) == 307


def test_cost_without_both_prices_is_unknown() -> None:
    half = known("openai-compatible:http://127.0.0.1/v1#x", {"*": Facts(price_in=0.25)})
    assert half.usd_micros(1, 1) is None


def test_catalogue_reads_no_file_before_a_model_is_used() -> None:
    code = (
        "import sys, gemot.models.catalogue; print(*sorted({'tomllib', 'genai_prices', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
