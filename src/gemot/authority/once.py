"""Each of them once: which values of an argument were used already under a grant.

What was used is kept by tree and pool. A pool begins with the grant that first says ``once_per`` and holds for all that are made of it,
whoever holds them. So two children can't both use a value.
"""

from __future__ import annotations

import hashlib
from collections.abc import Container, Mapping
from typing import Any, cast

import msgspec

from gemot.abi.grants import Grant
from gemot.authority.kinds import spelling

Spent = Mapping[str, Container[str]]
"""By pool, the keys of the values that were used."""


def pool_of(grant: Grant) -> str:
    """The pool of a grant that begins one. Grants that say the same share it: a person who says it twice said each once."""
    said = msgspec.msgpack.encode((grant.tool, grant.once_per, grant.where), order="sorted")
    return hashlib.sha256(said).hexdigest()[:32]


def keys(value: Any) -> tuple[str, ...]:
    """What an argument's values are counted by; none where there is none, or one has parts. Values that a person could take
    for one have the same key."""
    members = cast("list[Any]", value) if isinstance(value, list | tuple) else [value]
    if any(member is None or isinstance(member, dict | list | tuple) for member in members):
        return ()
    return tuple(hashlib.sha256(spelling(member).encode()).hexdigest()[:32] for member in members)


def used_up(grant: Grant, values: Mapping[str, Any], spent: Spent | None) -> str:
    """Why a grant does not allow the value of its ``once_per`` once more, in words that repeat no value; ``""`` if it does."""
    name = grant.once_per
    if spent is None:
        return f"its grant allows each {name} once, which is not counted here"
    wanted = keys(values.get(name))
    if not wanted:
        return f"its grant allows each {name} once, so {name} must be given: one value, or a list of values"
    if len(set(wanted)) < len(wanted):
        return f"its grant allows each {name} once, and one stands in it twice"
    before = spent.get(grant.pool, ())
    return (
        f"its grant allows each {name} once, and one of these was used already"
        if any(one in before for one in wanted)
        else ""
    )
