"""Checkpoints: the machine's tables at a position of its journal, so that opening it reads those and a tail.

A checkpoint is never the truth: whatever is wrong with one (damaged, written by another version, a program that is gone),
the journal is folded from its first record instead, and gives the same.
"""

from __future__ import annotations

import functools

import msgspec

import gemot
from gemot.journal.contract import Journal
from gemot.kernel import Kernel
from gemot.kernel import freezing as tables
from gemot.machine.cast import Cast
from gemot.programs import freezing as folds
from gemot.programs.port import Fault

RECORDS = 20_000
"""Records between two checkpoints of a busy machine: about a third of a second of folding."""

RECORDS_PER_PROGRAM = 20
"""And so many more for each living program: what is written must stay small beside what was done."""

RECORDS_AT_CLOSE = 500
"""A machine that is closed leaves a checkpoint behind if it has more than this to fold."""


class Checkpoint(msgspec.Struct, frozen=True):
    """``version``: of the gemot that wrote it; another one folds by its own rules."""

    version: str
    kernel: tables.FrozenKernel
    programs: folds.FrozenPrograms


@functools.cache
def _decoder() -> msgspec.msgpack.Decoder[Checkpoint]:
    return msgspec.msgpack.Decoder(Checkpoint)


def take(journal: Journal, kernel: Kernel, cast: Cast) -> None:
    """Keep the tables as they are at the journal's end. There must be no event that is not in the journal."""
    frozen = Checkpoint(gemot.__version__, tables.freeze(kernel), folds.freeze(cast.programs))
    journal.put_checkpoint(journal.position, msgspec.msgpack.encode(frozen))


def restore(journal: Journal, kernel: Kernel, cast: Cast) -> int:
    """Bring a fresh ``kernel`` and ``cast`` to the newest checkpoint; returns its position, 0 where there is none to use."""
    kept = journal.checkpoint()
    if kept is None:
        return 0
    position, body = kept
    try:
        frozen = _decoder().decode(body)
        if frozen.version != gemot.__version__:
            return 0
        programs = dict(folds.thaw_conversations(frozen.programs))
        natives = {
            process.pid: cast.library.relive(process.program, *folds.past(frozen.programs.natives[process.pid]))
            for process in frozen.kernel.processes
            if process.pid in frozen.programs.natives
        }
    except (msgspec.DecodeError, Fault, LookupError):
        return 0
    tables.thaw(frozen.kernel, kernel)
    cast.programs = {**programs, **natives}
    return position
