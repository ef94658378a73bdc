"""Models: which there are, whether one can be used here, and the embedded one's installation."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import msgspec

from gemot.cli.failing import DONE, Usage, columns_of, put, say
from gemot.cli.paint import coloured, painted
from gemot.cli.plain import HANGING_MIN, hanging
from gemot.cli.reach import look_at_providers
from gemot.machine.pool import ProviderView
from gemot.models.catalogue import PROVIDERS, key_of
from gemot.models.registry import list_models


def check(name: str) -> None:
    """Say now what would only be found out when the model is first asked. Raises :class:`Usage`."""
    if name == "embedded":
        row = next(row for row in list_models() if row.name == "embedded")
        if row.state != "ready":
            raise Usage(
                f"the embedded model is not installed: {row.help}. Or name another model with --model; gemot models shows them"
            )
        return
    provider = PROVIDERS.get(name.partition(":")[0].partition("/")[0])
    if provider is None:
        return
    if provider.key_needed and key_of(provider) is None:
        raise Usage(f"the model {name} needs a key: set {' or '.join(provider.keys)} in the environment")


def show(home: Path | None, as_json: bool) -> int:
    found, at_work = list_models(), look_at_providers(home)
    if as_json:
        for row in (*found, *at_work):
            put(json.dumps(msgspec.to_builtins(row), ensure_ascii=False))
        return DONE
    colour, columns = coloured(sys.stdout), columns_of(sys.stdout)
    names = max(len(row.name) for row in found)
    for row in found:
        state = painted(f"{row.state:<13}", "done" if row.state == "ready" else "quiet", colour)
        lead, beside = f"{row.name:<{names}}  {state}", names + 17
        if columns is None:
            put(f"{lead}  {row.help}")
        elif columns - beside >= HANGING_MIN:
            first, *rest = hanging(row.help, columns - beside)
            put(f"{lead}  {first}")
            for line in rest:
                put(f"{'':<{beside}}{line}")
        else:
            put(f"{row.name}  {row.state}")
            for line in hanging(row.help, max(HANGING_MIN, columns - 4)):
                put(f"    {line}")
    if at_work:
        put("")
    for view in at_work:
        put(provider_line(view))
    return DONE


def provider_line(view: ProviderView) -> str:
    """``openai: 8 at work, 3 wait for their turn, $0.4100 spent today; at most 8 at once, $5.00 a day``"""
    goes_on = (
        f"{view.at_work} at work, {view.waiting} wait for their turn, ${view.spent_usd_micros / 1e6:.4f} spent today"
    )
    limits = view.limits
    bounds = [
        "" if limits.concurrency is None else f"{limits.concurrency} at once",
        "" if limits.requests_per_minute is None else f"{limits.requests_per_minute:,} requests a minute",
        "" if limits.tokens_per_minute is None else f"{limits.tokens_per_minute:,} tokens a minute",
        "" if limits.usd_per_day is None else f"${limits.usd_per_day:.2f} a day",
    ]
    most = ", ".join(filter(None, bounds))
    return f"{view.provider}: {goes_on}" + (f"; at most {most}" if most else "")


def install() -> int:
    from gemot.models.embedded.install import install as fetch

    fetch(say)
    return DONE
