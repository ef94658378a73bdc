"""Private paths: what a pattern means, which patterns a path matches, and what is said of one that matches."""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import NamedTuple

from gemot.abi.private import LISTS, PRIVATE


class Rule(NamedTuple):
    """A pattern as a regular expression, which is compiled when it is needed."""

    pattern: str
    """As the person wrote it."""
    start: str
    """How a path before it must end."""
    names: tuple[str, ...]
    """Its names, each as an expression for a folded one."""

    def matches(self, path: str) -> bool:
        """Is a folded path what the pattern means, or beneath it?"""
        return re.search(f"{self.start}{'/'.join(self.names)}(?:/|$)", path) is not None

    def leads_to(self, path: str) -> bool:
        """Is a folded path a folder on the way to what a pattern of several names means?"""
        ways = ["/".join(self.names[:length]) for length in range(1, len(self.names)) if any(self.names[:length])]
        return bool(ways) and re.search(f"{self.start}(?:{'|'.join(ways)})$", path) is not None


class Rules(NamedTuple):
    """The compiled patterns of one list."""

    anywhere: tuple[Rule, ...]
    """Patterns that hold at any depth of a mount."""
    placed: tuple[Rule, ...]
    """Patterns that are one place on the disk; they match whole paths."""
    out: tuple[Rule, ...]
    """Patterns that began with ``!`` and hold at any depth."""
    some: re.Pattern[str]
    """Matches every folded path that one of ``anywhere`` matches; a quick look."""
    last: re.Pattern[str]
    """Matches the last name of everything that ``anywhere`` means by itself; a quick look."""

    def private(self, path: str) -> tuple[str, ...]:
        """The patterns of names that a folded path matches and that no other takes out again."""
        if not self.some.search(path):
            return ()
        return () if matching(self.out, path) else matching(self.anywhere, path)


@functools.lru_cache(16_384)
def folded(name: str) -> str:
    """A name as the most lenient disk would compare it: whatever its case and its form in Unicode, without characters that
    are not seen, and without dots and blanks at its end."""
    if name.isascii():
        return name.casefold().rstrip(". \t")
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(letter for letter in plain if unicodedata.category(letter) != "Cf").rstrip(". \t")


def folded_path(path: str) -> str:
    """A path with all its names folded."""
    return "/".join(map(folded, path.split("/")))


def flaw(pattern: str) -> str:
    """What is wrong with a pattern, in words; ``""`` if nothing is."""
    body = pattern.removeprefix("!")
    names = body.removesuffix("/").removeprefix("/").split("/")
    if not body.strip("/") or any(not name for name in names):
        return f"{pattern!r} names no path; write a name such as .env, a way such as .config/gh, or ~/bank"
    if any(name in (".", "..", "**") for name in names) or "\0" in body:
        return f"{pattern!r} has '.', '..' or '**' in it; a pattern of names holds at any depth anyhow"
    if pattern.startswith(("!/", "!~")):
        return f"{pattern!r}: only a pattern of names can be taken out with '!'"
    if body.strip("/*") == "":
        return f"{pattern!r} would mean every file; name no folder as work folder instead"
    return ""


@functools.lru_cache(256)
def compiled(patterns: tuple[str, ...], home: str = "") -> Rules:
    """``home``: what ``~`` stands for; without it a pattern with ``~`` matches nothing."""
    anywhere: list[Rule] = []
    placed: list[Rule] = []
    out: list[Rule] = []
    for pattern in (one for written in patterns for one in LISTS.get(written, (written,))):
        body = pattern.removeprefix("!").removesuffix("/")
        if body == "~" or body.startswith("~/"):
            if home:
                placed.append(_rule(pattern, home.rstrip("/") + body[1:], "^"))
        elif body.startswith("/"):
            placed.append(_rule(pattern, body, "^"))
        elif pattern.startswith("!"):
            out.append(_rule(pattern, body, "(?:^|/)"))
        else:
            anywhere.append(_rule(pattern, body, "(?:^|/)"))
    some = "|".join("/".join(rule.names) for rule in anywhere)
    last = "|".join(rule.names[-1] for rule in anywhere)
    return Rules(
        tuple(anywhere),
        tuple(placed),
        tuple(out),
        re.compile(f"(?:^|/)(?:{some})(?:/|$)" if some else r"(?!)"),
        re.compile(f"(?:{last})$" if last else r"(?!)"),
    )


def _rule(pattern: str, body: str, start: str) -> Rule:
    return Rule(pattern, start, tuple(_name(name) for name in body.split("/")))


def _name(name: str) -> str:
    return re.escape(folded(name) or name).replace(r"\*", "[^/]*")


def matching(rules: tuple[Rule, ...], path: str) -> tuple[str, ...]:
    """The patterns that a folded path matches."""
    return tuple(rule.pattern for rule in rules if rule.matches(path))


def label_of(pattern: str) -> str:
    """The secret source that what is read from a private path may tell of."""
    return f"private:{pattern}"


def why(pattern: str) -> str:
    """Why a path that matches this pattern is private, in words."""
    known = next((reason for reason, patterns in PRIVATE.items() if pattern in patterns), "")
    return f"private ({pattern}{': ' + known if known else ''})"
