"""One rule against one value, and one rule inside another: the law of arguments.

A rule has conditions that a value must meet, all of them, and a choice: values that are named, sources that a reference
may point into; either is enough. Of a list each element must obey. Whether a reference points into a source is found out
elsewhere (:mod:`gemot.authority.references`) and asked of ``comes_from``.

``rule_within(child, parent)`` may say no where yes would be true, never the reverse: whatever fits the child fits the parent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any, cast

import msgspec

from gemot.abi.grants import Mount, Rule, Scalar, Source, Template
from gemot.authority.fields import from_top, pattern_of
from gemot.authority.kinds import EXTRACTED, BadPattern, compiled, host_of, host_within, is_kind, kind_within, number_of
from gemot.authority.paths import is_under, shown
from gemot.authority.quoting import hosted, plainly, told_apart, visible
from gemot.authority.refusal import Refused
from gemot.authority.templates import names_in

Place = tuple[str | int, ...]
Origin = Callable[[Place, tuple[Source, ...] | Template], bool]
"""Does what stands at this place of an argument come from one of these sources, or was it composed by this template?"""

_encode = msgspec.msgpack.Encoder(order="sorted").encode
_ELSEWHERE: Rule = Rule()
_LISTS: tuple[type, ...] = (list, tuple)


def literal(place: Place, sources: tuple[Source, ...] | Template) -> bool:
    """The origin of what somebody wrote: it comes from no source, whatever it says."""
    return False


def same(one: Any, other: Any) -> bool:
    """Is it one value? 4 and 4.0 are, 1 and true are not, 1 and "1" are not."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other
    return type(one) is type(other) and one == other


def key(one: Scalar) -> tuple[type, Scalar]:
    """Values that are the :func:`same` have the same key, and no others."""
    kind = type(one)
    return (float if kind is int else kind, one)


def _all_named(values: Iterable[Scalar], names: Iterable[Scalar]) -> bool:
    """Is each value the same as one that is named? There may be thousands of both."""
    keys = {key(one) for one in names}
    return all(key(one) in keys for one in values)


def fits(rule: Rule, value: Any, comes_from: Origin = literal) -> bool:
    """Does an argument obey a rule? A path is already anchored."""
    if isinstance(value, _LISTS):
        items = cast("list[Any]", value)
        if rule.items_max is not None and len(items) > rule.items_max:
            return False
        if not items:
            return _one_fits(
                rule, None, literal
            )  # no member says what the rule asks for: it is judged as nothing at all is
        return all(_one_fits(rule, item, comes_from, (index,)) for index, item in enumerate(items))
    if rule.items_max is not None and rule.items_max < 1:
        return False
    return _one_fits(rule, value, comes_from)


def steps_of(name: str, properties: Iterable[str] = ()) -> tuple[str, ...]:
    """What a rule with this name is about: an argument (``to``; also one that has this very name with dots in it), or a
    part of one (``attachments.file_id``)."""
    return (name,) if "." not in name or name in properties else tuple(name.split("."))


def fits_inside(
    rule: Rule, value: Any, steps: tuple[str, ...], comes_from: Origin = literal, place: Place = ()
) -> bool:
    """Does the part of a value that these steps lead to obey a rule? Of a list of objects each one's part must; one that is
    missing is null; what is no object has no parts that could be judged."""
    if not steps:
        return fits(rule, value, lambda inner, sources: comes_from((*place, *inner), sources))
    if value is None:
        return fits(rule, None)
    if isinstance(value, dict):
        below = cast("dict[str, Any]", value).get(steps[0])
        return fits_inside(rule, below, steps[1:], comes_from, (*place, steps[0]))
    if isinstance(value, list | tuple):
        items = cast("list[Any]", value)
        if not items:
            return fits(rule, None)
        return all(fits_inside(rule, item, steps, comes_from, (*place, index)) for index, item in enumerate(items))
    return False


def _one_fits(rule: Rule, value: Any, comes_from: Origin, place: Place = ()) -> bool:
    if rule.one_of is not None and any(same(value, one) for one in rule.one_of):
        return _meets(rule, value)
    if rule.source is not None and comes_from(place, rule.source):
        return _meets(rule, value)
    if rule.template is not None and comes_from(place, rule.template):
        return _meets(rule, value)
    return not _chooses(rule) and _meets(rule, value)


def _chooses(rule: Rule) -> bool:
    """Does a rule say which values, by name or by where they come from?"""
    return rule.one_of is not None or rule.source is not None or rule.template is not None


def _meets(rule: Rule, value: Any) -> bool:
    """All conditions of a rule but its choice and the number of items."""
    text = value if isinstance(value, str) else None
    if rule.under is not None and (text is None or not is_under(text, rule.under)):
        return False
    if rule.prefix is not None and (text is None or not text.startswith(rule.prefix)):
        return False
    if rule.chars_max is not None and (text is None or len(text) > rule.chars_max):
        return False
    if rule.contains is not None and (text is None or rule.contains.casefold() not in text.casefold()):
        return False
    if rule.kind is not None and not is_kind(value, rule.kind):
        return False
    if rule.hosts is not None:
        host = host_of(value)
        if not host or not any(host_within(host, one) for one in rule.hosts):
            return False
    if rule.at_least is None and rule.at_most is None:
        return True
    number = number_of(value)
    if number is None or (rule.at_least is not None and not number >= rule.at_least):
        return False
    return rule.at_most is None or number <= rule.at_most


def rule_within(child: Rule, parent: Rule) -> bool:
    """Is everything that ``child`` allows allowed by ``parent``?"""
    if child == parent and _encode(child) == _encode(parent):  # true equals 1, and is not the same
        return True
    if parent.items_max is not None and (child.items_max is None or child.items_max > parent.items_max):
        return False
    if child.one_of is not None and child.source is None and child.template is None:
        # what it names is all that it allows
        if parent.one_of is None and _chooses(parent):
            return not child.one_of
        if parent.one_of is not None and not _all_named(child.one_of, parent.one_of):
            return False
        return all(_meets(parent, value) for value in child.one_of)
    return _choice_within(child, parent) and _conditions_within(child, parent)


def _choice_within(child: Rule, parent: Rule) -> bool:
    if not _chooses(parent):
        return True
    if not _chooses(child) or not _template_within(child.template, parent.template):
        return False
    if not _all_named(child.one_of or (), parent.one_of or ()):
        return False
    return all(any(source_within(one, other) for other in parent.source or ()) for one in child.source or ())


def _template_within(child: Template | None, parent: Template | None) -> bool:
    if child is None or parent is None:
        return child is None
    if child.text != parent.text or child.holes.keys() != parent.holes.keys():
        return False
    return all(rule_within(rule, parent.holes[name]) for name, rule in child.holes.items())


def _conditions_within(child: Rule, parent: Rule) -> bool:
    if parent.under is not None and (child.under is None or not is_under(child.under, parent.under)):
        return False
    if parent.prefix is not None and (child.prefix is None or not child.prefix.startswith(parent.prefix)):
        return False
    if parent.chars_max is not None and (child.chars_max is None or child.chars_max > parent.chars_max):
        return False
    if parent.contains is not None and (
        child.contains is None or parent.contains.casefold() not in child.contains.casefold()
    ):
        return False
    if parent.kind is not None and not kind_within(child.kind, parent.kind):
        return False
    if parent.hosts is not None and (
        child.hosts is None or not all(any(_hosts_within(one, other) for other in parent.hosts) for one in child.hosts)
    ):
        return False
    if parent.at_least is not None and (child.at_least is None or not child.at_least >= parent.at_least):
        return False
    return parent.at_most is None or (child.at_most is not None and child.at_most <= parent.at_most)


def _hosts_within(child: str, parent: str) -> bool:
    if child.startswith("."):
        return parent.startswith(".") and host_within(child[1:], parent)
    return host_within(child, parent)


def source_within(child: Source, parent: Source) -> bool:
    """Does everything that comes from ``child`` come from ``parent``, too?

    A narrower ``where`` finds fewer records; but the first, the last or the only one of fewer may be another one. So that is
    narrower only where any record may be picked.
    """
    if _encode((child.tool, child.records, child.field, child.extract, child.pattern)) != _encode(
        (parent.tool, parent.records, parent.field, parent.extract, parent.pattern)
    ):
        return False
    if child.over or parent.over or child.argument or parent.argument:
        return _encode(child) == _encode(parent)  # of fewer results, too, what is counted may be another
    if any(name not in child.called or not same(child.called[name], value) for name, value in parent.called.items()):
        return False
    if parent.pick == "any":
        if parent.value is not None and not rule_within(child.value or _ELSEWHERE, parent.value):
            return False
        return all(rule_within(child.where.get(name, _ELSEWHERE), rule) for name, rule in parent.where.items())
    if _encode(child.value) != _encode(parent.value):
        return False
    return (child.pick, child.by) == (parent.pick, parent.by) and _encode(child.where) == _encode(parent.where)


def bounds(rule: Rule | None) -> bool:
    """Does a rule say which, and not only of what form? Then what it lets through was meant by whoever wrote it."""
    if rule is None:
        return False
    if rule.one_of is not None or rule.source is not None or rule.under is not None or rule.hosts is not None:
        return True
    if rule.template is not None:
        return all(bounds(hole) for hole in rule.template.holes.values())
    if rule.prefix or rule.at_most is not None:
        return True
    return rule.kind in ("boolean", "date", "time", "datetime")  # of these none can name somebody


def sources_in(rule: Rule) -> list[Source]:
    """All sources that a rule names: its own, those of a template's values, those that an argument ranges over."""
    own = list(rule.source or ())
    below = [one for source in own for ranged in source.over.values() for one in sources_in(ranged)]
    holes = rule.template.holes.values() if rule.template is not None else ()
    return own + below + [one for hole in holes for one in sources_in(hole)]


def flaw(rule: Rule, depth: int = 0) -> str:
    """Why a rule can't be kept, in words, or ``""``. Whoever wrote it may be a model."""
    numbers = [one for one in (rule.at_least, rule.at_most, *(rule.one_of or ())) if isinstance(one, float)]
    if any(one - one != 0 for one in numbers):
        return "a bound must be a number with an end"
    if rule.source is not None and depth == 1:
        return "a record's field can't have a source of its own"
    if rule.template is not None and depth:
        return "a template is for an argument as a whole"
    if rule.under is not None and depth:
        return "'under' means nothing for a record's field; use 'prefix' or 'one_of'"
    for source in rule.source or ():
        wrong = _source_flaw(source)
        if wrong:
            return f"the source {source.tool}: {wrong}"
    return "" if rule.template is None else _template_flaw(rule.template)


def _template_flaw(template: Template) -> str:
    try:
        names = names_in(template.text)
    except Refused as refusal:
        return refusal.message
    if names != template.holes.keys():
        return f"the template has the values {', '.join(sorted(names)) or 'none'}; 'holes' must have a rule for each"
    return next((f"{name}: {wrong}" for name, rule in template.holes.items() if (wrong := flaw(rule, 2))), "")


def _source_flaw(source: Source) -> str:
    if (source.pick in ("most", "least")) != bool(source.by):
        return "'by' names the field that 'most' and 'least' compare, and only those"
    if not source.field and (source.where or source.by):
        return "'where' and 'by' are about a record, so 'field' must name the field that is wanted"
    wrong = next((wrong for name in (source.records, source.field) if (wrong := _path_flaw(name))), "")
    wrong = wrong or next((wrong for name in (source.by, *source.where) if (wrong := _path_flaw(name, one=True))), "")
    if wrong:
        return wrong
    if from_top(pattern_of(source.field)) and (source.where or source.by or source.records):
        return "a field that begins with [ is a path from the top, so there is no record that 'where' could be about"
    if source.extract and source.pattern:
        return "'extract' or 'pattern', not both"
    if source.extract and source.extract not in EXTRACTED:
        return f"{source.extract} can't be looked for in a text; these can: {', '.join(sorted(EXTRACTED))}"
    if any(isinstance(value, float) and value - value != 0 for value in source.called.values()):
        return "'called' must be numbers with an end"
    if source.pattern:
        try:
            compiled(source.pattern)
        except BadPattern as error:
            return str(error)
    wrong = "" if source.value is None else flaw(source.value, 1)
    return (
        wrong or next((wrong for rule in source.where.values() if (wrong := flaw(rule, 1))), "") or _wide_flaw(source)
    )


def _wide_flaw(source: Source) -> str:
    """Why a source that counts, or is about several results, or is an argument, can't be kept."""
    counts = source.pick in ("most_common", "least_common")
    if counts and not source.field:
        return "'field' must name what is counted"
    if (counts or source.argument) and (source.extract or source.pattern):
        return "what is counted, or an argument, is taken as it is: without 'extract' and 'pattern'"
    if source.argument and source.argument not in source.over:
        return f"'over' must say over which values {source.argument!r} ranges: which calls are made is not for a process to choose"
    if not source.over:
        return ""
    if len(source.over) > 1 or not source.over.keys().isdisjoint(source.called):
        return "'over' names one argument, which 'called' does not"
    if source.pick in ("first", "last"):
        return "'first' and 'last' are about one result, and with 'over' there are several"
    name, rule = next(iter(source.over.items()))
    if rule.one_of is None and rule.source is None:
        return f"'over' must say over which values {name} ranges, with 'one_of' or 'source'"
    if any(one.over or one.argument for one in rule.source or ()):
        return "a source in 'over' is about one result"
    return flaw(rule, 2)


def _path_flaw(name: str, *, one: bool = False) -> str:
    """Why a name in a source is no path, in words, or ``""``. ``one``: it must mean one place of a record."""
    try:
        pattern = pattern_of(name)
    except Refused as refusal:
        return refusal.message
    many = one and (None in pattern or from_top(pattern))
    return f"{name!r:.200} must be one field of a record, such as sender or from.address" if many else ""


def check(where: str, rule: Rule) -> None:
    """Raises :class:`Refused` for a rule that can't be kept."""
    wrong = flaw(rule)
    if wrong:
        raise Refused("malformed", f"{where}: {wrong}")


def in_words(rule: Rule, mounts: tuple[Mount, ...] = ()) -> str:
    """A rule as its holder would say it. Rules that differ have different words; of many values the first ones are named, with
    how many there are and a hash over all."""

    def own(value: Scalar) -> str:
        path = isinstance(value, str) and value.startswith("/") and "//" in value
        return literal_in_words(shown(cast("str", value), mounts) if path and mounts else value)

    parts: list[str] = []
    choice: list[str] = []
    if rule.one_of is not None:
        named = ("one of " if len(rule.one_of) > 1 else "") + _some(
            rule.one_of, [own(one) for one in rule.one_of[:VALUES_SHOWN]]
        )
        choice.append(named if rule.one_of else "nothing at all")
    if rule.source is not None:
        choice += [f"a reference to {source_in_words(one)}" for one in rule.source] or ["nothing at all"]
    if rule.template is not None:
        holes = "; ".join(f"{{{name}}} is {in_words(hole)}" for name, hole in rule.template.holes.items())
        choice.append(f"the words {_quoted(rule.template.text)}" + (f" in which {holes}" if holes else ""))
    if choice:
        parts.append(" or ".join(choice))
    if rule.under is not None:
        parts.append(f"inside {own(rule.under)}")
    if rule.prefix is not None:
        parts.append(f"a text that begins with {literal_in_words(rule.prefix)}")
    if rule.kind is not None:
        parts.append(f"of the kind {rule.kind}")
    if rule.hosts is not None:
        hosts = [hosted(one) for one in rule.hosts[:VALUES_SHOWN]]
        parts.append("an http address at " + (_some(rule.hosts, hosts, " or ") or "nowhere"))
    if rule.at_least is not None:
        parts.append(f"at least {rule.at_least!r}")
    if rule.at_most is not None:
        parts.append(f"at most {rule.at_most!r}")
    if rule.contains is not None:
        parts.append(f"a text that contains {literal_in_words(rule.contains)}")
    if rule.chars_max is not None:
        parts.append(f"at most {rule.chars_max} characters")
    if rule.items_max is not None:
        parts.append(f"at most {rule.items_max} items")
    return " and ".join(parts) or "anything"


VALUES_SHOWN = 20
"""How many values of a rule are named; the rest is counted and hashed."""

VALUE_CHARS_SHOWN = 2_000
"""How much of one value (characters) is shown; of a longer one its beginning, its size and a hash."""


def _some(values: tuple[Scalar, ...] | tuple[str, ...], said: list[str], between: str = ", ") -> str:
    """The values that are named, and how many more there are, told apart by a hash over all of them."""
    more = len(values) - len(said)
    if not more:
        return between.join(said)
    return f"{between.join(said)} and {more:,} more ({len(values):,} values, sha256 {_hash(values)})"


def literal_in_words(value: Scalar) -> str:
    """A value as it is written in a rule: a text in quotes, with every character that could pass for another made visible."""
    if not isinstance(value, str):
        return repr(value)
    begin, spelled = value[:VALUE_CHARS_SHOWN], told_apart(value[:VALUE_CHARS_SHOWN])
    text = visible(repr(spelled), exact=True, plain=True)
    letters = f" (its letters: {begin!a})" if spelled != begin else ""
    more = f" and more ({len(value):,} characters, sha256 {_hash(value)})" if len(value) > len(begin) else ""
    return text + letters + more


def _hash(value: object) -> str:
    return hashlib.sha256(_encode(value)).hexdigest()[:16]


def source_in_words(source: Source) -> str:
    """Where a value must have come from, as a holder of the rule would say it."""
    called = f" called with {msgspec.json.encode(source.called).decode()}" if source.called else ""
    result = f"a result of {plainly(source.tool)}{called}"
    if source.over:
        name, rule = next(iter(source.over.items()))
        result = f"all results of {plainly(source.tool)}{called}, one for each {_quoted(name)} that is {in_words(rule)}"
    counts = source.pick in ("most_common", "least_common")
    itself = f" which is {in_words(source.value)}" if source.value is not None else ""
    rules = " and ".join(f"{plainly(name)} is {in_words(rule)}" for name, rule in source.where.items())
    where = f" where {rules}" if rules else ""
    held = f" of {plainly(source.records)}" if source.records else ""
    if source.argument:
        many = {"most_common": "the most records", "least_common": "the fewest records"}.get(source.pick, "a record")
        there = (
            f"{many}{held} with the field {plainly(source.field)}{itself}{where}" if source.field else f"a text{itself}"
        )
        which = "a call" if source.pick == "any" else "the one call" if source.pick == "only" else _which(source)
        return f"the argument {_quoted(source.argument)} of {which} whose result has {there}, in {result}"
    what = f"the field {plainly(source.field)} of" if source.field else "the whole of"
    if counts:
        what = f"the {source.pick.replace('_', ' ')} value of {what.removesuffix(' of')} of"
    if source.extract or source.pattern:
        what = f'what "extract": {_quoted(source.extract or source.pattern)} finds in {what}'
    if not source.field:
        return f"{what} {result}{where}{itself}"
    which = {"only": "the one record"} | {pick: f"the {pick} record" for pick in ("first", "last")}
    which |= {pick: f"the one with the {pick} {plainly(source.by)}" for pick in ("most", "least")}
    return f"{what} {which.get(source.pick, 'a record')}{held}{where}{itself} in {result}"


def _which(source: Source) -> str:
    return "the call" if not source.by else f"the call with the {source.pick} {plainly(source.by)} in a record"


def _quoted(text: str) -> str:
    return visible(msgspec.json.encode(text).decode())
