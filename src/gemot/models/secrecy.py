"""Can a value be ordinary text? Then it is no secret that could be taken out of texts: they would be spoilt.

A variable called ``DB_PASSWORD`` often holds a word. Who takes that out of what an agent reads and writes changes files without
a word. So a value counts as a secret only where no sentence, name, path, address or number could be that value: it is long,
and its characters follow each other as no language lets them.

Measured by pairs of neighbouring characters: a pair of letters that English hardly has, a digit beside a letter, an upper-case
letter that begins no word. Words and identifiers have few of these, random keys a half.
"""

from __future__ import annotations

import itertools
import re

CHARS_MIN = 12
"""A shorter value has too few pairs to tell."""

ODD_PAIRS_MIN = 4
ODD_SHARE = 0.25
"""A value with at least this many odd pairs, and at least this share of them, is no ordinary text."""

_FOLLOWERS = {
    row[0]: frozenset(row[1:])
    for row in [
        "abcdfgiklmnprstuvwxy",
        "baceijlorsuy",
        "cacehiklmoprstuy",
        "dabdefgilnorstuy",
        "eabcdefghiklmnopqrstuvwxy",
        "faefilorstuy",
        "gaeghilnorstu",
        "haeimorstu",
        "iabcdefgklmnoprstvxz",
        "jeou",
        "kaeilnsw",
        "lacdefiloprstuvwy",
        "mabdeilmopstu",
        "nacdefgiklnopstuvy",
        "oabcdefgiklmnoprstuvwx",
        "padehiloprstuy",
        "qu",
        "rabcdefgiklmnoprstuvwy",
        "sacdefghiklmnoprstuwy",
        "tacdefhilmnoprstuwy",
        "uabcdefgilmnoprst",
        "vaeio",
        "waehinors",
        "xaceiptx",
        "yeimnopstw",
        "zei",
    ]
}
"""Letter -> those that follow it in English: 330 pairs, which are 98.7 of 100 in running text."""

_PLACEHOLDER = re.compile(
    r"example|placeholder|change[_-]?me|dummy|sample|your|insert|replace|redacted|todo|xxxx|\*\*\*|\.\.\.|<.*>|\$\{|\{\{|%\(",
    re.IGNORECASE,
)
_DOCUMENTED = frozenset({
    "sk_test_4eC39HqLyjWDarjtT1zdp7dc", "sk_test_BQokikJOvBiI2HlWgH4olfQ2", "pk_test_TYooMQauvdEDq54NiTphI7jx",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "QWxhZGRpbjpPcGVuU2VzYW1l",
})  # fmt: skip
"""Keys that providers and standards print in their documentation for everybody to use."""

_ISSUED = re.compile(
    r"(?:gh[oprsu]_|github_pat_|glpat-|sk-|sk_live_|sk_test_|rk_live_|xox[abeprs]-|hf_|npm_|pypi-|dckr_pat_|AIza|gsk_|SG\.|eyJ)"
    r"[\w.-]{20,}|(?:AKIA|ASIA)[A-Z0-9]{16}"
)
"""Forms of keys that providers issue: a smaller share of odd pairs is enough there."""
ODD_SHARE_ISSUED = 0.12

_WEAK = re.compile(
    r"pass(?:word|wd|w)|secret|admin|root|welcome|letmein|qwerty|asdf|test|demo|postgres|mysql|redis|user|login"
)
_LOOKALIKES = str.maketrans("013457$@!", "oieastsai")
_KEYBOARD = (
    "1234567890",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1q2w3e4r5t6y7u8i9o0p",
    "1qaz2wsx3edc4rfv5tgb",
    "!@#$%^&*()",
)

ODD_SHARE_LONG, LONG = 0.2, 20
"""The share that is enough for a value of this length: chance evens out."""

ODD_SHARE_OF_PART = 0.5
"""The share within one part between separators, of small and capital letters and digits, that gives the whole away."""

_PARTS = re.compile(r"[A-Za-z0-9]{6,}")
_HEX = re.compile(r"(?:[0-9a-f]{16,}|[0-9A-F]{16,}|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})")
_STRANGE = frozenset("!\"#$%&'()*;<>?[\\]^`{|}~")
"""Characters that stand in no name."""

_KEY_BLOCK = "PRIVATE KEY-----"
_FORMS = (
    re.compile(r"[-+]?[\d.,_ :/TZ+-]+"),  # a number, a date, a time, a version, a phone number
    re.compile(r"(?:/|~/|\./|\.\./|[A-Za-z]:\\)[\w./\\ +@-]*"),  # a path
    re.compile(r"[a-z][a-z0-9+.-]*://.*", re.IGNORECASE | re.DOTALL),  # an address; its password is looked at by itself
    re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),  # an e-mail address
    re.compile(r"(?:[a-z0-9-]+\.)+[a-z]{2,18}(?::\d+)?", re.IGNORECASE),  # a host
    re.compile(r"v?\d+\.\d+(?:\.\d+)*(?:[-+.][\w.+-]+)?"),  # a version with what follows it
)


def ordinary(value: str) -> bool:
    """Could ``value`` be a word, a name, a path, an address, a number or a documented placeholder?"""
    value = value.strip()
    if _KEY_BLOCK in value:
        return False
    if len(value) < CHARS_MIN or value in _DOCUMENTED:
        return True
    if _PLACEHOLDER.search(value):  # "todo" may stand in a random key by chance
        rest = _PLACEHOLDER.sub("", value)
        return len(rest) < LONG or not _many_odd(rest, ODD_SHARE)
    if any(character.isspace() for character in value):
        return True
    if _ISSUED.fullmatch(value) and _many_odd(value, ODD_SHARE_ISSUED):
        return False
    if _weak(value):
        return True
    if any(form.fullmatch(value) for form in _FORMS):
        return not _random_path(value)
    if _HEX.fullmatch(value):
        return not _mixed(value)
    share = ODD_SHARE if len(value) < LONG else ODD_SHARE_LONG
    if _many_odd(value, share):
        return False
    return not any(_many_odd(part, ODD_SHARE_OF_PART) for part in _PARTS.findall(value) if _three_kinds(part))


def _weak(value: str) -> bool:
    """Is it a word that stands in every list of weak passwords, or a walk over the keyboard, with little around it?"""
    lower = value.lower()
    rest = _WEAK.sub("", lower.translate(_LOOKALIKES))
    if len(rest) < min(len(value), CHARS_MIN):
        return True
    for row in _KEYBOARD:
        for length in range(len(row), 3, -1):
            for start in range(len(row) - length + 1):
                lower = lower.replace(row[start : start + length], "")
    return len(lower) < CHARS_MIN / 2


def _random_path(value: str) -> bool:
    """Is it a key in base64 that happens to begin like a path? A name of a file is rarely that mixed."""
    parts = [part for part in re.split(r"[/+=]", value) if part]
    kinds = [part for part in parts if _three_kinds(part) and len(part) >= CHARS_MIN]
    return "." not in value and len(value) >= LONG and any(_many_odd(part, ODD_SHARE) for part in kinds)


def _many_odd(value: str, share: float) -> bool:
    odd = sum(map(_odd, value, value[1:], (*value[2:], "")))
    return odd >= ODD_PAIRS_MIN and odd >= share * (len(value) - 1)


def _mixed(value: str) -> bool:
    """Are there letters and digits in it, in no order that a person types?"""
    steps = sum(abs(ord(first) - ord(second)) < 2 for first, second in itertools.pairwise(value))
    digits = sum(character.isdigit() for character in value)
    return 1 < digits < len(value) - 1 and steps < len(value) / 2


def _three_kinds(part: str) -> bool:
    return any(map(str.isdigit, part)) and any(map(str.isupper, part)) and any(map(str.islower, part))


def _odd(first: str, second: str, third: str) -> bool:
    """Is this pair one that words don't have? ``third`` follows it."""
    if first in _STRANGE or second in _STRANGE:
        return True
    if not (first.isalnum() and second.isalnum()) or abs(ord(first) - ord(second)) < 2:
        return False  # separators stand anywhere, and 123 or aaa is what a person types
    if first.isdigit() or second.isdigit():
        return first.isdigit() != second.isdigit()
    if first.islower() and second.isupper():
        return not third.islower()  # aB begins a word where more small letters follow
    if not (first.isascii() and second.isascii()):
        return False
    return second.lower() not in _FOLLOWERS[first.lower()]
