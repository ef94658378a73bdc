"""Events as bytes and back: the one place that knows the stored form. Source: `gemot.abi.events`; JSON, one object each."""

from __future__ import annotations

import functools
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, TypeVar, cast
from uuid import UUID

import msgspec

from gemot.abi.events import Event

encode = msgspec.json.Encoder().encode
"""An event -> its stored bytes."""

AnyEvent = TypeVar("AnyEvent", bound=Event)


@functools.cache
def _decoder() -> msgspec.json.Decoder[Event]:
    """Made when it is first needed: it takes 10 ms."""
    return msgspec.json.Decoder(Event)


def legible(event: AnyEvent) -> AnyEvent:
    """The same event, with every half of a surrogate pair (which is no text, though a provider or a file may hold one) as ``?``; in
    what names something, such as a folder, by its number: with ``?`` it could be the name of another."""
    return msgspec.convert(_legible(msgspec.to_builtins(event), "replace"), type(event))


class Illegible(ValueError):
    """An event that could be written, and not be read again."""


def as_read(event: AnyEvent) -> AnyEvent:
    """The event as it will be read again, whoever made it. Raises :class:`Illegible` where it will not."""
    try:
        try:
            body = encode(event)
        except UnicodeEncodeError:
            body = encode(legible(event))
        return cast(AnyEvent, decode(body))
    except (TypeError, ValueError, AttributeError, RecursionError, OverflowError) as error:
        raise Illegible(f"{type(event).__name__} can't be written so that it can be read again: {error}") from error


_TURNED = (bytes, bytearray, memoryview, datetime, date, time, timedelta, Decimal, UUID)
"""What JSON would silently turn into a text: bytes become Base64."""


def as_given(event: AnyEvent) -> AnyEvent:
    """The same of what untyped code gives: also refused where a value is turned into one of another type, such as bytes into a text."""
    try:
        msgspec.convert(
            msgspec.to_builtins(event, builtin_types=_TURNED, str_keys=True, enc_hook=_plain),
            type(event),
            builtin_types=_TURNED,
        )
    except (TypeError, ValueError, AttributeError, RecursionError, OverflowError) as error:
        raise Illegible(f"{type(event).__name__} holds a value of another type: {error}") from error
    return as_read(event)


def _plain(value: object) -> object:
    """A text or number of a type of its own, as a plain one."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    raise TypeError(f"{type(value).__name__} is nothing that a journal keeps")


_NAMING = frozenset({"folder", "beneath", "only", "path", "paths", "model", "models", "route"})
"""Fields whose texts name files, folders and models."""


def _legible(value: Any, how: str) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", how).decode()
    if isinstance(value, list | tuple):
        return [_legible(one, how) for one in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {
            _legible(name, how): _legible(one, "backslashreplace" if name in _NAMING else how)
            for name, one in cast("dict[Any, Any]", value).items()
        }
    return value


def decode(body: bytes) -> Event:
    """Stored bytes -> the event. Raises :class:`msgspec.DecodeError` where they are not one."""
    return _decoder().decode(body)
