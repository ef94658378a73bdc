"""The decision about one use of one tool: allowed under which grant, to be asked of a person, or refused and why.

A grant allows a use if all its rules hold, and
- nothing foreign steers: each argument that decides whom or what the use reaches is bounded by a rule that says which, or is
  a path in the process's own tree, or is neither third parties' text nor the words of a process that has read some;
- nothing secret leaves: what the use sends away may tell of no secret source that the grant does not carry. Whoever has
  read a secret can tell of it by what it chooses to send, so the process counts as well as the arguments.

A file that runs code later (:mod:`gemot.authority.autorun_files`) is written only if a person said yes to it, or named it in a grant.

Any grant that allows it will do. If none does, a person is asked where a grant says so, or where all that is missing is
somebody who means it; else the use is refused, with what every grant would have allowed.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from typing import Any, cast

from msgspec import Struct

from gemot.abi.grants import Grant, Mount, Rule, Source, Template
from gemot.abi.tools import ToolSpec
from gemot.authority.autorun_files import runs_later
from gemot.authority.hints import hint
from gemot.authority.holder import Holder
from gemot.authority.narrowing import RANK, covers, ended, listed, must_be
from gemot.authority.once import Spent, keys, used_up
from gemot.authority.path_arguments import in_words, mapped
from gemot.authority.paths import anchored, canonical, is_under, private_by_name, roots
from gemot.authority.private import why
from gemot.authority.references import Filling
from gemot.authority.refusal import Refused
from gemot.authority.rules import Origin, Place, bounds, fits, fits_inside, literal, sources_in, steps_of
from gemot.authority.schema import properties

WHYS_MAX = 8
"""How many grants are named in a refusal: what is said of more is not read."""

TAINTED = "was chosen by somebody who has read third parties' text"


class Verdict(Struct, frozen=True):
    """``grant`` is the index of the grant it is done under. ``ask``: a person must say yes first; ``why``: because of this."""

    grant: int
    ask: bool = False
    why: str = ""
    once: tuple[str, ...] = ()
    """The keys of the values that are used with it, where the grant allows each once."""


class _No(Struct, frozen=True):
    """Why one grant does not allow it; ``askable``: a person may. ``why`` is put into words only if nothing allows it."""

    rule: str
    why: Callable[[], str]
    askable: bool = False


def steering(tool: ToolSpec) -> tuple[str, ...]:
    """The arguments that decide whom or what a use of a tool reaches."""
    if tool.effect not in ("writes", "sends"):
        return ()
    if tool.steers is not None:
        return tool.steers
    return tuple(name for name in properties(tool.schema) if name not in tool.payload)


Later = tuple[str, str]
"""Where in the arguments a path stands that runs code later, and why it does."""

Others = dict[int, tuple[Mount, ...]]
"""What the children see that a use names."""


def decide(
    process: Holder,
    tool: ToolSpec,
    use: Filling,
    written: dict[str, Any],
    now_ms: int,
    others: Others | None = None,
    spent: Spent | None = None,
) -> Verdict:
    """``written``: the arguments as the process wrote them. ``spent``: what was used already of grants that allow each value
    once; None: no such grant allows anything. Raises :class:`Refused`."""
    grants = [(index, grant) for index, grant in enumerate(process.grants) if covers(grant.tool, tool.name)]
    if not grants:
        raise Refused(
            "grant", f"this process may not use {tool.name}. It may use: {listed(process.grants, process.mounts)}"
        )
    values, later = _anchored(process, tool, use, others or {})
    known = properties(tool.schema)
    askable: list[tuple[int, _No]] = []
    refused: list[_No] = []
    for index, grant in grants:
        no = _stands_in_the_way(process, tool, use, values, written, grant, now_ms, spent, known)
        if no is None:
            guard = _guard(grant, later)
            asks = tool.asks and tool.name not in process.confirmed and not _meant(tool, use, grant)
            return Verdict(index, asks or bool(guard), guard, _once(grant, values))
        if no.askable:
            askable.append((index, no))
        refused.append(no)
    if askable:
        index, no = askable[0]
        why = "; ".join(filter(None, (no.why(), _guard(process.grants[index], later))))
        return Verdict(index, True, why, _once(process.grants[index], values))
    why = "; or ".join(dict.fromkeys(one.why() for one in refused[:WHYS_MAX]))
    raise Refused(refused[0].rule, f"{tool.name} is not allowed so: {why}")


def _once(grant: Grant, values: dict[str, Any]) -> tuple[str, ...]:
    return keys(values.get(grant.once_per)) if grant.once_per else ()


def seen_by(process: Holder, tool: ToolSpec, arguments: dict[str, Any], others: Others) -> tuple[Mount, ...]:
    """The mounts in which the paths of a use are: those of whoever uses it, or of the child that it is about."""
    return others[arguments[tool.children[0]]] if tool.children else process.mounts


def _anchored(process: Holder, tool: ToolSpec, use: Filling, others: Others) -> tuple[dict[str, Any], dict[str, Later]]:
    """The arguments with their paths as rules are compared with them; a tool that writes needs a mount that it may write.
    And for each path that runs code later, why."""
    values: dict[str, Any] = dict(use.arguments)
    later: dict[str, Later] = {}
    if not tool.paths:
        return values, later
    seen = seen_by(process, tool, use.arguments, others)
    writable: set[str] = set()
    for name in tool.paths:

        def anchor(place: Place, path: Any, name: str = name) -> str:
            where = in_words(place)
            if not isinstance(path, str):
                raise Refused("malformed", f"{tool.name}: {where} must be a path, not {_shown(path, use, place)}")
            try:
                mount, inside = canonical(path, seen)
            except Refused as refusal:
                if not _referred(use, place):
                    raise
                raise Refused(refusal.rule, f"{tool.name}: {where} refers to a text that is no path here") from refusal
            if hidden := private_by_name(mount, inside):
                raise Refused(
                    "mount",
                    f"{path!r} does not exist for this process: such a path is {why(hidden)}. A person can show it by its "
                    f"name, when a tree begins: gemot run --show {path.rstrip('/').rpartition('/')[2]}",
                )
            path = anchored(mount, inside)
            if tool.guards and not mount.space and (reason := runs_later(path.partition("//")[2])):
                later.setdefault(name, (where, reason))
            if mount.name not in writable:
                _must_do(process, tool, mount)
                writable.add(mount.name)
            return path

        values = mapped(tool, name, values, anchor)
    return values, later


def _must_do(process: Holder, tool: ToolSpec, mount: Mount) -> None:
    """Raises :class:`Refused` where a tool needs more of a mount than there is."""
    if tool.children and RANK[tool.needs] and not any(_copied_from(one, mount) for one in process.mounts):
        raise Refused(
            "mount",
            f"/{mount.name} there is no copy of what this process may write; it sees {roots(process.mounts)}",
        )
    if not tool.children and RANK[mount.mode] < RANK[tool.needs]:
        raise Refused(
            "mount",
            f"{tool.name} writes, but /{mount.name} is read-only for this process; it sees {roots(process.mounts)}",
        )


def _copied_from(mine: Mount, copy: Mount) -> bool:
    """May whoever sees ``mine`` write all that ``copy`` is a copy of?"""
    of_mine = copy.space and (mine.folder, mine.space) == (copy.folder, copy.source)
    return bool(of_mine and RANK[mine.mode] and is_under(anchored(copy, ""), anchored(mine, "")))


def _guard(grant: Grant, later: dict[str, Later]) -> str:
    """Why a person is asked about paths that run code later; not about those that a person has named in the grant."""
    for name, (where, reason) in later.items():
        rule = grant.where.get(name, Rule())
        named = rule.one_of is not None and rule.source is None and grant.endorsed and name not in grant.unsure
        if not named:
            return f"what is written at {where} runs code later: {reason}"
    return ""


def _referred(use: Filling, place: Place) -> bool:
    """Does what stands at this place come from a reference?"""
    return any(place[: len(one)] == one for one in use.references)


def _shown(value: Any, use: Filling, place: Place) -> str:
    referred = any(one[0] == place[0] for one in use.references)
    return "what it refers to" if referred else f"{value!r:.80}"


def _stands_in_the_way(
    process: Holder,
    tool: ToolSpec,
    use: Filling,
    values: dict[str, Any],
    written: dict[str, Any],
    grant: Grant,
    now_ms: int,
    spent: Spent | None,
    known: Collection[str],
) -> _No | None:
    """``known``: the names of the tool's arguments."""
    over = ended(grant, now_ms)
    if over:
        return _No("grant", lambda: over)
    asks = grant.otherwise == "ask"
    for name, rule in grant.where.items():
        steps = steps_of(name, known)
        comes_from = functools.partial(_from, use, steps[0]) if use.references or use.composed else literal
        if not _obeys(name, steps, rule, values, comes_from):
            return _No("grant", functools.partial(_must_be, process, name, rule, written), asks)
    again = used_up(grant, values, spent) if grant.once_per else ""
    if again:
        return _No("grant", lambda: again, asks)
    if tool.effect == "sends" and "*" not in (grant.carries or ()):
        secrets = sorted({*use.all_labels.secrets} - {*(grant.carries or ())})
        if secrets:
            carried = ", ".join(grant.carries or ()) or "nothing secret"
            why = f"it may tell of {', '.join(secrets)}, and what {tool.name} sends may carry {carried}"
            return _No("secret", lambda: why, asks)
    loose = [name for name in steering(tool) if _steers_loose(tool, use, grant, name)]
    if loose:
        why = f"{', '.join(loose)} {TAINTED}, and no rule of the grant says which"
        return _No("steering", lambda: why, asks or _leaves_open(tool, grant))
    return None


def _leaves_open(tool: ToolSpec, grant: Grant) -> bool:
    """Does a grant say nothing of what steers, so that the person can still be asked? A step of a plan says all: the person was
    told that this is done, and nothing else. A grant with rules does, too, but not for the tools of third parties: what their
    other arguments do is known to few."""
    if grant.planned:
        return False
    return not grant.endorsed or not grant.where or tool.foreign


def _obeys(name: str, steps: tuple[str, ...], rule: Rule, values: dict[str, Any], comes_from: Origin) -> bool:
    if len(steps) == 1:
        return fits(rule, values.get(name), comes_from)
    if name in values and not fits(rule, values[name]):
        return False  # an argument that nobody knows, of the same name
    return fits_inside(rule, values.get(steps[0]), steps[1:], comes_from)


def _must_be(process: Holder, name: str, rule: Rule, written: dict[str, Any]) -> str:
    why = must_be(name, rule, written, process.mounts)
    sources = sources_in(rule)
    if not sources and rule.template is None:
        return why
    now = hint(process, rule)  # "" only where a source has no result yet
    return why + (f"; now that is {now}" if now else f"; use {sources[0].tool} first, and refer to its result")


def _from(use: Filling, argument: str, place: Place, sources: tuple[Source, ...] | Template) -> bool:
    return use.comes_from((argument, *place), sources)


def _steers_loose(tool: ToolSpec, use: Filling, grant: Grant, name: str) -> bool:
    if use.arguments.get(name) in (None, "", []):
        return False
    if use.label(name).integrity != "foreign":
        return False
    bounding = _bounding(tool, grant, grant.unsure) | {steps_of(path, properties(tool.schema)) for path in tool.paths}
    return not _bounded(use.arguments[name], (name,), bounding)


def _bounding(tool: ToolSpec, grant: Grant, but: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """The arguments, and parts of them, that the rules of a grant bound."""
    known = properties(tool.schema)
    return {steps_of(name, known) for name, rule in grant.where.items() if bounds(rule) and name not in but}


def _bounded(value: Any, steps: tuple[str, ...], bounding: set[tuple[str, ...]]) -> bool:
    """Is all of an argument bounded: itself, or every part of it that is there?"""
    if steps in bounding or value in (None, "", []):
        return True
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        return all(_bounded(member, (*steps, name), bounding) for name, member in members.items())
    return isinstance(value, list) and all(_bounded(item, steps, bounding) for item in cast("list[Any]", value))


def _meant(tool: ToolSpec, use: Filling, grant: Grant) -> bool:
    """Has a person seen all that such a use can reach? Then they need not be asked for each."""
    names = steering(tool)
    if not grant.endorsed or not names:
        return False
    bounding = _bounding(tool, grant)
    about = {steps[0] for steps in bounding}
    return all(name in about and _bounded(use.arguments.get(name), (name,), bounding) for name in names)


def untrusted(use: Filling) -> tuple[str, ...]:
    """The arguments that a person should look at twice."""
    return tuple(name for name in use.arguments if use.label(name).integrity == "foreign")
