"""One provider's client, and one attempt at a reply through it. Imported with the first call to a provider."""

from __future__ import annotations

import re
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any, cast
from urllib.parse import urlsplit

import httpx2
from pydantic_ai import direct
from pydantic_ai import exceptions as failures
from pydantic_ai import messages as wire
from pydantic_ai.exceptions import UnsupportedSettingWarning, UsageExtractionFailedWarning
from pydantic_ai.models import Model as WireModel
from pydantic_ai.models import StreamedResponse
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.usage import RequestUsage

from gemot.abi.messages import Reply, Request, ToolRequest, Usage
from gemot.models.catalogue import Provider, shown_url
from gemot.models.counting import whole
from gemot.models.port import Heard, ModelFailed
from gemot.models.prices import cost_usd_micros
from gemot.models.redacting import CHARS_MIN, Redactor, Stream
from gemot.models.repairing import repaired
from gemot.models.retrying import Trouble
from gemot.models.secrecy import ordinary
from gemot.models.seeing import IN_WORDS, UNSEEN, Refused, refused
from gemot.models.translating import Sight, Translation

CONNECT_SECONDS = 10.0

_TOO_LONG = re.compile(
    r"context[ _](?:length|window|size|limit)|prompt is too long|exceed_context|max(?:imum)?[ _](?:context|model[ _]len)"
    r"|(?:input|prompt)\b.{0,40}\btokens?\b.{0,60}\bexceeds?\b|too many (?:input )?tokens|input is too long",
    re.IGNORECASE,
)
"""How providers and local servers say that a question is longer than the model takes in; there is no status for it."""
WORDS_MAX = 400
"""How much of a provider's own error message is passed on."""

# A temperature that a reasoning model doesn't take is left out; that is no news for a person's terminal.
warnings.filterwarnings("ignore", category=UnsupportedSettingWarning)
# Servers report anything as their use. It is converted or estimated, and the libraries' lines about it tell a person nothing.
warnings.filterwarnings("ignore", category=UsageExtractionFailedWarning)
warnings.filterwarnings("ignore", message="Pydantic serializer warnings", category=UserWarning)
warnings.filterwarnings("ignore", message="Unexpected non-string value", category=UserWarning)


class _ImagesRefused(Exception):
    """The provider refused a request for the images in it: ``what`` says whether for all that it might be sent."""

    def __init__(self, what: Refused) -> None:
        super().__init__(what)
        self.what: Refused = what


class Connection:
    """A client for ``model`` at ``url``; belongs to the event loop it is first used on.

    ``remembers_as`` is the name under which extras are kept: two servers never see each other's. A model that turned out
    not to see is shown no image again, for as long as the connection is there.
    """

    def __init__(self, provider: Provider, model: str, url: str, key: str | None, remembers_as: str) -> None:
        self.provider = provider
        self.model = model
        self.url = shown_url(url)
        self.remembers_as = remembers_as
        self._key = key
        known = {"key": key} if key and not ordinary(key) else {}
        self._redactor = Redactor(
            known
        )  # a placeholder (ollama, EMPTY, k) stands in texts that have nothing to do with it
        self._http = httpx2.AsyncClient(
            timeout=httpx2.Timeout(connect=CONNECT_SECONDS, read=provider.silence_seconds, write=60.0, pool=None),
            limits=httpx2.Limits(max_connections=1000, max_keepalive_connections=100),
            trust_env=not _is_here(url),  # a proxy from the environment can't reach this computer's own servers
        )
        self._wire = self._wire_model(url)
        self._blind = False

    def _wire_model(self, url: str) -> WireModel[Any]:
        key = self._key or "none"
        if self.provider.family == "anthropic":
            from pydantic_ai.models.anthropic import AnthropicModel
            from pydantic_ai.providers.anthropic import AnthropicProvider

            return AnthropicModel(
                self.model, provider=AnthropicProvider(api_key=key, base_url=url, http_client=self._http)
            )
        if self.provider.family == "google":
            from pydantic_ai.models.google import GoogleModel
            from pydantic_ai.providers.google import GoogleProvider

            return GoogleModel(self.model, provider=GoogleProvider(api_key=key, base_url=url, http_client=self._http))
        from openai import AsyncOpenAI
        from pydantic_ai.providers.ollama import OllamaProvider
        from pydantic_ai.providers.openai import OpenAIProvider
        from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

        from gemot.models.uncounted import ChatModel

        client = AsyncOpenAI(api_key=key, base_url=url, http_client=self._http, max_retries=0)
        # A stream without a finish reason broke off. Only OpenAI's own servers all know the newer name of max_tokens.
        profile = OpenAIModelProfile(openai_chat_streaming_requires_finish_reason=True)
        if self.provider.name == "openai":
            return ChatModel(self.model, provider=OpenAIProvider(openai_client=client), profile=profile)
        client.organization = client.project = None  # read from OpenAI's variables, and not for other people's servers
        profile["openai_chat_supports_max_completion_tokens"] = False
        if self.provider.name == "ollama":
            return ChatModel(self.model, provider=OllamaProvider(openai_client=client), profile=profile)
        return ChatModel(
            self.model, provider=OpenAICompatibleProvider(self.provider.name, openai_client=client), profile=profile
        )

    async def ask(self, request: Request, heard: Heard) -> Reply:
        """One attempt; two, if it is refused for its images, the second with words in their place. Raises
        :class:`Trouble` where another may go better, :class:`ModelFailed` where not."""
        try:
            return await self._ask(request, heard, UNSEEN if self._blind else "")
        except _ImagesRefused as refusal:
            what = refusal.what
        reply = await self._ask(request, heard, IN_WORDS[what])
        self._blind = self._blind or what == "model"  # not before: had that been refused as well, it was not the images
        return reply

    async def _ask(self, request: Request, heard: Heard, instead: str) -> Reply:
        sight = Sight(self.provider.image_types, self._types_in_results(), instead)
        translation = Translation(
            request, repaired(request.messages), self.provider.family, self.remembers_as, self._wire.system, sight
        )
        with self._failures_explained(translation.shows_images):
            async with direct.model_request_stream(
                self._wire,
                translation.messages(),
                model_settings=cast(Any, translation.settings()),
                model_request_parameters=translation.parameters(),
                instrument=False,
            ) as stream:
                words = Stream(self._redactor, heard)
                await _listen(stream, words)
                words.end()
                response = stream.get()
        if response.finish_reason is None and not (response.provider_details or {}).get("finish_reason"):
            raise Trouble("the reply broke off in the middle")
        return self._reply(translation, response)

    def _reply(self, translation: Translation, response: wire.ModelResponse) -> Reply:
        used = _whole(response.usage)
        answered = response.model_name or self.model
        cost = cost_usd_micros(self.provider.name, (self.model, answered), used)
        parts = translation.parts(response)
        finish = response.finish_reason or "stop"
        if finish == "stop" and any(isinstance(part, ToolRequest) for part in parts):
            finish = "tool_call"  # Google has no word of its own for it
        reply = Reply(
            parts=parts,
            usage=Usage(used.input_tokens, used.output_tokens, used.cache_read_tokens, cost),
            model=f"{self.provider.name}:{answered}",
            finish=finish,
        )
        return self._redactor.anything(reply)

    def _types_in_results(self) -> tuple[str, ...]:
        """Which images may stand inside a result; chat completions take them from the user alone."""
        if self.provider.family == "anthropic":
            return self.provider.image_types
        if self.provider.family == "google":  # since Gemini 3
            profile = cast(dict[str, Any], self._wire.profile)
            return tuple(profile.get("google_supported_mime_types_in_tool_returns", ()))
        return ()

    async def close(self) -> None:
        await self._http.aclose()

    @contextmanager
    def _failures_explained(self, showed_images: bool) -> Generator[None]:
        """The edge where the client libraries' exceptions become ours; none of theirs gets past it."""
        try:
            yield
        except failures.ModelAPIError as error:
            raise self._explained(error, showed_images) from None
        except httpx2.TransportError as error:
            raise Trouble(f"the connection to {self.url} failed ({self._words(_kind(error))})") from None
        except failures.UnexpectedModelBehavior as error:
            raise Trouble(f"its reply can't be read ({self._words(error.message)})", garbled=True) from None
        except failures.UserError as error:
            raise ModelFailed("refused", f"{self.model} can't be asked that: {self._words(error.message)}") from None
        except (ValueError, TypeError, AttributeError, LookupError) as error:
            # undecodable JSON and shapes that several client libraries take for granted, under several names
            raise Trouble(f"its reply can't be read ({self._words(str(error))})", garbled=True) from None

    def _explained(self, error: failures.ModelAPIError, showed_images: bool) -> Exception:
        words = self._words(_message(error.body) or error.message)
        status = error.status_code if isinstance(error, failures.ModelHTTPError) else None
        too_long = _TOO_LONG.search(f"{words} {_message(error.body, 'code')}") is not None
        if showed_images and not too_long and (what := refused(status, error.body, error.message)):
            return _ImagesRefused(what)
        if isinstance(error, failures.ModelQuotaExceededError):
            return self._refused(status, words, "Its credit or quota is used up: top it up, or name another model.")
        if isinstance(error, failures.ModelConnectionError):
            return Trouble(f"the connection to {self.url} failed ({words})")
        if status is None:
            if isinstance(error, failures.ModelRequestRejectedError):
                return self._refused(None, words, _advice(None, self.provider))
            broke_off = error.in_stream or "finish_reason" in error.message
            what = "the reply broke off in the middle" if broke_off else "its reply can't be read"
            return Trouble(f"{what} ({words})", garbled=not broke_off)
        if status == 413 or (status in (400, 422) and too_long):
            return self._refused(status, words, "Show it less, or name a model with a larger window.", "window")
        if status in (408, 409, 425, 429) or status >= 500:
            return Trouble(f"it answered {status} ({words})", retry_after_seconds=error.retry_after)
        return self._refused(status, words, _advice(status, self.provider))

    def _refused(self, status: int | None, words: str, advice: str, kind: str = "refused") -> ModelFailed:
        said = f" with status {status}" if status else ""
        who = f"{self.provider.name}:{self.model} at {self.url}"
        return ModelFailed(kind, f"{who} refused the request{said}: {words} {advice}".strip())

    def _words(self, text: str) -> str:
        """A provider's words without anything that is, or looks like, a key: providers do quote them."""
        text = self._redactor.text(text)
        if self._key and len(self._key) >= CHARS_MIN and any(character.isdigit() for character in self._key):
            # Beside a weak password, this takes out nothing but digits that stand with it: an error is no content.
            text = text.replace(self._key, "[key]")
        text = re.sub(r"\b(?:sk-|AIza)[\w*.-]{6,}", "[key]", text)
        text = " ".join(text.split())
        # Cut between words: the beginning of a key in an encoding of its own is a part of a key, too.
        return text if len(text) <= WORDS_MAX else text[:WORDS_MAX].rpartition(" ")[0] + "..."


async def _listen(stream: StreamedResponse, heard: Heard) -> None:
    async for event in stream:
        if isinstance(event, wire.PartStartEvent) and isinstance(event.part, wire.TextPart):
            text = event.part.content
        elif isinstance(event, wire.PartDeltaEvent) and isinstance(event.delta, wire.TextPartDelta):
            text = event.delta.content_delta
        else:
            continue
        if text:
            heard(text)


def _whole(used: RequestUsage) -> RequestUsage:
    """A provider's counts as whole numbers; what is no count is none."""
    for name in ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"):
        setattr(used, name, whole(getattr(used, name)) or 0)
    return used


def _advice(status: int | None, provider: Provider) -> str:
    if status in (401, 403):
        return f"Check the key in {' or '.join(provider.keys)}, and what it may use."
    if status == 404:
        return "Check the model's name and the address."
    return "The request has to change before it is sent again."


def _message(body: object, field: str = "message") -> str | None:
    """The sentence in an error body; every provider wraps it in its own way."""
    if isinstance(body, dict):
        inner = cast(dict[str, Any], body)
        if "error" in inner:
            return _message(inner["error"], field)
        message = inner.get(field)
        return message if isinstance(message, str) else None
    return body if isinstance(body, str) else None


def _kind(error: Exception) -> str:
    return str(error) or type(error).__name__


def _is_here(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
