"""Rights and means as data: what a process may use, see and spend. All of it only ever narrows from parent to child."""

from __future__ import annotations

from typing import Literal

from gemot.abi import limits
from gemot.abi.strict import Struct

Scalar = str | int | float | bool | None
"""A JSON value that is no list and no object."""

Kind = Literal["text", "integer", "number", "boolean", "date", "time", "datetime", "email", "url", "iban"]
"""The forms that a value can have; each is decided by :mod:`gemot.authority.kinds` without a model."""


class Source(Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """Where a value must have come from: a field of a record in a result of one tool.

    A record is one object of the result, by its path from the top: each object of a list; where the result is no list, the
    result itself; else what ``records`` says. ``field`` is the path of the record's field (``a.b`` for one inside another,
    ``a[]`` for each member of a list, ``["a.b"]`` for a name with other characters in it); one that begins with ``[`` is a
    path from the top. Empty: the result itself, as a whole. ``called``: arguments that the tool must have been used with;
    one that was left out is what the tool's schema says (``default``), else null.
    ``where``: what other fields of the record must be. ``pick``: which of the records that are so: ``only``: all of them
    have one and the same value, else none is picked; ``any``; ``first`` and ``last`` as they stand in the result; ``most``
    and ``least`` by their field ``by`` (those that are equal must have the same value); ``most_common`` and ``least_common``:
    the value that stands in the most and in the fewest of them, if it is one.

    ``extract``: not the text itself but the value of this kind in it (``only``: there is exactly one); a number where the
    tool wants one. ``pattern``: what
    one group of a regular expression matches within a line. It is matched without going back: a repetition keeps all that
    it took, so write ``"([^"]*)"``, not ``"(.*)"``.
    """

    tool: str
    field: str = ""
    called: dict[str, Scalar] = {}
    where: dict[str, Rule] = {}
    pick: Literal["only", "any", "first", "last", "most", "least", "most_common", "least_common"] = "only"
    by: str = ""
    extract: Kind | Literal[""] = ""
    pattern: str = ""
    records: str = ""
    """The path of the records from the top of the result, such as ``transfers[]``; empty: as the tool's manifest says."""
    value: Rule | None = None
    """What the value itself must be: which member of a list (``field = "labels[]"``), which text. A list or an object is none."""
    argument: str = ""
    """The source is not the field but this argument of the call in whose result it stands; ``over`` must name it, too."""
    over: dict[str, Rule] = {}
    """One argument, and what it ranges over: all results together, one for each value of it (the newest), are looked at as
    one. The values are named (``one_of``) or picked by a source. Where one of the results is missing nothing is picked."""


class Template(Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """Fixed words with values in them. A use writes it as ``{"$text": text, "with": {name: value}}``, so what stands in a
    value is never taken for the words around it."""

    text: str
    """The words, with ``{name}`` where a value stands, and ``{{`` and ``}}`` for braces."""
    holes: dict[str, Rule] = {}
    """What each value may be, by its name."""


class Rule(Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """What one argument of a tool may be; of a list, what each of its elements may be (an empty one is judged as null is). All
    that is set must hold, but of ``one_of``, ``source`` and ``template`` either is enough. None set: anything.

    ``one_of``: exactly one of these values (a number is not its text, ``true`` is not 1). ``under``: a path inside this
    folder. ``prefix``: a text that begins so. ``chars_max``: a text no longer than this. ``kind``: a value of this form.
    ``at_least``, ``at_most``: a number, or a text that is one, of this size. ``hosts``: an http address whose host is one of
    these (``.example.org``: that or one below it). ``contains``: a text with this in it, whatever the case. ``items_max``:
    of a list, how many elements. ``source``: a reference (``{"$from": handle}``) to a value that came from one of these;
    never a literal, whatever it says.
    """

    one_of: tuple[Scalar, ...] | None = None
    under: str | None = None
    prefix: str | None = None
    chars_max: int | None = None
    kind: Kind | None = None
    at_least: float | None = None
    at_most: float | None = None
    hosts: tuple[str, ...] | None = None
    contains: str | None = None
    items_max: int | None = None
    source: tuple[Source, ...] | None = None
    template: Template | None = None
    """Fixed words with values in them."""


class Grant(Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """The right to use one tool (``files/read``), all tools of a driver (``files/*``) or a syscall (``spawn``).

    ``where`` bounds arguments by name, and parts of them: ``files.id`` is the field ``id`` of the object ``files`` or, if
    that is a list, of each of its objects; null where there is none. ``uses`` is how often (None: without bound).
    ``until_ms`` is when it ends, in milliseconds since 1970 (None: with the process). ``carries``: from which secret sources
    that may be which it sends away (None: from none; ``*``: from any). ``otherwise``: what becomes of a use that its rules
    don't allow: it is refused, or a person is asked. ``results``: ``handle``: a result never enters the reading, only its
    number and shape.

    Only the kernel sets the last four. ``endorsed``: a person has seen this grant. ``unsure``: the arguments whose rule was
    written by a process that had read foreign text: such a rule narrows, and vouches for nothing. ``planned``: it is a step of
    an endorsed plan, or a part of one: what it does not settle is refused and not asked.
    """

    tool: str
    where: dict[str, Rule] = {}
    uses: int | None = None
    until_ms: int | None = None
    carries: tuple[str, ...] | None = None
    otherwise: Literal["refuse", "ask"] = "refuse"
    results: Literal["page", "handle"] = "page"
    once_per: str = ""
    """An argument of which each value may be used once, in the whole tree; of a list, each member. Spelling does not count."""
    endorsed: bool = False
    unsure: tuple[str, ...] = ()
    planned: bool = False
    pool: str = ""
    """What of ``once_per`` is counted together: this grant, and all that were made of it."""


Mode = Literal["ro", "rw", "private", "cow"]
"""``ro``: to read only. ``rw``: the folder itself, to read and write. ``cow``: a copy of it of one's own, made when it is first
used, to read and write. ``private``: a folder of one's own, empty at first."""


class Mount(Struct, frozen=True, gc=False, omit_defaults=True):
    """A host folder seen by one process as ``/name``. ``beneath`` is a path inside ``folder`` that is its root.

    ``space``: the machine's own folder that stands in the place of ``folder`` for whoever has this mount; ``source``: the
    space that it is a copy of, where it is not one of ``folder`` itself. Only the kernel sets these two.
    """

    name: str
    folder: str
    mode: Mode = "ro"
    beneath: str = ""
    space: str = ""
    source: str = ""
    untrusted: bool = False
    """Its files and their names come from third parties: what is read from it carries the integrity ``foreign``."""
    private: tuple[str, ...] | None = None
    """Patterns of paths that do not exist in it (:mod:`gemot.abi.private`). None: the machine sets its own when a person
    starts a tree; in a journal from before there were any, none."""
    shown: tuple[str, ...] = ()
    """Patterns of private paths that the person showed by name; what is read from them carries a secrecy label."""


class MountRequest(Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """What a parent lets a child see of its own tree: ``path`` (in the parent's tree) as the child's mount ``name``.

    ``cow``: a copy that the child may change; the parent looks at it with the tools ``copies/*`` and merges what it wants of it.
    ``private``: an empty folder of the child's own; ``path`` means nothing then.
    """

    path: str = "."
    name: str = "work"
    mode: Mode = "ro"
    untrusted: bool = False
    """The child's mount is untrusted; one of an untrusted mount is in any case."""


class Budget(Struct, frozen=True, gc=False, omit_defaults=True):
    """Means that are split on spawn and returned on exit; never created.

    ``tokens`` in and out together; ``usd_micros``: millionths of a dollar; ``millis``: milliseconds that models and
    tools work for the process (waiting for a person, an alarm or a child costs none); ``processes``: how many
    descendants may live at once; ``depth``: how many generations may follow; ``calls``: syscalls.
    """

    tokens: int = 0
    usd_micros: int = 0
    millis: int = 0
    processes: int = 0
    depth: int = 0
    calls: int = 0


DEFAULT_BUDGET = Budget(
    limits.DEFAULT_TOKENS,
    limits.DEFAULT_USD_MICROS,
    limits.DEFAULT_MILLIS,
    limits.DEFAULT_PROCESSES,
    limits.DEFAULT_DEPTH,
    limits.DEFAULT_CALLS,
)
"""What a tree gets when nobody says otherwise; see `gemot.abi.limits`."""


class BudgetRequest(Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """How much of its own budget a parent gives a child; a field left out is a share of what the parent has left."""

    tokens: int | None = None
    usd_micros: int | None = None
    seconds: float | None = None
    processes: int | None = None
    depth: int | None = None
    calls: int | None = None
