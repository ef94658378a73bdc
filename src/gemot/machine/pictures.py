"""Pictures on the machine: their bytes go into the journal once, and to a model with each question that shows them.

The journal keeps texts, so an image is there in base64, under the digest of that. It is put there before the event that names it.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, cast

import msgspec

from gemot.abi import limits
from gemot.abi.messages import Image
from gemot.drivers.errors import ToolError
from gemot.drivers.kit import Picture
from gemot.drivers.pictures import Header, described, header
from gemot.journal.contract import Damaged, Journal


class Seen(NamedTuple):
    """A picture that can be shown, and what its header says."""

    picture: Picture
    header: Header

    @property
    def about(self) -> str:
        return described(self.picture, self.header)


def looked_at(pictures: Iterable[Picture]) -> tuple[Seen, ...]:
    """What a person shows, all of it. Raises :class:`ToolError` where some of it can't be shown."""
    seen: list[Seen] = []
    for number, picture in enumerate(pictures, 1):
        seen.append(_with_room(picture, seen, f"image {number}"))
    return tuple(seen)


def _with_room(picture: Picture, seen: Sequence[Seen], name: str) -> Seen:
    """A picture that is shown beside others. Raises :class:`ToolError`."""
    if len(seen) >= limits.IMAGES_MAX:
        raise ToolError(f"at most {limits.IMAGES_MAX} images can be shown at once")
    if sum(len(one.picture.data) for one in seen) + len(picture.data) > limits.IMAGES_BYTES_MAX:
        raise ToolError(f"images may have {limits.IMAGES_BYTES_MAX:,} bytes together: show fewer at once")
    return Seen(picture, header(picture.data, picture.about or name))


def told(result: object, plain: Callable[[object], str]) -> tuple[object, tuple[Seen, ...]]:
    """What a tool returned, as words and pictures; the words say where in them each picture belongs, and which can't be shown: the
    tool has had its effect all the same. ``plain`` says what JSON has no form for."""
    many = cast("Sequence[object]", result) if isinstance(result, list | tuple) else (result,)
    if not any(isinstance(one, Picture) for one in many):
        return cast("object", result), ()
    words: list[str] = []
    seen: list[Seen] = []
    for number, one in enumerate(many, 1):
        if isinstance(one, Picture):
            try:
                seen.append(_with_room(one, seen, f"item {number}"))
                words.append(f"[image {len(seen)}: {seen[-1].about}]")
            except ToolError as error:
                words.append(f"[an image that can't be shown: {error}]")
        else:
            words.append(str(one) if isinstance(one, str) else msgspec.json.encode(one, enc_hook=plain).decode())
    return "\n".join(words), tuple(seen)


def kept(journal: Journal, seen: Iterable[Seen]) -> tuple[Image, ...]:
    """Pictures as the journal keeps them."""
    return tuple(
        Image(
            journal.put_value(b64encode(one.picture.data).decode()),
            one.header.media_type,
            one.header.width,
            one.header.height,
            one.about,
            len(one.picture.data),
        )
        for one in seen
    )


def fetched(images: Mapping[str, int], value: Callable[[str], str]) -> dict[str, bytes]:
    """The bytes of images, by digest; ``images`` says how many bytes each has. ``value`` fetches what the journal keeps."""
    return {digest: data for digest, size in images.items() if (data := _fetched(digest, size, value))}


def _fetched(digest: str, size_bytes: int, value: Callable[[str], str]) -> bytes:
    """Empty where the journal does not have it any more, or what it has is none of that size (a tree that was carried here says
    what it likes): then it is spoken of."""
    try:
        text = value(digest)
        return b64decode(text, validate=True) if len(text) == -(-size_bytes // 3) * 4 else b""
    except (Damaged, ValueError):
        return b""
