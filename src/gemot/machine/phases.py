"""Phases: how far a piece of work has come. What is said of work that gave no result follows from its phase, and from nothing else.

    waiting ---> begun ---> returned ---> kept: one `Done` with its result
       |
       +-------> called off: its deadline passed, or the machine stopped, before it began

- *waiting*: arguments are decoded, secrets fetched, copies made; it stands in a queue. Nothing has touched the world.
- *begun*: the function was called. It may have had its effect.
- *returned*: the function came back. Its result is encoded, redacted and kept; the effect is there already.

Two callers may be in different threads: the one that begins the work, and the one that calls it off. Exactly one of them wins.
A failure of the journal is no answer at all, in any phase: it stops the machine (see :mod:`gemot.machine.stage`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from gemot.abi import limits
from gemot.abi.events import Failure
from gemot.drivers.errors import ToolError, Unsure
from gemot.kernel.working import GIVEN_UP, NOT_BEGUN
from gemot.machine.threads import Raised
from gemot.models.port import ModelFailed

Kind = Literal["model", "tool", "read", "compare", "memory"]

STOPPED = Failure(GIVEN_UP, "it was stopped before it ended")
IN_DOUBT = "in_doubt"
LOOK = "It may or may not have had its effect: look before you try again."


class CalledOff(Exception):
    """The work was called off before it began, so it may not begin any more."""


class Phase:
    """The phase of one piece of work. ``name``: what is used; ``acts``: whether it changes or sends something. ``began``: when the
    machine took it up, by the event loop's clock (seconds)."""

    def __init__(self, kind: Kind, millis_max: int, name: str = "", acts: bool = False) -> None:
        self.kind: Kind = kind
        self.name, self.acts = name, acts
        self.millis_max = millis_max
        self.began = 0.0
        self._clock: Callable[[], float] = lambda: 0.0
        self.remote = False
        """A model behind a network answers: it may hang without a fault of the question."""
        self.pid = 0
        """Of a model's call: the process that asks."""
        self.spoke = False
        """Words of a reply were heard."""
        self._signed: float | None = None
        """When the last sign of a reply came, by the event loop's clock (seconds)."""
        self.returned = self.called_off = False
        self.keeping = False
        """It returned in time, and was given more time for its result to be kept."""
        self.coroutine: asyncio.Task[Any] | None = None
        """The task of a tool that is a coroutine."""
        self._ticket = [True]

    def begin_clock(self, clock: Callable[[], float]) -> None:
        """The machine takes it up now."""
        self._clock, self.began = clock, clock()

    def elapsed(self) -> int:
        """The milliseconds since the machine took it up."""
        return int((self._clock() - self.began) * 1000)

    def sign(self) -> None:
        """Something of a model's reply came."""
        self._signed = self._clock()

    def is_hung(self) -> bool:
        """A model behind a network gave no sign for at least half of the time, so the time that passed says nothing of the question."""
        if not self.remote or self.returned:
            return False
        now = self._clock()
        last = self.began if self._signed is None else self._signed
        return now - last >= (now - self.began) / 2

    def hung(self) -> str:
        """What happened to an attempt that hung until its process's time was up."""
        seconds = self.millis_max / 1000
        what = "gave no byte of a reply" if self._signed is None else "fell silent in the middle of its reply"
        return f"{self.name} {what} within {seconds:g} s, all the time that its process has left"

    def costs_no_time(self, outcome: object) -> bool:
        """Whether a process pays no time for work that ended with an exception: a failed or hung attempt to ask a model."""
        if self.kind != "model":
            return False
        failed = isinstance(outcome, Failure) and outcome.rule not in ("deadline", GIVEN_UP)
        return failed or self.is_hung()

    @property
    def begun(self) -> bool:
        return not self._ticket and not self.called_off

    def begin(self) -> None:
        """The next thing that happens touches the world. Raises :class:`CalledOff`."""
        try:
            self._ticket.pop()  # one step of the interpreter: no other thread can pop the same ticket
        except IndexError:
            raise CalledOff from None

    def call(self, function: Callable[[], Any]) -> Any:
        """Begin, and call ``function``. Raises :class:`CalledOff`, and what the function raises."""
        self.begin()
        return function()

    def call_off(self) -> None:
        """Let the work not begin any more, if it has not begun."""
        try:
            self._ticket.pop()
        except IndexError:
            return
        self.called_off = True

    def overdue(self) -> Failure:
        """The answer to work that gave no result in time."""
        within = f"within {self.millis_max / 1000:g} s"
        if self.called_off:
            return Failure(
                NOT_BEGUN,
                f"{self.name} was not begun {within}, because other work came first. It had no effect; try again",
            )
        if self.returned and self.acts:
            return Failure("deadline", f"{self.name} ended, but its result was not kept {within}. {LOOK}")
        return Failure("deadline", f"gave no result {within}." + (f" {LOOK}" if self.acts else ""))

    def stopped(self) -> Failure:
        """The answer to work that the machine stopped."""
        if self.called_off and self.kind == "tool":
            return Failure(NOT_BEGUN, f"{self.name} was stopped before it began; it had no effect")
        return STOPPED

    def failed(self, error: BaseException) -> Failure:
        """The answer to work that ended with an exception. A :class:`ToolError` of the tool is its own word."""
        own = isinstance(error, Raised)
        error = error.error if isinstance(error, Raised) else error
        words = _said(error)
        if self.acts and self.returned:
            return Failure(IN_DOUBT, f"in doubt: {self.name} ended, but its result can't be told ({words}). {LOOK}")
        if self.acts and self.begun and (isinstance(error, Unsure) or not isinstance(error, ToolError)):
            return Failure(IN_DOUBT, f"in doubt: {self.name} broke off ({words}). {LOOK}")
        match error:
            case TimeoutError() if self.kind != "tool":
                return self.overdue()
            case ModelFailed(kind="window", usage=usage) if self.kind == "model":
                return Failure("window", words, usage=usage)
            case ModelFailed(usage=usage) if self.kind == "model":
                return Failure("model", words, usage=usage)
            case msgspec.ValidationError() if self.kind == "tool" and not own and not self.begun:
                return Failure("malformed", words)
            case _:
                return Failure("model" if self.kind == "model" else "failed", words)


def sayable(text: str) -> str:
    """A text that can be written down: half of a character (a lone surrogate) is shown by its number."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "backslashreplace").decode()
    return text


def words_of(error: BaseException) -> str:
    """What an exception says, or its name where it can't say it; of a long text the beginning and the end."""
    try:
        text = sayable(str(error))
    except BaseException:  # noqa: BLE001 - the edge: the words of a driver's exception are its code, too
        return f"{type(error).__name__}, which can't say more"
    if len(text) > limits.FAILURE_CHARS_MAX:
        half = limits.FAILURE_CHARS_MAX // 2
        text = f"{text[:half]}\n[... {len(text) - 2 * half:,} characters ...]\n{text[-half:]}"
    return text


def _said(error: BaseException) -> str:
    """The words of an expected failure; before those of an unexpected one its type."""
    if isinstance(error, ToolError | ModelFailed | msgspec.ValidationError):
        return words_of(error)
    return f"{type(error).__name__}: {words_of(error)}".removesuffix(": ")
