"""The base of all data that is written down."""

from __future__ import annotations

import msgspec


class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A field that this version does not know is an error. To drop it would change what the record says."""
