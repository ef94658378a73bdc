"""Wording: what happens on a machine, in lines that a person reads. Everything untrusted goes through `plain`."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterable
from typing import Any, Literal

from msgspec import Struct

from gemot.abi.answers import Outcome
from gemot.abi.effects import Action, Asked, PlannedStep
from gemot.abi.grants import Grant
from gemot.authority.quoting import named, plainly, told_apart, visible
from gemot.authority.rules import VALUE_CHARS_SHOWN, VALUES_SHOWN
from gemot.cli import times
from gemot.cli.plain import FOREIGN, first_line, folded, inert, one_line, plain, width
from gemot.kernel.mandate import step_lines
from gemot.machine.notes import (
    Arranged,
    AskAnswered,
    AskClosed,
    Asking,
    Began,
    Changed,
    Delayed,
    Did,
    Ended,
    Note,
    Refused,
    Spoke,
    Stuck,
    Told,
    Used,
    Using,
    Words,
)

Style = Literal["words", "use", "refused", "mail", "state", "done", "failed", "ask", "quiet"]

ARGUMENT_CHARS = 60
"""How much of one argument is shown in a line; `gemot log` shows more."""

ASKED_CHARS = 1_200
"""How much of one argument is shown when a person is asked about it: its beginning and its end."""

ASKED_LINES = 30
"""How many lines of it."""

OPTIONS_SHOWN = 12
"""How many of a question's possible answers stand in a line."""


class Line(Struct, frozen=True):
    pid: int
    style: Style
    text: str


def delayed(why: str, attempts: int, until: int, waits: bool) -> str:
    """That a provider fails, and when it is asked again."""
    often = "once" if attempts == 1 else f"{attempts} times"
    again = times.when(until) if waits else f"in {max(0.0, (until - times.now()) / 1000):.1f} s"
    lead = "waits for its provider: " if waits else ""
    return f"{lead}{first_line(why, 300)} Asked {often}; again {again}"


class Teller:
    """Turns notes into lines. ``full``: as much as a log shows; otherwise one line each."""

    def __init__(self, full: bool = False) -> None:
        self._full = full
        self._uses: dict[int, str] = {}
        self._streamed: set[int] = set()

    def lines(self, note: Note) -> list[Line]:
        match note:
            case Began(pid, parent, name, program, model, brief):
                by = f"child of {parent}" if parent else "started by the person"
                known = named(name) if name == program else f"{named(name)} ({named(program)})"
                shown = plain(brief, 4000) if self._full else first_line(brief)
                return _each(pid, "state", f"{known} on {one_line(model)}, {by}: {shown}")
            case Words(pid, text):
                self._streamed.add(pid)
                return _each(pid, "words", plain(inert(text)))
            case Spoke(pid, text):
                streamed = pid in self._streamed
                self._streamed.discard(pid)
                said = _each(pid, "words", plain(inert(text.strip()), 20_000)) if text.strip() and not streamed else []
                return said + (self._spent(note) if self._full else [])
            case Delayed(pid, _, why, attempts, until, waits):
                return [Line(pid, "state" if waits else "quiet", delayed(why, attempts, until, waits))]
            case Using(pid, effect, tool, arguments):
                self._uses[effect] = action(tool, arguments, 400 if self._full else ARGUMENT_CHARS)
                return [Line(pid, "use", self._uses[effect])] if self._full else []
            case Used(pid, effect, tool, ok, text):
                return self._used(pid, self._uses.pop(effect, one_line(tool)), ok, text)
            case Refused(pid, "generate", "window", message):  # an AI program lets pages leave, and goes on
                return _each(pid, "quiet", plain(message, 2000)) if self._full else []
            case Refused(pid, what, rule, message):
                shown = plain(message, 2000) if self._full else first_line(message, 300)
                return _each(pid, "refused", f"refused {one_line(what)} ({rule}): {shown}")
            case Did(_, "ask"):  # the question itself follows
                return []
            case Did(_, "status", detail) if not self._full and not detail.get("note"):  # a look at oneself
                return []
            case Did(pid, syscall, detail):
                return [Line(pid, "use", did(syscall, detail, 400 if self._full else ARGUMENT_CHARS))]
            case Asking(asked):
                return _each(asked.pid, "ask", f"asks you ({asked.ask}): {question(asked)}")
            case AskAnswered():
                return _each(note.pid, "ask", answer_line(note, 4000 if self._full else 300))
            case AskClosed(ask):
                return [Line(0, "quiet", f"ask {ask} is closed")]
            case Told(sender, pid, text, foreign):
                who = "you" if sender == 0 else str(sender)
                to = f"you {FOREIGN}" if pid == 0 and foreign else "you" if pid == 0 else str(pid)
                shown = plain(inert(text), 4000) if self._full else first_line(inert(text), 300)
                return _each(sender or pid, "mail", f"{who} to {to}: {shown}")
            case Arranged(pid, move, detail):
                return [Line(pid, "mail", f"you: {did(move, detail, 400 if self._full else ARGUMENT_CHARS)}")]
            case Stuck(pid, task, text, reason, foreign):
                said = inert if foreign else str
                why = f"{first_line(said(text), 120)}; last sent back: {first_line(said(reason), 200)}"
                how = f'gemot board reopen {task} "...", or gemot board drop {task}'
                return _each(pid, "ask", f"task {task} is stuck ({FOREIGN + ' ' if foreign else ''}{why}). {how}")
            case Changed(pid, what):
                return [Line(pid, "state", one_line(what))]
            case Ended(outcome):
                return _each(outcome.pid, "done" if outcome.state == "done" else "failed", self._ended(outcome))

    def _spent(self, note: Spoke) -> list[Line]:
        lines = [Line(note.pid, "quiet", f"requests {one_line(one, 500)}") for one in note.requests]
        paid = note.usage.usd_micros
        cost = "cost unknown" if paid is None else money(paid) if paid else "free"
        words = f"{count(note.usage.tokens_in)} tokens in{cached(note.usage.tokens_cached)}, {count(note.usage.tokens_out)} out, {cost}"
        return [*lines, Line(note.pid, "quiet", f"({words}, {seconds(note.millis)})")]

    def _used(self, pid: int, use: str, ok: bool, text: str) -> list[Line]:
        if self._full:
            return _each(pid, "quiet" if ok else "failed", plain(_beginning(inert(text)), 1200))
        if ok:
            return [Line(pid, "use", f"{use} -> {first_line(inert(text)) or 'done'}")]
        return [Line(pid, "failed", f"{use} failed: {first_line(inert(text).removeprefix('failed: '), 300)}")]

    def _ended(self, outcome: Outcome) -> str:
        said = inert if outcome.label.integrity == "foreign" else str
        if outcome.state == "done":
            text = said(result_text(outcome.value))
            shown = plain(text, 4000) if self._full else _short_result(outcome.value if said is str else text)
            return f"done: {shown}"
        shown = plain(said(outcome.error), 2000) if self._full else first_line(said(outcome.error), 300)
        return f"{ending(outcome)}: {shown}"


def _each(pid: int, style: Style, text: str) -> list[Line]:
    return [Line(pid, style, one) for one in text.split("\n")]


def _beginning(text: str, lines_max: int = 12) -> str:
    lines = text.strip().split("\n")
    more = len(lines) - lines_max
    return "\n".join(lines[:lines_max]) + (f"\n[... {more:,} more lines]" if more > 0 else "")


def result_text(value: Any) -> str:
    """A result as it is printed: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2)


def ending(outcome: Outcome) -> str:
    """How it ended, and by which rule if that says more."""
    return outcome.state if outcome.rule in ("", outcome.state) else f"{outcome.state} ({outcome.rule})"


def _short_result(value: Any) -> str:
    return first_line(value) if isinstance(value, str) else _short(value, 160)


def _short(value: Any, chars: int) -> str:
    return one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), chars)


def action(tool: str, arguments: dict[str, Any], chars: int = ARGUMENT_CHARS) -> str:
    """A tool use in one line: its name and what it is done to."""
    shown = [
        _short(value, chars) if index == 0 else f"{plainly(name)}={_short(value, chars)}"
        for index, (name, value) in enumerate(arguments.items())
    ]
    return " ".join([plainly(tool), *shown])


def did(syscall: str, detail: dict[str, Any], chars: int) -> str:
    """A syscall in one line."""
    match syscall:
        case "spawn" | "fork":
            what = one_line(str(detail.get("name") or detail.get("program") or ""))
            return f"{syscall} {what}: {_short(detail.get('brief', ''), max(chars, 120))}".replace(" :", ":")
        case "wait":
            children = detail.get("children")
            return f"wait for {', '.join(map(str, children))}" if children else "wait"
        case "add":
            tasks: list[dict[str, Any]] = detail["tasks"]
            return f"add {plural(len(tasks), 'task')}: {_short('; '.join(map(_task, tasks)), max(chars, 120))}"
        case "accept" if detail.get("accepted") is False:
            return f"send back {detail['task']}: {_short(detail.get('reason', ''), max(chars, 120))}"
        case "page_out" | "page_in" if detail.get("pages"):
            from gemot.programs.reading import runs

            return f"{syscall} {spans(runs(detail['pages']))}"
        case _:
            return action(syscall, detail, chars)


def _task(task: dict[str, Any]) -> str:
    return str(task.get("name") or task.get("text", ""))


def question(asked: Asked) -> str:
    """An ask in one line. Of a long argument its end is shown, too: a path means what it ends with."""
    if asked.tool:
        return f"may it use {_in_short(asked)}"
    if asked.actions:
        return f"may it do these {len(asked.actions)} things? " + "; ".join(map(_in_short, asked.actions))
    if "question" in asked.untrusted:
        return f"{FOREIGN} {one_line(inert(asked.question), 1000)}{_options(tuple(map(inert, asked.options)))}"
    return f"{one_line(asked.question, 1000)}{_options(asked.options)}"


def _in_short(one: Asked | Action) -> str:
    ends = {name: _ends(value) for name, value in _steering_first(one).items()}
    why = f" ({one_line(one.why, 300)})" if one.why else ""
    return f"{action(one.tool, ends, ASKED_CHARS)}?{why}"


def _options(options: tuple[str, ...]) -> str:
    more = [f"and {len(options) - OPTIONS_SHOWN:,} more"] if len(options) > OPTIONS_SHOWN else []
    return f" [{' / '.join([one_line(one, 80) for one in options[:OPTIONS_SHOWN]] + more)}]" if options else ""


def _steering_first(one: Asked | Action) -> dict[str, Any]:
    """The paths before all else, then what steers, in whatever order the model wrote them: no other text may stand there."""
    first = dict.fromkeys((*one.places, "path", *one.steers))  # each name once, at its first place
    order = {name: at for at, name in enumerate(first)}
    return dict(sorted(one.arguments.items(), key=lambda item: order.get(item[0], len(order))))


def _ends(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if len(text) <= ARGUMENT_CHARS:
        return text
    half = ARGUMENT_CHARS // 2
    return f"{one_line(text[:half], half)}...{one_line(text[-half:], half)}"


def planned(asked: Asked, whole: bool = False) -> list[str]:
    """The steps of a plan, or the value, that a person is to endorse. ``whole``: with each value of each rule."""
    columns = max(20, shutil.get_terminal_size().columns - 6)
    if asked.steps:
        lines = [line for number, step in enumerate(asked.steps, 1) for line in _step(number, step, whole)]
        return [piece for line in lines for piece in _hung(line, columns)]
    bar = "  | " if asked.untrusted else "  "
    lines = [line for text in asked.plan for line in visible(told_apart(text, is_path=True), exact=True).split("\n")]
    return [bar + piece for line in lines for piece in (folded(line, columns) or [""])]


def _step(number: int, step: PlannedStep, whole: bool) -> list[str]:
    """A step of a plan, a line each for its title, its grants and the system's own mark."""
    lines = step_lines(number, step)
    for grant in step.grants if whole else ():
        lines += [f"   all of {plainly(grant.tool)} {plainly(name)}: {one}" for name, one in _long_rules(grant)]
    return lines


def _long_rules(grant: Grant) -> list[tuple[str, str]]:
    """The values of rules that have more of them than a line shows, or longer ones."""
    found: list[tuple[str, str]] = []
    for name, rule in grant.where.items():
        values = (*(rule.one_of or ()), *(rule.hosts or ()), *filter(None, (rule.prefix, rule.contains)))
        long = len(values) > VALUES_SHOWN or any(len(str(one)) > VALUE_CHARS_SHOWN for one in values)
        found += [(name, visible(repr(one), exact=True, plain=True)) for one in values if long]
    return found


def _hung(line: str, columns: int) -> list[str]:
    """A line in pieces; each but the first begins with dots, so none can pass for a line of its own."""
    first = folded(line, columns)[0]
    rest = line[len(first) :]
    return [f"  {first}", *(f"     ... {piece}" for piece in (folded(rest, max(20, columns - 9)) if rest else ()))]


def together(asked: Asked, whole: bool = False) -> list[str]:
    """Several actions that a person is asked about at once, each whole and under its number."""
    columns = max(20, shutil.get_terminal_size().columns - 6)
    lines: list[str] = []
    for number, one in enumerate(asked.actions, 1):
        lines.append(f"  {number}. {plainly(one.tool)}")
        why = folded(one_line(f"nobody allowed this: {one.why}", 1_000), columns) if one.why else []
        lines += [f"  ! {piece}" for piece in why]
        lines += exact(one, whole, asked.ask)
    return lines


def details(asked: Asked, whole: bool = False) -> list[str]:
    """All that a person must see before they answer, without the question. ``whole``: every character of it."""
    if asked.actions:
        return together(asked, whole)
    return exact(asked, whole) if asked.tool else planned(asked, whole)


def exact(asked: Asked | Action, whole: bool = False, ask: int = 0) -> list[str]:
    """Everything a person must see of an action to say yes to it: each argument, whole as far as it can be shown.

    Lines are broken here and not by the terminal, and each of a longer text begins with a bar: nothing that is written in
    an argument can look like another one. Of a long value the size, a hash, the beginning and the end are shown, and all of it
    where ``whole`` is wanted.
    """
    columns = max(20, shutil.get_terminal_size().columns - 6)
    ask = asked.ask if isinstance(asked, Asked) else ask
    lines: list[str] = []
    for name, value in _steering_first(asked).items():
        text = _as_text(value)
        place = asked.places.get(name)
        begins = f"  {plainly(name)}{' (untrusted)' if name in asked.untrusted else ''}: "
        if whole or len(text) <= ASKED_CHARS:
            head, tail = _pieces(text, columns, bool(place)), list[str]()
        else:
            head = _pieces(text[: ASKED_CHARS // 2], columns, bool(place))
            tail = _pieces(text[-ASKED_CHARS // 2 :], columns, bool(place))
        more = [f"    that is {one_line(place)}"] if place else []
        more += _letters(text, bool(place))
        if len(head) == 1 and not tail and width(begins + head[0]) <= columns + 6:
            lines += [begins + head[0], *more]
            continue
        half = ASKED_LINES // 2
        if tail or (len(head) > ASKED_LINES and not whole):
            head, tail = head[:half], (tail or head)[-half:]
        lines += [f"{begins}({len(text):,} characters)", *more]
        lines.extend(f"  | {one}" for one in head)
        if tail:
            shows = f"gemot asks {ask}" if ask else "gemot asks --json"
            digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
            lines.append(f"  not all of it is shown here (sha256 {digest}); {shows} shows the rest. It ends so:")
            lines.extend(f"  | {one}" for one in tail)
    return lines


def _as_text(value: Any) -> str:
    """A value as it is shown: a text as it is, unless it could pass for another kind of value, or its ends can't be seen."""
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    odd = not value or value != value.strip() or value[0] in '"[{(' or _OTHER_KIND.fullmatch(value)
    return json.dumps(value, ensure_ascii=False) if odd and len(value) <= ARGUMENT_CHARS else value


_OTHER_KIND = re.compile(r"true|false|null|NaN|-?Infinity|-?[0-9][0-9.eE+-]*")


def _letters(text: str, is_path: bool) -> list[str]:
    """Where a host is shown in another spelling: the letters that are there."""
    if text.isascii() or told_apart(text, is_path) == text:
        return []
    return [f"    its letters: {one_line(ascii(text[:ASKED_CHARS]), 6 * ASKED_CHARS)}"]


def _pieces(text: str, columns: int, is_path: bool = False) -> list[str]:
    shown = visible(told_apart(text, is_path), exact=True)
    lines = [re.sub(r" \Z", r"\\x20", line) for line in shown.split("\n")]
    return [piece for line in lines for piece in folded(line, columns)]


def how_to_answer(asked: Asked) -> str:
    """The exact command that answers this ask."""
    if asked.tool or asked.plan or asked.actions:
        return f"gemot answer {asked.ask} yes"
    if asked.options:
        first = asked.options[0]
        safe = first if first.replace("-", "").replace("_", "").isalnum() else "'...'"
        return f"gemot answer {asked.ask} {safe}"
    return f'gemot answer {asked.ask} "..."'


def money(usd_micros: int) -> str:
    return f"${usd_micros / 1_000_000:.4f}" if usd_micros < 1_000_000 else f"${usd_micros / 1_000_000:.2f}"


def count(number: int) -> str:
    if number < 10_000:
        return f"{number:,}"
    return f"{number / 1000:.1f}k" if number < 1_000_000 else f"{number / 1_000_000:.2f}M"


def cached(tokens: int) -> str:
    """How many of the tokens just named a model took from a cache, where it did."""
    return f" ({count(tokens)} cached)" if tokens else ""


def seconds(millis: int) -> str:
    if millis < 60_000:
        return f"{millis / 1000:.1f} s"
    minutes, rest = divmod(millis // 1000, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def plural(number: int, one: str, many: str = "") -> str:
    return f"{number} {one if number == 1 else many or one + 's'}"


def spans(found: Iterable[tuple[int, int]]) -> str:
    """Runs of numbers as a person reads them."""
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in found)


def joined(numbers: Iterable[int]) -> str:
    return ", ".join(map(str, numbers))


SCOPES = {"process": ", also for later uses by this process", "subtree": ", also for later uses by it and all below it"}
"""What a yes counts for, in words."""


def answer_line(note: AskAnswered, chars_max: int) -> str:
    """What the person answered, in one line: the question, their yes or no and what it counts for, their words."""
    decides = bool(note.tools) or note.plan
    verdict = ("yes" if note.allow else "no") if decides else ("" if note.allow else "not answered")
    scope = SCOPES.get(note.scope, "") if decides and note.allow else ""
    words = first_line(inert(note.text), chars_max) if note.text else ""
    said = ": ".join(filter(None, (f"{verdict}{scope}", words)))
    about = f" to use {', '.join(map(one_line, note.tools))}" if note.tools else ""
    return f"you answered ({note.ask}){about}: {said}"
