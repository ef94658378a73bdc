"""Pictures on the machine: their bytes go into the journal once, and to a model with each question that shows them.

The journal keeps texts, so an image is there in base64, under the digest of that. It is put there before the event that names it.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Sequence
from typing import cast

import msgspec

from gemot.abi import limits
from gemot.abi.messages import Image, Message, ToolResult
from gemot.drivers.errors import ToolError
from gemot.drivers.kit import Picture
from gemot.drivers.pictures import described, header
from gemot.journal.contract import Journal, JournalError


def taken(journal: Journal, pictures: Sequence[Picture]) -> tuple[Image, ...]:
    """Pictures of one result or message, kept. Raises :class:`ToolError` where they can't be shown, and keeps none."""
    if len(pictures) > limits.IMAGES_MAX:
        raise ToolError(f"at most {limits.IMAGES_MAX} images can be shown at once, these are {len(pictures)}")
    if sum(len(one.data) for one in pictures) > limits.IMAGES_BYTES_MAX:
        raise ToolError(f"these images have more than {limits.IMAGES_BYTES_MAX:,} bytes together: show fewer at once")
    headers = [header(one.data, one.about or f"image {number}") for number, one in enumerate(pictures, 1)]
    return tuple(
        Image(
            journal.put_value(b64encode(one.data).decode()),
            seen.media_type,
            seen.width,
            seen.height,
            described(one, seen),
            len(one.data),
        )
        for one, seen in zip(pictures, headers, strict=True)
    )


def told(result: object, plain: Callable[[object], str]) -> tuple[object, tuple[Picture, ...]]:
    """What a tool returned, as words and pictures; the words say where in them each picture belongs. ``plain`` says what JSON has
    no form for."""
    if isinstance(result, Picture):
        return f"[image: {_called(result, 1)}]", (result,)
    many = cast("Sequence[object]", result) if isinstance(result, list | tuple) else ()
    if not any(isinstance(one, Picture) for one in many):
        return cast("object", result), ()
    words: list[str] = []
    pictures: list[Picture] = []
    for one in many:
        if isinstance(one, Picture):
            pictures.append(one)
            words.append(f"[image {len(pictures)}: {_called(one, len(pictures))}]")
        else:
            words.append(str(one) if isinstance(one, str) else msgspec.json.encode(one, enc_hook=plain).decode())
    return "\n".join(words), tuple(pictures)


def _called(picture: Picture, number: int) -> str:
    return described(picture, header(picture.data, picture.about or f"image {number}"))


def shown(messages: Iterable[Message], value: Callable[[str], str]) -> dict[str, bytes]:
    """The bytes of the images that a question shows, by digest: the newest, in halves of what may be shown, so that what is shown of
    the others stays the same for many turns. ``value`` fetches what the journal keeps."""
    blocks: list[dict[str, int]] = [{}]
    size = 0
    for image in dict.fromkeys(_images(messages)):
        if not 0 < image.size_bytes <= limits.IMAGE_BYTES_MAX:
            continue
        if (
            size + image.size_bytes > limits.IMAGES_SHOWN_BYTES_MAX // 2
            or len(blocks[-1]) >= limits.IMAGES_SHOWN_MAX // 2
        ):
            blocks, size = [*blocks[-1:], {}], 0
        size += image.size_bytes
        blocks[-1][image.digest] = image.size_bytes
    named = ((digest, size) for one in blocks[-2:] for digest, size in one.items())
    return {digest: data for digest, size in named if (data := _fetched(digest, size, value))}


def _fetched(digest: str, size_bytes: int, value: Callable[[str], str]) -> bytes:
    """Empty where the journal does not have it any more, or what it has is none of that size (a tree that was carried here says
    what it likes): then it is spoken of."""
    try:
        text = value(digest)
        return b64decode(text, validate=True) if len(text) == -(-size_bytes // 3) * 4 else b""
    except (JournalError, ValueError):
        return b""


def _images(messages: Iterable[Message]) -> Iterable[Image]:
    for message in messages:
        for part in message.parts:
            if isinstance(part, Image):
                yield part
            elif isinstance(part, ToolResult):
                yield from part.images
