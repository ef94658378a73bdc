"""The process table, of which only a part need be in memory: a tree in which everybody waits can be kept elsewhere.

To the kernel nothing is different. It names a process by its pid; where that is not in memory, ``fetch`` brings in its
whole tree (see :func:`gemot.kernel.freezing.thaw_tree`), and the kernel goes on. So a tree costs memory only while
something happens in it, and the same events still give the same tables.
"""

from __future__ import annotations

from collections.abc import Callable

from gemot.kernel.process import Process


class Table(dict[int, Process]):
    """Processes by pid. ``fetch(pid)`` brings in the tree of a process that is not in memory, if there is one."""

    def __init__(self) -> None:
        super().__init__()
        self.fetch: Callable[[int], None] | None = None

    def __missing__(self, pid: int) -> Process:
        if self.fetch is not None:
            self.fetch(pid)
            found = super().get(pid)
            if found is not None:
                return found
        raise KeyError(pid)

    def get(self, pid: int, default: None = None) -> Process | None:  # type: ignore[override]
        try:
            return self[pid]
        except KeyError:
            return default

    def __contains__(self, key: object, /) -> bool:
        return isinstance(key, int) and self.get(key) is not None

    def held(self, pid: int) -> Process | None:
        """The process if it is in memory; nothing is fetched."""
        return super().get(pid)
