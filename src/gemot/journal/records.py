"""Events as bytes and back: the one place that knows the stored form. Source: `gemot.abi.events`; JSON, one object each."""

from __future__ import annotations

import msgspec

from gemot.abi.events import Event

encode = msgspec.json.Encoder().encode
"""An event -> its stored bytes."""

_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def decode(body: bytes) -> Event:
    """Stored bytes -> the event. Raises :class:`msgspec.DecodeError` where they are not one."""
    return _decoder.decode(body)
