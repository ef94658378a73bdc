"""Reasoning that a server leaves in the text: in tags at the beginning, however they are cut."""

from __future__ import annotations

import re

_TAGS = ("<think>", "<thinking>", "<thought>", "<reasoning>", "<seed:think>", "[think]", "◁think▷")
_TAG = re.compile("|".join(map(re.escape, _TAGS)), re.IGNORECASE)
_END = re.compile("|".join(re.escape(f"{tag[0]}/{tag[1:]}") for tag in _TAGS), re.IGNORECASE)
_HELD = max(map(len, _TAGS))
"""So much of an end tag may have come before its last character."""
_QUOTES = "`'\"\u201c\u2018\u00ab("
"""A tag after one of these is spoken of, and not meant."""


class Tags:
    """Tells reasoning at the beginning of a text from the text, while it arrives."""

    __slots__ = ("_held", "_state", "_thought")

    def __init__(self) -> None:
        self._state: str = "start"
        self._held: str = ""
        self._thought = False

    @property
    def thought(self) -> bool:
        """There was reasoning in tags."""
        return self._thought

    def feed(self, text: str) -> tuple[str, str]:
        """What of it is text, and what is reasoning, as far as that is known."""
        if self._state == "text":
            return text, ""
        self._held += text
        thought = ""
        while True:
            if self._state == "start":
                begun = self._held.lstrip()
                tag = _TAG.match(begun)
                if tag is None:
                    if any(name.startswith(begun.lower()) for name in _TAGS):
                        return "", thought  # it may become a tag
                    self._state = "text"
                    return self._rest(), thought
                self._state, self._held, self._thought = "inside", begun[tag.end() :], True
            end = _END.search(self._held)
            if end is None:
                kept = len(self._held) - _may_begin(self._held[-_HELD:])
                thought, self._held = thought + self._held[:kept], self._held[kept:]
                return "", thought
            thought, self._held = thought + self._held[: end.start()], self._held[end.end() :]
            self._state = "start"

    def end(self) -> tuple[str, str]:
        """The rest, when the reply has ended."""
        inside = self._state == "inside"
        self._state = "text"
        text = self._rest()
        return ("", text) if inside else (text, "")

    def _rest(self) -> str:
        text, self._held = self._held, ""
        return text.lstrip() if self._thought else text


def _may_begin(text: str) -> int:
    """How many characters at the end of ``text`` may be the beginning of an end tag."""
    at = max(text.rfind(first) for first in "<[◁")
    return 0 if at < 0 else len(text) - at


def before_end_tag(text: str) -> tuple[str, str]:
    """(reasoning, text) of a text whose first tag the server has left out: templates put it into the question."""
    end = _END.search(text)
    if end is None or _TAG.search(text) or _END.search(text, end.end()):
        return "", text
    before = text[: end.start()]
    if (before.rstrip(" \t")[-1:] in _QUOTES and before.strip()) or before.count("```") % 2:
        return "", text
    return before.strip(), text[end.end() :].lstrip()
