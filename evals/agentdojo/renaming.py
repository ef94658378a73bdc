"""Another name for everything: a bijection on words, applied to data, tools, plans and manifests alike.

Nothing may depend on what things are called. Every word is written with other letters (one substitution of the alphabet,
drawn from the seed), with its length and its capitals kept; account numbers change their digits too, and those with right
check digits get right ones again. Words that have a meaning of their own in any text (months, days, ``http``, the end of a
host's name) stay, so that a date is still a date.
The suite itself keeps its names: arguments are translated back at its door, results forth, so AgentDojo's own checks hold.
"""

from __future__ import annotations

import keyword
import random
import re
import string
from collections.abc import Callable
from typing import Any

KEPT = frozenset(keyword.kwlist) | frozenset(
    re.findall(
        r"\w+",
        "january february march april may june july august september october november december "
        "jan feb mar apr jun jul aug sep sept oct nov dec monday tuesday wednesday thursday friday saturday sunday "
        "mon tue wed thu fri sat sun am pm st nd rd th t z utc gmt http https www com org net info true false null",
    )
)
ACCOUNT = re.compile(r"\b[A-Z]{2}[0-9]{2}[A-Z0-9]{10,30}\b")
WORD = re.compile(r"[A-Za-z]+")
PATTERN_PART = re.compile(r"\\.|\{[0-9,]*\}|\[[^\]]*\]|[A-Za-z]+|.", re.DOTALL)
LONE = re.compile(r"(?<![-\\])[A-Za-z](?!-)")
"""A letter in a set that stands for itself and is not the end of a range."""


class Renaming:
    """``seed`` 0: every name stays."""

    def __init__(self, seed: int = 0) -> None:
        chance = random.Random(seed)
        letters, digits = list(string.ascii_lowercase), list(string.digits)
        if seed:
            chance.shuffle(letters)
            chance.shuffle(digits)
        self._seed = seed
        self._forth = str.maketrans(string.ascii_lowercase, "".join(letters))
        self._back = str.maketrans("".join(letters), string.ascii_lowercase)
        self._digits_forth = str.maketrans(string.digits, "".join(digits))
        self._digits_back = str.maketrans("".join(digits), string.digits)

    def text(self, text: str) -> str:
        return self._all(text, self._forth, self._digits_forth)

    def text_back(self, text: str) -> str:
        return self._all(text, self._back, self._digits_back)

    def value(self, value: Any) -> Any:
        """A JSON value with everything in it renamed, the names of its fields too."""
        return _each(value, self.text) if self._seed else value

    def value_back(self, value: Any) -> Any:
        return _each(value, self.text_back) if self._seed else value

    def schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """A JSON schema whose fields, choices and defaults are renamed; descriptions are left out."""
        return self._schema(schema)

    def pattern(self, pattern: str) -> str:
        """A regular expression with its literal words renamed; escapes, flags and sets of characters stay."""
        return PATTERN_PART.sub(lambda part: self._part(part[0]), pattern)

    def _part(self, part: str) -> str:
        if part.startswith("["):
            return LONE.sub(lambda one: _substituted(one[0], self._forth), part) if self._seed else part
        return self.text(part) if part.isalpha() else part

    def _all(self, text: str, letters: dict[int, int], digits: dict[int, int]) -> str:
        if not self._seed:
            return text
        pieces: list[str] = []
        at = 0
        for account in ACCOUNT.finditer(text):
            pieces.append(WORD.sub(lambda word: _word(word[0], letters), text[at : account.start()]))
            pieces.append(_account(account[0], letters, digits))
            at = account.end()
        pieces.append(WORD.sub(lambda word: _word(word[0], letters), text[at:]))
        return "".join(pieces)

    def _schema(self, schema: Any) -> Any:
        if not isinstance(schema, dict):
            return schema
        renamed: dict[str, Any] = {}
        for word, value in schema.items():
            if word in ("properties", "$defs"):
                renamed[word] = {self.text(name): self._schema(one) for name, one in value.items()}
            elif word in ("required", "enum", "const", "default"):
                renamed[word] = self.value(value)
            elif word == "$ref":
                renamed[word] = "#/$defs/" + self.text(str(value).rsplit("/", 1)[1])
            elif word in ("anyOf", "prefixItems"):
                renamed[word] = [self._schema(one) for one in value]
            elif word in ("items", "additionalProperties"):
                renamed[word] = self._schema(value)
            elif word not in ("title", "description"):
                renamed[word] = value
        return renamed


def _word(word: str, letters: dict[int, int]) -> str:
    """Words that stay are never made from others: who would become one becomes what that one would have become."""
    if word.lower() in KEPT:
        return word
    renamed = _substituted(word, letters)
    while renamed.lower() in KEPT:
        renamed = _substituted(renamed, letters)
    return renamed


def _account(number: str, letters: dict[int, int], digits: dict[int, int]) -> str:
    """Numbers with right check digits get right ones; the one that would get them by chance changes places with that one."""
    renamed = _substituted(number, letters).translate(digits)
    if _rest(number) == 1:
        return _right(renamed)
    return renamed if _rest(renamed) != 1 else _substituted(_right(number), letters).translate(digits)


def _right(number: str) -> str:
    """The account with its right check digits."""
    return f"{number[:2]}{98 - _rest(number[:2] + '00' + number[4:]):02}{number[4:]}"


def _rest(number: str) -> int:
    """What ISO 7064 has left over of an account number: 1 where its check digits are right."""
    return int("".join(str(int(one, 36)) for one in number[4:] + number[:4])) % 97


def _substituted(word: str, letters: dict[int, int]) -> str:
    return "".join(
        new.upper() if old.isupper() else new for old, new in zip(word, word.lower().translate(letters), strict=True)
    )


def _each(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {change(str(name)): _each(one, change) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_each(one, change) for one in value]
    return value
