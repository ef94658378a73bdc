"""Attempts: how often a question is put to a model, and when again, while its provider fails in ways that may pass.

    asked ---> attempt ---> answered, or failed for good: one `Done`
                  |
                  +-------> failed in passing: held by the pool, then the next attempt

A model makes one attempt (:mod:`gemot.models.port`). A few quick attempts follow each other within a minute. Then the journal gets a
`Waiting`, and the kernel decides: a further model of the route takes over, or the question waits, and each later attempt is tried
after a longer pause. There is no last attempt: a person moves, rewinds or kills the process, or the provider comes back.

What a failed attempt used is kept here until something is written in which it stands: a `Waiting` or the `Done`. So it is booked once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from random import random

from msgspec import Struct
from msgspec.structs import replace

from gemot.abi.effects import AskModel
from gemot.abi.events import Failure, Replied, Result, Waiting
from gemot.abi.messages import Usage
from gemot.kernel.routes import provider_of
from gemot.machine.pool import Pool
from gemot.models.counting import added


class Patience(Struct, frozen=True):
    """How long to wait between attempts."""

    attempts: int = 5
    """How many quick attempts are made, the first among them."""
    first_seconds: float = 0.5
    """The pause after the first one; each further one is twice as long. Half of a pause is left to chance."""
    most_seconds: float = 30.0
    """The longest pause between quick attempts."""
    asked_seconds: float = 60.0
    """A server that asks for a longer pause than this gets no quick attempts."""
    later_seconds: tuple[float, ...] = (60.0, 120.0, 240.0, 480.0, 900.0)
    """The pauses between the attempts after that; the last one again and again. A tenth is left to chance."""
    asked_most_seconds: float = 86_400.0
    """No server gets a longer pause than this, whatever it asks for."""


@dataclass(slots=True)
class Question:
    """A question that is not answered yet."""

    effect: AskModel
    begin: Callable[[], None]
    """Makes the next attempt."""
    chars: int
    """How much the model is shown (characters)."""
    failed: int = 0
    """How many attempts have failed."""
    later: int = 0
    """How many of them after the quick ones."""
    usage: Usage | None = None
    """What they used that is not written yet."""


@dataclass(frozen=True, slots=True)
class Passing:
    """An attempt that failed in a way that may pass."""

    why: str
    """What it met with."""
    retry_after_seconds: float | None = None
    """The pause that the server asked for."""
    usage: Usage | None = None
    """What it used."""


@dataclass(slots=True)
class Attempts:
    """The questions that are put to models. ``pool``: lets them through. ``waits`` is told each `Waiting`, ``delayed`` (question, failure,
    seconds) of each quick attempt that will follow; ``refuse`` (question, why): the pool does not let it through. ``now``: the
    machine's clock (milliseconds since 1970)."""

    pool: Pool
    waits: Callable[[Waiting], None]
    delayed: Callable[[Question, Passing, float], None]
    refuse: Callable[[int, str], None]
    now: Callable[[], int]
    patience: Patience = field(default_factory=Patience)
    chance: Callable[[], float] = random
    """Gives a number from 0 to 1."""
    _questions: dict[int, Question] = field(default_factory=dict[int, Question])

    def ask(self, effect: AskModel, chars: int, begin: Callable[[], None]) -> None:
        """Put a question when its turn has come. ``begin`` makes an attempt."""
        question = self._questions[effect.effect] = Question(effect, begin, chars)
        self.pool.enter(effect, chars, begin, self._refusal(question))

    def failed(self, number: int, passing: Passing) -> None:
        """An attempt has failed, and has left the pool: make another one later."""
        question = self._questions[number]
        question.failed += 1
        question.usage = total(question.usage, passing.usage)
        seconds = self._pause(question, passing.retry_after_seconds)
        if question.later:
            until = self.now() + int(seconds * 1000)
            usage, question.usage = question.usage, None
            provider = provider_of(question.effect.model) if usage is not None else ""
            self.waits(Waiting(self.now(), number, passing.why, question.failed, until, usage, provider))
        else:
            self.delayed(question, passing, seconds)
        self.pool.hold(question.effect, question.chars, question.begin, self._refusal(question), seconds)

    def _refusal(self, question: Question) -> Callable[[str], None]:
        return lambda why: self.refuse(question.effect.effect, why)

    def _pause(self, question: Question, asked: float | None) -> float:
        """The seconds to the next attempt. Says in ``later`` whether it is a quick one."""
        patience = self.patience
        wanted = 0.0 if asked is None or math.isnan(asked) else min(max(0.0, asked), patience.asked_most_seconds)
        if not question.later and question.failed < patience.attempts and wanted <= patience.asked_seconds:
            if asked is not None:
                return wanted
            pause = min(patience.first_seconds * 2 ** (question.failed - 1), patience.most_seconds)
            return pause * (0.5 + self.chance() / 2)
        pauses = patience.later_seconds
        pause = pauses[min(question.later, len(pauses) - 1)] * (1 - self.chance() / 10)
        question.later += 1
        return max(wanted, pause)

    def hasten(self, root: int | None) -> set[int]:
        """Make the next attempt at once of each question that waits for one, of this tree or of all; returns the roots."""
        chosen = [waiting.effect for waiting in self._questions.values() if root in (None, waiting.effect.root)]
        return {effect.root for effect in chosen if self.pool.hasten(effect.effect)}

    def answered(self, number: int, outcome: Result) -> tuple[Result, str]:
        """Forget a question. Returns its outcome with what its failed attempts used; and the provider, where that is to be said."""
        question = self._questions.pop(number, None)
        if question is None:
            return outcome, ""
        provider = provider_of(question.effect.model)
        match outcome:
            case Replied(reply):
                if question.usage is None:
                    return outcome, ""
                return Replied(reply, question.usage), provider
            case Failure(usage=usage):
                usage = total(usage, question.usage)
                return (outcome, "") if usage is None else (replace(outcome, usage=usage), provider)
            case _:
                return outcome, ""


def total(before: Usage | None, more: Usage | None) -> Usage | None:
    """Two usages as one; None where there is none."""
    if before is None or more is None:
        return before if more is None else more
    return added(before, more)
