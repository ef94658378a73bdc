"""Taking known secrets out of what becomes an event, a word on a screen or an error: plain, reversed, and as programs encode.

No process is ever handed a secret; this is the second wall, for those who repeat one: a provider that quotes the key it was
sent, a tool whose error shows its request, a file that holds a key. What is found becomes its name in brackets.

What we don't like: whoever has a secret can write it in a way that nobody looks for. So the first wall must hold.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar, cast
from urllib.parse import quote, quote_plus, urlsplit

import msgspec

from gemot.models.secrecy import ordinary

CHARS_MIN = 8
"""A shorter value can't be told from ordinary words: taking it out everywhere would spoil texts that have nothing to do with it."""

_NAMES = re.compile(
    r"SECRET|TOKEN|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|APIKEY|_KEY$|^KEY$|_KEY_|_(?:PWD|PASS|PAT)$", re.IGNORECASE
)
_PUBLIC_NAMES = re.compile(r"(?:^|_)(?:PUBLIC|PUBLISHABLE|CACHE|COMMIT)_(?:API_?)?KEY$", re.IGNORECASE)
"""Keys that are no secret: they are printed in web pages, or name a cache."""
Some = TypeVar("Some")


def secrets_of(environment: Mapping[str, str], chosen: Mapping[str, bool] | None = None) -> dict[str, str]:
    """The values in an environment that are secrets, by the variable's name; and passwords in addresses.

    A secret has a name that says so, and a value that can't be ordinary text (:mod:`gemot.models.secrecy`). ``chosen``: by name,
    what the person says of a variable instead; one that is chosen needs :data:`CHARS_MIN` characters.
    """
    found: dict[str, str] = {}
    for name, text in environment.items():
        value = text.strip()
        choice = (chosen or {}).get(name)
        if choice is not None:
            if choice and len(value) >= CHARS_MIN:
                found[name] = value
            continue
        if "://" in value and "@" in value:
            value = _password(value)
        elif not named_secret(name):
            continue
        if not ordinary(value):
            found[name] = value
    return found


def named_secret(name: str) -> bool:
    """Does a variable's name say that it holds a secret?"""
    return _NAMES.search(name) is not None and _PUBLIC_NAMES.search(name) is None


def _password(url: str) -> str:
    try:
        return urlsplit(url).password or ""
    except ValueError:
        return ""


class Redactor:
    """Knows values that nobody may be told. Costs nothing while it knows none."""

    def __init__(self, named: Mapping[str, str] | None = None) -> None:
        self._named: dict[str, str] = {}
        self._forms: dict[str, str] = {}
        """Each form of each value -> what is written in its place; the longest first."""
        self._beginnings: frozenset[str] = frozenset()
        self._longest = 0
        for name, value in (named or {}).items():
            self.learn(name, value)

    def learn(self, name: str, value: str) -> None:
        """From now on ``value`` is taken out, unless it is too short (:data:`CHARS_MIN`)."""
        if len(value) < CHARS_MIN or value in self._named:
            return
        self._named[value] = name
        forms = {form: f"[{name}]" for value, name in self._named.items() for form in _forms(value)}
        self._forms = {form: forms[form] for form in sorted(forms, key=len, reverse=True)}
        self._longest = max(map(len, self._forms))
        self._beginnings = frozenset(form[:length] for form in self._forms for length in range(1, len(form)))

    def text(self, text: str) -> str:
        """``text`` without them."""
        for form, instead in self._forms.items():
            if form in text:
                text = text.replace(form, instead)
        return text

    def anything(self, value: Some) -> Some:
        """The same without them, at any depth: a text, lists and mappings of texts, a :class:`msgspec.Struct`."""
        if not self._forms:
            return value
        if isinstance(value, str):
            return cast(Some, self.text(value))
        written = msgspec.json.encode(value).decode()
        if not any(form in written for form in self._forms):
            return value
        clean = self._plain(msgspec.to_builtins(value))
        return cast(Some, msgspec.convert(clean, type(value)) if isinstance(value, msgspec.Struct) else clean)

    def _plain(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list | tuple):
            return [self._plain(one) for one in cast("list[Any]", value)]
        if isinstance(value, dict):
            return {self._plain(name): self._plain(one) for name, one in cast("dict[Any, Any]", value).items()}
        return value

    def names_in(self, value: Any) -> list[str]:
        """The names of the secrets that a value holds at any depth: in one of their forms, or as what is shown instead."""
        texts: list[str] = []
        open_values = [value]
        while open_values:
            one = open_values.pop()
            if isinstance(one, str):
                texts.append(one)
            elif isinstance(one, dict):
                members = cast("dict[Any, Any]", one)
                open_values += [*members, *members.values()]
            elif isinstance(one, list | tuple):
                open_values += cast("list[Any]", one)
        found = {f"[{name}]": name for name in self._named.values()}
        held = [found[instead] for form, instead in self._forms.items() if any(form in text for text in texts)]
        held += [name for instead, name in found.items() if any(instead in text for text in texts)]
        return list(dict.fromkeys(held))

    def held_back(self, text: str) -> int:
        """How many characters at the end of ``text`` may be the beginning of a value."""
        for length in range(min(self._longest, len(text)), 0, -1):
            if text[-length:] in self._beginnings:
                return length
        return 0


class Stream:
    """Words on their way to whoever listens, without secrets, also where one arrives in pieces. Call :meth:`end` at the end."""

    def __init__(self, redactor: Redactor, hear: Callable[[str], None]) -> None:
        self._redactor, self._hear, self._held = redactor, hear, ""

    def __call__(self, text: str) -> None:
        text = self._redactor.text(self._held + text)
        kept = self._redactor.held_back(text)
        self._held = text[len(text) - kept :]
        if len(text) > kept:
            self._hear(text[: len(text) - kept])

    def end(self) -> None:
        held, self._held = self._held, ""
        if held:
            self._hear(held)


def _forms(value: str) -> Iterator[str]:
    """A value as programs write it down."""
    raw = value.encode("utf-8", "surrogateescape")
    yield value
    yield value[::-1]
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    every = "".join(f"%{byte:02X}" for byte in raw)
    for url in (quote(raw, safe=""), quote(raw), quote_plus(raw), every):
        yield url
        yield re.sub("%..", lambda found: found[0].lower(), url)
    yield raw.hex()
    yield raw.hex().upper()
    for before in range(3):  # base64 of a longer text in which it stands: three ways, by where it begins
        padded = base64.b64encode(bytes(before) + raw).decode()
        core = padded[-(-before * 8 // 6) : (before + len(raw)) * 8 // 6]
        yield core
        yield core.translate(str.maketrans("+/", "-_"))
