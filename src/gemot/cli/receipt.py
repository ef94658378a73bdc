"""gemot receipt: the kernel's own record of what a process did, beside what it says it did."""

from __future__ import annotations

from pathlib import Path

import msgspec

from gemot.abi.answers import Receipt
from gemot.authority import evidence
from gemot.cli.dumping import dump
from gemot.cli.failing import DONE, Usage, put
from gemot.cli.plain import plain
from gemot.cli.reach import known_home
from gemot.journal.contract import JournalError
from gemot.kernel import gates, receipts
from gemot.kernel.process import Process
from gemot.machine.snapshot import Snapshot


def receipt(home: Path | None, pid: int, as_json: bool, with_diff: bool = False) -> int:
    """Print the receipt of a process, at work or ended; ``with_diff``: and the text of what it changed."""
    snapshot = Snapshot(known_home(home).journal)
    try:
        for _ in snapshot.go_on():
            pass
        process = snapshot.kernel.processes.get(pid)
        if process is None:
            raise Usage(f"there is no process {pid}; gemot ps --all shows all there were")
        given = gates.receipt_for_person(process) or receipts.receipt(process, {})
        texts = tuple(_text(snapshot, one) for one in given.diffs) if with_diff else given.diffs
        if as_json:
            dump([msgspec.structs.replace(given, diffs=texts)])
            return DONE
        _print(process, given)
        for line in ["", *"\n".join(texts).splitlines()] if with_diff and texts else []:
            put(plain(line))
    finally:
        snapshot.close()
    return DONE


def _text(snapshot: Snapshot, digest: str) -> str:
    try:
        return snapshot.text(digest)
    except JournalError:  # of a tree that was carried here, and named what it did not bring
        return "[the text of a change that is not here]"


def _print(process: Process, given: Receipt) -> None:
    put(f"process {process.pid}, {plain(process.name)}, {process.state}")
    for line in evidence.lines(given) or ["used no tool"]:
        put(f"  {plain(line)}")
    if given.claims:
        put("it says:")
    for claim, shown in given.claims.items():
        put(f"  {plain(claim)}: {plain(shown)}")
