"""How the machine and the worker in a box speak: frames of byte strings, each with its length before it.

A frame is four bytes of length (big-endian) and its body; the body is byte strings, each with its own four bytes of
length. Nothing in it can make the reader build anything but byte strings. The worker in a box has this module too.
"""

from __future__ import annotations


class BadFrame(Exception):
    """What came out of a box is no frame, or too long; the box is ended."""


def packed(*fields: bytes) -> bytes:
    body = b"".join(len(one).to_bytes(4, "big") + one for one in fields)
    return len(body).to_bytes(4, "big") + body


def unpacked(body: bytes) -> list[bytes]:
    """The byte strings of one body. Raises :class:`BadFrame`."""
    fields: list[bytes] = []
    at = 0
    while at < len(body):
        end = at + 4 + int.from_bytes(body[at : at + 4], "big")
        if end > len(body):
            raise BadFrame("a frame from the box is cut off")
        fields.append(body[at + 4 : end])
        at = end
    return fields
