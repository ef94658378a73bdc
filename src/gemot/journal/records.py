"""Events as bytes and back: the one place that knows the stored form. Source: `gemot.abi.events`; JSON, one object each."""

from __future__ import annotations

from typing import Any, TypeVar, cast

import msgspec

from gemot.abi.events import Event

encode = msgspec.json.Encoder().encode
"""An event -> its stored bytes."""

AnyEvent = TypeVar("AnyEvent", bound=Event)

_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def legible(event: AnyEvent) -> AnyEvent:
    """The same event, with every half of a surrogate pair (which is no text, though a provider or a file may hold one) as ``?``."""
    return msgspec.convert(_legible(msgspec.to_builtins(event)), type(event))


def _legible(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list | tuple):
        return [_legible(one) for one in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {_legible(name): _legible(one) for name, one in cast("dict[Any, Any]", value).items()}
    return value


def decode(body: bytes) -> Event:
    """Stored bytes -> the event. Raises :class:`msgspec.DecodeError` where they are not one."""
    return _decoder.decode(body)
