"""Carving: the rows of a SQLite file, read page by page without its tree, its schema or its header.

A damaged page takes the way to all pages below it. The rows on those are still in the file. So each page that looks like one with rows
is read by itself, in the file and in its write-ahead log, also after a frame of the log that does not fit its checksum. A row that was
read so may be anything: who asks checks it by a checksum of its own. Rows that were replaced or deleted can come, too.

Source: https://www.sqlite.org/fileformat2.html, sections 1.6, 2.1 and 4.1.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from gemot.journal.database import log_of

Value = int | float | str | bytes | None

_TABLE_LEAF, _INDEX_LEAF, _INDEX_INNER = 13, 10, 2
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
"""By serial type: how many bytes the integer takes."""
_HEAD = re.compile(rb"[\x05-\x0c]\x00[\x00-\x09]")
"""How the list of types of a row begins whose first column is its number."""
_FRAME = 24
"""Bytes before each page in the log."""
_LOG_HEAD = 32
_LARGEST = 1 << 30
"""The largest row that SQLite writes."""


class Row(NamedTuple):
    """``key``: of a table with row numbers; 0 of one without."""

    key: int
    values: tuple[Value, ...]


class _Pages:
    """The pages of a file and of its log. ``newest``: where the latest version of a page lies."""

    def __init__(self, path: Path) -> None:
        self._files: list[BinaryIO] = []
        self.places: list[tuple[BinaryIO, int, int]] = []
        """File, offset and number of each page, older versions first."""
        self.newest: dict[int, tuple[BinaryIO, int]] = {}
        self.size = 4096
        self._take(path, is_log=False)
        self._take(log_of(path), is_log=True)

    def _take(self, path: Path, is_log: bool) -> None:
        try:
            file = path.open("rb")
        except OSError:
            return
        self._files.append(file)
        head = file.read(_LOG_HEAD)
        size = int.from_bytes(head[8:12] if is_log else head[16:18], "big")
        size = 65536 if size == 1 else size
        if size in (512, 1024, 2048, 4096, 8192, 16384, 32768, 65536) and not is_log:
            self.size = size
        length = path.stat().st_size
        if not is_log:
            for number, offset in enumerate(range(0, length, self.size), 1):
                self._put(file, offset, number)
            return
        for offset in range(_LOG_HEAD, length, self.size + _FRAME):
            file.seek(offset)
            frame = file.read(_FRAME)
            if frame[8:16] == head[16:24]:  # the salt: what it had before the log began anew is older than the file
                self._put(file, offset + _FRAME, int.from_bytes(frame[:4], "big"))

    def _put(self, file: BinaryIO, offset: int, number: int) -> None:
        self.places.append((file, offset, number))
        self.newest[number] = (file, offset)

    def read(self, file: BinaryIO, offset: int) -> bytes:
        file.seek(offset)
        return file.read(self.size)

    def close(self) -> None:
        for file in self._files:
            file.close()


def rows(path: Path) -> Iterator[Row]:
    """Every row that can be read in a file and its log, of whatever table; of one that was changed, older versions come first."""
    pages = _Pages(path)
    try:
        for file, offset, number in pages.places:
            page = pages.read(file, offset)
            yield from _of_page(pages, page, 100 if number == 1 else 0)
    except OSError:
        return
    finally:
        pages.close()


def _of_page(pages: _Pages, page: bytes, start: int) -> Iterator[Row]:
    kind = page[start] if len(page) > start else 0
    if kind not in (_TABLE_LEAF, _INDEX_LEAF, _INDEX_INNER):
        return
    first = start + (12 if kind == _INDEX_INNER else 8)
    count = int.from_bytes(page[start + 3 : start + 5], "big")
    for pointer in range(first, min(first + 2 * count, len(page) - 1), 2):
        at = int.from_bytes(page[pointer : pointer + 2], "big")
        try:
            yield _cell(pages, page, at, kind)
        except (LookupError, ValueError, OSError):
            continue
    if kind == _TABLE_LEAF:
        yield from _left_over(pages, page, start, count)


def _left_over(pages: _Pages, page: bytes, start: int, count: int) -> Iterator[Row]:
    """Rows whose bytes are still in the unused middle of a page, because they were moved to another one."""
    first = start + 8 + 2 * count
    end = int.from_bytes(page[start + 5 : start + 7], "big") or len(page)
    for found in _HEAD.finditer(page, first, min(end, len(page))):
        for before in range(2, 13):  # the size of the row and its number, each of 1 to 9 bytes
            at = found.start() - before
            if at < first:
                break
            with contextlib.suppress(LookupError, ValueError, OSError):
                _, after = _varint(page, _varint(page, at)[1])
                if after == found.start():
                    yield _cell(pages, page, at, _TABLE_LEAF)


def _cell(pages: _Pages, page: bytes, at: int, kind: int) -> Row:
    at += 4 if kind == _INDEX_INNER else 0
    size, at = _varint(page, at)
    key = 0
    if kind == _TABLE_LEAF:
        key, at = _varint(page, at)
    return Row(_signed(key), _values(_payload(pages, page, at, size, kind == _TABLE_LEAF)))


def _payload(pages: _Pages, page: bytes, at: int, size: int, is_table: bool) -> bytes:
    usable = pages.size
    if size > min(_LARGEST, usable * (len(pages.newest) + 1)):
        raise ValueError("the row is larger than the file")
    most = usable - 35 if is_table else (usable - 12) * 64 // 255 - 23
    if size <= most:
        body = page[at : at + size]
    else:
        least = (usable - 12) * 32 // 255 - 23
        local = least + (size - least) % (usable - 4)
        local = local if local <= most else least
        parts = [page[at : at + local]]
        rest, following = size - local, int.from_bytes(page[at + local : at + local + 4], "big")
        while rest > 0:
            file, offset = pages.newest[following]
            more = pages.read(file, offset)
            parts.append(more[4 : 4 + min(rest, usable - 4)])
            if len(more) < usable:
                raise ValueError("the page is cut short")
            rest -= usable - 4
            following = int.from_bytes(more[:4], "big")
        body = b"".join(parts)
    if len(body) != size:
        raise ValueError("the row is cut short")
    return body


def _values(body: bytes) -> tuple[Value, ...]:
    end, at = _varint(body, 0)
    kinds: list[int] = []
    while at < end:
        kind, at = _varint(body, at)
        kinds.append(kind)
    values: list[Value] = []
    for kind in kinds:
        if kind >= 12:
            size = (kind - 12) // 2
            part = body[at : at + size]
            if len(part) != size:
                raise ValueError("the value is cut short")
            values.append(part if kind % 2 == 0 else part.decode())
        elif kind in (8, 9):
            size = 0
            values.append(kind - 8)
        elif kind == 0:
            size = 0
            values.append(None)
        else:
            size = _INTEGERS.get(kind, 8)
            values.append(int.from_bytes(body[at : at + size], "big", signed=True))
        at += size
    return tuple(values)


def _varint(body: bytes, at: int) -> tuple[int, int]:
    number = 0
    for index in range(8):
        byte = body[at + index]
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            return number, at + index + 1
    return number << 8 | body[at + 8], at + 9


def _signed(number: int) -> int:
    return number - (1 << 64) if number >= 1 << 63 else number
