"""The kernel's tables as one value and back: so that opening a machine reads a checkpoint and a tail, not all of its past."""

from __future__ import annotations

from msgspec import Struct

from gemot.abi.events import Cost
from gemot.abi.programs import ProgramSpec
from gemot.abi.tools import ToolSpec
from gemot.kernel.board import Board
from gemot.kernel.kernel import Kernel
from gemot.kernel.ledger import Means
from gemot.kernel.process import OpenAsk, Process, Timer


class FrozenKernel(Struct, frozen=True):
    """Every table of a kernel between two events. ``numbers``: the last number, ask and wake-up that were given."""

    now: int
    processes: list[Process]
    tools: dict[str, ToolSpec]
    programs: dict[str, ProgramSpec]
    boards: dict[int, Board]
    asks: dict[int, OpenAsk]
    asleep: set[int]
    overdrawn: dict[int, Cost]
    given: dict[int, Means]
    working: dict[int, int]
    timers: list[tuple[int, int, Timer]]
    late: dict[int, list[tuple[int, Timer]]]
    numbers: tuple[int, int, int]


def freeze(kernel: Kernel) -> FrozenKernel:
    """The tables as they are; to be encoded before the kernel handles another event, since it shares them."""
    return FrozenKernel(
        kernel.now,
        list(kernel.processes.values()),
        kernel.tools,
        kernel.programs,
        kernel.boards,
        kernel.asks,
        kernel.asleep,
        kernel.overdrawn,
        kernel.given,
        kernel.working,
        kernel.timers,
        kernel.late,
        kernel.numbers,
    )


def thaw(frozen: FrozenKernel, kernel: Kernel) -> None:
    """Give a fresh kernel the tables; the frozen value must not be used again."""
    kernel.now = frozen.now
    kernel.processes = {process.pid: process for process in frozen.processes}
    kernel.tools, kernel.programs = frozen.tools, frozen.programs
    kernel.boards, kernel.asks, kernel.asleep = frozen.boards, frozen.asks, frozen.asleep
    kernel.overdrawn, kernel.given, kernel.working = frozen.overdrawn, frozen.given, frozen.working
    kernel.timers, kernel.late = frozen.timers, frozen.late
    kernel.numbers = frozen.numbers
