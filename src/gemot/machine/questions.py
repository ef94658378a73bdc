"""Questions: what a model is asked for a process. How much that is likely to take, and then what it is shown and offered."""

from __future__ import annotations

from collections.abc import Callable

from gemot.abi.effects import AskModel
from gemot.abi.events import Due, Trapped
from gemot.abi.messages import Request
from gemot.abi.syscalls import Alarm, Generate, Syscall
from gemot.kernel import Kernel
from gemot.kernel.process import Process
from gemot.kernel.routes import further
from gemot.machine import calendar, offers, pictures
from gemot.machine.cast import Cast
from gemot.machine.estimating import estimate
from gemot.programs.port import Program


class Questions:
    """``window``: the tokens that the model of a name takes in; ``value``: what the journal keeps under a digest."""

    def __init__(self, kernel: Kernel, cast: Cast, window: Callable[[str], int], value: Callable[[str], str]) -> None:
        self._kernel, self._cast, self._window, self._value = kernel, cast, window, value
        self._offers = offers.Offers()

    def trapped(self, at: int, pid: int, syscall: Syscall) -> Trapped:
        """The event of a syscall; of a `generate` with what it is likely to take, and the window of its model; of an
        `alarm` with when it is due."""
        if not isinstance(syscall, Generate):
            return Trapped(at, pid, syscall, due=self._due(at, syscall))
        process, program = self._kernel.processes[pid], self._cast.programs[pid]
        chars, most = program.size_chars + self._offered(process, program).size_chars, syscall.tokens_out_max
        model = process.models[0]
        later = {one: estimate(one, chars, most).usd_micros for one in further(process)}
        prices = {one: price for one, price in later.items() if price}
        return Trapped(at, pid, syscall, estimate(model, chars, most), prices, window=self._window(model))

    def _due(self, at: int, syscall: Syscall) -> Due | None:
        lead = self._kernel.lead
        return calendar.first(syscall, at - lead, lead) if isinstance(syscall, Alarm) else None

    def request(self, effect: AskModel) -> tuple[Request | None, int]:
        """The whole question (None where the program is gone meanwhile), and how many characters it has with what is offered."""
        program, generate = self._cast.programs.get(effect.pid), effect.generate
        if program is None:
            return None, 0
        offered, chars = self._offered(self._kernel.processes[effect.pid], program), program.size_chars
        shown = program.reading(generate)
        seen = pictures.fetched(program.images_shown, self._value)
        request = Request(shown, offered.tools, generate.choose, effect.tokens_out_max, size_chars=chars, images=seen)
        return request, chars + offered.size_chars

    def _offered(self, process: Process, program: Program) -> offers.Offered:
        """What the model of a process is offered; that of a native one nothing."""
        if process.program.kind != "ai":
            return offers.NOTHING
        return self._offers.of(process, self._kernel.tools, program.paged)
