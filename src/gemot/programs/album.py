"""The album: the images of a reading, and which of them a question shows.

It is extended page by page. So a turn costs the same in a conversation that is long, and in one that has many images.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gemot.abi import limits
from gemot.abi.messages import Image


class Album:
    """``images``: in the order in which the reading shows them. The same image is in the album once, however often it is shown."""

    __slots__ = ("_before", "_bytes", "_known", "_newest")

    def __init__(self, images: Iterable[Image] = ()) -> None:
        self._known: set[Image] = set()
        self._before: dict[str, int] = {}
        self._newest: dict[str, int] = {}
        self._bytes = 0
        """The bytes of the newest half together."""
        for image in images:
            self.add(image)

    def add(self, image: Image) -> None:
        """An image at the end. One with an impossible size is never shown: a tree that was carried here says what it likes."""
        if image in self._known or not 0 < image.size_bytes <= limits.IMAGE_BYTES_MAX:
            return
        self._known.add(image)
        if (
            self._bytes + image.size_bytes > limits.IMAGES_SHOWN_BYTES_MAX // 2
            or len(self._newest) >= limits.IMAGES_SHOWN_MAX // 2
        ):
            self._before, self._newest, self._bytes = self._newest, {}, 0
        self._bytes += image.size_bytes
        self._newest[image.digest] = image.size_bytes

    def copy(self) -> Album:
        twin = Album()
        twin._known, twin._before, twin._newest = self._known.copy(), self._before, self._newest.copy()
        twin._bytes = self._bytes
        return twin

    @property
    def shown(self) -> Mapping[str, int]:
        """What a question shows, as digest -> size in bytes: the newest images, in halves of what may be shown. So what is shown
        of the others stays the same for many turns, and with it the beginning of the question."""
        return self._before | self._newest

    def __bool__(self) -> bool:
        return bool(self._known)
