"""What goes on after a salvage: the tables as they were known, and doubt about all that may have been done since.

Of records that are lost nobody knows what they said. A process that lived then may have gone on, and so may have done what it is about
to do. So it goes on thinking and looking, and changes nothing any more: each use of a tool that writes or sends, or must not happen
twice, is answered "in doubt", and is not carried out. Its children are like it. A person who has looked begins anew, or forks a conversation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gemot.abi.answers import Returned
from gemot.abi.effects import Adopt, Decide
from gemot.abi.events import Failure, Restored, Salvaged
from gemot.abi.syscalls import ToolUse
from gemot.kernel import changes, freezing, receipts
from gemot.kernel.process import Process, Work

if TYPE_CHECKING:
    from gemot.kernel.kernel import Kernel

IN_DOUBT = (
    "in doubt: records of the journal were lost, so nobody knows what this process did since. It may have done this already, so it was "
    "not done now. Look at what is there, and say what is still to be done; the person can begin it anew"
)


def begin(kernel: Kernel, event: Salvaged) -> None:
    """The tables apart from the trees take the place of all that there was."""
    for table in (kernel.processes, kernel.trees, kernel.boards, kernel.overdrawn, kernel.given, kernel.awaited):
        table.clear()
    freezing.thaw(msgspec.msgpack.decode(event.kernel, type=freezing.FrozenKernel), kernel)
    kernel.rules = event.rules


def restore(kernel: Kernel, event: Restored) -> None:
    """A tree is there again. Who had been answered, and had asked for nothing since, decides again."""
    tree = msgspec.msgpack.decode(event.tree, type=freezing.FrozenTree)
    freezing.thaw_tree(tree, kernel)
    kernel.changed.add(event.root)
    kernel.emit(Adopt(event.root, event.programs))
    for process in tree.processes:
        if process.alive and process.syscall is None:
            kernel.emit(Decide(process.pid))


def doubt(kernel: Kernel, process: Process, work: Work, use: ToolUse) -> None:
    """Answer a use that may have been carried out already."""
    failure = Failure("in_doubt", IN_DOUBT)
    work.state, work.result = "done", Returned(use.tool, False, IN_DOUBT, rule="in_doubt")
    receipts.note(kernel, process, use, failure)
    changes.used(kernel, process, use.tool, failure)
