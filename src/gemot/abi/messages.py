"""The one neutral form of what models are shown and what they say. Provider formats exist only at the edge.

A message is a role and parts. What a provider sends along with its words (signatures, reasoning) rides in
``extra`` under that provider's name and is sent back to that provider only.
"""

from __future__ import annotations

from typing import Any, Literal

from gemot.abi import limits
from gemot.abi.strict import Struct

Role = Literal["system", "user", "model", "tool"]


class Text(Struct, frozen=True, gc=False, tag="text", omit_defaults=True):
    text: str


class Reasoning(Struct, frozen=True, gc=False, tag="reasoning", omit_defaults=True):
    """What a model thought aloud. Shown to people; sent back only to ``provider``, with its ``extra``."""

    text: str
    provider: str = ""
    extra: dict[str, Any] = {}


class ToolRequest(Struct, frozen=True, gc=False, tag="request", omit_defaults=True):
    """What a model wrote when it wanted something done: an allegation until the trap has decoded and checked it.

    ``arguments`` is the text exactly as the model wrote it, which may not even be JSON.
    """

    id: str
    name: str
    arguments: str
    extra: dict[str, Any] = {}


class Image(Struct, frozen=True, gc=False, tag="image", omit_defaults=True):
    """A picture, by its name in the journal: ``digest`` names its bytes there, in base64. ``media_type``: image/png, image/jpeg,
    image/gif or image/webp (the last two not every provider takes); ``width`` and ``height`` are in pixels; ``about`` says what
    it is to whoever can't see it; ``size_bytes`` is how long it is."""

    digest: str
    media_type: str
    width: int
    height: int
    about: str = ""
    size_bytes: int = 0


class ToolResult(Struct, frozen=True, gc=False, tag="result", omit_defaults=True):
    """What the model is told about one of its requests. Every request is followed by exactly one result. ``text`` says in
    words what the ``images`` are."""

    id: str
    name: str
    text: str
    ok: bool = True
    images: tuple[Image, ...] = ()


Part = Text | Reasoning | ToolRequest | ToolResult | Image


def length_chars(part: Part) -> int:
    """How much of a window a part takes, in characters; of an image about what the providers count for one of its size."""
    match part:
        case Text(text) | Reasoning(text):
            return len(text)
        case ToolRequest(_, name, arguments):
            return len(name) + len(arguments)
        case ToolResult(_, name, text, images=images):
            return len(name) + len(text) + sum(map(length_chars, images))
        case Image(width=width, height=height):
            tokens = min(width * height // limits.IMAGE_PIXELS_PER_TOKEN, limits.IMAGE_TOKENS_MAX)
            return max(1, tokens) * limits.CHARS_PER_TOKEN


class Message(Struct, frozen=True, gc=False, omit_defaults=True):
    role: Role
    parts: tuple[Part, ...]


class ToolOffer(Struct, frozen=True, gc=False, omit_defaults=True):
    """One thing a model may request: its name (``driver/tool`` or a syscall), what it does, and a JSON schema.

    ``where`` narrows an argument to the values that this process may use, as its grants say
    (argument name -> allowed values); models that choose instead of writing use it.
    """

    name: str
    description: str
    schema: dict[str, Any]
    where: dict[str, tuple[str, ...]] = {}


class Request(Struct, frozen=True, gc=False, omit_defaults=True):
    """One question to a model: the reading, what may be requested, and bounds.

    ``choose``: the reply must be exactly one of these texts (a choice, not an essay); empty means free text.
    ``tokens_out_max``: the most tokens the reply may have. ``images``: the bytes of the images in the messages, by digest; one
    that is not here is only spoken of. ``size_chars``: the length of all messages, so that nobody has
    to count it again at every turn; 0 where nobody has counted.
    """

    messages: tuple[Message, ...]
    tools: tuple[ToolOffer, ...] = ()
    choose: tuple[str, ...] = ()
    tokens_out_max: int = 4096
    temperature: float | None = None
    size_chars: int = 0
    images: dict[str, bytes] = {}


class Usage(Struct, frozen=True, gc=False, omit_defaults=True):
    """What one model call used."""

    tokens_in: int = 0
    """The tokens of the question, with those that came from a cache."""
    tokens_out: int = 0
    """The tokens of the reply, with its reasoning."""
    tokens_cached: int = 0
    """The tokens of the question that the provider read from its cache."""
    usd_micros: int | None = 0
    """The price in millionths of a dollar; None where it is unknown."""
    millis: int = 0
    """How long the model worked, where it knows (a model that serves many at once lets them wait); 0: all the time."""
    estimated: bool = False
    """The provider reported no counts, so these are estimates by length."""
    tokens_reasoning: int = 0
    """The tokens of the reply that are reasoning."""
    tokens_written: int = 0
    """The tokens of the question that the provider wrote to its cache."""


class Reply(Struct, frozen=True, gc=False, omit_defaults=True):
    """What a model answered, whole: it enters a log as one entry, whatever was streamed before."""

    parts: tuple[Part, ...]
    usage: Usage = Usage()
    model: str = ""
    finish: str = "stop"
