"""Quoting: text that somebody wrote, in a sentence that the system says. Nothing in it is hidden, and none of it ends the quote.

Every name, title, reason, value and host that a person reads goes through :func:`visible`. It lets through what it knows to be
visible (letters, marks on letters, numbers, punctuation, symbols, the plain space) and shows every other character by its
number: ``\\x1b``, ``\\u200d``, ``\\U000e0041``. Letters that pass for others are shown so, too: those of a second script in one word,
mathematical letters, and with ``exact`` whatever looks like another character of ASCII. Sources: Unicode Standard Annex 24
(scripts), Technical Standard 39 (confusables, mixed scripts), RFC 3492 (punycode).
"""

from __future__ import annotations

import functools
import re
import unicodedata

_UNSEEN = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0\ufffc\U00016fe4\U0001d159"
)
"""Characters of a visible category that show nothing."""

_POSING = frozenset(
    "\u01c3\u02d0\u02d7\u0589\u05c3\u0701\u0702\u2010\u2011\u2012\u201a\u2044\u2212\u2215\u2236\u2571\u27cb\u29f8\ua789"
)
"""Characters that look like punctuation of ASCII, and that no normal form says so of."""

_EAST = (
    "CJK",
    "HIRAGANA",
    "KATAKANA",
    "KATAKANA-HIRAGANA",
    "HANGUL",
    "BOPOMOFO",
    "FULLWIDTH",
    "HALFWIDTH",
    "IDEOGRAPHIC",
)
_NO_SCRIPT = ("MODIFIER", "FEMININE", "MASCULINE", "MICRO", "COMBINING", "SUPERSCRIPT", "SUBSCRIPT")
MARKS_MAX = 3
"""The most marks on one letter: as many as any language puts there."""

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
_LIKE_ESCAPE = re.compile(r"\\(?=x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})")
_WORD = re.compile(r"\w+")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_*\[][A-Za-z0-9_./*\[\]-]{0,199}")
_PLAIN_TITLE = re.compile(r"[^\W_](?:[\w ,.'/&+-]*[\w.])?")
_PLAIN_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}")


def escaped(one: str) -> str:
    """A character by its number."""
    number = ord(one)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


def visible(text: str, exact: bool = False, plain: bool = False) -> str:
    """``text`` with its line breaks, and every other character visible as what it is. ``exact``: texts that differ are shown
    differently. ``plain``: the text is a literal in quotes already, so backslashes in it need no care."""
    if exact and not plain:
        text = _LIKE_ESCAPE.sub(r"\\x5c", text)
    if text.isascii():
        return _CONTROL.sub(lambda match: escaped(match.group()), text)
    hidden = unseen(text, exact)
    return "".join([escaped(one) if at in hidden else one for at, one in enumerate(text)]) if hidden else text


def unseen(text: str, exact: bool = False) -> set[int]:
    """Where characters stand that are not shown as they are."""
    hidden = _mixed(text)
    before, marks = "", 0
    for at, one in enumerate(text):
        kind = _kind(one, exact)
        if kind == "mark":
            marks += 1
            composed = exact and len(unicodedata.normalize("NFC", before + one)) == 1
            if not before.isalpha() or marks > MARKS_MAX or composed:
                hidden.add(at)
        else:
            before, marks = one, 0
            if kind == "hidden":
                hidden.add(at)
    return hidden


@functools.lru_cache(8192)
def _kind(one: str, exact: bool) -> str:
    """``seen``, ``mark`` (seen on a letter), or ``hidden``."""
    if one in " \n":
        return "seen"
    if one.isascii():
        return "seen" if one.isprintable() else "hidden"
    category = unicodedata.category(one)
    if one in _UNSEEN or _is_selector(one):
        return "hidden"
    if category in ("Mn", "Mc"):
        return "mark"
    if category[0] not in "LNPS":
        return "hidden"
    if exact and one in _POSING:
        return "hidden"
    same = unicodedata.normalize("NFKC", one)
    if len(same) == 1 and same.isascii() and same != one and (exact or _is_styled(one)):
        return "hidden"
    return "seen"


def _is_selector(one: str) -> bool:
    return "\ufe00" <= one <= "\ufe0f" or "\U000e0000" <= one <= "\U000e0fff"


def _is_styled(one: str) -> bool:
    """A letter of ASCII in another dress, but not one that some language writes."""
    return one.isalpha() and unicodedata.east_asian_width(one) not in "FH" and one not in "\u00aa\u00ba"


@functools.lru_cache(8192)
def _script(one: str) -> str:
    """The script of a letter or digit; ``""`` for what belongs to any."""
    if one.isascii():
        return "LATIN" if one.isalpha() else ""
    first = unicodedata.name(one, "").partition(" ")[0]
    if first in _EAST:
        return "WIDE" if one.isalpha() and unicodedata.normalize("NFKC", one).isascii() else "EAST"
    if unicodedata.category(one) == "Nd":
        return "DIGITS"
    return first if one.isalpha() and first not in _NO_SCRIPT else ""


def _mixed(text: str) -> set[int]:
    """Where letters stand that are of another script than their word: what is not Latin in a word with Latin letters, else
    what is not of the script of the first one."""
    posing: set[int] = set()
    for match in _WORD.finditer(text):
        word = match.group()
        if word.isascii():
            continue
        scripts = [_script(one) for one in word]
        kinds = {one for one in scripts if one not in ("", "EAST")}
        if "DIGITS" in kinds and not any(one.isascii() for one in word):
            kinds.discard("DIGITS")
        if len(kinds) < 2 and not ("DIGITS" in kinds and kinds):
            continue
        own = "LATIN" if "LATIN" in kinds else next(one for one in scripts if one in kinds)
        posing |= {
            match.start() + at for at, one in enumerate(scripts) if one in kinds and (one != own or one == "DIGITS")
        }
    return posing


def is_mixed(text: str) -> bool:
    """Has it a word whose letters are of several scripts, or letters that pass for ASCII without being it?"""
    return not text.isascii() and visible(text, exact=True) != text


_LOOK_ALIKE = frozenset(
    "\u0430\u0441\u0501\u0435\u04bb\u0456\u0458\u04cf\u043e\u0440\u051b\u0455\u051d\u0445\u0443\u0475\u0410\u0412\u0415\u041a\u041c"
    "\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u0405\u0406\u0408\u03bf\u03bd\u03c1\u03b1\u03b9\u03ba\u03c5\u0391\u0392\u0395\u0396"
    "\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u0585\u057d\u0578\u0570\u0269\u0251\u0131\u0261\u1d00\u0493\u0261"
)
"""Letters of other scripts (and of Latin) that look like one of ASCII."""


def looks_latin(text: str) -> bool:
    """Could a reader take it for ASCII letters, though it is not?"""
    letters = [one for one in text if one.isalpha() and not one.isascii()]
    return bool(letters) and all(one in _LOOK_ALIKE for one in letters)


def quoted(text: str, chars_max: int = 2_000) -> str:
    """``text`` in double quotes, in one line; of a longer one the beginning, and how much more there is."""
    cut = text[:chars_max].replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    more = f" [... {len(text) - chars_max:,} more characters]" if len(text) > chars_max else ""
    return f'"{visible(cut, exact=True, plain=True)}"{more}'


def plainly(name: str) -> str:
    """The name of a tool, an argument or a field: as it is where it is a plain name, else in quotes."""
    return name if _PLAIN_NAME.fullmatch(name) else quoted(name, 400)


def named(name: str) -> str:
    """The name of a process or a program: as it is where it is plain words of one script, else in quotes."""
    return titled(name)


def titled(title: str) -> str:
    """Words that a process chose: as they are where they are plain words of one script, else in quotes."""
    fine = _PLAIN_TITLE.fullmatch(title) and "  " not in title and "xn--" not in title
    return title if fine and visible(title, exact=True) == title and told_apart(title) == title else quoted(title, 400)


def hosted(host: str) -> str:
    """A host in ASCII, as the network knows it (``xn--``)."""
    spelled = spelled_host(host)
    return spelled if _PLAIN_HOST.fullmatch(spelled) else quoted(host, 400)


# Hosts in texts.

_HOST_AT = re.compile(r"(?<=://)[^\s/?#@<>\"']+|(?<=@)[^\s/?#@<>\"']+|(?<=www\.)[^\s/?#@<>\"']+")
_HOST = re.compile(r"[^\s@/.]+(?:\.[^\s@/.]+)*\.[^\s@/.]{2,}")
_DOTTED = re.compile(r"[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,24}(?![\w-])")


def told_apart(text: str, is_path: bool = False) -> str:
    """``text`` with every host in it that is not plain ASCII in its own spelling (``xn--``), which no other host shares: the
    letters of a look-alike differ to a computer, and not to a reader."""
    if text.isascii():
        return text
    if not is_path and _HOST.fullmatch(text):
        return spelled_host(text)
    text = _HOST_AT.sub(lambda match: spelled_host(match.group()), text)
    return _DOTTED.sub(lambda match: _spelled_if_posing(match.group()), text)


def _spelled_if_posing(host: str) -> str:
    posing = (looks_latin(one) or bool(_mixed(one)) for one in host.split("."))
    return spelled_host(host) if not host.isascii() and any(posing) else host


def spelled_host(host: str) -> str:
    """Each label of a host that is not ASCII in punycode."""
    return ".".join(map(_spelled_label, host.split(".")))


def _spelled_label(text: str) -> str:
    if text.isascii() or not text.replace("-", "").isalnum():
        return text
    return "xn--" + text.lower().encode("punycode").decode("ascii")


def moment(millis: int) -> str:
    """A time (milliseconds since 1970) as a date and a time of day in UTC."""
    days, rest = divmod(millis, 86_400_000)
    seconds, fraction = divmod(rest, 1_000)
    # Howard Hinnant, "chrono-compatible low-level date algorithms": civil_from_days
    shifted = days + 719_468
    era, day_of_era = divmod(shifted, 146_097)
    year_of_era = (day_of_era - day_of_era // 1_460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month_from_march = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month_from_march + 2) // 5 + 1
    month = month_from_march + 3 if month_from_march < 10 else month_from_march - 9
    year = year_of_era + era * 400 + (month <= 2)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{year:04}-{month:02}-{day:02} {clock}{f'.{fraction:03}' if fraction else ''} UTC"
