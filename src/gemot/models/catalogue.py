"""The providers that gemot speaks to, as data: names, addresses, keys, packages, sizes. Light: imported by the CLI."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from gemot.models import prices
from gemot.models.cards import Card, Corrections, Facts, Table, described

Family = Literal["openai", "anthropic", "google"]
"""Which wire format is spoken: OpenAI chat completions, Anthropic messages, Google generateContent."""


class Provider(Struct, frozen=True):
    """One provider. ``keys`` and ``urls`` name environment variables; the first one that is set counts.

    ``silence_seconds`` is how long it may say nothing before the connection counts as dead (None: for ever).
    ``image_types`` are the media types of images that it takes, from a model of it that sees.
    """

    name: str
    family: Family
    keys: tuple[str, ...]
    urls: tuple[str, ...]
    url: str
    example: str
    key_needed: bool = True
    silence_seconds: float | None = 600.0
    tokens_max: int = 128_000
    image_types: tuple[str, ...] = ("image/png", "image/jpeg", "image/webp", "image/gif")


class Limits(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a person lets be asked of one provider; what is left out is without bound. ``concurrency``: calls at once;
    ``tokens_per_minute``: in and out together, in any sixty seconds; ``usd_per_day``: dollars, in a day of UTC."""

    concurrency: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    requests_per_minute: Annotated[int, Meta(ge=1, le=1_000_000_000)] | None = None
    tokens_per_minute: Annotated[int, Meta(ge=1, le=1_000_000_000_000)] | None = None
    usd_per_day: Annotated[float, Meta(ge=0, le=1_000_000_000)] | None = None


PROVIDERS: dict[str, Provider] = {
    provider.name: provider
    for provider in (
        Provider(
            name="openai",
            family="openai",
            keys=("OPENAI_API_KEY",),
            urls=("OPENAI_BASE_URL",),
            url="https://api.openai.com/v1",
            example="openai:gpt-5-mini",
        ),
        Provider(
            name="anthropic",
            family="anthropic",
            keys=("ANTHROPIC_API_KEY",),
            urls=("ANTHROPIC_BASE_URL",),
            url="https://api.anthropic.com",
            example="anthropic:claude-haiku-4-5",
            tokens_max=200_000,
        ),
        Provider(
            name="google",
            family="google",
            keys=("GOOGLE_API_KEY", "GEMINI_API_KEY"),
            urls=("GOOGLE_BASE_URL", "GOOGLE_GEMINI_BASE_URL"),
            url="https://generativelanguage.googleapis.com",
            example="google:gemini-2.5-flash",
            tokens_max=1_000_000,
            image_types=("image/png", "image/jpeg", "image/webp"),  # and HEIC, which no other takes; but no GIF
        ),
        Provider(
            name="ollama",
            family="openai",
            keys=("OLLAMA_API_KEY",),
            urls=("OLLAMA_HOST",),
            url="http://127.0.0.1:11434/v1",
            example="ollama:qwen3:8b",
            key_needed=False,
            silence_seconds=None,  # a cold local model loads and reads its prompt without saying a word
            tokens_max=8_192,
            image_types=("image/png", "image/jpeg", "image/webp"),
        ),
        Provider(
            name="openai-compatible",
            family="openai",
            keys=("OPENAI_COMPATIBLE_API_KEY",),  # never OPENAI_API_KEY: that key is not for other people's servers
            urls=(),
            url="",
            example="openai-compatible:http://127.0.0.1:8000/v1#qwen3-8b",
            key_needed=False,
            silence_seconds=None,
            tokens_max=32_768,
        ),
    )
}

WINDOWS: tuple[tuple[str, int], ...] = (
    ("gpt-4.1", 1_047_576),
    ("gpt-4o", 128_000),
    ("gpt-5", 272_000),
    ("o1", 200_000),
    ("o3", 200_000),
    ("o4", 200_000),
)
"""Windows of models that differ from their provider's usual one: how a name begins, and tokens."""


def card(
    provider: Provider,
    model: str,
    corrections: Corrections | None = None,
    *,
    name: str = "",
    environment: Mapping[str, str] = os.environ,
) -> Card:
    """All that is known of ``model`` at ``provider``, with the person's ``corrections``.

    ``model`` is the name that the provider knows it by; ``name`` what a person types, ``openai:gpt-5-mini`` unless it is given.
    """
    whole = name or f"{provider.name}:{model}"
    rest = whole.partition(":")[2]
    table, around = _table(provider, model, rest), _around(provider, environment)
    return described(whole, provider.name, (model, whole, rest), corrections or {}, table, around)


def _table(provider: Provider, model: str, address: str) -> Table | None:
    """What the price tables have of a model. A server behind an address is known by that."""
    if provider.name == "ollama":
        return None if "cloud" in model else prices.FREE
    name = provider.name if provider.url else prices.table_of(address)
    return None if name is None else prices.table(name, model)


def _around(provider: Provider, environment: Mapping[str, str]) -> tuple[Facts, str] | None:
    """What the environment says of all models of a provider, and where."""
    length = environment.get("OLLAMA_CONTEXT_LENGTH", "").strip()
    if provider.name != "ollama" or not length.isdecimal() or int(length) == 0:
        return None
    return Facts(window=int(length)), "OLLAMA_CONTEXT_LENGTH"


def window_tokens(provider: Provider, model: str, environment: Mapping[str, str] = os.environ) -> int:
    """How many tokens the model's window holds, as far as its name tells."""
    if provider.name == "ollama" and environment.get("OLLAMA_CONTEXT_LENGTH", "").isdigit():
        return int(environment["OLLAMA_CONTEXT_LENGTH"])
    if provider.name == "openai":
        return next((tokens for start, tokens in WINDOWS if model.startswith(start)), provider.tokens_max)
    return provider.tokens_max


def key_of(provider: Provider, environment: Mapping[str, str] = os.environ) -> str | None:
    return next((value for name in provider.keys if (value := environment.get(name, "").strip())), None)


def url_of(provider: Provider, environment: Mapping[str, str] = os.environ) -> str:
    """Where the provider is, the environment's word before ours."""
    url = next((value for name in provider.urls if (value := environment.get(name, "").strip())), None)
    if url is None:
        return provider.url
    return _ollama_url(url) if provider.name == "ollama" else url


def _ollama_url(host: str) -> str:
    """``OLLAMA_HOST`` as Ollama itself reads it (host, host:port or URL), turned into its OpenAI-compatible address."""
    parts = urlsplit(host if "//" in host else f"http://{host}")
    name = "127.0.0.1" if parts.hostname in (None, "0.0.0.0") else str(parts.hostname)
    name = f"[{name}]" if ":" in name else name
    port = parts.port or (443 if parts.scheme == "https" else 11434)
    path = parts.path.rstrip("/")
    return f"{parts.scheme}://{name}:{port}{path if path.endswith('/v1') else path + '/v1'}"


def shown_url(url: str) -> str:
    """``url`` without a name and password in it, for errors and for people."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
