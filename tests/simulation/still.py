"""The law of standstill: nobody waits, untold, for what can't come by itself; and nobody is told so twice without news."""

from __future__ import annotations

from checkers import LawBroken

from gemot.abi.answers import Error, Mail, Ok, Waited
from gemot.abi.effects import Begin, Deliver, Effect, End
from gemot.abi.syscalls import Ask, Exit, Receive, Syscall, Wait
from gemot.kernel import Kernel
from gemot.kernel.process import Process


class Still:
    """``told``: who was told, or heard it from those who were, and has heard of nothing else since."""

    def __init__(self) -> None:
        self.told: set[int] = set()

    def note(self, effects: list[Effect], before: dict[int, Syscall]) -> None:
        """``before``: what each had asked for until now."""
        for effect in effects:
            match effect:
                case Deliver(pid, Ok(value, mail)) if isinstance(before.get(pid), Wait | Receive):
                    letters = [
                        one for one in (*mail, *(value if isinstance(value, tuple) else ())) if isinstance(one, Mail)
                    ]
                    if not any("standstill" in one.text for one in letters):
                        self._hears(pid, value, letters)
                    elif pid in self.told:
                        raise LawBroken(f"standstill: {pid} is told again, and nothing had happened")
                    else:
                        self.told.add(pid)
                case Deliver(pid, Error("review")):  # a verdict on its own result
                    self.told.discard(pid)
                case Deliver(pid, Ok() | Error("refused")) if isinstance(before.get(pid), Ask):  # the person's word
                    self.told.discard(pid)
                case Deliver(pid, answer) if answer.mail:  # while it was at work
                    self._hears(pid, None, list(answer.mail))
                case Begin(pid):  # another program in its place
                    self.told.discard(pid)
                case End(outcome):
                    self.told.discard(outcome.pid)
                case _:
                    pass

    def _hears(self, pid: int, value: object, letters: list[Mail]) -> None:
        if isinstance(value, Waited) and (value.ended or value.tasks):
            self.told.discard(pid)
        elif letters and all(one.sender in self.told for one in letters):
            self.told |= {pid} if value is not None else set()
        elif letters:
            self.told.discard(pid)

    def check(self, kernel: Kernel) -> None:
        for root in kernel.trees:
            living = [one for one in kernel.tree(root) if one.alive]
            if root not in kernel.asleep and not any(_goes_on(kernel, one) for one in living):
                self._check_tree(kernel, root, living)

    def _check_tree(self, kernel: Kernel, root: int, living: list[Process]) -> None:
        board = kernel.boards.get(root)
        for item in board.items.values() if board is not None else ():
            if item.lease or item.state == "stuck" or (item.author == 0 and item.state == "completed"):
                return
            if item.owner == 0 and item.state == "claimed":
                return
        untold = [
            one.pid
            for one in living
            if one.program.kind == "ai"
            and isinstance(one.syscall, Wait | Receive)
            and one.pid not in self.told
            and not (one.pid == root and isinstance(one.syscall, Receive))
        ]
        if untold:
            raise LawBroken(f"standstill: {untold} wait in tree {root}, where nothing will come")


def _goes_on(kernel: Kernel, process: Process) -> bool:
    if process.syscall is None or process.alarms:
        return True
    if any(timer.pid == process.pid and timer.kind == "deadline" for _, _, timer in kernel.timers):
        return True
    if isinstance(process.syscall, Wait | Receive):
        return process.syscall.timeout_seconds is not None
    if isinstance(process.syscall, Exit):
        return not process.review or not process.review.judges  # a check, or a person's word; else its judges are asked
    return True
