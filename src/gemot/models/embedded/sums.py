"""Arithmetic in words: the expression that a goal's numbers and the words around them describe, or nothing.

Every number is copied from the goal (or from the result it refers to); the words only choose the operation.
"""

from __future__ import annotations

import re

_NUMBER = r"-?\d+(?:\.\d+)?"
_WORDS = {
    word: str(number)
    for number, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
            "twenty",
        ]
    )
} | {"thirty": "30", "forty": "40", "fifty": "50", "hundred": "100", "dozen": "12", "thousand": "1000"}
_WORD_NUMBER = re.compile(rf"\b(?:an?\s+(?=dozen|hundred|thousand))?({'|'.join(_WORDS)})\b", re.I)
_N = rf"[$€£]?({_NUMBER})"
_UNIT = r"(?:\s+(?!and\b|by\b|from\b|to\b|of\b|off\b)[a-z]+){0,2}?"
_FORMS = tuple(
    (re.compile(pattern.replace("N", _N).replace("U", _UNIT), re.I), form)
    for pattern, form in (
        (r"N\s*(?:%|percent|per\s+cent)\s+off(?:\s+of)?\s+N", "{1} * (1 - {0} / 100)"),
        (r"N\s*(?:%|percent|per\s+cent)\s+(?:discount|less)\b.*?\bN", "{1} * (1 - {0} / 100)"),
        (r"N\s*(?:%|percent|per\s+cent)\s+(?:of|on)\s+N", "{0} / 100 * {1}"),
        (r"\b(?:add|plus)\s+N\s*(?:%|percent|per\s+cent)\b.*?\bto\s+N", "{1} * (1 + {0} / 100)"),
        (r"\bN\s*(?:\+|plus)\s*N\s*(?:%|percent|per\s+cent)", "{0} * (1 + {1} / 100)"),
        (r"\bsquare\s+root\s+of\s+N", "sqrt({0})"),
        (r"\bN\s+squared\b", "{0} ** 2"),
        (r"\bN\s+cubed\b", "{0} ** 3"),
        (r"\bN\s+(?:to|raised\s+to)\s+the\s+power\s+(?:of\s+)?N", "{0} ** {1}"),
        (r"\b(?:half)\s+(?:of\s+)?N", "{0} / 2"),
        (r"\b(?:a|one)?\s*third\s+of\s+N", "{0} / 3"),
        (r"\b(?:a|one)?\s*quarter\s+of\s+N", "{0} / 4"),
        (r"\b(?:double|twice)\s+N", "2 * {0}"),
        (r"\btriple\s+N", "3 * {0}"),
        (r"\bmultiply\s+NU\s+(?:by|with|and)\s+N", "{0} * {1}"),
        (r"\bdivide\s+NU\s+(?:by|between|among|into)\s+N", "{0} / {1}"),
        (r"\badd\s+N\s+(?:and|to)\s+N(?!\d*\s*(?:,|and))", "{0} + {1}"),
        (r"\b(?:subtract|deduct|take|remove)\s+NU(?:\s+away)?\s+from\s+N", "{1} - {0}"),
        (r"\bNU\s+(?:times|multiplied\s+by)\s+N", "{0} * {1}"),
        (r"\bNU\s+(?:divided\s+by|over)\s+N", "{0} / {1}"),
        (r"\bNU\s+(?:\w+\s+){0,4}?(?:split|shared|divided)\b[^\d.]*?\bN", "{0} / {1}"),
        (r"\b(?:split|share|divide)\b[^\d.]*?NU\b[^\d]*?\bN", "{0} / {1}"),
        (r"\bNU\s+(?:minus|less|take\s+away)\s+N", "{0} - {1}"),
        (r"\bproduct\s+of\s+N\s+and\s+N", "{0} * {1}"),
        (r"\bdifference\s+between\s+N\s+and\s+N", "{0} - {1}"),
        (r"\bN\s+x\s+N", "{0} * {1}"),
    )
)
_ASKED = (
    r"\b(?:how\s+(?:much|many)|what|sum|total|altogether|in\s+all|cost|costs|owe|work\s+out|calculate|compute|figure)\b"
)
_EACH = r"\b(?:each|apiece|a\s+piece|per|every|a\s+pop|one\s+costs?)\b"
_SHARED = r"\b(?:split|shared?|divided?|between|among|amongst|evenly|equally)\b"
_TOGETHER = r"\b(?:total|sum|altogether|together|add(?:ed)?(?:\s+up)?|come\s+to|in\s+all|combined|plus)\b"
_LEFT = r"\b(?:left|remain(?:s|ing)?|difference|change\s+(?:do|will|would|from)|more\s+than|older\s+than)\b"


def in_figures(text: str) -> str:
    """The text with its number words as figures; a word for one stays, as it is rarely meant as a number."""
    return _WORD_NUMBER.sub(
        lambda found: found.group() if found[1].lower() == "one" else _WORDS[found[1].lower()], text
    )


def spoken(text: str) -> list[str]:
    """What the words around the numbers say to work out; at most one expression."""
    figures = re.sub(r"(?<=\d),(?=\d{3}\b)", "", in_figures(text))
    plain = spoken_two(figures)
    if plain:
        return plain
    numbers = list(dict.fromkeys(re.findall(rf"(?<![\w.-]){_NUMBER}(?![\w-]|\.\d)", figures)))
    return _told_as_story(figures, numbers)


def spoken_two(figures: str) -> list[str]:
    """Two numbers, or one, with an operation named outright between or before them."""
    for pattern, form in _FORMS:
        if found := pattern.search(figures):
            return [form.format(*found.groups())]
    return []


def _told_as_story(text: str, numbers: list[str]) -> list[str]:
    """Numbers in a small story whose question says what is to be done with them."""
    if len(numbers) < 2 or not re.search(_ASKED, text, re.I):
        return []
    if len(numbers) == 2 and re.search(_SHARED, text, re.I):
        return [f"{numbers[0]} / {numbers[1]}"]
    if len(numbers) == 2 and (re.search(_EACH, text, re.I) or re.search(r"\bat\s+[$€£]?\d", text)):
        return [" * ".join(numbers)]
    if len(numbers) == 2 and re.search(_LEFT, text, re.I):
        more, less = sorted(numbers, key=float, reverse=True)
        return [f"{more} - {less}"]
    if re.search(_TOGETHER, text, re.I) and not re.search(_EACH, text, re.I):
        return [" + ".join(numbers)]
    return []


_IT = r"(?:it|that|this|them|those|the\s+(?:\w+\s+)?(?:result|number|answer|price|cost|total|sum|value|size|count|figure))"
_FOLLOWING = tuple(
    (re.compile(pattern.replace("N", _N).replace("IT", _IT), re.I), form)
    for pattern, form in (
        (
            r"\bmultipl(?:y|ied)\s+(?:IT\s+)?(?:by|with)\s+N|\bIT\s+(?:times|\*)\s+N|^\W*times\s+N|\bN\s+times\s+IT",
            "* {}",
        ),
        (r"\bN\s+of\s+(?:them|those|these|it)\b", "* {}"),
        (r"\b(?:divide|split|share)\s+(?:IT\s+)?(?:evenly\s+)?(?:by|between|among)\s+N", "/ {}"),
        (r"\badd\s+N(?:\s+to\s+IT)?\b|\bIT\s+plus\s+N", "+ {}"),
        (r"\b(?:subtract|take|deduct)\s+N(?:\s+(?:away\s+)?from\s+IT)?\b|\bIT\s+minus\s+N", "- {}"),
        (r"\b(?:double|twice)\s+IT()", "* 2"),
        (r"\b(?:triple)\s+IT()", "* 3"),
        (r"\b(?:halve|half\s+(?:of\s+)?)\s*IT()", "/ 2"),
    )
)


def following(text: str, number: str) -> str | None:
    """What the words do with a number that was found before: "multiply it by 6" with 4 is "4 * 6"."""
    for pattern, form in _FOLLOWING:
        if found := pattern.search(in_figures(text)):
            return f"{number} {form.format(next(filter(None, found.groups()), ''))}"
    return None
