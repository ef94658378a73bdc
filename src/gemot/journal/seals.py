"""Seals: a checksum for each record, and a chain over batches.

A record has a CRC-32, which names the one that was changed by accident. The last record of a batch also has a *seal*: a hash over the seal before it
and over all records of the batch. So a record that was moved or left out is found, and so is whoever rewrites a record with a checksum
that fits: every later seal would have to be another, and the last one stands in the end mark beside the journal
(:mod:`gemot.journal.endmark`). One hash for a batch instead of one for each record costs a fifth, and the same is found.

Records of format 1 have a CRC-32 in another form, and no chain. The chain of a migrated journal begins with the CRC of its last record. Where a
person has archived a part of a batch, its seal can't be computed any more: its other records have their CRC, and the chain goes on
from the seal that stands there.

From format 3 on each CRC begins with the number of its journal, which is drawn when the journal is made. So a row that came from the file or
the log of another journal never fits, also where the chain is broken by a gap.
"""

from __future__ import annotations

import hashlib
import os
import struct
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any, NamedTuple

SEAL_BYTES = 16
ROOT = bytes(SEAL_BYTES)
"""What stands before the first record."""

Row = tuple[int, int, int, bytes, int | bytes]
"""Position, time, process, body; and the CRC, or for the last record of a batch the CRC (4 bytes) and the seal."""


class Origin(NamedTuple):
    """To which journal a row belongs."""

    number: int = 0
    """Drawn when the journal was made (32 bits); 0 for none."""
    after: int = 0
    """Records after this position bear the number. The others were written by an earlier format."""

    def seed(self, position: int) -> int:
        """With what the CRC of a record begins."""
        return self.number if position > self.after else 0


NOWHERE = Origin()
"""Of a journal of an earlier format."""


def drawn(after: int) -> Origin:
    """A new number, for the records after a position."""
    return Origin(int.from_bytes(os.urandom(4), "big") or 1, after)


_head = struct.Struct(">qqq").pack
_crc32, _sha256 = zlib.crc32, hashlib.sha256


def sealed(
    before: bytes, after: int, entries: Iterable[tuple[int, int, bytes]], number: int = 0
) -> tuple[list[Row], bytes, int]:
    """The rows of a batch that follows position ``after`` and the seal ``before``; its seal, and the size of its bodies. ``number``: of
    their journal."""
    batch = list(entries)
    if not batch:
        return [], before, 0
    ats, pids, bodies = zip(*batch, strict=True)
    positions = range(after + 1, after + 1 + len(batch))
    heads = list(map(_head, positions, ats, pids))
    crcs = list(map(_crc32, bodies, map(_crc32, heads, repeat(number))))
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


def sum_fits(position: int, at: int, pid: int, body: bytes, written: Any, number: int) -> bool:
    """Whether a record fits its CRC, whatever stands before and after it. ``number``: of its journal."""
    try:
        crc = _crc32(body, _crc32(_head(position, at, pid), number))
    except struct.error:
        return False
    return (
        written == crc if isinstance(written, int) else bool(seal_of(written)) and written[:4] == crc.to_bytes(4, "big")
    )


def number_of(rows: Iterable[tuple[Any, Any, Any, Any, Any]]) -> int:
    """The number of the journal to which most of these records belong, computed from their CRCs."""
    numbers: Counter[int] = Counter()
    for position, at, pid, body, written in rows:
        crc = int.from_bytes(written[:4], "big") if seal_of(written) else written
        if (
            type(position) is type(at) is type(pid) is type(crc) is int
            and isinstance(body, bytes)
            and 0 <= crc >> 32 < 1
        ):
            numbers[_begun_with(_head(position, at, pid) + body, crc)] += 1
    (number, times), *_ = numbers.most_common(1) or [(0, 0)]
    return number if times > 1 else 0


def _begun_with(text: bytes, crc: int) -> int:
    """With what a CRC-32 began that ended with ``crc``: its steps, backwards."""
    crc ^= 0xFFFFFFFF
    for byte in reversed(text):
        step = _STEP_WITH_TOP[crc >> 24]
        crc = ((crc ^ _STEPS[step]) << 8 | step) ^ byte
    return crc ^ 0xFFFFFFFF


_STEPS = [_crc32(bytes((index ^ 0xFF,))) ^ 0x00FFFFFF ^ 0xFFFFFFFF for index in range(256)]
"""By the lowest byte, what a step of CRC-32 adds."""
_STEP_WITH_TOP = {step >> 24: index for index, step in enumerate(_STEPS)}


def run_seal(first: int, last: int, at: int, body: bytes, seal: bytes, number: int) -> bytes:
    """What a row for a whole run is checked by. ``seal``: from which the chain goes on after it. ``number``: of its journal."""
    origin = number.to_bytes(4, "big") if number else b""
    return _sha256(_head(first, last, at) + seal.ljust(SEAL_BYTES) + body + origin).digest()[:SEAL_BYTES]


def is_run(first: Any, last: Any, at: Any, body: Any, seal: Any, own: Any, origin: Origin) -> bool:
    """Whether a row for a run of archived records is what was written. It may hold anything."""
    if not (type(first) is type(last) is type(at) is int and isinstance(body, bytes) and isinstance(seal, bytes)):
        return False
    if not 0 < first <= last:
        return False
    if run_seal(first, last, at, body, seal, origin.number) == own:
        return True
    return last <= origin.after and run_seal(first, last, at, body, seal, 0) == own


def kept_sum(body: bytes, number: int, *keys: int) -> int:
    """CRC-32 over what a checkpoint keeps under these keys: under another one, or in the journal of another ``number``, it does not fit."""
    return _crc32(body, _crc32(b"".join(key.to_bytes(8, "big", signed=True) for key in keys), number))


def kept_fits(body: Any, written: Any, origin: Origin, *keys: Any) -> bool:
    """Whether it is what was written. It may hold anything. Those of an earlier format have no number, or a CRC-32 of the body alone."""
    if not isinstance(body, bytes) or not all(type(key) is int for key in keys):
        return False
    if written == kept_sum(body, origin.number, *keys):
        return True
    return (origin.after > 0 or not origin.number) and written in (kept_sum(body, 0, *keys), _crc32(body))


class Chain:
    """Checks rows one after the other. ``before``: the seal before the first of them; empty where it is not known, then the first
    batch is checked by its CRCs alone. ``origin``: of the journal that they belong to."""

    def __init__(self, before: bytes, origin: Origin = NOWHERE) -> None:
        self.before = before
        self._number, self._after = origin
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
        crc = _crc32(body, _crc32(head, self._number if position > self._after else 0))
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
