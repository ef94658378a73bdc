"""What a format needs to know beside a turn: the names of tools on the wire, which images can be shown, what goes back to whom.

What a provider adds to its words (signatures, ids, reasoning) is kept in ``extra`` under that provider's name. It goes back to
that provider alone; every other one is sent the words and the requests, and no reasoning at all.

Images go as bytes, each where the model takes one: in a result, or else in a message of the user's right after the results,
under a line that says whose it is. One that can't be shown is spoken of in words, in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import msgspec
from msgspec import Struct

from gemot.abi.messages import Image, Message, Part, Reasoning, Request, ToolOffer, ToolRequest, ToolResult
from gemot.models.naming import ToolNames, self_contained
from gemot.models.seeing import CROWDED, NOT_HERE, NOT_TAKEN, in_words

NEXT = "next"
"""Key in a Reasoning's extra: what belongs to the text after it (our Text has no extra of its own)."""
MANY_IMAGES = 20
SIDE_AMONG_MANY = 2_000
"""Anthropic refuses a request with more images than that, if one of them is wider or higher than this many pixels."""


class Picture(Struct, frozen=True):
    """An image that is shown."""

    media_type: str
    """Its media type."""
    data: bytes
    """Its bytes."""


class Sight(Struct, frozen=True):
    """Which images are shown."""

    types: tuple[str, ...] = ()
    """The media types that the model takes."""
    in_results: tuple[str, ...] = ()
    """Those that it takes inside a result."""
    instead: str = ""
    """What is said in the place of each image, where none is to be shown."""
    side_max: int | None = None
    """A larger image, in pixels, is not shown."""


class Tools(Struct, frozen=True, eq=False):
    """The tools of a request, as they are offered on the wire. Each is equal to itself alone."""

    offers: tuple[ToolOffer, ...]
    """As the request has them."""
    names: ToolNames
    """Their names in both directions."""
    schemas: tuple[dict[str, Any], ...]
    """Their schemas, without references."""
    encoded: dict[str, bytes]
    """Their list in the request, by format: the same at every turn."""

    @classmethod
    def of(cls, offers: tuple[ToolOffer, ...]) -> Tools:
        names = ToolNames(tool.name for tool in offers)
        return cls(offers, names, tuple(self_contained(tool.schema) for tool in offers), {})

    def list(self, format_: str, one: Callable[[str, str, dict[str, Any]], object]) -> bytes:
        """The tools as a JSON list; ``one`` makes a tool of its name on the wire, its description and its schema."""
        encoded = self.encoded.get(format_)
        if encoded is None:
            tools = [
                one(self.names.wire(tool.name), tool.description, schema)
                for tool, schema in zip(self.offers, self.schemas, strict=True)
            ]
            encoded = self.encoded[format_] = msgspec.json.encode(tools)
        return encoded

    def offered(self, wire: str) -> bool:
        """Whether a name on the wire is one of these."""
        return self.names.ours(wire) in {tool.name for tool in self.offers}


class View(Struct, frozen=True):
    """One request, seen by a format."""

    request: Request
    """What is asked."""
    tools: Tools
    """What is offered."""
    provider: str
    """The name under which extras are kept."""
    sight: Sight
    """Which images are shown."""
    reasoning_field: str | None = None
    """Of chat completions: the field in which reasoning goes back; ``received``: the field that it came in; None: it does not."""
    tool_ids: str = "any"
    """The form of the ids of tool requests, as in :class:`gemot.models.cards.Card`."""

    def wire(self, name: str) -> str:
        return self.tools.names.wire(name)

    def own(self, part: Part) -> dict[str, Any]:
        """What this provider wants back with a part."""
        if not isinstance(part, Reasoning | ToolRequest):
            return {}
        own = part.extra.get(self.provider)
        return cast("dict[str, Any]", own) if isinstance(own, dict) else {}

    def seen(self, image: Image) -> Picture | str:
        """An image, or the words in its place."""
        why = self.hidden(image)
        return in_words(image, why) if why else Picture(image.media_type, self.request.images[image.digest])

    def hidden(self, image: Image) -> str:
        """Why an image is not shown; empty where it is."""
        if image.digest not in self.request.images:
            return NOT_HERE
        if image.media_type not in self.sight.types:
            return NOT_TAKEN
        if self.sight.side_max is not None and max(image.width, image.height) > self.sight.side_max:
            return CROWDED
        return self.sight.instead

    def result(self, result: ToolResult, which: str) -> tuple[str, list[Picture], list[Picture | str]]:
        """A result's words; its images; and those that must stand outside of it, each under a line that names it."""
        lines = [result.text] if result.text.strip() else []
        within: list[Picture] = []
        outside: list[Picture | str] = []
        for number, image in enumerate(result.images, 1):
            seen = self.seen(image)
            if isinstance(seen, str):
                lines.append(seen)
            elif result.ok and image.media_type in self.sight.in_results:
                within.append(seen)  # one that failed may hold words only (Anthropic)
            else:
                whose = f"{which}, of {self.wire(result.name)} ({result.id})"
                called = f": {image.about}" if image.about else ":"
                outside += [f"[image {number} of {len(result.images)} from {whose}{called}]", seen]
        if outside:
            lines.append("[its images follow after the results]")
        return "\n".join(lines) or ("(no words)" if within else "(no output)"), within, outside

    def past_tools(self) -> list[str]:
        """The names of all tools that were ever requested."""
        named = dict.fromkeys(
            part.name for message in self.request.messages for part in message.parts if isinstance(part, ToolRequest)
        )
        return [self.wire(name) for name in named]


def images_in(turns: Sequence[Message]) -> list[Image]:
    """All images in these messages."""
    images: list[Image] = []
    for turn in turns:
        for part in turn.parts:
            if isinstance(part, Image):
                images.append(part)
            elif isinstance(part, ToolResult):
                images += part.images
    return images


def results_of(turn: Message) -> list[ToolResult]:
    return [part for part in turn.parts if isinstance(part, ToolResult)]


def kept(extra: Mapping[str, Any], provider: str) -> dict[str, Any]:
    """An extra of one provider, without what is empty."""
    own = {key: value for key, value in extra.items() if value}
    return {provider: own} if own else {}
