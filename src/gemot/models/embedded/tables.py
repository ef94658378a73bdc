"""What can be looked up in a small table of text: a cell, a column, a sum, the most or the least. Nothing is guessed."""

from __future__ import annotations

import csv
import re
from fractions import Fraction

ROWS_MAX = 2000
_SAME = {
    "cost": "price", "expensive": "price", "dear": "price", "dearest": "price", "cheap": "price", "pay": "price",
    "who": "name", "whose": "name", "people": "name", "everybody": "name", "everyone": "name", "person": "name",
    "job": "role", "item": "item", "thing": "item", "product": "item",
}  # fmt: skip
_TOTAL = re.compile(
    r"\b(?:total|sum|altogether|together|add(?:ed)?\s+up|in\s+all|combined|all\s+(?:the|of)\b.*\bcosts?)\b", re.I
)
_MEAN = re.compile(r"\b(?:average|mean)\b", re.I)
_MOST = re.compile(r"\b(?:most|highest|largest|biggest|maximum|dearest|priciest|greatest)\b", re.I)
_LEAST = re.compile(r"\b(?:least|lowest|smallest|minimum|cheapest|fewest)\b", re.I)
_MORE_THAN_A_CELL = re.compile(
    r"\b(?:difference|compared?|than|between|how\s+many|number\s+of|count|ratio|times|total)\b|\d", re.I
)
_ALL = re.compile(r"\b(?:all|every\w*|each|names|list|column|people)\b", re.I)


def _stem(word: str) -> str:
    word = word.lower()
    for ending in ("iest", "est", "ies", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def rows_of(body: str) -> list[list[str]]:
    """The rows of a text in which every line has as many cells, at least two; else none."""
    lines = [line for line in body.split("\n") if line.strip()][:ROWS_MAX]
    for mark in (",", "\t", ";"):
        try:
            rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=mark)]
        except csv.Error:
            continue
        if len(rows) > 1 and len(rows[0]) > 1 and all(len(row) == len(rows[0]) for row in rows):
            return rows
    return []


def look_up(body: str, words: str) -> str | None:
    """The one thing in the table that the words ask for, or None where they ask for nothing it can tell."""
    rows = rows_of(body)
    if not rows:
        return None
    head, data = rows[0], rows[1:]
    said = {_stem(word) for word in re.findall(r"[A-Za-z][A-Za-z'-]*|\d+", words)}
    said |= {_SAME[word] for word in said if word in _SAME}
    asked = [at for at, name in enumerate(head) if {_stem(part) for part in re.findall(r"\w+", name)} & said]
    numeric = [at for at in range(len(head)) if all(_number(row[at]) is not None for row in data)]
    column = next((at for at in asked if at in numeric), numeric[0] if len(numeric) == 1 else None)
    matched = [(row, at) for row in data for at, cell in enumerate(row) if _names(cell, said)]
    if not matched and (_TOTAL.search(words) or _MEAN.search(words)) and column is not None:
        total = sum((_number(row[column]) or Fraction(0) for row in data), Fraction(0))
        return _shown(total / len(data) if _MEAN.search(words) else total)
    if not matched and (_MOST.search(words) or _LEAST.search(words)) and column is not None:
        pick = max if _MOST.search(words) else min
        best = pick(_number(row[column]) or Fraction(0) for row in data)
        labels = [row[0 if column else 1] for row in data if _number(row[column]) == best]
        return labels[0] if len(labels) == 1 else None
    if matched and _MORE_THAN_A_CELL.search(words):
        return None
    if matched:
        return _cell(matched, asked, len(head))
    if asked and _ALL.search(words) and re.search(r"\b\w+s\b|\bevery|\beach", words):
        return "\n".join(row[asked[0]] for row in data)
    return None


def _cell(matched: list[tuple[list[str], int]], asked: list[int], width: int) -> str | None:
    row, at = matched[0]
    if any(other is not row for other, _ in matched):
        others = [one for one in asked if all(one != where for _, where in matched)]
        return "\n".join(one[others[0]] for one, _ in matched) if len(others) == 1 else None
    wanted = [one for one in asked if one != at]
    if len(wanted) == 1:
        return row[wanted[0]]
    return row[1 - at] if width == 2 else None


def _names(cell: str, said: set[str]) -> bool:
    parts = [_stem(part) for part in re.findall(r"[A-Za-z][A-Za-z'-]*", cell)]
    return bool(parts) and all(part in said for part in parts)


def _number(cell: str) -> Fraction | None:
    try:
        return Fraction(cell) if re.fullmatch(r"-?\d+(?:\.\d+)?", cell) else None
    except ValueError:
        return None


def _shown(number: Fraction) -> str:
    return str(number.numerator) if number.denominator == 1 else f"{float(number):.10g}"
