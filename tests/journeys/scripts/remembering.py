"""Models that remember something, and models that recall it in another conversation."""

from __future__ import annotations

import os
import signal

from gemot.abi.effects import KeepMemory
from gemot.abi.messages import Request
from gemot.machine.memories import Memories
from gemot.models.scripted import heard, request

FACT = "The tests need the database on port 5433, not 5432."


def keeper(question: Request):
    """Remembers a fact and ends with its number."""
    last = heard(question)
    if not last:
        return [request("remember", text=FACT, about="tests, database")]
    return [request("exit", value=last[0].text)] if last[0].ok else [request("exit", failed=last[0].text)]


def asker(question: Request):
    """Recalls it, by other words, and ends with what it was told."""
    last = heard(question)
    if not last:
        assert FACT not in str(question.messages), "nothing is recalled by itself"
        return [request("recall", query="which port do tests of the database use?")]
    return [request("exit", value=last[0].text)]


def wider(question: Request):
    """Wants what is not this project's."""
    last = heard(question)
    if not last:
        return [request("recall", query="port", scope="person"), request("remember", text="x", scope="program")]
    return [request("exit", value="\n".join(one.text for one in last))]


def dying(question: Request):
    """As `keeper`; the computer fails when the memory is on the disk and nobody was told."""
    keep = Memories.keep

    def keep_and_die(self: Memories, effect: KeepMemory) -> int:
        keep(self, effect)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("not reached")

    if not os.environ.get("LIVES"):
        Memories.keep = keep_and_die  # type: ignore[method-assign]
    return keeper(question)
