"""One retry policy for every provider: exponential backoff with jitter, Retry-After honoured, then a clear failure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from gemot.models.port import ModelFailed

ATTEMPTS_MAX = 5
WAIT_FIRST_SECONDS = 0.5
WAIT_MAX_SECONDS = 30.0
RETRY_AFTER_MAX_SECONDS = 300.0
"""A provider that asks for a longer pause gets no further attempt: a person should decide."""

Result = TypeVar("Result")


class Trouble(Exception):
    """One attempt failed in a way that may pass. ``what`` says how; ``garbled``: there was a reply, but unreadable."""

    def __init__(self, what: str, *, retry_after_seconds: float | None = None, garbled: bool = False) -> None:
        super().__init__(what)
        self.what = what
        self.retry_after_seconds = retry_after_seconds
        self.garbled = garbled


async def retried(
    attempt: Callable[[], Awaitable[Result]],
    *,
    who: str,
    sleep: Callable[[float], Awaitable[None]],
    random: Callable[[], float],
    attempts_max: int = ATTEMPTS_MAX,
) -> Result:
    """Run ``attempt`` until it gives a result, at most ``attempts_max`` times.

    Waits between attempts: what the provider asked for, else half to all of 0.5, 1, 2, 4 ... 30 seconds.
    Raises :class:`ModelFailed` (``unreachable`` or ``garbled``) with who, what, how often and what to do.
    """
    waited = 0.0
    for number in range(1, attempts_max + 1):
        try:
            return await attempt()
        except Trouble as trouble:
            asked = trouble.retry_after_seconds
            too_long = asked is not None and asked > RETRY_AFTER_MAX_SECONDS
            if number == attempts_max or too_long:
                raise _given_up(who, trouble, number, waited) from None
            backoff = min(WAIT_FIRST_SECONDS * 2 ** (number - 1), WAIT_MAX_SECONDS)
            wait = asked if asked is not None else backoff * (0.5 + random() / 2)
        waited += wait
        await sleep(wait)
    raise AssertionError("attempts_max must be at least 1")


def _given_up(who: str, trouble: Trouble, times: int, waited: float) -> ModelFailed:
    asked = trouble.retry_after_seconds
    if asked is not None and asked > RETRY_AFTER_MAX_SECONDS:
        advice = f"It asks for a pause of {asked:.0f} s: go on after that, or name another model (--model)."
    elif trouble.garbled:
        advice = "Check that the address is that of a model and not of a web page or proxy; or name another model."
    else:
        advice = "Try again later, check the network and the address, or name another model (--model)."
    often = "once" if times == 1 else f"{times} times"
    text = f"{who}: {trouble.what}. Asked {often}, with pauses of {waited:.1f} s in all. {advice}"
    return ModelFailed("garbled" if trouble.garbled else "unreachable", text)
