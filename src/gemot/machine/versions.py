"""Versions: tell records of another version of gemot from damaged ones (decision 55).

A record is *newer* when it names rules above ours, or holds an event, a syscall or a field that is not known here. It is *old*
when it was decided by earlier rules, and does not fit as ours decide. Only what can be neither is damaged.
"""

from __future__ import annotations

import msgspec

import gemot
from gemot.abi.events import Booted, Done, Event
from gemot.abi.rules import NUMBERS_ARE_EXACT, OLDEST, RULES
from gemot.journal.contract import Damaged, Journal, JournalError, Record, TooNew, TooOld
from gemot.journal.records import decode
from gemot.kernel import Kernel

BOOTED = b'{"type":"booted"'
"""The beginning of the record of a start."""

FIRST = 10
"""The first start stands among this many records."""

_UNKNOWN = ("unknown field", "Invalid value", "Invalid enum value")
"""The words of msgspec for a name that is not known."""


def is_ours(boot: Booted) -> bool:
    """Whether the machine that started there was of this version."""
    return boot.version == gemot.__version__ and boot.rules == RULES


def is_loose(rules: int) -> bool:
    """Whether several sets of rules share this number, so that each record must show that it fits."""
    return rules < NUMBERS_ARE_EXACT


def read(record: Record, rules: int) -> Event:
    """The event of a record that rules of this number decided. Raises :class:`TooNew`, :class:`TooOld`, :class:`Damaged`."""
    try:
        event = decode(record.body)
    except msgspec.ValidationError as error:
        if rules < RULES:
            raise misfit(record, rules, str(error)) from error
        if any(words in str(error) for words in _UNKNOWN):
            raise newer(f"record {record.position} holds something that this gemot does not know: {error}") from error
        raise _illegible(record, error) from error
    except ValueError as error:
        raise _illegible(record, error) from error
    if isinstance(event, Booted):
        if event.rules > RULES:
            raise newer(
                f"the records from {record.position} on were decided by rules {event.rules}, this gemot has {RULES}"
            )
        if event.rules < OLDEST:
            raise misfit(record, event.rules, f"rules before {OLDEST} are not kept")
    return event


def _illegible(record: Record, error: Exception) -> Damaged:
    return Damaged(f"record {record.position} is not an event: {error}", record.position)


def must_fit(record: Record, event: Event, kernel: Kernel) -> None:
    """Raises :class:`TooOld` where an old record reports the end of work that was not begun as ours decide."""
    if isinstance(event, Done) and is_loose(kernel.rules) and event.effect not in kernel.working:
        raise misfit(record, kernel.rules, f"it reports the end of work {event.effect}, which was not begun")


def misfit(record: Record, rules: int, why: str) -> JournalError:
    """The error for a record that does not follow from those before it, ``why``."""
    if rules < RULES:
        return TooOld(
            f"the journal is old, not damaged: record {record.position} was decided by rules {rules} of an earlier gemot, and by "
            f"those that gemot {gemot.__version__} keeps it does not fit ({why}). Nothing was changed. Go on with the gemot that wrote "
            "it; or let `gemot doctor --seal` keep all its records as they are and begin after them: what had not ended then is "
            "ended, and nothing is done twice",
            record.position,
        )
    return Damaged(
        f"record {record.position} does not fit what came before it ({why}), though rules of the same number {rules} decided it: "
        "it was changed, or this is a mistake in gemot",
        record.position,
    )


def newer(what: str) -> TooNew:
    return TooNew(
        f"the journal was written by a newer gemot: {what}. Nothing was changed. Upgrade gemot, or name another folder with --home"
    )


def rules_first(journal: Journal) -> int:
    """The rules of the first start in a journal; ours where there was none yet."""
    for record in journal.read():
        if record.body.startswith(BOOTED):
            event = decode(record.body)
            return event.rules if isinstance(event, Booted) else RULES
        if record.position >= FIRST:
            break
    return RULES


def rules_at(journal: Journal, position: int) -> int:
    """The rules that decided the record at this position: those of the last start up to there."""
    step, upto = 1_000, position
    while upto > 0:
        after = max(0, upto - step)
        rules = -1
        for record in journal.read(after):
            if record.position > upto:
                break
            if record.body.startswith(BOOTED):
                event = decode(record.body)
                rules = event.rules if isinstance(event, Booted) else rules
        if rules >= 0:
            return rules
        upto, step = after, step * 4
    return 0
