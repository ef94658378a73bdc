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
        except ModelFailed as trouble:
            if not trouble.passing:
                raise
            asked = trouble.retry_after_seconds
            too_long = asked is not None and asked > RETRY_AFTER_MAX_SECONDS
            if number == attempts_max or too_long:
                raise _given_up(who, trouble, number, waited) from None
            backoff = min(WAIT_FIRST_SECONDS * 2 ** (number - 1), WAIT_MAX_SECONDS)
            wait = asked if asked is not None else backoff * (0.5 + random() / 2)
        waited += wait
        await sleep(wait)
    raise AssertionError("attempts_max must be at least 1")


def _given_up(who: str, trouble: ModelFailed, times: int, waited: float) -> ModelFailed:
    del who
    often = "once" if times == 1 else f"{times} times"
    asked = trouble.retry_after_seconds
    pause = f" It asks for a pause of {asked:.0f} s." if asked is not None and asked > RETRY_AFTER_MAX_SECONDS else ""
    text = f"{trouble} Asked {often}, with pauses of {waited:.1f} s in all.{pause}"
    return ModelFailed(trouble.kind, text, retry_after_seconds=asked, usage=trouble.usage, silent=trouble.silent)
