"""Paging: which pages leave a reading when it does not fit, and how they come back.

Theory of operation. What a model is shown begins the same from turn to turn, so that a provider's prompt cache holds. That
forbids to drop a little at every turn. So nothing leaves until a question does not fit; then the oldest pages leave, until the
reading takes half of what fits: one step that changes the beginning, and many turns that do not.

A request and its results leave together: an *exchange*. Pinned are the rules, the goal, the person's messages, what they
answered and endorsed, and the latest exchange with all that came after it. Pinned parts of an exchange stay when the rest of it
leaves. If the latest exchange alone does not fit, its longest parts are shown shortened.

Everything here follows from the pages and from what the kernel said about the window, so it comes out the same in every replay.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from gemot.abi import limits
from gemot.abi.answers import Room
from gemot.abi.messages import Image, Message, Reasoning, Text, ToolRequest, ToolResult, length_chars
from gemot.programs.pages import Mark, Piece, images_of, size_chars
from gemot.programs.reading import Item, Reading, Shown, runs, shown, too_long
from gemot.programs.stubs import Stub, folded, lines, sizes, stub_of

GAIN_CHARS_MIN = 1_000
"""Fewer characters are not worth a stub, which takes about half as many, while there is another way."""

LAST_GAIN_CHARS_MIN = 300
"""Fewer are not worth it even if there is none."""

SHORT_CHARS_MIN = 200
"""The parts of the latest exchange are not shown shorter than this."""

GOAL = 2
"""The number of the page that holds a process's goal; before it stand its rules."""

GOAL_CHARS = 1_000
"""How much of the goal a child that sums up is told."""

TOLD_CHARS_MIN = 80
"""The least that it is told of a page; of too many pages it is told some."""

Unit = list[Item]


def fitting(room: Room | None, size_chars: int) -> int:
    """How many characters a reading may have, of which a question with ``size_chars`` of reading did not fit."""
    if room is None or not room.question:
        return size_chars
    offers = max(0, room.question * limits.CHARS_PER_TOKEN - size_chars)
    if not room.window:
        return size_chars
    most = (room.window - room.window // limits.REPLY_SHARE) * limits.CHARS_PER_TOKEN - offers
    return max(0, min(size_chars, most))


def leaving(reading: Reading, target_chars: int, gain_chars_min: int = GAIN_CHARS_MIN) -> tuple[int, ...]:
    """The pages that leave so that about ``target_chars`` are shown: the oldest first; none if that would gain too little."""
    size, gained = reading.size_chars, 0
    found: list[int] = []
    units = _units(reading)
    for unit in units[: _latest(units, reading.log)]:
        if size - gained <= target_chars:
            break
        gain = _gain(unit, reading.log)
        if gain > 0:
            gained += gain
            found += _numbers(unit)
    return tuple(sorted(found)) if gained >= gain_chars_min else ()


def put_away(
    reading: Reading, pages: Collection[int], stubs_chars: int, summary: Message | None, mark: Mark
) -> list[int]:
    """Let pages leave, with the exchanges that they belong to; returns those that did. Stubs take at most ``stubs_chars``, if
    they can say with so few what left. A ``summary`` becomes a page of its own, after the last of them."""
    log, units, wanted = reading.log, _units(reading), set(pages)
    latest = _latest(units, log)
    made: list[Item | list[int]] = []
    gained = 0
    for at, unit in enumerate(units):
        gain = _gain(unit, log)
        if at >= latest or gain <= 0 or wanted.isdisjoint(_numbers(unit)):
            made += unit
            continue
        gained += gain
        if not made or not isinstance(made[-1], list):
            made.append([])
        open_stub = made[-1]
        assert isinstance(open_stub, list)
        open_stub += _numbers(unit)
        made += _rest(unit, log)
    left = sorted(number for one in made if isinstance(one, list) for number in one)
    if not left:
        return []
    room = min(stubs_chars, gained // 4)
    items = [stub_of(runs(one), log, room * len(one) // len(left)) if isinstance(one, list) else one for one in made]
    if summary is not None:
        last = max(at for at, one in enumerate(made) if isinstance(one, list))
        number = reading.add(summary, mark)
        items.insert(last + 1, Shown(number, number))
    before = sizes((one for unit in units for one in unit if isinstance(one, Stub)), log)
    reading.show(_folded(items, log, min(stubs_chars, before + gained // 3)))
    return left


def _folded(items: list[Item], log: Piece, stubs_chars: int) -> list[Item]:
    """The same with stubs that take at most so much: the oldest are made one that only counts."""
    stubs = [(at, one, sizes([one], log)) for at, one in enumerate(items) if isinstance(one, Stub)]
    gone: set[int] = set()
    total = sum(chars for _, _, chars in stubs)
    first = 0
    while total > stubs_chars and first + 1 < len(stubs):
        (at, one, chars), (other_at, other, other_chars) = stubs[first], stubs[first + 1]
        both = folded(one, other)
        length = sizes([both], log)
        total += length - chars - other_chars
        gone.add(other_at)
        first += 1
        stubs[first] = (at, both, length)
    at, one, _ = stubs[first]
    if total > stubs_chars and one.ranges:
        one = Stub(one.first, one.last, one.pages, one.what)
    placed = {**{at: one for at, one, _ in stubs[first + 1 :]}, at: one}
    return [placed.get(at, item) for at, item in enumerate(items) if at not in gone]


def shorten(reading: Reading, target_chars: int) -> bool:
    """Show the longest parts of the latest exchange shortened, so that about ``target_chars`` are shown; False where nothing more
    can be done. What is pinned for good is not shortened."""
    log, units, before = reading.log, _units(reading), reading.size_chars
    latest = _latest(units, log)
    chars = _shorter(_free_lengths(units[latest:], log), before - target_chars)
    items = [item for unit in units[:latest] for item in unit]
    reading.show(items + [_shortened(item, unit, log, chars) for unit in units[latest:] for item in unit])
    return reading.size_chars < before


def _free_lengths(units: Iterable[Unit], log: Piece) -> list[int]:
    """How long the parts are shown that may be shortened, the longest first."""
    return sorted(
        (
            length_chars(part)
            for unit in units
            for item in unit
            if isinstance(item, Shown) and not item.parts
            for message in shown(item, log)
            for at, part in enumerate(message.parts)
            if at not in _pinned(item, unit, log)
        ),
        reverse=True,
    )


def _shorter(lengths: list[int], excess: int) -> int:
    """The length at which to cut the longest so that all become shorter by ``excess`` together."""
    limit = 0
    for count, length in enumerate(lengths, 1):  # so many to the length of the next, or as far as is needed
        following = lengths[count] if count < len(lengths) else 0
        limit = max(following, length - -(-excess // count))
        excess -= (length - limit) * count
        if excess <= 0:
            break
    return max(limit, SHORT_CHARS_MIN)


def _shortened(item: Item, unit: Unit, log: Piece, chars: int) -> Item:
    if isinstance(item, Stub) or item.parts:
        return item
    kept = _pinned(item, unit, log)
    free = [part for at, part in enumerate(log.message(item.first).parts) if at not in kept]
    if all(not too_long(part, chars) for part in free):
        return item
    return Shown(item.first, item.last, chars=min(chars, item.chars or chars), kept=kept)


def _units(reading: Reading) -> list[Unit]:
    """What is shown, in what leaves or stays together: exchanges, and other pages by themselves."""
    units: list[Unit] = []
    exchange = False
    for item in reading.items():
        role = "stub" if isinstance(item, Stub) else reading.log.message(item.first).role
        if role == "tool" and exchange:
            units[-1].append(item)
            continue
        exchange = role == "model"
        units.append([item])
    return units


def _latest(units: list[Unit], log: Piece) -> int:
    """The index of the unit from which on everything stays; 0 before the model has said anything."""
    for at in range(len(units) - 1, -1, -1):
        first = units[at][0]
        if isinstance(first, Shown) and log.message(first.first).role == "model" and not first.parts:
            return at
    return 0


def _pinned(item: Shown, unit: Unit, log: Piece) -> tuple[int, ...]:
    """The parts that stay: those marked so, and the requests that they answer."""
    message = log.message(item.first)
    if item.first <= GOAL:
        return tuple(range(len(message.parts)))
    if message.role != "model":
        return log.mark(item.first).pinned
    answered = {
        part.id
        for other in unit
        if isinstance(other, Shown) and other is not item
        for at, part in enumerate(log.message(other.first).parts)
        if isinstance(part, ToolResult) and at in log.mark(other.first).pinned
    }
    return tuple(at for at, part in enumerate(message.parts) if isinstance(part, ToolRequest) and part.id in answered)


def _leaves(item: Item, unit: Unit, log: Piece) -> bool:
    if isinstance(item, Stub) or item.parts:
        return False
    return len(_pinned(item, unit, log)) < len(log.message(item.first).parts)


def _numbers(unit: Unit) -> list[int]:
    return [item.first for item in unit if isinstance(item, Shown) and not item.parts]


def _rest(unit: Unit, log: Piece) -> list[Item]:
    """What stays of a unit when it leaves."""
    kept: list[Item] = []
    for item in unit:
        if not isinstance(item, Shown) or not _leaves(item, unit, log):
            kept.append(item)
        elif pinned := _pinned(item, unit, log):
            kept.append(Shown(item.first, item.last, parts=pinned))
    return kept


def _gain(unit: Unit, log: Piece) -> int:
    if not any(_leaves(item, unit, log) for item in unit):
        return 0
    return _length(unit, log) - _length(_rest(unit, log), log)


def _length(items: Iterable[Item], log: Piece) -> int:
    return sum(size_chars(message) for item in items for message in shown(item, log))


# What a model asks for itself.


def could_leave(reading: Reading) -> str:
    """What `page_out` lists."""
    units = _units(reading)
    numbers = [
        n for unit in units[: _latest(units, reading.log)] if _gain(unit, reading.log) > 0 for n in _numbers(unit)
    ]
    if not numbers:
        return "Nothing could leave: what is shown is pinned, or belongs to the latest exchange."
    return "\n".join(["These pages could leave:", *lines(runs(numbers), reading.log)])


def listed(reading: Reading, start: int, room_chars: int) -> str:
    """What `page_in` lists: the pages that are out, from ``start`` on, as many lines as there is room for."""
    out = [(max(first, start), last) for first, last in reading.out() if last >= start]
    if not out:
        return "No page is paged out." if start <= 1 else f"No page from {start} on is paged out."
    text: list[str] = []
    for line in lines(out, reading.log):
        room_chars -= len(line) + 1
        if room_chars < 0 and text:
            number = line.partition(":")[0].partition("-")[0]
            text.append(f"[there are more: page_in(start={number}) goes on]")
            break
        text.append(line)
    return "\n".join(text)


class Brought(NamedTuple):
    """The ``text`` of pages, each line quoted; whether ``any`` was there; where the words come from; and what the pages show."""

    text: str
    any: bool
    mark: Mark
    images: tuple[Image, ...]


def brought(reading: Reading, pages: Iterable[int], start: int, room_chars: int) -> Brought:
    """Pages, as far as there is room."""
    found: list[str] = []
    images: list[Image] = []
    unseen: list[str] = []
    numbers: list[int] = []
    wanted = list(dict.fromkeys(pages))
    for number in wanted:
        if not 0 < number <= len(reading):
            found.append(f"[there is no page {number}; there are 1 to {len(reading)}]")
        elif reading.resident(number):
            found.append(f"[page {number} is not paged out: you see it as it is]")
        elif room_chars <= 0:
            found.append(f"[there was no room for page {number}; page_in(pages=[{number}]) brings it]")
        else:
            begin = start if len(wanted) == 1 else 0
            whole = page_text(reading.log.message(number))
            text = whole[begin : begin + room_chars]
            room_chars -= len(text)
            numbers.append(number)
            found.append(_quoted(number, reading.log, text))
            shown = () if begin else images_of(reading.log.message(number))
            for one in shown:
                if length_chars(one) <= room_chars and len(images) < limits.IMAGES_MAX:
                    images.append(one)
                    room_chars -= length_chars(one)
                else:
                    unseen.append(one.about)
            end = begin + len(text)
            if end < len(whole):
                found.append(
                    f"[page {number} has {len(whole)} characters; page_in(pages=[{number}], start={end}) goes on]"
                )
    if images:
        found.append(f"[the images of these pages follow: {', '.join(one.about for one in images)}]")
    if unseen:
        found.append(f"[no room here for: {', '.join(unseen)}; bring fewer pages at once, or look at them anew]")
    return Brought("\n".join(found), bool(numbers), _retelling(numbers, reading.log), tuple(images))


def _retelling(pages: Collection[int], log: Piece, by: tuple[int, int] | None = None) -> Mark:
    """The mark of a page with one part that tells others again; ``by``: the process that did, and the answer that its words came
    with (None: it is a copy)."""
    sources = {(source, entry) for number in pages for _, source, entry in log.mark(number).sources}
    said = sorted(sources | ({by} if by else set[tuple[int, int]]()))
    of = tuple((0, first, last) for first, last in runs(pages))
    return Mark(sources=tuple((0, *one) for one in said), of=of, derived=bool(by))


def _quoted(number: int, log: Piece, text: str) -> str:
    who = {"model": "said by you", "tool": "results", "user": "a message", "system": "the rules"}
    role = "a summary" if log.mark(number).derived else who[log.message(number).role]
    return f"[page {number}, {role}]\n" + "\n".join(f"> {line}" for line in text.split("\n"))


def page_text(message: Message) -> str:
    """A page as plain text: what is said as it was said, requests with their names."""
    found: list[str] = []
    for part in message.parts:
        match part:
            case Text(text):
                found.append(text)
            case ToolRequest(_, name, arguments):
                found.append(f"{name} {arguments}")
            case ToolResult(_, name, text):
                found.append(f"{name}: {text}")
            case Image(about=about):
                found.append(f"[an image: {about}]")
            case Reasoning():
                pass
    return "\n".join(found)


# Summaries.


def brief(reading: Reading, pages: Collection[int], room_chars: int) -> str:
    """What a child that sums up pages is told: of each as much as there is room for."""
    goal = page_text(reading.log.message(GOAL))[:GOAL_CHARS]
    share = max(TOLD_CHARS_MIN, room_chars // max(1, len(pages)))
    texts: list[str] = []
    for number in list(pages)[:: -(-len(pages) * share // max(room_chars, share))]:  # of too many pages some
        text = page_text(reading.log.message(number))
        whole = text if len(text) <= share else f"{text[: share * 2 // 3]}\n[...]\n{text[-share // 3 :]}"
        texts.append(_quoted(number, reading.log, whole))
    told = "\n\n".join(texts)[: min(2 * room_chars, limits.TEXT_CHARS_MAX - 2 * GOAL_CHARS)]
    return f"The pages below leave the reading of a process. What it works on:\n{goal}\n\nThe pages:\n{told}"


def summary_page(
    reading: Reading, pages: Collection[int], text: str, pid: int, entry: int, room_chars: int
) -> tuple[Message, Mark]:
    """A summary as a page: said to be one, of what, and by whom; it came with answer ``entry``."""
    ranges = runs(pages)
    named = ", ".join(f"{first} to {last}" for first, last in ranges[:8]) + (", ..." if len(ranges) > 8 else "")
    told = "\n".join(f"> {line}" for line in text[:room_chars].split("\n"))
    words = f"[a summary of the pages {named}, derived from them by a model, process {pid}; the pages themselves say what is so]"
    return Message("user", (Text(f"{words}\n{told}"),)), _retelling(pages, reading.log, (pid, entry))
