"""Boxes that are kept between calls, each for the one key that it was built for."""

from __future__ import annotations

from dataclasses import replace

from gemot.boxes.box import Box
from gemot.boxes.shape import Call, Ended, Key

IDLE_MAX = 8
"""Boxes that wait for their next call; the one that has waited longest is closed for the next."""


async def once(key: Key, call: Call) -> Ended:
    """One call in a fresh box, which is gone afterwards. Cancelling it ends everything. Raises :class:`BoxFailed`."""
    box = await Box.open(key)
    aside: tuple[str, ...] = ()
    try:
        ended = await box.run(call)
    finally:
        try:
            await box.close()
        finally:
            aside = await box.sweep()
    return replace(ended, aside=aside)


class Boxes:
    """A call is run in a box of exactly its key: same owner, same view, same label. Nobody is handed a box.

    Calls of one key at the same time have a box each. One thread, one event loop.
    """

    def __init__(self, idle_max: int = IDLE_MAX) -> None:
        self._idle: list[Box] = []
        self._idle_max = idle_max

    async def run(self, key: Key, call: Call) -> Ended:
        """Run a call; cancelling it ends its box. Raises :class:`BoxFailed`."""
        box = next((one for one in reversed(self._idle) if one.key == key), None)
        if box is None:
            box = await Box.open(key)
        else:
            self._idle.remove(box)
        try:
            ended = await box.run(call)
        finally:
            aside = await box.sweep()
            if not box.closed:
                self._idle.append(box)
            while len(self._idle) > self._idle_max:
                await self._idle.pop(0).close()
        return replace(ended, aside=aside)

    async def forget(self, owner: str) -> None:
        """Close the boxes of a process that has ended."""
        for box in [one for one in self._idle if one.key.owner == owner]:
            self._idle.remove(box)
            await box.close()

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().close()
