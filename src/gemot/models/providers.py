"""Models behind other people's servers. Light until the first call: the wire is imported then."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gemot.abi.messages import Reply, Request
from gemot.models.cards import Corrections
from gemot.models.catalogue import PROVIDERS, Provider, card, key_of, shown_url, url_of
from gemot.models.choosing import chosen
from gemot.models.port import Heard, ModelFailed

if TYPE_CHECKING:
    from gemot.models.connection import Connection


class ProviderModel:
    """A model at a provider. It keeps gemot's own form inside and the wire's outside, and makes one attempt for each question.

    ``provider`` is a key of :data:`PROVIDERS`; ``model`` the name the provider knows it by. ``url`` and ``key`` win
    over the environment. The key is in no repr and no error.
    """

    remote = True

    def __init__(
        self,
        provider: str,
        model: str,
        *,
        name: str | None = None,
        url: str | None = None,
        key: str | None = None,
        tokens_max: int | None = None,
        corrections: Corrections | None = None,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self._provider = PROVIDERS[provider]
        self._model = model
        self._url = (url or url_of(self._provider, environment)).rstrip("/")
        self.name = name or f"{provider}:{model}"
        self._card = card(self._provider, model, corrections, name=self.name, environment=environment)
        self.tokens_max = tokens_max or self._card.window_tokens
        self._key = key
        self._environment = environment
        self._connection: Connection | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def __repr__(self) -> str:
        return f"ProviderModel({self.name!r}, url={shown_url(self._url)!r})"

    async def generate(self, request: Request, heard: Heard) -> Reply:
        """The model's reply. Raises :class:`ModelFailed`; cancelling closes the connection."""
        if request.choose:
            return await chosen(self._ask, request, heard, self.name)
        return await self._ask(request, heard)

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _ask(self, request: Request, heard: Heard) -> Reply:
        return await self._open().ask(request, heard)

    def _open(self) -> Connection:
        from gemot.models.connection import Connection  # here: most commands ask no model

        loop = asyncio.get_running_loop()
        if self._connection is None or self._loop is not loop:
            key = self._key or key_of(self._provider, self._environment)
            _check_ready(self._provider, self.name, key)
            self._connection = Connection(
                self._provider, self._model, self._url, key, self._remembers_as(), self._card, self._environment
            )
            self._loop = loop
        return self._connection

    def _remembers_as(self) -> str:
        if self._provider.url:
            return self._provider.name
        return f"{self._provider.name}@{urlsplit(shown_url(self._url)).netloc}"


def _check_ready(provider: Provider, name: str, key: str | None) -> None:
    if provider.key_needed and key is None:
        names = " or ".join(provider.keys)
        raise ModelFailed(
            "missing", f"{name} needs a key: set {names} in the environment. `gemot models` lists others."
        )
