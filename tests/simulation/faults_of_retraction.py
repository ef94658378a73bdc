"""Faults of retraction, planted by hand; see :mod:`faults`."""

from __future__ import annotations

from faults import FAULTS as FAULTS
from faults import Patch, fault

from gemot.kernel.retracting import Reach
from gemot.programs.conversation import Conversation
from gemot.programs.native import NativeProcess


@fault
def words_stay_in_readings(patch: Patch) -> None:
    """A conversation goes on reading what was taken back."""
    patch.setattr(Conversation, "take_back", lambda self, lost: False)


@fault
def words_stay_in_mailboxes(patch: Patch) -> None:
    """What nobody had read yet is read after it was taken back."""
    patch.setattr(Reach, "holds", lambda self, source, said: False)


@fault
def code_is_not_put_back(patch: Patch) -> None:
    """The tables say that a program was put back, and it was not."""
    patch.setattr(NativeProcess, "take_back", lambda self, lost: False)
