"""The bestiary: models that misbehave. Shipped, deterministic, without a network; for tests, and for who writes a program.

    pid = await machine.start("tidy up", program="mine", model="beast", ...)     # models={"beast": gemot.bestiary("obeys")}
    gemot run "tidy up" --program mine --model bestiary:obeys                    # the same at the command line

Each is a function of the request, so the same log always gets the same reply. Its docstring says what it does and what
contains it; `python -m evals.bestiary` lets each loose on a machine and says what became of it.

What we don't like: they are as clever as the day they were written. A real model that turns hostile tries what is not here.
"""

from __future__ import annotations

import inspect
from difflib import get_close_matches

from gemot.models.beasts.attacking import hostile
from gemot.models.beasts.deceiving import claims, impersonates
from gemot.models.beasts.garbling import garbage
from gemot.models.beasts.obeying import obeys
from gemot.models.beasts.wasting import begs, forks, hoards, late, never_stops, spends
from gemot.models.port import ModelFailed
from gemot.models.scripted import Script, ScriptedModel, scripted

BEASTS: dict[str, Script] = {
    script.__name__: script
    for script in (obeys, hostile, forks, spends, claims, never_stops, garbage, late, begs, impersonates, hoards)
}
"""Every beast by its name."""


def bestiary(name: str) -> ScriptedModel:
    """The misbehaving model of this name: obeys, hostile, forks, spends, claims, never_stops, garbage, late, begs,
    impersonates, hoards. It costs nothing and asks nobody. Raises ``ModelFailed`` (``missing``) for any other name."""
    script = BEASTS.get(name)
    if script is None:
        near = get_close_matches(name, BEASTS, 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise ModelFailed("missing", f"The bestiary has no {name!r}.{hint} It has: {', '.join(BEASTS)}.")
    return scripted(script, name=f"bestiary:{name}")


def about(name: str) -> str:
    """What a beast does and what contains it, in words."""
    return inspect.getdoc(BEASTS[name]) or ""
