"""The card of a model: window, reply limit, prices, senses, dialect, oddities, time limits, and the source of each value.

A value comes from the first of these that knows it: the person's `gemot.toml`, the data file of the provider
(`models/data/NAME.toml`), the price tables, an assumption. Light to import; a data file is read when a card is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

Dialect = Literal["openai-chat", "openai-responses", "anthropic", "google"]
ReplyLimitName = Literal["max_tokens", "max_completion_tokens", "max_output_tokens"]
ToolIdForm = Literal["any", "alnum9", "safe40", "safe64"]
SystemRole = Literal["system", "developer", "user"]
ImagePlace = Literal["result", "user", "words"]

Tokens = Annotated[int, Meta(ge=256, le=1_000_000_000)]
Dollars = Annotated[float, Meta(ge=0, le=1_000_000)]
Duration = Annotated[float, Meta(gt=0, le=31_536_000)] | Literal["none"]
MediaType = Annotated[str, Meta(pattern=r"^image/[a-z0-9.+-]+$")]

ASSUMED = "assumed"
"""The source of a value that nobody stated: a careful guess for every model of the provider."""
PERSON = "gemot.toml"
"""The source of a value that the person stated."""
MILLION = 1_000_000


class Price(Struct, frozen=True):
    """Millionths of a dollar for a million tokens of each kind. It holds for questions longer than ``above_tokens``."""

    tokens_in: int
    """Of the question, as far as it was neither read from a cache nor written to one."""
    tokens_out: int
    """Of the reply, its reasoning among them."""
    tokens_cached: int | None = None
    """Of the question, read from the provider's cache. None: as ``tokens_in``."""
    tokens_written: int | None = None
    """Of the question, written to the provider's cache for some minutes. None: as ``tokens_in``."""
    above_tokens: int = 0
    """The price holds for all tokens of a call, if its question has more tokens than this."""


class Seconds(Struct, frozen=True):
    """How long a call may take. None is no limit."""

    connect: float | None
    """To open the connection."""
    first_byte: float | None
    """From the end of the request to the first byte of the reply."""
    silence: float | None
    """From one byte of the reply to the next."""
    whole: float | None
    """The whole call."""


class Card(Struct, frozen=True):
    """All that gemot knows of one model at one provider."""

    name: str
    """The model, as a person types it: ``openai:gpt-5-mini``."""
    dialect: Dialect
    """The wire format to speak to it."""
    window_tokens: int
    """Tokens of a question and its reply together."""
    reply_max_tokens: int | None
    """The most tokens of one reply, reasoning among them. None: unknown; the window is the limit then."""
    prices: tuple[Price, ...]
    """By ``above_tokens``, the smallest first. Empty: unknown."""
    image_types: tuple[str, ...]
    """Media types of images that it takes from the user. Empty: it sees nothing."""
    image_types_in_results: tuple[str, ...]
    """Media types of images that may stand inside the result of a tool."""
    image_place: ImagePlace
    """Where an image of a result goes: into the ``result``, into a message of the ``user`` after it, or only its ``words``."""
    reply_limit_name: ReplyLimitName
    """The parameter that bounds a reply."""
    takes_temperature: bool
    """Whether ``temperature`` may be sent."""
    takes_tool_choice: bool
    """Whether ``tool_choice`` may be sent."""
    tool_id_form: ToolIdForm
    """Ids of tool requests: ``any``; ``alnum9``: nine letters and digits; ``safe40`` and ``safe64``: letters, digits, ``_`` and
    ``-``, at most 40 or 64."""
    system_role: SystemRole
    """The role that rules are sent with. ``user``: at the head of the first message of the user."""
    reasoning_field: str | None
    """The field of a message in which its own reasoning goes back to it; ``received``: the field that it came in. None: in no
    field; dialects with parts for reasoning send those."""
    stream_usage: bool
    """Whether ``stream_options.include_usage`` may be sent."""
    seconds: Seconds
    """Limits of time for one call."""
    sources: dict[str, str]
    """Where each value comes from, by its key in `gemot.toml`; KEYS has them all."""

    def usd_micros(
        self, tokens_in: int, tokens_out: int, tokens_cached: int = 0, tokens_written: int = 0
    ) -> int | None:
        """Millionths of a dollar for a call, rounded up. None: the price is unknown.

        ``tokens_cached`` and ``tokens_written`` are parts of ``tokens_in``. Counts that contradict that are charged in full.
        """
        return cost(self.prices, tokens_in, tokens_out, tokens_cached, tokens_written)


def cost(
    prices: tuple[Price, ...], tokens_in: int, tokens_out: int, tokens_cached: int = 0, tokens_written: int = 0
) -> int | None:
    """Millionths of a dollar at ``prices``, as :meth:`Card.usd_micros` says."""
    if not prices:
        return None
    price = next((price for price in reversed(prices) if tokens_in > price.above_tokens), prices[0])
    cached = price.tokens_in if price.tokens_cached is None else price.tokens_cached
    written = price.tokens_in if price.tokens_written is None else price.tokens_written
    total = (
        max(0, tokens_in - tokens_cached - tokens_written) * price.tokens_in
        + tokens_cached * cached
        + tokens_written * written
        + tokens_out * price.tokens_out
    )
    return -(-total // MILLION)


class Facts(Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """What a data file or a person states of a model. Only what is stated counts; the rest comes from less exact patterns."""

    dialect: Dialect | None = None
    """The wire format."""
    window: Tokens | None = None
    """Tokens of a question and its reply together."""
    reply_max: Annotated[int, Meta(ge=1, le=1_000_000_000)] | None = None
    """The most tokens of one reply."""
    price_in: Dollars | None = None
    """Dollars for a million tokens of questions."""
    price_cached: Dollars | None = None
    """The same, read from a cache."""
    price_written: Dollars | None = None
    """The same, written to a cache."""
    price_out: Dollars | None = None
    """Dollars for a million tokens of replies."""
    images: tuple[MediaType, ...] | None = None
    """Media types of images that it takes; ``[]`` for a model that sees nothing."""
    images_in_results: tuple[MediaType, ...] | None = None
    """Those that may stand inside the result of a tool."""
    image_place: ImagePlace | None = None
    """Where an image of a result goes."""
    reply_limit_name: ReplyLimitName | None = None
    """The parameter that bounds a reply."""
    temperature: bool | None = None
    """Whether it takes a temperature."""
    tool_choice: bool | None = None
    """Whether it takes ``tool_choice``."""
    tool_ids: ToolIdForm | None = None
    """The form of the ids of tool requests."""
    system_role: SystemRole | None = None
    """The role that rules are sent with."""
    reasoning_field: str | None = None
    """The field for its own reasoning: a name, ``received`` for the field that it came in, or nothing."""
    stream_usage: bool | None = None
    """Whether usage may be asked for in a stream."""
    connect_seconds: Duration | None = None
    """To open the connection, or ``"none"`` for no limit."""
    first_byte_seconds: Duration | None = None
    """To the first byte of the reply."""
    silence_seconds: Duration | None = None
    """From one byte to the next."""
    call_seconds: Duration | None = None
    """The whole call."""


KEYS: tuple[str, ...] = Facts.__struct_fields__
"""What may be stated of a model, in the order in which it is shown."""

PRICE_KEYS = ("price_in", "price_cached", "price_written", "price_out")

Corrections = Mapping[str, Facts]
"""By the name of a model (``openai:gpt-5-mini``) or a pattern with ``*``: what the person states of it."""


class Table(Struct, frozen=True):
    """What a price table knows of a model."""

    source: str
    """Which table it is, and its version."""
    prices: tuple[Price, ...] = ()
    """By ``above_tokens``, the smallest first. Empty: the table has none."""
    window: int | None = None
    """Tokens of a question and its reply together."""


class _Family(Facts, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Facts of a data file. ``models``: the patterns of the models that they hold for."""

    models: tuple[str, ...]


class _File(Struct, frozen=True, forbid_unknown_fields=True):
    """A data file. ``date``: its month; ``assumed``: guesses for every model of the provider."""

    date: str
    assumed: Facts
    family: tuple[_Family, ...] = ()


def described(
    name: str,
    provider: str,
    subjects: Iterable[str],
    corrections: Corrections,
    table: Table | None = None,
    around: tuple[Facts, str] | None = None,
) -> Card:
    """The card of the model ``name`` of ``provider``.

    ``subjects`` are the forms of the model's name that the patterns of the data file are held against. ``table`` goes before
    what is assumed, the data file before the table, ``around`` (facts of the environment, and their source) before the file,
    and the person before all.
    """
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    file = _file(provider)
    _state(values, sources, file.assumed, ASSUMED)
    if table is not None:
        _state(values, sources, Facts(window=table.window), table.source)
        if table.prices:
            values["prices"] = table.prices
            sources |= dict.fromkeys(PRICE_KEYS, table.source)
    patterns = [(pattern, family) for family in file.family for pattern in family.models]
    for facts in matching(patterns, *subjects):
        _state(values, sources, facts, f"built in {file.date}")
    if around is not None:
        _state(values, sources, *around)
    for facts in matching(corrections.items(), name):
        _state(values, sources, facts, PERSON)
    return _card(name, values, sources)


def matching(facts: Iterable[tuple[str, Facts]], *subjects: str) -> Iterator[Facts]:
    """The facts whose pattern fits one of ``subjects``, the least exact first."""
    names = [subject.casefold() for subject in subjects]
    fitting = [stated for stated in facts if any(_fits(stated[0], name) for name in names)]
    return (stated for _, stated in sorted(fitting, key=lambda pair: exactness(pair[0])))


def exactness(pattern: str) -> tuple[bool, int, int]:
    """A whole name before a pattern, then more letters, then fewer stars. The larger is the more exact."""
    stars = pattern.count("*")
    return stars == 0, len(pattern) - stars, -stars


def _fits(pattern: str, name: str) -> bool:
    return _expression(pattern).fullmatch(name) is not None


@lru_cache(maxsize=1024)
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.casefold().split("*"))), re.DOTALL)


def _state(values: dict[str, Any], sources: dict[str, str], facts: Facts, source: str) -> None:
    for key in KEYS:
        value = getattr(facts, key)
        if value is not None:
            values[key], sources[key] = value, source


def _card(name: str, values: Mapping[str, Any], sources: dict[str, str]) -> Card:
    return Card(
        name=name,
        dialect=values["dialect"],
        window_tokens=values["window"],
        reply_max_tokens=values.get("reply_max"),
        prices=_prices(values),
        image_types=values["images"],
        image_types_in_results=values["images_in_results"],
        image_place=values["image_place"],
        reply_limit_name=values["reply_limit_name"],
        takes_temperature=values["temperature"],
        takes_tool_choice=values["tool_choice"],
        tool_id_form=values["tool_ids"],
        system_role=values["system_role"],
        reasoning_field=values.get("reasoning_field") or None,
        stream_usage=values["stream_usage"],
        seconds=Seconds(
            connect=_limit(values["connect_seconds"]),
            first_byte=_limit(values["first_byte_seconds"]),
            silence=_limit(values["silence_seconds"]),
            whole=_limit(values["call_seconds"]),
        ),
        sources=sources,
    )


def _limit(seconds: float | Literal["none"]) -> float | None:
    return None if seconds == "none" else seconds


def _prices(values: Mapping[str, Any]) -> tuple[Price, ...]:
    """The prices of the table; or a single price, where a data file or the person states a part of it."""
    prices: tuple[Price, ...] = values.get("prices", ())
    stated = {key: _micros(values[key]) for key in PRICE_KEYS if key in values}
    if not stated:
        return prices
    base = prices[0] if prices else None
    asked = stated.get("price_in", base and base.tokens_in)
    said = stated.get("price_out", base and base.tokens_out)
    if asked is None or said is None:
        return ()
    cached = stated.get("price_cached", base and base.tokens_cached)
    written = stated.get("price_written", base and base.tokens_written)
    return (Price(asked, said, cached, written),)


def _micros(dollars: float) -> int:
    return round(dollars * MILLION)


@lru_cache
def _file(provider: str) -> _File:
    import tomllib  # here: only a card needs it

    text = (Path(__file__).parent / "data" / f"{provider}.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), _File)
