"""The port that every model stands behind: one question in, one whole reply out, words streamed meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gemot.abi.messages import Reply, Request, Usage

Heard = Callable[[str], None]
"""Called with each piece of text as it arrives; for people who watch. It never changes what is logged. An empty text says that something
of the reply came that is no word: the first byte, reasoning, a part of a tool request. A model that sends none of these for long is
taken for one that hangs."""


class Model(Protocol):
    """A voice. Implementations hold no conversation: everything a model knows is in the request.

    ``name`` is what a person types after ``--model``. ``tokens_max`` is the size of its window: what it takes in and says
    together, in tokens; 0 where nobody knows, or where there is no bound. A model that answers over a network has ``remote = True``:
    its silence may pass, so it is no fault of the question.
    """

    name: str
    tokens_max: int

    async def generate(self, request: Request, heard: Heard) -> Reply:
        """Answer ``request`` in one attempt. Raises :class:`ModelFailed`; the machine makes further attempts. Cancelling the task gives the
        work up."""
        ...

    async def close(self) -> None: ...


def is_remote(model: object) -> bool:
    """Whether a model answers over a network."""
    return getattr(model, "remote", False) is True


class ModelFailed(Exception):
    """The model gave no reply. The message says what happened, at which provider, and what would help."""

    kind: str
    """``missing`` (not installed, no key), ``refused`` (a 4xx status), ``quota`` (no credit left), ``window`` (the question is
    longer than the model takes in), ``filtered`` (a content filter), ``garbled`` (a reply that can't be read), ``unreachable``
    (no connection, silence, or a reply that broke off), ``overloaded`` (408, 409, 425, 429 or 5xx), ``limit`` (a limit of the
    person)."""
    passing: bool
    """Another attempt may go better."""
    retry_after_seconds: float | None
    """The pause that the server asked for, in seconds; None where it asked for none."""
    usage: Usage | None
    """What the attempt used, as the server reported it or as it was estimated (then ``usage.estimated``); None: nothing."""
    silent: bool
    """No byte of a reply had come when the attempt was given up."""

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        passing: bool = False,
        retry_after_seconds: float | None = None,
        usage: Usage | None = None,
        silent: bool = False,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.passing = passing
        self.retry_after_seconds = retry_after_seconds
        self.usage = usage
        self.silent = silent
