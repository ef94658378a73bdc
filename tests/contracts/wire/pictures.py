"""Images for the wires: tiny ones of each format, made by hand, and what every provider checks about the ones it is sent."""

from __future__ import annotations

import binascii
import struct
import zlib
from base64 import b64decode, urlsafe_b64decode
from collections.abc import Iterator, Sequence
from hashlib import sha256

from gemot.abi.messages import Image

Picture = tuple[str, bytes]
"""A media type and the bytes."""


def png(width: int = 1, height: int = 1, grey: int = 0) -> bytes:
    """A PNG of one shade of grey."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes([grey]) * width) * height
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


GIF = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + (
    b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0;"
)  # fmt: skip
"""One pixel: screen, two colours, one image of one code each, the end."""


def _segment(mark: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, mark, len(data) + 2) + data


JPEG = (
    b"\xff\xd8"
    + _segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
    + _segment(0xDB, b"\0" + b"\1" * 64)
    + _segment(0xC0, b"\x08\0\1\0\1\1\1\x11\0")
    + _segment(0xC4, b"\0" + b"\1" + b"\0" * 15 + b"\0")
    + _segment(0xC4, b"\x10" + b"\1" + b"\0" * 15 + b"\0")
    + _segment(0xDA, b"\1\1\0\0\x3f\0")
    + b"\x3f\xff\xd9"
)
"""One grey pixel: no difference to what came before, no detail, with the shortest tables."""

_VP8L = b"\x2f" + struct.pack("<I", 0) + b"\x88\x88\x08\0"
WEBP = b"RIFF" + struct.pack("<I", 12 + len(_VP8L) + 1) + b"WEBPVP8L" + struct.pack("<I", len(_VP8L)) + _VP8L + b"\0"
"""One pixel, without loss."""

ONE_OF_EACH: tuple[Picture, ...] = (
    ("image/png", png()),
    ("image/jpeg", JPEG),
    ("image/webp", WEBP),
    ("image/gif", GIF),
)


class Album:
    """Images for a test: ``add`` gives the one that stands in a log, ``bytes`` is what a request holds of them."""

    def __init__(self) -> None:
        self.bytes: dict[str, bytes] = {}

    def add(self, data: bytes, media_type: str = "image/png", about: str = "") -> Image:
        digest = sha256(data).hexdigest()
        self.bytes[digest] = data
        width, height = size(media_type, data)
        return Image(digest, media_type, width, height, about)


def size(media_type: str, data: bytes) -> tuple[int, int]:
    """Width and height, of what can be large here; the others have one pixel."""
    is_png = media_type == "image/png" and len(data) >= 24
    return struct.unpack(">II", data[16:24]) if is_png else (1, 1)


def decoded(text: str, *, either_alphabet: bool = False) -> bytes | None:
    """What base64 stands for; None where it is none. Google takes the alphabet for addresses, too."""
    try:
        if either_alphabet and ("-" in text or "_" in text):
            return urlsafe_b64decode(text)
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def kind(data: bytes) -> str:
    """The media type that the bytes have; empty where they are no whole image."""
    if data.startswith(b"\x89PNG\r\n\x1a\n") and _png_is_whole(data):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff") and data.endswith(b"\xff\xd9"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")) and data.endswith(b";"):
        return "image/gif"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP" and struct.unpack("<I", data[4:8])[0] == len(data) - 8:
        return "image/webp"
    return ""


def _png_is_whole(data: bytes) -> bool:
    at, last = 8, b""
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        last, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if data[at + 8 + length : at + 12 + length] != struct.pack(">I", zlib.crc32(last + body)):
            return False
        at += 12 + length
    return at == len(data) and last == b"IEND"


def wrong_picture(
    where: str, media_type: str, data: bytes | None, types: Sequence[str], *, mismatch: str, broken: str
) -> Iterator[str]:
    """What a provider refuses about one image, in its words ``mismatch`` and ``broken``."""
    if media_type not in types:
        yield f"{where}: Unsupported MIME type: {media_type}"
    elif data is None:
        yield f"{where}: invalid base64 data"
    elif not (real := kind(data)):
        yield f"{where}: {broken}"
    elif real != media_type:
        yield f"{where}: {mismatch}"
