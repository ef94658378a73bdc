"""Written: what a tool use did to the files of its process where they are, on no copy, for the receipt.

What is written into a copy is found out when its process exits, whatever wrote it (:mod:`gemot.machine.spaces`); what is written where
it is can be told only by the tools that change files one by one, since nobody knows any more what was there before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from gemot.abi.answers import Change
from gemot.drivers.comparing import counted, difference, text_in
from gemot.drivers.names import shortened, shown
from gemot.drivers.place import Written


def told(written: Iterable[Written], mounts: Collection[str]) -> tuple[tuple[Change, ...], str]:
    """Each path that was written in one of these mounts, with the lines that were added and removed; and the text of that."""
    changes: list[Change] = []
    texts: list[str] = []
    for one in written:
        if one.mount in mounts:
            path = shortened(shown(f"/{one.mount}/{'/'.join(one.parts)}"))
            before = "" if one.before is None else text_in(one.before)
            text = difference(path, before, text_in(one.after), "before", "after")
            changes.append(Change(path, "added" if one.before is None else "changed", *counted(text)))
            texts.append(text)
    return tuple(changes), "\n".join(texts)
