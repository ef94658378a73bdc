"""Repeated words: where a text repeats words that were taken back, quoted or nearly so.

Theory of operation. All texts are compared as words, whatever their case, spacing and punctuation. Three things count as a repeat:

- a *span*: words in the order of the original, nearly without gaps. Long runs count by themselves. Short ones count if
  they hold words that stood nowhere in the context before;
- a *token*: a code, a number or a name of the original that stood nowhere in the context before;
- the *whole*: an original of up to three words, such as the value 42, if it stood nowhere in the context before.

What stood in the context before, or came later from somebody else, is no repeat. So common words never count by themselves.
Of several originals each counts from the page on that it stood on: words that came before an original do not repeat it.
The cost is bounded: of an original the first words count, and each word of a text is compared with a few places of it.
The same texts give the same spans, so a replay blanks the same.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple, cast

import msgspec

MARK = "[taken back]"
"""What stands in the place of a repeat."""

AFTER = f"\n[{MARK} stands where this repeated words that were taken back; what is left may rest on them]"
"""What is said at the end of a text that has such marks."""

WORDS_MAX = 4_000
"""So many words of what is taken back are looked for."""

PLACES_MAX = 8
"""A word is compared with so many places of the original where it stands."""

RUN = 6
"""So many words in a row are a quote, whatever they are."""

GAP = 3
"""In a span the next word stands at most so many places on: one or two words may be added, left out or changed."""

CHAINS_MAX = 8
"""So many spans are followed at once; of more the longest."""

_WORD = re.compile(r"\d+(?:[.,]\d+)+(?![^\W_])|[\u3040-\u30ff\u3400-\u9fff]|[^\W_]+")
_CODE = re.compile(r"[^\W_]+(?:[-_./:@#+][^\W_]+)+")
_SENTENCE_END = re.compile(r"[.!?:>\"'(\[]\s*\Z|\n\s*\Z")
_COMMON = """
a about above after again all also although am an and any are as at be because been before being below between both
but by can could did do does doing done down during each either else every few file files first for found from further
get gets give given go goes good got had has have having he her here hers him his how however i if in into is it its
itself just last let like made make makes many may me might more most much must my near need needs new next no none
nor not nothing now null of off ok on once one only or other others our out over own page pages part per please
process put read really result results right said same say says see seems shall she should since so some still such
task tasks test tests than that the their them then there these they thing this those three through thus to too true
two under until up upon us use used uses using very want was way we well went were what when where whether which while
who whom whose why will with within without work works would wrong yes yet you your yours false failed passed answer
value text error todo readme json http note warning
"""
_STOP = frozenset(_COMMON.split())


class Word(NamedTuple):
    """A word of a text, as it is compared, and where it stands."""

    norm: str
    start: int
    end: int


def words(text: str) -> list[Word]:
    return [Word(_norm(one[0]), one.start(), one.end()) for one in _WORD.finditer(text)]


def _norm(word: str) -> str:
    if word.isascii():
        return word.replace(",", "").lower()
    return unicodedata.normalize("NFKC", word).replace(",", "").casefold()


class _Chain(NamedTuple):
    """Words of a text that follow each other as in the original. ``run``: how many of the last were without a gap; ``longest``:
    the most; ``telling``: how many stood nowhere before; ``content``: how many are no common words."""

    start: int
    matched: int
    run: int
    longest: int
    telling: int
    content: int


class Original:
    """One text that was taken back. ``page``: what comes after this page may repeat it."""

    __slots__ = ("known_runs", "page", "places", "sequences", "words")

    def __init__(self, text: str, page: int) -> None:
        self.page = page
        found = words(text)[:WORDS_MAX]
        self.words = [one.norm for one in found]
        self.places: dict[str, list[int]] = {}
        for at, norm in enumerate(self.words):
            places = self.places.setdefault(norm, [])
            if len(places) < PLACES_MAX:
                places.append(at)
        self.sequences = set(_tokens(text, found))
        """Short pieces that count by themselves: tokens, codes, the whole of a short original."""
        self.known_runs: set[tuple[str, ...]] = set()
        """Runs of it that somebody else has said."""


def _tokens(text: str, found: list[Word]) -> Iterator[tuple[str, ...]]:
    if len(found) <= 3:
        whole = tuple(one.norm for one in found)
        if any(one not in _STOP for one in whole):
            yield whole
    digits = 3 if len(found) <= 200 else 5
    for one in found:
        raw = text[one.start : one.end]
        has_digit, has_letter = any(map(str.isdigit, raw)), any(map(str.isalpha, raw))
        code = has_digit and len(one.norm) >= (3 if has_letter else digits)
        capitals = raw.isupper() and len(raw) >= 4
        name = len(found) <= 30 and raw[:1].isupper() and len(raw) >= 4 and not _begins(text, one.start)
        if (code or capitals or name) and one.norm not in _STOP:
            yield (one.norm,)
    end = found[-1].end if found else 0
    for match in _CODE.finditer(text, 0, end):
        parts = [one[0] for one in _WORD.finditer(match[0])]
        coded = "@" in match[0] or any(map(str.isdigit, match[0])) or all(part.isupper() for part in parts)
        if coded and len(parts) > 1 and len(match[0]) >= 4:
            yield tuple(map(_norm, parts))


def _begins(text: str, start: int) -> bool:
    """Whether a sentence begins there, so that a capital letter says nothing."""
    return not text[:start].strip() or _SENTENCE_END.search(text, max(0, start - 8), start) is not None


class Repeats:
    """Finds repeats of ``originals`` in texts, given what stood in the context besides. ``pages``: by original, the page on which it
    stood (0, or none: before all)."""

    def __init__(self, originals: Iterable[str], pages: Mapping[str, int] = MappingProxyType({})) -> None:
        self._originals = [
            one for one in (Original(text, pages.get(text, 0)) for text in dict.fromkeys(originals)) if one.words
        ]
        self._vocabulary = {norm for one in self._originals for norm in one.words}
        self._known: set[str] = set()
        self._page = 0

    def __bool__(self) -> bool:
        return bool(self._originals)

    def come_to(self, page: int) -> None:
        """The texts that follow are of this page. It may repeat only what stood on earlier ones."""
        self._page = page

    @property
    def _earlier(self) -> list[Original]:
        """The originals that a text of this page may repeat."""
        return [one for one in self._originals if one.page < self._page or not one.page]

    def learn(self, text: str, own: bool = False) -> None:
        """What this says is said by somebody else, or (``own``) was said before the originals that come later: it is no repeat."""
        originals = [one for one in self._originals if one.page >= self._page > 0] if own else self._originals
        found = words(text) if originals else []
        norms = [one.norm for one in found]
        seen = self._vocabulary.intersection(norms)
        if not seen:
            return
        if not own:
            self._known |= seen
        for original in originals:
            for sequence in [one for one in original.sequences if one[0] in seen]:
                if any(True for _ in _at(sequence, norms)):
                    original.sequences.discard(sequence)
            for start, end in _runs(norms, original):
                original.known_runs.add(tuple(norms[start:end]))

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where ``text`` repeats an original: (first character, end), in order, apart from each other."""
        found = words(text)
        norms = [one.norm for one in found]
        if self._vocabulary.isdisjoint(norms):
            return []
        hits = [hit for original in self._earlier for hit in self._hits(norms, original)]
        spans: list[tuple[int, int]] = []
        for start, end in sorted(hits):
            first, last = found[start].start, found[end - 1].end
            if spans and first <= spans[-1][1]:
                spans[-1] = (spans[-1][0], max(last, spans[-1][1]))
            else:
                spans.append((first, last))
        return spans

    def _hits(self, norms: list[str], original: Original) -> Iterator[tuple[int, int]]:
        for sequence in sorted(original.sequences):
            yield from ((at, at + len(sequence)) for at in _at(sequence, norms))
        if len(original.words) < 3:
            return
        for start, end, chain in _chains(norms, original, self._known):
            if self._counts(chain, end - start, original) and not self._is_known(norms[start:end], original):
                yield start, end

    def _counts(self, chain: _Chain, length: int, original: Original) -> bool:
        if chain.matched < 0.6 * length or not chain.content:
            return False
        if chain.longest >= RUN and chain.content >= 2:
            return True
        if chain.matched >= 4 and chain.telling >= (1 if chain.longest >= 4 else 2) and chain.content >= 2:
            return True
        return len(original.words) <= 12 and chain.matched >= max(3, 0.8 * len(original.words))

    def _is_known(self, span: list[str], original: Original) -> bool:
        """Whether somebody else has said it so."""
        size = len(span)
        return any(size <= len(run) and any(True for _ in _at(tuple(span), list(run))) for run in original.known_runs)

    def blanked(self, text: str) -> str:
        """``text`` with a mark in the place of each repeat; itself where there is none."""
        spans = self.spans(text)
        if not spans:
            return text
        parts: list[str] = []
        end = 0
        for first, last in spans:
            parts += [text[end:first], MARK]
            end = last
        return "".join([*parts, text[end:]])

    def blanked_json(self, value: Any) -> Any:
        """A JSON value with marks in its texts and in the place of numbers; itself where there is no repeat."""
        match value:
            case str():
                return self.blanked(value)
            case bool() | None:
                return value
            case int() | float():
                return MARK if self.spans(msgspec.json.encode(value).decode()) else value
            case list():
                return [self.blanked_json(one) for one in cast("list[Any]", value)]
            case dict():
                members = cast("dict[str, Any]", value)
                return {self.blanked(key): self.blanked_json(one) for key, one in members.items()}
            case _:
                return value


def _longest_first(entry: tuple[int, _Chain]) -> tuple[int, int]:
    return -entry[1].matched, entry[0]


def _at(sequence: tuple[str, ...], norms: list[str]) -> Iterator[int]:
    """Where a sequence of words stands."""
    size, first = len(sequence), sequence[0]
    at = -1
    while True:
        try:
            at = norms.index(first, at + 1)
        except ValueError:
            return
        if tuple(norms[at : at + size]) == sequence:
            yield at


def _runs(norms: list[str], original: Original) -> Iterator[tuple[int, int]]:
    """Where a text has three or more words in a row as in the original."""
    for start, end, chain in _chains(norms, original, set(), gap=1):
        if chain.matched >= 3:
            yield start, end


def _chains(norms: list[str], original: Original, known: set[str], gap: int = GAP) -> Iterator[tuple[int, int, _Chain]]:
    """The longest chains of words of the original: (first word, end, what it is)."""
    places, theirs = original.places, original.words
    recent: list[
        dict[int, _Chain]
    ] = []  # by place in the original, the chains that end there: the last few words of the text
    best: dict[int, tuple[int, _Chain]] = {}
    for at, norm in enumerate(norms):
        now: dict[int, _Chain] = {}
        common = norm in _STOP
        telling = not common and norm not in known
        for back, chains in enumerate(reversed(recent), 1):
            for place, chain in chains.items():
                for step in range(1, gap + 1):
                    after = place + step
                    if after >= len(theirs):
                        break
                    if theirs[after] != norm:
                        continue
                    run = chain.run + 1 if back == step == 1 else 1
                    longer = _Chain(
                        chain.start,
                        chain.matched + 1,
                        run,
                        max(run, chain.longest),
                        chain.telling + telling,
                        chain.content + (not common),
                    )
                    if after not in now or now[after].matched < longer.matched:
                        now[after] = longer
                    break
        for place in () if common else places.get(norm, ()):
            if place not in now:
                now[place] = _Chain(at, 1, 1, 1, int(telling), 1)
        if len(now) > CHAINS_MAX:
            now = dict(sorted(now.items(), key=_longest_first)[:CHAINS_MAX])
        for chain in now.values():
            if chain.start not in best or best[chain.start][1].matched < chain.matched:
                best[chain.start] = (at + 1, chain)
        recent = [*recent[-(gap - 1) :], now] if gap > 1 else [now]
    for start, (end, chain) in best.items():
        yield start, end, chain
