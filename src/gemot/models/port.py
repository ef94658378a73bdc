"""The port that every model stands behind: one question in, one whole reply out, words streamed meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gemot.abi.messages import Reply, Request

Heard = Callable[[str], None]
"""Called with each piece of text as it arrives; for people who watch. It never changes what is logged."""


class Model(Protocol):
    """A voice. Implementations hold no conversation: everything a model knows is in the request.

    ``name`` is what a person types after ``--model``. ``tokens_max`` is the size of its window: what it takes in and says
    together, in tokens; 0 where nobody knows, or where there is no bound.
    """

    name: str
    tokens_max: int

    async def generate(self, request: Request, heard: Heard) -> Reply:
        """Answer ``request``. Raises :class:`ModelFailed`; cancelling the task gives the work up."""
        ...

    async def close(self) -> None: ...


class ModelFailed(Exception):
    """The model gave no reply. The message says what happened, to whom, and what would help.

    ``kind``: ``missing`` (not installed, no key), ``refused`` (the provider said no: 4xx),
    ``unreachable`` (no connection, 429/5xx after all retries), ``garbled`` (a reply that can't be read),
    ``window`` (the question is longer than the model takes in).
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
