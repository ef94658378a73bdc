"""Seals: a checksum for each record, and a chain over batches.

A record has a CRC-32, which names the one that was changed by accident. The last record of a batch also has a *seal*: a hash over the seal before it
and over all records of the batch. So a record that was moved or left out is found, and so is whoever rewrites a record with a checksum
that fits: every later seal would have to be another, and the last one stands in the end mark beside the journal
(:mod:`gemot.journal.endmark`). One hash for a batch instead of one for each record costs a fifth, and the same is found.

Records of format 1 have a CRC-32 in another form, and no chain. The chain of a migrated journal begins with the CRC of its last record. Where a
person has archived a part of a batch, its seal can't be computed any more: its other records have their CRC, and the chain goes on
from the seal that stands there.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

SEAL_BYTES = 16
ROOT = bytes(SEAL_BYTES)
"""What stands before the first record."""

Row = tuple[int, int, int, bytes, int | bytes]
"""Position, time, process, body; and the CRC, or for the last record of a batch the CRC (4 bytes) and the seal."""

_head = struct.Struct(">qqq").pack
_crc32, _sha256 = zlib.crc32, hashlib.sha256


def sealed(before: bytes, after: int, entries: Iterable[tuple[int, int, bytes]]) -> tuple[list[Row], bytes, int]:
    """The rows of a batch that follows position ``after`` and the seal ``before``; its seal, and the size of its bodies."""
    batch = list(entries)
    if not batch:
        return [], before, 0
    ats, pids, bodies = zip(*batch, strict=True)
    positions = range(after + 1, after + 1 + len(batch))
    heads = list(map(_head, positions, ats, pids))
    crcs = list(map(_crc32, bodies, map(_crc32, heads)))
    rows: list[Row] = list(zip(positions, ats, pids, bodies, crcs, strict=True))
    seal = _seal(before, heads, bodies)
    rows[-1] = (*rows[-1][:4], crcs[-1].to_bytes(4, "big") + seal)
    return rows, seal, sum(map(len, bodies))


def _seal(before: bytes, heads: Sequence[bytes], bodies: Sequence[bytes]) -> bytes:
    return _sha256(b"".join((before, *heads, *bodies))).digest()[:SEAL_BYTES]


def checksum(position: int, at: int, pid: int, body: bytes) -> int:
    """CRC-32 over a record of format 1."""
    return _crc32(body, _crc32(f"{position},{at},{pid}".encode()))


def seal_of(written: Any, is_old: bool = False) -> bytes:
    """The seal in the last column of a row; empty where the row closes no batch. ``is_old``: of format 1, where the CRC takes its place."""
    if isinstance(written, bytes) and len(written) == 4 + SEAL_BYTES:
        return written[4:]
    return (
        written.to_bytes(SEAL_BYTES, "big") if is_old and isinstance(written, int) and 0 <= written < 1 << 32 else b""
    )


def sum_fits(position: int, at: int, pid: int, body: bytes, written: Any) -> bool:
    """Whether a record fits its CRC, whatever stands before and after it."""
    try:
        crc = _crc32(body, _crc32(_head(position, at, pid)))
    except struct.error:
        return False
    return (
        written == crc if isinstance(written, int) else bool(seal_of(written)) and written[:4] == crc.to_bytes(4, "big")
    )


def run_seal(first: int, last: int, at: int, body: bytes, seal: bytes) -> bytes:
    """What a row for a whole run is checked by. ``seal``: from which the chain goes on after it."""
    return _sha256(_head(first, last, at) + seal.ljust(SEAL_BYTES) + body).digest()[:SEAL_BYTES]


def is_run(first: Any, last: Any, at: Any, body: Any, seal: Any, own: Any) -> bool:
    """Whether a row for a run of archived records is what was written. It may hold anything."""
    if not (type(first) is type(last) is type(at) is int and isinstance(body, bytes) and isinstance(seal, bytes)):
        return False
    if not 0 < first <= last:
        return False
    return run_seal(first, last, at, body, seal) == own


def kept_sum(body: bytes, *keys: int) -> int:
    """CRC-32 over what a checkpoint keeps under these numbers: under another one it does not fit."""
    return _crc32(body, _crc32(b"".join(key.to_bytes(8, "big", signed=True) for key in keys)))


def kept_fits(body: Any, written: Any, *keys: Any) -> bool:
    """Whether it is what was written. It may hold anything. Earlier ones have a CRC-32 of the body alone."""
    if not isinstance(body, bytes) or not all(type(key) is int for key in keys):
        return False
    return written in (kept_sum(body, *keys), _crc32(body))


class Chain:
    """Checks rows one after the other. ``before``: the seal before the first of them; empty where it is not known, then the first
    batch is checked by its CRCs alone."""

    def __init__(self, before: bytes) -> None:
        self.before = before
        self._heads: list[bytes] = []
        self._bodies: list[bytes] = []

    def fits(self, position: Any, at: Any, pid: Any, body: Any, written: Any, is_old: bool) -> bool:
        """Whether a row is what was written. It may hold anything: a damaged page gives values of other types. ``is_old``: of
        format 1."""
        if not (type(position) is type(at) is type(pid) is int and isinstance(body, bytes)):
            return False
        if is_old:
            self.go_on(seal_of(written, is_old))
            return written == checksum(position, at, pid, body)
        head = _head(position, at, pid)
        crc = _crc32(body, _crc32(head))
        if self.before:
            self._heads.append(head)
            self._bodies.append(body)
        if isinstance(written, int):
            return written == crc
        seal = seal_of(written)
        if not seal or written[:4] != crc.to_bytes(4, "big"):
            return False
        if self.before and _seal(self.before, self._heads, self._bodies) != seal:
            return False
        self.go_on(seal)
        return True

    def go_on(self, seal: bytes) -> None:
        """Go on from a seal; from an empty one where it is not known."""
        self.before = seal
        self._heads.clear()
        self._bodies.clear()
