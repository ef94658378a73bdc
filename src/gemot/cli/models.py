"""Models: which there are, whether one can be used here, and the embedded one's installation."""

from __future__ import annotations

import json
import sys

import msgspec

from gemot.cli.failing import DONE, Usage, put, say
from gemot.cli.paint import coloured, painted
from gemot.models.catalogue import PROVIDERS, installed, key_of
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
    if not installed(provider):
        raise Usage(f"the model {name} needs a package that is not here: pip install gemot[{provider.extra}]")
    if provider.key_needed and key_of(provider) is None:
        raise Usage(f"the model {name} needs a key: set {' or '.join(provider.keys)} in the environment")


def show(as_json: bool) -> int:
    found = list_models()
    if as_json:
        for row in found:
            put(json.dumps(msgspec.to_builtins(row), ensure_ascii=False))
        return DONE
    colour = coloured(sys.stdout)
    names = max(len(row.name) for row in found)
    for row in found:
        state = painted(f"{row.state:<13}", "done" if row.state == "ready" else "quiet", colour)
        put(f"{row.name:<{names}}  {state}  {row.help}")
    return DONE


def install() -> int:
    from gemot.models.embedded.install import install as fetch

    fetch(say)
    return DONE
