"""Pictures: what a tool returns to show a model something. Only their headers are looked at; nothing here decodes a pixel, since
they come from anywhere and decoders have holes."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

from gemot.abi import limits
from gemot.drivers.errors import ToolError

_LOOKED_AT_BYTES = 1 << 20
"""Where a size must have been said: there are files that say it after a million empty pieces, to keep whoever looks busy."""

_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "PNG", "image/png"),
    (b"\xff\xd8\xff", "JPEG", "image/jpeg"),
    (b"GIF87a", "GIF", "image/gif"),
    (b"GIF89a", "GIF", "image/gif"),
)


class Picture:
    """An image as a file holds it (PNG, JPEG, GIF or WebP), and a word on what it is, for whoever can't see it. No dataclass, so that
    one within other data is an error and not a megabyte of text."""

    __slots__ = ("about", "data")

    def __init__(self, data: bytes, about: str = "") -> None:
        self.data, self.about = data, about

    def __repr__(self) -> str:
        return f"Picture({len(self.data):,} bytes, {self.about!r})"


@dataclass(frozen=True)
class Header:
    """What the beginning of an image says of it; ``width`` and ``height`` in pixels."""

    kind: str
    media_type: str
    width: int
    height: int


def image_kind(data: bytes) -> tuple[str, str] | None:
    """By how it begins: the kind of an image and its media type; None for anything else."""
    for beginning, kind, media_type in _BEGINNINGS:
        if data.startswith(beginning):
            return kind, media_type
    return ("WebP", "image/webp") if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None


def header(data: bytes, name: str, size_bytes: int = 0) -> Header:
    """What an image is like; ``name`` is what it is called in an error, ``size_bytes`` its length where ``data`` is only the
    beginning. Raises :class:`ToolError` for what can't be shown."""
    known = image_kind(data)
    if known is None:
        raise ToolError(f"{name} is no image that can be shown; PNG, JPEG, GIF and WebP can")
    size = size_bytes or len(data)
    if size > limits.IMAGE_BYTES_MAX:
        raise ToolError(f"{name} has {size:,} bytes; an image may have {limits.IMAGE_BYTES_MAX:,}: make it smaller")
    width, height = _size(data)
    if width < 1 or height < 1:
        raise ToolError(f"{name} begins like a {known[0]} image, and does not say how large it is: it is damaged")
    if max(width, height) > limits.IMAGE_PIXELS_MAX:
        raise ToolError(
            f"{name} is {width:,} x {height:,} pixels; an image may have {limits.IMAGE_PIXELS_MAX:,} a side: make it smaller"
        )
    return Header(*known, width, height)


def _size(data: bytes) -> tuple[int, int]:
    """Width and height as they are stored; (-1, -1) where they can't be found."""
    import imagesize  # pyright: ignore[reportMissingTypeStubs]

    return imagesize.get(  # pyright: ignore[reportUnknownMemberType]
        BytesIO(data[:_LOOKED_AT_BYTES]), exif_rotation=False
    )


def described(picture: Picture, seen: Header) -> str:
    """A picture in words."""
    size = f"{seen.kind} image, {seen.width} x {seen.height} pixels, {len(picture.data):,} bytes"
    return f"{picture.about}: {size}" if picture.about else size
