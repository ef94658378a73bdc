"""gemot receipt: the kernel's own record of what a process did, beside what it says it did."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from gemot.authority import evidence
from gemot.cli.dumping import dump
from gemot.cli.failing import DONE, Usage, put
from gemot.cli.plain import plain
from gemot.cli.sight import known_home, look_at_receipt
from gemot.journal.contract import JournalError
from gemot.journal.sqlite import SqliteJournal
from gemot.machine.home import Home
from gemot.machine.looking import ReceiptView


def receipt(home: Path | None, pid: int, as_json: bool, with_diff: bool = False) -> int:
    """Print the receipt of a process, at work or ended; ``with_diff``: and the text of what it changed."""
    view = look_at_receipt(home, pid)
    if view is None:
        raise Usage(f"there is no process {pid}; gemot ps --all shows all there were")
    given = view.receipt
    texts = _texts(known_home(home), given.diffs) if with_diff else given.diffs
    if as_json:
        dump([msgspec.structs.replace(given, diffs=texts)])
        return DONE
    _print(view)
    for line in ["", *"\n".join(texts).splitlines()] if with_diff and texts else []:
        put(plain(line))
    return DONE


def _texts(home: Home, digests: Iterable[str]) -> tuple[str, ...]:
    journal = SqliteJournal(home.journal, writing=False)
    try:
        return tuple(_text(journal, digest) for digest in digests)
    finally:
        journal.close()


def _text(journal: SqliteJournal, digest: str) -> str:
    try:
        return journal.value(digest)
    except JournalError:  # of a tree that was carried here, and named what it did not bring
        return "[the text of a change that is not here]"


def _print(view: ReceiptView) -> None:
    given = view.receipt
    put(f"process {view.pid}, {plain(view.name)}, {view.state}")
    for line in evidence.lines(given) or ["used no tool"]:
        put(f"  {plain(line)}")
    if given.claims:
        put("it says:")
    for claim, shown in given.claims.items():
        put(f"  {plain(claim)}: {plain(shown)}")
