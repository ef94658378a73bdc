"""Labels: where a value came from, who may learn it, and how large the part of it is that anybody reads."""

from __future__ import annotations

from typing import Literal

from gemot.abi.strict import Struct

PERSON = "person"
KERNEL = "kernel"

Integrity = Literal["person", "vouched", "model", "foreign"]
"""How far a value can be trusted to be meant. ``person``: a person's words, or what follows from nothing else; ``vouched``:
a driver's own words (an id, a date, the sender of a message); ``model``: a model wrote it, having read none of the last
kind; ``foreign``: third parties' text, or anything that was made having read some."""


class Label(Struct, frozen=True, omit_defaults=True):
    """Who produced a value, how far that can be trusted, and of whose secrets it may tell.

    ``origins`` names sources that had a part in it, sorted, without repeats: ``person``, ``kernel``,
    ``tool:files/read``, ``model:3`` (the model of process 3). ``secrets`` names the secret sources that it may tell of,
    sorted. Joining two labels is the union of their origins and secrets, and the lesser integrity.
    """

    origins: tuple[str, ...] = ()
    integrity: Integrity = "person"
    secrets: tuple[str, ...] = ()


class Handle(Struct, frozen=True, omit_defaults=True):
    """A number that names a value the kernel holds, so that it can be passed on without being read.

    ``digest`` is the SHA-256 of the whole value in the journal's blob store; ``size_chars`` its length;
    ``preview`` its beginning, which is all that enters a reading. ``sealed``: not even that, nor can it be read here.
    """

    number: int
    digest: str
    size_chars: int
    preview: str
    label: Label = Label()
    sealed: bool = False
