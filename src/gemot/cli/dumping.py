"""Dumping: what there is, as JSON for other programs."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from gemot.cli.failing import DONE, put
from gemot.cli.plain import plain_json


def dump(found: Iterable[msgspec.Struct]) -> int:
    """One JSON object a line."""
    for one in found:
        put(plain_json(msgspec.json.encode(one).decode()))
    return DONE
