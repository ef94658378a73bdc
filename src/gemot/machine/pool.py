"""The pool: every model call passes here on its way to a provider, and waits for its turn where the person set limits.

Theory of operation. A call enters with two functions: ``go`` starts it, ``refuse`` tells why it can't be made. One of them
is called, at once or later, unless it is withdrawn before. A call that goes holds a place at its provider until it has
left. So a call that waits is an entry in a table, no task and no connection, and the time of its process does not run. A call
whose attempt failed and that is made again later is held outside the lines until then (:mod:`gemot.machine.attempts`).

Calls in a line go strictly in turn (:mod:`gemot.machine.turns`): one that would fit does not pass one that does not, or a
large call would wait for ever. What a call takes is estimated when it goes and corrected when it leaves. What was spent
today is in the journal (``Kernel.bills``), so that a restart does not forget it; a day is one of UTC.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from msgspec import Struct

from gemot.abi.effects import AskModel
from gemot.abi.messages import Usage
from gemot.kernel.routes import provider_of
from gemot.kernel.working import MILLIS_A_DAY
from gemot.machine.estimating import estimate
from gemot.machine.turns import Taken, Turns, Window
from gemot.models.catalogue import Limits
from gemot.models.registry import price_known

NO_LIMITS = Limits()


class ProviderView(Struct, frozen=True, omit_defaults=True):
    """What goes on at one provider. ``at_work`` and ``waiting`` count calls; ``spent_usd_micros``: today. ``held``: calls that failed
    and are made again later."""

    provider: str
    at_work: int = 0
    waiting: int = 0
    spent_usd_micros: int = 0
    limits: Limits = NO_LIMITS
    held: int = 0


@dataclass(slots=True)
class _Call:
    effect: AskModel
    chars: int
    go: Callable[[], None]
    refuse: Callable[[str], None]
    tokens: int = 0
    usd_micros: int = 0
    taken: Taken | None = None
    """Its part of the minute's tokens, once it went."""


@dataclass(slots=True)
class _Held:
    """A call that is made again later."""

    call: _Call
    timer: asyncio.TimerHandle


@dataclass(slots=True)
class _Lane:
    """One provider. ``spent`` and ``day``: in millionths of a dollar, on that day (days since 1970, UTC)."""

    limits: Limits
    day: int
    spent: int
    requests: Window
    tokens: Window
    turns: Turns = field(default_factory=Turns)
    calls: dict[int, _Call] = field(default_factory=dict[int, _Call])
    """By effect: those that wait and those at work."""
    timer: asyncio.TimerHandle | None = None

    @property
    def at_work(self) -> int:
        return len(self.calls) - len(self.turns)

    @property
    def allowed(self) -> int | None:
        """What may be spent in a day (millionths of a dollar)."""
        return None if self.limits.usd_per_day is None else int(self.limits.usd_per_day * 1_000_000)

    @property
    def reserved(self) -> int:
        """What the calls at work may cost (millionths of a dollar)."""
        return sum(call.usd_micros for call in self.calls.values() if call.taken is not None)


class Pool:
    """``limits``: by provider. ``now``: the machine's clock (milliseconds since 1970). ``bills``: as `Kernel.bills`."""

    def __init__(
        self,
        limits: Mapping[str, Limits],
        now: Callable[[], int],
        bills: Callable[[], Mapping[str, tuple[int, int]]],
        today: Callable[[], int] | None = None,
    ) -> None:
        """``now`` counts the time that passes, in milliseconds. ``today`` is the time of day, if that is another clock."""
        self._limits, self._now, self._bills = dict(limits), now, bills
        self._today = now if today is None else today
        self._lanes: dict[str, _Lane] = {}
        self._of: dict[int, _Lane] = {}
        """By effect: where it waits or is at work."""
        self._held: dict[int, _Held] = {}
        """By effect: what is not in any line until its time has come."""
        self._closed = False

    @property
    def closed(self) -> bool:
        """Nobody is let through any more."""
        return self._closed

    @property
    def waiting(self) -> int:
        return sum(len(lane.turns) for lane in self._lanes.values()) + len(self._held)

    def enter(self, effect: AskModel, chars: int, go: Callable[[], None], refuse: Callable[[str], None]) -> None:
        """A call wants to be made; ``chars`` is how much is to be shown to the model."""
        self._enter(_Call(effect, chars, go, refuse))

    def _enter(self, call: _Call) -> None:
        effect = call.effect
        lane = self._lane(provider_of(effect.model))
        lane.calls[effect.effect] = call
        self._of[effect.effect] = lane
        lane.turns.add(effect.effect, effect.root, effect.share, effect.priority)
        self._let_through(lane)

    def hold(
        self, effect: AskModel, chars: int, go: Callable[[], None], refuse: Callable[[str], None], seconds: float
    ) -> None:
        """A call that has left is to be made again after a pause. Until then it has no place, no turn and no task."""
        call = _Call(effect, chars, go, refuse)
        timer = asyncio.get_running_loop().call_later(seconds, self.hasten, effect.effect)
        self._held[effect.effect] = _Held(call, timer)

    def hasten(self, number: int) -> bool:
        """Let a call that is held stand in line now; says whether it was held."""
        if self._closed or number not in self._held:
            return False
        held = self._held.pop(number)
        held.timer.cancel()
        self._enter(held.call)
        return True

    def withdraw(self, number: int) -> bool:
        """A call is not wanted any more; says whether it was still waiting."""
        held = self._held.pop(number, None)
        if held is not None:
            held.timer.cancel()
            return True
        lane = self._of.get(number)
        if lane is None or lane.calls[number].taken is not None:
            return False
        self._drop(number)
        self._let_through(lane)
        return True

    def leave(self, number: int, usage: Usage | None) -> None:
        """A call has ended and used so much (None: nobody knows); its place is free."""
        lane = self._of.pop(number, None)
        if lane is None:
            return
        call = lane.calls.pop(number)
        if usage is not None:
            self._turn_page(lane)
            lane.spent += max(0, usage.usd_micros or 0)
            if call.taken is not None:
                lane.tokens.correct(call.taken, max(0, usage.tokens_in) + max(0, usage.tokens_out))
        self._let_through(lane)

    def close(self) -> list[int]:
        """Let nobody through any more; returns the calls that wait, which are withdrawn."""
        self._closed = True
        for lane in self._lanes.values():
            if lane.timer is not None:
                lane.timer.cancel()
        waiting = [number for number, lane in self._of.items() if lane.calls[number].taken is None]
        waiting += self._held
        for number in waiting:
            self.withdraw(number)
        return waiting

    def views(self) -> list[ProviderView]:
        """Every provider that has limits or was asked something."""
        views: list[ProviderView] = []
        for name in sorted({*self._limits, *self._lanes, *self._bills()}):
            lane = self._lane(name)
            self._turn_page(lane)
            held = sum(provider_of(one.call.effect.model) == name for one in self._held.values())
            views.append(ProviderView(name, lane.at_work, len(lane.turns), lane.spent, lane.limits, held))
        return views

    def _lane(self, provider: str) -> _Lane:
        lane = self._lanes.get(provider)
        if lane is None:
            limits, today = self._limits.get(provider, NO_LIMITS), self._today() // MILLIS_A_DAY
            day, spent = self._bills().get(provider, (today, 0))
            requests, tokens = Window(limits.requests_per_minute), Window(limits.tokens_per_minute)
            lane = self._lanes[provider] = _Lane(limits, day, spent, requests, tokens)
        return lane

    def _turn_page(self, lane: _Lane) -> None:
        today = self._today() // MILLIS_A_DAY
        if today != lane.day:
            lane.day, lane.spent = today, 0

    def _let_through(self, lane: _Lane) -> None:
        """Let all go that can go now. Where the first must wait for time to pass, a timer looks again; where it must wait
        for others, they do when they leave."""
        if lane.timer is not None:
            lane.timer.cancel()
            lane.timer = None
        loop = asyncio.get_running_loop()
        most = lane.limits.concurrency
        while not self._closed and (most is None or lane.at_work < most):
            number = lane.turns.first()
            if number is None:
                return
            call = lane.calls[number]
            refusal = self._weigh(lane, call)
            if refusal:
                self._drop(number)
                call.refuse(refusal)
                continue
            now = loop.time()
            at = max(lane.requests.free_at(1, now), lane.tokens.free_at(call.tokens, now))
            if at > now:
                lane.timer = loop.call_at(at, self._let_through, lane)
                return
            if lane.allowed is not None and lane.spent + lane.reserved + call.usd_micros > lane.allowed:
                return
            lane.turns.take()
            lane.requests.take(1, now)
            call.taken = lane.tokens.take(call.tokens, now)
            call.go()

    def _drop(self, number: int) -> None:
        lane = self._of.pop(number)
        lane.turns.remove(number)
        del lane.calls[number]

    def _weigh(self, lane: _Lane, call: _Call) -> str:
        """Estimate what a call takes, where that matters; returns why today's money does not suffice for it, if so."""
        model, out = call.effect.model, call.effect.tokens_out_max
        if lane.limits.tokens_per_minute is None and lane.allowed is None:
            return ""
        most = estimate(model, call.chars, out)
        call.tokens, call.usd_micros = most.tokens + out, most.usd_micros
        if lane.allowed is None:
            return ""
        if not price_known(model):
            return _no_price(model)
        self._turn_page(lane)
        if lane.spent + call.usd_micros <= lane.allowed:
            return ""
        return _too_dear(model, lane.allowed, lane.spent, call.usd_micros, self._today())


def _too_dear(model: str, allowed: int, spent: int, may_cost: int, now: int) -> str:
    provider = provider_of(model)
    minutes = -(-(MILLIS_A_DAY - now % MILLIS_A_DAY) // 60_000)
    when = f"It may be made at 00:00 UTC, in {minutes // 60} h {minutes % 60} min"
    if may_cost > allowed:
        when = "That is more than a whole day's"
    return (
        f"{model}: of {allowed / 1e6:.2f} dollars a day for {provider}, {spent / 1e6:.4f} are spent, and this call may cost "
        f"{may_cost / 1e6:.4f}; it was not made. {when}. Or raise usd_per_day in [provider.{provider}], or name another model."
    )


def _no_price(model: str) -> str:
    return (
        f"{model}: its price is not known here, so usd_per_day in [provider.{provider_of(model)}] can't be kept; the call was "
        "not made. Take that limit out, or name another model."
    )
