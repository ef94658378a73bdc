"""gemot receipt: the kernel's own record of what a process did, beside what it says it did."""

from __future__ import annotations

from pathlib import Path

from gemot.cli.dumping import dump
from gemot.cli.failing import DONE, Usage, put
from gemot.cli.plain import plain
from gemot.cli.reach import known_home
from gemot.kernel import receipts
from gemot.kernel.process import Process
from gemot.machine.snapshot import Snapshot


def receipt(home: Path | None, pid: int, as_json: bool) -> int:
    """Print the receipt of a process, at work or ended."""
    snapshot = Snapshot(known_home(home).journal)
    try:
        for _ in snapshot.go_on():
            pass
        process = snapshot.kernel.processes.get(pid)
        if process is None:
            raise Usage(f"there is no process {pid}; gemot ps --all shows all there were")
        _print(process, as_json)
    finally:
        snapshot.close()
    return DONE


def _print(process: Process, as_json: bool) -> None:
    given = process.outcome.receipt if process.outcome is not None else receipts.receipt(process, {})
    if as_json:
        dump([given])
        return
    put(f"process {process.pid}, {plain(process.name)}, {process.state}")
    for line in receipts.lines(given) or ["used no tool"]:
        put(f"  {plain(line)}")
    if given.claims:
        put("it says:")
    for claim, shown in given.claims.items():
        put(f"  {plain(claim)}: {plain(shown)}")
