"""Kinds of values: what is an address, a date, an account number; and which such values stand in a text.

All of it is decided by form, without a model. Texts may be hostile: they are bounded before they are looked at, and no
pattern here can go back over what it took more than a fixed number of times.
Sources: ISO 13616 and ISO 7064 (IBAN), ISO 8601 (dates and times), RFC 3986 (URLs, of which the plain ones are taken).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from gemot.abi.grants import Kind
from gemot.abi.limits import LINE_CHARS_MAX, PATTERN_STEPS_MAX, RULE_CHARS_MAX

_NUMBER = r"[-+]?[0-9]{1,30}(?:\.[0-9]{1,30})?"
_DATE = r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,9})?)?"
_ZONE = r"(?:Z|[-+](?:[01][0-9]|2[0-3]):?[0-5][0-9])?"
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = rf"{_NAME}(?:\.{_NAME}){{1,20}}"

_INTEGER_FORM = re.compile(r"[-+]?[0-9]{1,30}")
_NUMBER_FORM = re.compile(_NUMBER)
_DATE_FORM = re.compile(_DATE)
_TIME_FORM = re.compile(_TIME + _ZONE)
_DATETIME_FORM = re.compile(f"{_DATE}[T ]{_TIME}{_ZONE}")
_EMAIL_FORM = re.compile(rf"[A-Za-z0-9_%+'-]{{1,64}}(?:\.[A-Za-z0-9_%+'-]{{1,64}}){{0,10}}@{_HOST}")
_URL_FORM = re.compile(rf"(?:(https?)://|(?=www\.))({_HOST})(?::([0-9]{{1,5}}))?([/?#][!-~]*)?", re.IGNORECASE)
_IBAN_FORM = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_GROUPED_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")

_WORDS = {"url": re.compile(r"[^\s<>\"()\[\]{}|,;]+"), "email": re.compile(r"[^\s<>\"()\[\]{}|,;:=/]+")}
_FOUND: dict[str, re.Pattern[str]] = {
    "integer": re.compile(r"(?<![\w.,:/+-])[-+]?[0-9]{1,30}(?!\w|[.,:/-][0-9])"),
    "number": re.compile(rf"(?<![\w.,:/+-]){_NUMBER}(?!\w|[.,:/-][0-9])"),
    "date": re.compile(rf"(?<![\w-]){_DATE}(?![\w-])"),
    "time": re.compile(rf"(?<![\w:.]){_TIME}{_ZONE}(?![\w:])"),
    "datetime": re.compile(rf"(?<![\w-]){_DATE}[T ]{_TIME}{_ZONE}(?![\w:])"),
}

EXTRACTED = frozenset({"integer", "number", "date", "time", "datetime", "email", "url", "iban"})
"""The kinds that can be looked for in a text."""

_TEXTS = frozenset({"date", "time", "datetime", "email", "url", "iban"})


def is_kind(value: Any, kind: Kind) -> bool:
    """Has a value this form, all of it? Numbers may be written as text."""
    if kind == "text":
        return isinstance(value, str)
    if kind == "boolean":
        return isinstance(value, bool) or value in ("true", "false")
    if kind == "integer":
        if isinstance(value, int | float) and not isinstance(value, bool):
            return isinstance(value, int) or value.is_integer()
        return _is_form(_INTEGER_FORM, value)
    if kind == "number":
        return number_of(value) is not None
    return isinstance(value, str) and len(value) <= RULE_CHARS_MAX and _CHECKS[kind](value)


def kind_within(child: Kind | None, parent: Kind) -> bool:
    """Has every value of the one kind also the other?"""
    if child == parent or (parent == "number" and child == "integer"):
        return True
    return parent == "text" and child in _TEXTS


def number_of(value: Any) -> int | float | None:
    """A number, or the text of one, as a number. A float that is no number (or has no end) is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else None
    if _is_form(_NUMBER_FORM, value):
        return int(value) if "." not in value else float(value)
    return None


def spelling(value: Any) -> str:
    """What values have in common that a person could take for one: case, blanks, the form of letters, a number as a text."""
    number = number_of(value)
    if number is not None:
        return repr(float(number))
    text = unicodedata.normalize("NFKC", value if isinstance(value, str) else repr(value)).casefold()
    return " ".join(text.split())


def exact_number(text: str) -> int | float | None:
    """The number that a text is, if every reader of JSON takes it for exactly that number."""
    number = number_of(text)
    if number is None or abs(number) > 2**53:
        return None
    return number if isinstance(number, int) or Decimal(repr(number)) == Decimal(text) else None


def host_of(url: Any) -> str:
    """The host of a plain web address, in lower case; ``""`` for anything that two readers could take for two hosts:
    user names, other ports than the scheme's, backslashes, what is not ASCII. Without ``http://`` only ``www.`` is one."""
    if not isinstance(url, str) or len(url) > RULE_CHARS_MAX:
        return ""
    match = _URL_FORM.fullmatch(url)
    if match is None or "\\" in url:
        return ""
    scheme, host, port, _ = match.groups()
    standard = {"http": "80", "https": "443"}.get((scheme or "").lower(), "443")
    return host.lower() if port is None or port == standard else ""


def host_within(host: str, allowed: str) -> bool:
    """``allowed`` is a host, or with a dot before it that host and all below it. So may ``host`` be."""
    host, allowed = host.lower(), allowed.lower()
    if allowed.startswith("."):
        return host in (allowed, allowed[1:]) or host.endswith(allowed)
    return host == allowed


def found(text: str, kind: Kind) -> list[str]:
    """The values of a kind that stand in a text, in its order, each as often as it stands there."""
    if kind in _FOUND:
        return [match.group() for match in _FOUND[kind].finditer(text) if is_kind(match.group(), kind)]
    if kind == "iban":
        return list(_ibans(text))
    if kind in _WORDS:
        words = (word.strip(".,:;!?'*_`") for word in _WORDS[kind].findall(text))
        return [word for word in words if len(word) <= RULE_CHARS_MAX and is_kind(word, kind)]
    return []


def _ibans(text: str) -> Iterator[str]:
    """Written together or in groups of four; a group too many (the next word) is left out where the check digits say so."""
    at = 0
    for match in _GROUPED_IBAN.finditer(text):
        before = text[match.start() - 1] if match.start() else " "
        if match.start() < at or before.isalnum():
            continue
        groups = match.group().split(" ")
        for count in range(len(groups), 0, -1):
            compact = "".join(groups[:count])
            if is_kind(compact, "iban"):
                yield compact
                at = match.end()
                break


def _is_form(form: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and len(value) <= RULE_CHARS_MAX and form.fullmatch(value) is not None


def _is_day(year: str, month: str, day: str) -> bool:
    leap = int(year) % 4 == 0 and (int(year) % 100 != 0 or int(year) % 400 == 0)
    days = (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
    return int(year) > 0 and 1 <= int(month) <= 12 and 1 <= int(day) <= days[int(month) - 1]


def _is_date(text: str) -> bool:
    match = _DATE_FORM.fullmatch(text)
    return match is not None and _is_day(*match.groups())


def _is_datetime(text: str) -> bool:
    match = _DATETIME_FORM.fullmatch(text)
    return match is not None and _is_day(*match.groups()[:3])


def _is_iban(text: str) -> bool:
    """The check digits hold: the number, turned round and with letters as numbers, leaves 1 when divided by 97."""
    if _IBAN_FORM.fullmatch(text) is None:
        return False
    return int("".join(str(int(one, 36)) for one in text[4:] + text[:4])) % 97 == 1


_CHECKS: dict[str, Callable[[str], bool]] = {
    "date": _is_date,
    "time": lambda text: _TIME_FORM.fullmatch(text) is not None,
    "datetime": _is_datetime,
    "email": lambda text: len(text) <= 254 and _EMAIL_FORM.fullmatch(text) is not None,
    "url": lambda text: bool(host_of(text)),
    "iban": _is_iban,
}


# Patterns.


class BadPattern(ValueError):
    """Not a pattern that is matched here; the message says which part and what would be."""


_ATOM = re.compile(r"\\[dDwWsSbB]|\\[^A-Za-z0-9]|\[\^?\]?(?:[^\]\\\[]|\\.){0,200}\]|[^\\\[\](){}*+?|]")
_REPEAT = re.compile(r"[*+?]|\{[0-9]{1,3}(?:,[0-9]{0,3})?\}")
PATTERN_CHARS_MAX = 300
ALTERNATIVES_MAX = 4


def compiled(pattern: str) -> re.Pattern[str]:
    """A pattern in which nothing is tried twice: no repetition gives back what it took, none stands around a group. So the
    work is bounded by the length of a line squared, whoever wrote the pattern or the text. Raises :class:`BadPattern`."""
    if len(pattern) > PATTERN_CHARS_MAX:
        raise BadPattern(f"a pattern has at most {PATTERN_CHARS_MAX} characters")
    parts: list[str] = []
    at = groups = depth = 0
    while at < len(pattern):
        one = pattern[at]
        if one in "()|":
            if pattern.startswith("(?", at):
                raise BadPattern("'(?' is not understood here; a pattern has one plain group (...)")
            depth += {"(": 1, ")": -1, "|": 0}[one]
            groups += one == "("
            if pattern.count("|") >= ALTERNATIVES_MAX:
                raise BadPattern(f"a pattern has at most {ALTERNATIVES_MAX} alternatives")
            if depth not in (0, 1) or groups > 1:
                raise BadPattern("a pattern has exactly one group (...), and none in it")
            parts.append(one)
            at += 1
            if one == ")" and _REPEAT.match(pattern, at):
                raise BadPattern("a group can't be repeated; repeat what is in it")
            continue
        atom = _ATOM.match(pattern, at)
        if atom is None:
            raise BadPattern(f"{pattern[at : at + 10]!r} is not understood here")
        at = atom.end()
        repeat = _REPEAT.match(pattern, at)
        parts.append(atom.group())
        if repeat is not None:
            at = repeat.end()
            if pattern[at : at + 1] in ("?", "+", "*"):
                raise BadPattern(
                    f"{repeat.group()}{pattern[at]} is not understood here; say what is not to be matched: [^,]* for 'up to a comma'"
                )
            parts.append(repeat.group() + "+")
    if groups != 1 or depth:
        raise BadPattern("a pattern has exactly one group (...): what it matches is the value")
    try:
        return re.compile("".join(parts))
    except (re.error, OverflowError) as error:
        raise BadPattern(f"it is no regular expression: {error}") from error


def matched(text: str, pattern: re.Pattern[str]) -> list[str]:
    """What the pattern's group matches in each line, in order. Nothing at all where a line is too long to be looked at, or
    all of them together: what can't be seen whole can't be the only one."""
    lines = text.split("\n")
    if any(len(line) > LINE_CHARS_MAX for line in lines) or sum(len(line) ** 2 for line in lines) > PATTERN_STEPS_MAX:
        return []
    return [match.group(1) for line in lines for match in pattern.finditer(line) if match.group(1)]
