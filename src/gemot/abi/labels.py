"""Labels: where a value came from, and how large the part of it is that anybody reads."""

from __future__ import annotations

from msgspec import Struct

PERSON = "person"
KERNEL = "kernel"


class Label(Struct, frozen=True, gc=False, omit_defaults=True):
    """Who produced a value.

    ``origins`` names every source that had a part in it, sorted, without repeats: ``person``, ``kernel``,
    ``tool:files/read``, ``model:3`` (the model of process 3). Joining two labels is the union of their origins.
    """

    origins: tuple[str, ...] = ()


class Handle(Struct, frozen=True, gc=False, omit_defaults=True):
    """A number that names a value the kernel holds, so that it can be passed on without being read.

    ``digest`` is the SHA-256 of the whole value in the journal's blob store; ``size_chars`` its length;
    ``preview`` its beginning, which is all that enters a reading.
    """

    number: int
    digest: str
    size_chars: int
    preview: str
    label: Label = Label()
