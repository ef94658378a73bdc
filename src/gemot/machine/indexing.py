"""The full-text index of memories: one for each shelf, in the same SQLite file, so that what others keep neither slows a search nor
changes its order.

A query is any text: each of its words is handed to the index as a quoted phrase, so that nothing in it is an operator. Any of
them may be found; BM25 weighs them, rare words most. To weigh a thousand memories takes about a millisecond, so the words are taken from the
rarest on until that many memories are to be weighed; words that are too common for that say little anyway. Where there are
no others, the newest memories that have all of them are taken, else the newest that have any.

Letters are compared without case and accents, and English words without their endings (deploys, deployed, deploying). Chinese, Japanese and Korean write no blanks between words, so each character is a
word there, and what is looked for is every two that follow each other.
"""

from __future__ import annotations

import itertools
import re
import sqlite3
from collections.abc import Iterator

from gemot.abi.limits import MEMORY_WORDS_MAX

WEIGHED_MAX = 4_000
"""How many memories are weighed for one query, at most: some five milliseconds."""

_WEIGHTS = "2.0, 1.0"
"""What a memory is about counts twice."""

_UNSPACED = re.compile(
    "([\u1100-\u11ff\u2e80-\u2fff\u3040-\u30ff\u3130-\u318f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\U00020000-\U0003ffff])"
)


def make(database: sqlite3.Connection, shelf: int) -> None:
    """An empty index for a shelf."""
    database.execute(
        f"CREATE VIRTUAL TABLE {_table(shelf)} USING fts5(about, text, content='', tokenize='porter unicode61 remove_diacritics 2')"
    )


def put(database: sqlite3.Connection, shelf: int, number: int, about: str, text: str) -> None:
    table = _table(shelf)
    database.execute(
        f"INSERT INTO {table} (rowid, about, text) VALUES (?, ?, ?)", (number, _spaced(about), _spaced(text))
    )


def take(database: sqlite3.Connection, shelf: int, number: int, about: str, text: str) -> None:
    """Take a memory out; ``about`` and ``text`` must be those that it was put in with."""
    table = _table(shelf)
    database.execute(
        f"INSERT INTO {table} ({table}, rowid, about, text) VALUES ('delete', ?, ?, ?)",
        (number, _spaced(about), _spaced(text)),
    )


def search(database: sqlite3.Connection, shelf: int, query: str) -> Iterator[int] | None:
    """The numbers of memories that fit a query, best first; None where it has no word in it."""
    words = _phrases(query)
    table = _table(shelf)
    found = {word: _count(database, table, word) for word in words}
    if not any(found.values()):
        spoken = any(letter.isalnum() for letter in query)
        return iter(()) if spoken else None
    rare: list[str] = []
    weighed = 0
    for word, count in sorted(found.items(), key=lambda one: one[1]):
        if count and weighed + count <= WEIGHED_MAX:
            rare.append(word)
            weighed += count
    if rare:
        order = f"bm25({table}, {_WEIGHTS}), rowid DESC"
        return _numbers(database, table, " OR ".join(rare), order)
    common = [word for word, count in found.items() if count]
    return _either(database, table, " AND ".join(common), " OR ".join(common))


def _either(database: sqlite3.Connection, table: str, first: str, second: str) -> Iterator[int]:
    """The newest that fit ``first``; if there are none, those that fit ``second``."""
    some = False
    for number in _numbers(database, table, first, "rowid DESC"):
        some = True
        yield number
    if not some:
        yield from _numbers(database, table, second, "rowid DESC")


def _numbers(database: sqlite3.Connection, table: str, match: str, order: str) -> Iterator[int]:
    rows = database.execute(f"SELECT rowid FROM {table} WHERE {table} MATCH ? ORDER BY {order}", (match,))
    return (number for (number,) in rows)


def _count(database: sqlite3.Connection, table: str, word: str) -> int:
    """How many memories have a word; those beyond what can be weighed are not counted."""
    rows = f"SELECT 1 FROM {table} WHERE {table} MATCH ? LIMIT {WEIGHED_MAX + 1}"
    return database.execute(f"SELECT count(*) FROM ({rows})", (word,)).fetchone()[0]


def _phrases(query: str) -> list[str]:
    """The words of a query, each quoted for the index; of what is written without blanks every two characters that follow each
    other."""
    spoken = [piece for word in query.replace("\0", " ").split() for piece in _pieces(word)]
    words = {word.casefold(): word for word in spoken if any(map(str.isalnum, word))}.values()
    return ['"' + _spaced(word).replace('"', '""') + '"' for word in list(words)[:MEMORY_WORDS_MAX]]


def _pieces(word: str) -> Iterator[str]:
    for unspaced, run in itertools.groupby(word, lambda letter: bool(_UNSPACED.match(letter))):
        piece = "".join(run)
        if unspaced and len(piece) > 2:
            yield from (piece[start : start + 2] for start in range(len(piece) - 1))
        else:
            yield piece


def _spaced(text: str) -> str:
    return _UNSPACED.sub(r" \1 ", text).replace("\0", " ")


def _table(shelf: int) -> str:
    return f"words_{shelf:d}"
