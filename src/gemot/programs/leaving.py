"""Leaving: the steps by which pages leave a reading that did not fit, one syscall each, between one question and the next."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from gemot.abi import limits
from gemot.abi.answers import Answer, Born, Ok, Waited
from gemot.abi.syscalls import PageOut, Spawn, Syscall, Wait
from gemot.programs import paging
from gemot.programs.pages import PLAIN
from gemot.programs.reading import Reading

SUMMARIZER = "summarizer"
"""The program of the child that writes summaries."""


class Leaving(Struct, frozen=True, gc=False, omit_defaults=True):
    """``pages`` are about to leave. ``settled``: a summary was asked for, or none is wanted. ``child``: who writes it;
    ``summary``: what it wrote, which came with answer ``entry``; ``void``: that is not to be used. Where it fails, the pages leave without one."""

    pages: tuple[int, ...]
    settled: bool = False
    child: int = 0
    summary: str = ""
    entry: int = 0
    ended: bool = False
    void: bool = False

    def next(self, reading: Reading, fits_chars: int) -> Syscall:
        if not self.settled:
            return Spawn(
                paging.brief(reading, self.pages, fits_chars // 2),
                SUMMARIZER,
                "summary",
                grants=(),
                mounts=(),
                deadline_seconds=limits.SUMMARY_SECONDS,
            )
        if self.child and not self.ended:
            return Wait((self.child,), messages=False, alarms=False)
        return PageOut(self.pages)

    def told(self, answer: Answer, entry: int) -> Leaving:
        """After the answer, number ``entry``, to `spawn` or `wait`."""
        match answer:
            case Ok(Born(pid)) if pid:
                return Leaving(self.pages, True, pid, void=self.void)
            case Ok(Waited(ended)) if ended and ended[0].state == "done" and isinstance(ended[0].value, str):
                summary = "" if self.void else ended[0].value.strip()
                return Leaving(self.pages, True, self.child, summary, entry, True)
            case _:
                return Leaving(self.pages, True)

    def without_summary(self) -> Leaving:
        """Words in the pages were taken back, and whoever sums them up may have read them."""
        return msgspec.structs.replace(self, settled=True, summary="", void=True)

    def carry_out(self, reading: Reading, fits_chars: int) -> None:
        """`page_out` was answered: let them leave."""
        message, mark = None, PLAIN
        if self.summary:
            room = max(400, fits_chars // limits.STUBS_SHARE)
            message, mark = paging.summary_page(reading, self.pages, self.summary, self.child, self.entry, room)
        paging.put_away(reading, self.pages, stubs_chars(fits_chars), message, mark)


def stubs_chars(fits_chars: int) -> int:
    """How much stubs may take of a reading that may have so much (0: nobody knows)."""
    return fits_chars // limits.STUBS_SHARE or limits.STUBS_CHARS


def page_in_chars(fits_chars: int) -> int:
    """How much may be paged in at once."""
    return fits_chars // limits.PAGE_IN_SHARE or limits.PAGE_IN_CHARS
