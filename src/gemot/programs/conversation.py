"""The AI program: ask the model, do what it requests, show it the results, until it exits.

All AI programs (solo, planner, runner, and anyone's Markdown file) are this one fold with another text. Its state is the
reading and the requests of the last reply that are not answered yet.

Text never ends a run: a reply that requests nothing is answered with how to go on, and after two such in a row the
process fails and says so.

When a question does not fit the model, pages leave the reading (:mod:`gemot.programs.paging`) and it is asked again. The
conversation makes the syscalls for that by itself, so that they stand in its log: `page_out`, and before it, where the program
wants summaries, `spawn` and `wait` for the child that writes one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from gemot.abi import limits
from gemot.abi.answers import Answer, Born, Cancelled, Error, Mail, Ok, Room
from gemot.abi.effects import TakeBack
from gemot.abi.messages import Image, Message, Part, Reply, Text, ToolRequest, ToolResult
from gemot.abi.rules import CUTS_ARE_TOLD, RETRACTIONS_ARE_EXACT
from gemot.abi.syscalls import Ask, Call, Exit, Generate, Mandate, PageIn, PageOut, Recall, Syscall, ToolUse, name_of
from gemot.programs import paging, recalling, replying
from gemot.programs.frozen import FrozenConversation
from gemot.programs.leaving import Leaving, page_in_chars, stubs_chars
from gemot.programs.pages import PLAIN, Mark, images_of
from gemot.programs.port import Fault, Start
from gemot.programs.reading import Reading
from gemot.programs.repeated import Repeats
from gemot.programs.replying import ENDINGS, Malformed, decode, held_back
from gemot.programs.telling import letter, named, numbered, plain, result_text, shown_with, speakers
from gemot.programs.unsaying import blanked_results, repeats_in, said_in, unsay

SILENT_REPLIES_MAX = 2

CUTS_MAX = 3
"""How often in a row a model is told that its reply was cut off."""
CUT = ("length", "cut")
"""Why a reply ended that is not whole: at the limit it was given, or where gemot stopped reading it."""

BEGINNING_CHARS = 60
"""A result that is told cut short is known by so much of it."""

NUDGE = (
    "Nothing was requested, so nothing happened. If you are done, call exit with your result; "
    "if not, call the tool that does the next step."
)


class Conversation:
    """``instructions`` is the system text, already rendered. ``summaries``: what leaves its reading is summed up by a child.

    There may be very many, nearly all of which wait for their model: what is empty then are tuples, which cost nothing."""

    __slots__ = (
        "_asked", "_cuts", "_entries", "_failed", "_fits_chars", "_instructions", "_leaving", "_mail", "_mark", "_pending", "_queue", "_reading",
        "_results", "_rules", "_silent", "_summaries", "_void", "unsaid",
    )  # fmt: skip

    def __init__(self, instructions: str, summaries: bool = False) -> None:
        self._instructions, self._summaries = instructions, summaries
        self._reading = Reading()
        self._entries = 0
        """How many answers it has had."""
        self._queue: tuple[ToolRequest, ...] = ()
        self._results: tuple[ToolResult, ...] = ()
        self._mark = PLAIN
        """What is to be known of the results beside their words."""
        self._asked: tuple[ToolRequest, ...] = ()
        """The requests that the pending syscall stands for."""
        self._pending: Syscall | None = None
        self._silent = self._cuts = 0
        self._mail: tuple[tuple[int, Mail], ...] = ()
        """What is not on a page yet, each with the answer that it came with."""
        self._failed = ""
        """Why it can't go on, once its model can't be asked any more."""
        self._leaving: Leaving | None = None
        self._fits_chars = 0
        """How long its reading may be, as the last question that did not fit showed; 0 while all of them did."""
        self._void = ""
        """Why what it has asked for repeats words that were taken back: then the results are not shown."""
        self.unsaid: tuple[tuple[int, int, Part], ...] = ()
        """What the last retraction blanked of its own words: (page, part, as it was). It is not written down."""
        self._rules = 0
        """The rules that its tree lives by."""

    @property
    def pages(self) -> Reading:
        return self._reading

    @property
    def paged(self) -> bool:
        return self._reading.head is not None

    def freeze(self, reading: int, head: int = -1) -> FrozenConversation:
        """Its state, with its pages and its reading's head as the numbers they are kept under."""
        return FrozenConversation(
            reading,
            head,
            self._instructions,
            self._summaries,
            self._entries,
            self._queue,
            self._results,
            self._mark,
            self._asked,
            self._pending,
            self._silent,
            self._mail,
            self._failed,
            self._leaving,
            self._fits_chars,
            self._void,
            self._rules,
            self._cuts,
        )

    @classmethod
    def thaw(cls, frozen: FrozenConversation, reading: Reading) -> Conversation:
        made = cls(frozen.instructions, frozen.summaries)
        made._reading, made._queue, made._results, made._asked = reading, frozen.queue, frozen.results, frozen.asked
        made._mark, made._pending, made._silent, made._mail = frozen.mark, frozen.pending, frozen.silent, frozen.mail
        made._failed, made._leaving, made._fits_chars = frozen.failed, frozen.leaving, frozen.fits_chars
        made._entries, made._void, made._rules, made._cuts = frozen.entries, frozen.void, frozen.rules, frozen.cuts
        return made

    def fork(self) -> Conversation:
        return Conversation.thaw(self.freeze(0), self._reading.fork())

    @property
    def size_chars(self) -> int:
        return self._reading.size_chars

    @property
    def images_shown(self) -> Mapping[str, int]:
        return self._reading.images

    def take_back(self, lost: TakeBack) -> bool:
        """Blank what was said, or what it was told, in the pages and in what is not on a page yet; and what it repeated of that."""
        words = f"[{lost.why}]"
        gone = {part for part, pid, entry in self._mark.sources if (entry, pid) in lost.places}
        places = self._places(lost)
        here = [self._results[part] for part in gone if part < len(self._results)]
        mail = [letter(one) for entry, one in self._mail if (entry, one.said_by) in lost.places]
        before = self._reading.log.untold_at(lost.places, words)
        repeats = self._repeats(lost, [*places, *before], here, mail)
        for number, part, pid in places:
            self._blank(number, part, words, pid)
        self._results = _blanked_results(self._results, gone, words)
        self._mail = tuple(one for one in self._mail if (one[0], one[1].said_by) not in lost.places)
        if self._leaving is not None:
            self._leaving = self._leaving.without_summary()  # who writes it has read those words
        if repeats and lost.why:
            self._unsay(lost, repeats, frozenset((number, part) for number, part, _ in (*before, *places)))
        return False

    def _places(self, lost: TakeBack) -> list[tuple[int, int, int | None]]:
        """(page, part, whose) of what is taken back."""
        told = [(number, part, None) for number, part in (() if lost.entry is None else lost.entry.places)]
        said = [(*place, pid) for entry, pid in lost.places for place in self._reading.sourced(pid, entry)]
        return [*told, *said]

    def _repeats(
        self, lost: TakeBack, places: list[tuple[int, int, int | None]], here: list[ToolResult], mail: list[str]
    ) -> Repeats:
        """Finds what was taken back, by its words."""
        if self._rules >= RETRACTIONS_ARE_EXACT:
            return self._ordered_repeats(lost, places)
        originals, log = list(lost.words), self._reading.log
        for number, part, pid in places:
            pending = self._results[part : part + 1]
            was = log.was(number, part, f"[{lost.why}]") if number <= len(self._reading) else next(iter(pending), None)
            originals += [] if was is None else said_in(was, pid)
        pids = {pid for _, pid in lost.places if pid}
        originals += [text for one in here for pid in pids for text in said_in(one, pid)]
        originals += [text for one in mail for text in said_in(Text(one), None)]
        return Repeats(one for one in originals if one.strip())

    def _ordered_repeats(self, lost: TakeBack, places: list[tuple[int, int, int | None]]) -> Repeats:
        """Finds what was taken back where it can be repeated: after the page that it stood on. The model has not read yet what is
        not on a page."""
        originals: dict[str, int] = {}
        log = self._reading.log
        for number, part, pid in sorted(places, key=lambda place: place[:2]):
            was = log.was(number, part, f"[{lost.why}]") if number <= len(log) else None
            for text in () if was is None else said_in(was, pid):
                originals.setdefault(text, number)
        last = max(originals.values(), default=0)  # an outcome is the last thing that a process says
        in_brief = any(entry == 0 for entry, _ in lost.places)
        for text in lost.words if last or in_brief else ():
            told = [number for said, number in originals.items() if text[:BEGINNING_CHARS] in said]
            originals.setdefault(text, 0 if in_brief else min(told, default=last))
        return Repeats((text for text in originals if text.strip()), originals)

    def _unsay(self, lost: TakeBack, repeats: Repeats, gone: frozenset[tuple[int, int]]) -> None:
        """Blank what it repeated itself since it was told; and what it was about to do with that is not done."""
        in_brief = any(entry == 0 for entry, _ in lost.places)
        unsaid = unsay(self._reading.log, repeats, gone, f"[{lost.why}]", paging.GOAL if in_brief else 0)
        self.unsaid = tuple(unsaid.pages)
        if unsaid.requests:
            self._results = blanked_results(self._results, self._mark, repeats)
        undone = [one for one in self._queue if one.id in unsaid.requests or repeats_in(one, repeats)]
        self._queue = tuple(one for one in self._queue if one not in undone)
        self._results += tuple(
            ToolResult(one.id, one.name, f"not done: it repeated words that were {lost.why}", False) for one in undone
        )
        if any(one.id in unsaid.requests for one in self._asked):
            self._void = lost.why

    def _blank(self, number: int, part: int, words: str, pid: int | None = None) -> None:
        if number > len(self._reading):
            self._results = _blanked_results(self._results, {part}, words)
            return
        self._reading.blank(number, part, words, pid)
        self._blank_what_tells(number, words)

    @property
    def images(self) -> set[str]:
        """The digests of all images that it was ever shown and may be shown again."""
        pages = self._reading.log.messages()
        waiting = (Message("user", self._results), *(Message("user", mail.images) for _, mail in self._mail))
        return {image.digest for message in (*pages, *waiting) for image in images_of(message)}

    def part(self, number: int, part: int) -> Part | None:
        """A part of a page, or of the page that is to be the next; None where there is none."""
        pages = self._reading.log
        parts = pages.message(number).parts if 0 < number <= len(pages) else self._results
        return parts[part] if part < len(parts) else None

    @property
    def next_part(self) -> tuple[int, int]:
        """Where the next result will stand: (page, part)."""
        return len(self._reading) + 1, len(self._results)

    def _blank_what_tells(self, number: int, words: str) -> None:
        """Copies of a page, and what was summed up from it; a copy may not be on a page yet."""
        log = self._reading.log
        for page, part in log.telling(number):
            self._reading.blank(page, part, words)
        copies = {part for part, first, last in self._mark.of if first <= number <= last}
        self._results = _blanked_results(self._results, copies, words)

    @property
    def asks_its_model(self) -> bool:
        """A turn begins: everything before it is answered."""
        return isinstance(self._pending, Generate)

    def reading(self, generate: Generate) -> tuple[Message, ...]:
        return self._reading.messages()

    def absorb(self, entry: Start | Answer) -> None:
        if isinstance(entry, Start):
            self._rules = entry.rules
            self._reading.add(Message("system", (Text(self._instructions),)))
            self._reading.add(Message("user", (Text(entry.brief), *named(entry.images))))
            return
        self._entries += 1
        self._mail += tuple((self._entries, mail) for mail in entry.mail)
        if self._leaving is not None:
            self._absorb_leaving(self._leaving, entry)
        elif isinstance(self._pending, Generate):
            self._absorb_reply(entry)
        else:
            self._absorb_results(entry)
        if not self._queue:
            self._close_turn()

    def _absorb_reply(self, entry: Answer) -> None:
        match entry:
            case Ok(Reply() as reply):
                if reply.parts:
                    self._reading.add(Message("model", reply.parts))
                wanted, self._results = (
                    replying.taken(reply, self._rules),
                    self._results + replying.left(reply, self._rules),
                )
                if reply.finish in CUT and self._rules >= CUTS_ARE_TOLD:
                    self._absorb_cut(reply, wanted)
                    return
                self._cuts = 0
                self._queue += wanted
                self._silent = 0 if self._queue else self._silent + 1
                if not self._queue and self._silent < SILENT_REPLIES_MAX:
                    self._reading.add(Message("user", (Text(NUDGE),)))
            case Error("window", message, room=room):
                self._make_room(message, room)
            case Error(_, message):
                self._failed = message
            case Cancelled():
                pass
            case _:
                raise Fault(f"a model's reply was expected, not {entry!r:.200}")

    def _absorb_cut(self, reply: Reply, wanted: tuple[ToolRequest, ...]) -> None:
        """A reply that was cut off. What is whole in it is done; the model is told of the rest, and after some times in a row no more."""
        self._cuts += 1
        self._silent = 0
        if self._cuts > CUTS_MAX:
            self._failed = replying.cut_too_often(reply, self._cuts)
            return
        torn = wanted[-1:] if wanted and not replying.is_whole(wanted[-1]) else ()
        self._queue += wanted[: len(wanted) - len(torn)]
        told = replying.cut_off(reply)
        self._results += tuple(ToolResult(request.id, request.name, f"not done: {told}", False) for request in torn)
        if not torn:
            self._reading.add(Message("user", (Text(told),)))

    def _make_room(self, message: str, room: Room | None) -> None:
        """The question did not fit: see which pages leave, or what else can be shown less of."""
        size = self._reading.size_chars
        self._fits_chars = fits = paging.fitting(room, size)
        pages = paging.leaving(self._reading, fits // 2)
        if not pages and paging.shorten(self._reading, fits * 3 // 4 if fits < size else size // 2):
            return
        pages = pages or paging.leaving(self._reading, fits // 2, paging.LAST_GAIN_CHARS_MIN)
        if pages:
            self._leaving = Leaving(pages, settled=not self._summaries)
        else:
            offers = 0 if room is None else max(0, room.question * limits.CHARS_PER_TOKEN - size)
            self._failed = (
                f"{message}. What it is offered takes {offers} characters, and what never leaves its reading (the rules, the goal, "
                f"the person's words, the latest exchange) {size}"
            )

    def _absorb_leaving(self, leaving: Leaving, entry: Answer) -> None:
        if not isinstance(self._pending, PageOut):
            self._leaving = leaving.told(entry, self._entries)
            return
        self._leaving = None
        if isinstance(entry, Ok):
            leaving.carry_out(self._reading, self._fits_chars)

    def _absorb_results(self, entry: Answer) -> None:
        pending = self._pending
        match entry:
            case Ok(Born(0, brief)):
                self._become_child(brief)
            case Ok(value) if isinstance(pending, Call):
                pairs = zip(self._asked, value, strict=True)
                self._results += tuple(
                    [
                        ToolResult(one.id, one.name, result_text(returned), returned.ok, returned.images)
                        for one, returned in pairs
                    ]
                )
            case Ok(value) if isinstance(pending, Recall):
                self._answer_asked(recalling.told(value), True, Mark(sources=self._said(value)))
            case Ok() if isinstance(pending, PageOut):
                self._page_out(pending)
            case Ok() if isinstance(pending, PageIn):
                self._page_in(pending)
            case Ok(value):
                pinned = (0,) if isinstance(pending, Ask | Mandate) else ()
                self._answer_asked(plain(value), True, Mark(pinned, self._said(value)), shown_with(value))
            case Error(rule, message):
                self._answer_asked(f"refused ({rule}): {message}", False)
            case Cancelled(reason):
                self._answer_asked(f"cancelled: {reason}", False)
                self._leave_undone("not done by you: the process that you are a fork of does this")
        if self._void:
            why = f"not shown: you asked for this with words that were {self._void}. Look at what is there now"
            asked = {one.id for one in self._asked}
            self._results = tuple(
                msgspec.structs.replace(one, text=why, images=()) if one.id in asked else one for one in self._results
            )
            self._void = ""
        self._asked = ()

    def _said(self, value: object) -> tuple[tuple[int, int, int], ...]:
        """The sources of an answer that has one part."""
        return tuple((0, pid, self._entries) for pid in sorted(speakers(value)))

    def _page_out(self, wanted: PageOut) -> None:
        if not wanted.pages:
            self._answer_asked(paging.could_leave(self._reading), True)
            return
        left = paging.put_away(self._reading, wanted.pages, stubs_chars(self._fits_chars), None, PLAIN)
        stay = [one for one in wanted.pages if self._reading.resident(one) or not 0 < one <= len(self._reading)]
        gone = f"paged out: {numbered(left)}. " if left else ""
        kept = f"not paged out: {numbered(stay)}; they are pinned, of the latest exchange, or not there" if stay else ""
        self._answer_asked((gone + kept).strip() or "those pages had left already", not stay)

    def _page_in(self, wanted: PageIn) -> None:
        room = page_in_chars(self._fits_chars)
        if not wanted.pages:
            self._answer_asked(paging.listed(self._reading, max(1, wanted.start), room), True)
            return
        page = paging.brought(self._reading, wanted.pages, max(0, wanted.start), room)
        self._answer_asked(page.text, page.any, page.mark, page.images)

    def _become_child(self, brief: str) -> None:
        """The same syscall, the other answer: this is the fork, and the parent's other requests are not its own."""
        self._answer_asked(
            f"You are the child now, with all you know so far. Your own task:\n{brief}\nExit with its result.",
            True,
            Mark(pinned=(0,)),
        )
        self._leave_undone("not done by you: your parent does this")

    def _leave_undone(self, why: str) -> None:
        """Answer the requests that are still to be done, so that none stays without its result."""
        self._results += tuple(ToolResult(request.id, request.name, why, False) for request in self._queue)
        self._queue = ()

    def _answer_asked(self, text: str, ok: bool, mark: Mark = PLAIN, images: tuple[Image, ...] = ()) -> None:
        """``mark``: of the result; it is its part 0 there."""
        if mark != PLAIN:
            place, all_of = len(self._results), self._mark
            self._mark = Mark(
                (*all_of.pinned, *(place for _ in mark.pinned)),
                (*all_of.sources, *((place, pid, entry) for _, pid, entry in mark.sources)),
                (*all_of.of, *((place, first, last) for _, first, last in mark.of)),
            )
        self._results += tuple(ToolResult(request.id, request.name, text, ok, images) for request in self._asked)

    def _close_turn(self) -> None:
        """All requests of the reply are answered: show the results, then what came meanwhile."""
        if self._results:
            self._reading.add(Message("tool", self._results), self._mark)
            self._results, self._mark = (), PLAIN
        if self._mail:
            said = [(part, mail.said_by, entry) for part, (entry, mail) in enumerate(self._mail)]
            mark = Mark(
                tuple(part for part, (_, mail) in enumerate(self._mail) if not mail.sender),
                tuple(one for one in said if one[1] > 0),
            )
            letters = tuple(Text(letter(mail)) for _, mail in self._mail)
            images = named(image for _, mail in self._mail for image in mail.images)
            self._reading.add(Message("user", (*letters, *images)), mark)
            self._mail = ()
            self._silent = 0

    def decide(self) -> Syscall:
        self._pending = syscall = self._next()
        return syscall

    def _next(self) -> Syscall:
        if self._failed:
            return Exit(failed=self._failed)
        if self._leaving is not None:
            return self._leaving.next(self._reading, self._fits_chars)
        asked: list[ToolRequest] = []
        uses: list[ToolUse] = []
        refused: list[ToolResult] = []
        queue, self._queue = self._queue, ()
        for index, request in enumerate(queue):
            try:
                wanted = decode(request)
            except Malformed as error:
                if uses:
                    self._queue = queue[index:]
                    break
                refused.append(ToolResult(request.id, request.name, f"malformed: {error}", False))
                continue
            if not isinstance(wanted, ToolUse):
                if uses:
                    self._queue = queue[index:]
                    break
                self._queue, self._asked = queue[index + 1 :], (request,)
                self._results += tuple(refused)
                reason = held_back(name_of(wanted), self._results) if self._rules else ""
                if reason:
                    self._answer_asked(reason, False)
                    self._leave_undone(f"not done: {request.name} before it in the same reply was not done")
                    self._asked, refused = (), []
                    break
                if name_of(wanted) in ENDINGS:
                    self._leave_undone(f"not done: {request.name} came before it in the same reply")
                return wanted
            if len(uses) == limits.BATCH_MAX and self._rules >= CUTS_ARE_TOLD:
                self._queue = queue[index:]
                break
            asked.append(request)
            uses.append(wanted)
        self._results += tuple(refused)
        if uses:
            self._asked = tuple(asked)
            return Call(tuple(uses))
        self._close_turn()
        if self._silent >= SILENT_REPLIES_MAX:
            return Exit(
                failed="the model stopped requesting anything without calling exit; its last words are in the log"
            )
        return Generate()


def _blanked_results(results: tuple[ToolResult, ...], gone: Collection[int], words: str) -> tuple[ToolResult, ...]:
    return tuple(
        msgspec.structs.replace(one, text=words, images=()) if at in gone else one for at, one in enumerate(results)
    )
