"""The error of a machine. By itself: who asks a machine through its door needs no more of it."""

from __future__ import annotations


class MachineError(Exception):
    """What was asked of the machine can't be done; the message says why and what would work."""
