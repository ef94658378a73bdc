"""One model behind other people's servers: an attempt at a reply, from the request to the parts. Imported with the first call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from msgspec.structs import replace

from gemot.abi import limits
from gemot.abi.messages import Message, Reply, Request, ToolOffer, ToolRequest, Usage, length_chars
from gemot.models.cards import Card, Dialect
from gemot.models.catalogue import Provider, shown_url
from gemot.models.port import Heard, ModelFailed
from gemot.models.redacting import Redactor, Stream
from gemot.models.secrecy import ordinary
from gemot.models.seeing import IN_WORDS, UNSEEN, Refused, refused
from gemot.models.wire import http
from gemot.models.wire.encoding import Pages
from gemot.models.wire.events import Unreadable, decoded
from gemot.models.wire.faults import BODY_BYTES_MAX, Faults, message_of
from gemot.models.wire.formats import Failed, Format
from gemot.models.wire.gathering import Gathering
from gemot.models.wire.reading import Reading
from gemot.models.wire.view import MANY_IMAGES, SIDE_AMONG_MANY, Sight, Tools, View, images_in, kept

TRAILER_SECONDS = 5.0
"""How long the usage may take to come after the end of a reply."""
REST_SECONDS = 1.0
"""How long the end of the connection's message may take after that: then the connection is not used again."""
TOOLS_KEPT = 64
"""So many lists of tools are kept in the form of the wire: the processes of one program share one."""


def format_of(dialect: Dialect) -> Format:
    """The wire format of this name; only that one is imported."""
    if dialect == "anthropic":
        from gemot.models.wire.anthropic import Anthropic

        return Anthropic()
    if dialect == "google":
        from gemot.models.wire.google import Google

        return Google()
    if dialect == "openai-responses":
        from gemot.models.wire.openai_responses import OpenAiResponses

        return OpenAiResponses()
    from gemot.models.wire.openai_chat import OpenAiChat

    return OpenAiChat()


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

    def __init__(
        self,
        provider: Provider,
        model: str,
        url: str,
        key: str | None,
        remembers_as: str,
        card: Card,
        environment: Mapping[str, str],
    ) -> None:
        self._provider, self._model, self._card, self._remembers_as = provider, model, card, remembers_as
        self._format = format_of(card.dialect)
        known = {"key": key} if key and not ordinary(key) else {}
        # A placeholder (ollama, EMPTY, k) stands in texts that have nothing to do with it.
        self._redactor = Redactor(known)
        try:
            shown = shown_url(url)
        except ValueError:
            shown = "that address"  # it can't even be taken apart, so it may hold a password anywhere
        self._faults = Faults(provider, model, shown, key, self._redactor)
        try:
            self._client = http.Client(url, environment)
        except ValueError as error:
            raise self._faults.impossible(str(error)) from None
        self._headers = {
            "content-type": "application/json",
            "accept": "text/event-stream, application/json",
            "user-agent": "gemot",
            **self._format.headers(key),
        }
        seconds = card.seconds
        self._limits = http.Limits(seconds.connect, seconds.first_byte, seconds.silence, seconds.whole)
        self._pages = Pages()
        self._tools: dict[int, Tools] = {}
        self._blind = not card.image_types

    async def ask(self, request: Request, heard: Heard) -> Reply:
        """One attempt; two, if it is refused for its images, the second with words in their place. Raises :class:`ModelFailed`."""
        try:
            return await self._attempts(request, heard)
        except ModelFailed:
            raise
        except Exception as error:
            raise self._faults.odd(error) from error

    async def _attempts(self, request: Request, heard: Heard) -> Reply:
        try:
            return await self._ask(request, heard, UNSEEN if self._blind else "")
        except _ImagesRefused as refusal:
            what = refusal.what
        reply = await self._ask(request, heard, IN_WORDS[what])
        self._blind = self._blind or what == "model"  # not before: had that been refused as well, it was not the images
        return reply

    async def close(self) -> None:
        await self._client.close()

    async def _ask(self, request: Request, heard: Heard, instead: str) -> Reply:
        view = self._view(request, instead)
        shows_images = bool(request.images) and any(not view.hidden(image) for image in images_in(request.messages))
        body = self._body(view)
        try:
            response = await self._client.post(self._format.path(self._model), self._headers, body, self._limits)
        except http.NotHttp as error:
            raise self._faults.garbled(str(error)) from None
        except http.ConnectionFailed as error:
            raise self._faults.unreachable(str(error), silent=error.silent, passing=not error.final) from None
        except ValueError as error:
            raise self._faults.impossible(str(error)) from None
        words = Stream(self._redactor, heard)
        gathering = Gathering(view.tools.offered, words, request.tokens_out_max)
        try:
            if not 200 <= response.status < 300:
                raise await self._refusal(response, shows_images)
            await self._listen(response, gathering, shows_images, heard)
        except ModelFailed as failure:
            failure.usage = failure.usage or self._used(gathering, request)
            raise
        finally:
            response.close()
        gathering.end()
        words.end()
        return self._reply(view, gathering)

    # The request.

    def _view(self, request: Request, instead: str) -> View:
        card, tools = self._card, self._tools_of(request.tools)
        within = card.image_types_in_results if card.image_place == "result" else ()
        sight = Sight(card.image_types, within, instead)
        view = View(request, tools, self._remembers_as, sight, card.reasoning_field, card.tool_id_form)
        if card.dialect == "anthropic" and len(request.images) > MANY_IMAGES:
            shown = sum(not view.hidden(image) for image in images_in(request.messages))
            if shown > MANY_IMAGES:
                view = replace(view, sight=replace(sight, side_max=SIDE_AMONG_MANY))
        return view

    def _tools_of(self, offers: tuple[ToolOffer, ...]) -> Tools:
        tools = self._tools.get(id(offers))
        if tools is None or tools.offers is not offers:
            if len(self._tools) >= TOOLS_KEPT:
                del self._tools[next(iter(self._tools))]
            tools = self._tools[id(offers)] = Tools.of(offers)
        return tools

    def _body(self, view: View) -> list[bytes]:
        request = view.request

        def encode(turn: Message) -> bytes:
            return self._format.turn(view, turn)

        variant = (view.tools, view.sight, frozenset(request.images))
        system, pages, rest = self._pages.encoded(request.messages, variant, encode)
        return self._format.body(view, self._card, self._model, system, pages, rest)

    # The reply.

    async def _listen(self, response: http.Response, gathering: Gathering, shows_images: bool, signed: Heard) -> None:
        """Read a reply to its end. Raises :class:`ModelFailed` where that is not the end of a whole one."""
        reading = Reading(self._format, gathering, self._faults)
        try:
            await self._read(response, reading, signed)
            if reading.over and not gathering.cut:
                await self._read_rest(response)
        except Failed as failed:
            failure = self._faults.of_event(failed.error, began=gathering.any)
            what = (
                refused(None, failed.error, message_of(failed.error))
                if shows_images and failure.kind != "window"
                else None
            )
            raise _ImagesRefused(what) if what else failure from None

    async def _read(self, response: http.Response, reading: Reading, signed: Heard) -> None:
        try:
            while not reading.over and (data := await response.read()):
                signed("")  # a sign of life, also where no word follows
                reading.feed(data)
                if reading.trails:
                    response.end_within(TRAILER_SECONDS)
        except http.ConnectionFailed as error:
            reading.break_off(error)
        else:
            reading.end(framed=response.framed)

    async def _read_rest(self, response: http.Response) -> None:
        """Read what follows the last document, which says nothing, so that the connection can be used again."""
        response.end_within(REST_SECONDS)
        try:
            for _ in range(8):
                if not await response.read():
                    return
        except http.ConnectionFailed:
            pass  # the reply is whole

    async def _refusal(self, response: http.Response, shows_images: bool) -> Exception:
        raw = b""
        try:
            while len(raw) < BODY_BYTES_MAX and (data := await response.read()):
                raw += data
        except http.ConnectionFailed:
            pass  # the status says enough
        try:
            body: Any = decoded(raw) if raw.lstrip()[:1] in (b"{", b"[", b'"') else None
        except Unreadable:
            body = None
        text = raw.decode("utf-8", "replace")
        failure = self._faults.of_status(response.status, response.headers, body, text)
        if shows_images and (failure.kind != "window" or response.status == 413):
            what = refused(response.status, body if body is not None else text, message_of(body) or text)
            if what:
                return _ImagesRefused(what)
        return failure

    def _reply(self, view: View, gathering: Gathering) -> Reply:
        def keep(extra: dict[str, Any]) -> dict[str, Any]:
            return kept(extra, self._remembers_as)

        parts = gathering.parts(view.tools.names.ours, keep, self._remembers_as)
        reply = Reply(
            parts=parts,
            usage=self._counted(gathering, view.request),
            model=f"{self._provider.name}:{gathering.model or self._model}",
            finish=_finish(gathering, any(isinstance(part, ToolRequest) for part in parts)),
        )
        return self._redactor.anything(reply)

    def _used(self, gathering: Gathering, request: Request) -> Usage | None:
        """What a call used: as its server said, or by the length of question and reply. None where no reply had begun."""
        return self._counted(gathering, request) if gathering.counts().any or gathering.any else None

    def _counted(self, gathering: Gathering, request: Request) -> Usage:
        counts = gathering.counts()
        tokens_in, tokens_out = counts.tokens_in, counts.tokens_out
        if not tokens_in:
            chars = request.size_chars or sum(length_chars(part) for turn in request.messages for part in turn.parts)
            tokens_in = chars // limits.CHARS_PER_TOKEN + 1
        if not counts.any or (not tokens_out and gathering.any) or (gathering.cut and not gathering.finish):
            tokens_out = max(tokens_out or 0, gathering.out_estimated)
        cached, written = min(counts.cached or 0, tokens_in), min(counts.written or 0, tokens_in)
        return Usage(
            tokens_in,
            tokens_out or 0,
            cached,
            self._card.usd_micros(tokens_in, tokens_out or 0, cached, written),
            estimated=tokens_in != counts.tokens_in or tokens_out != counts.tokens_out,
            tokens_reasoning=counts.reasoning or 0,
            tokens_written=written,
        )


def _finish(gathering: Gathering, requests: bool) -> Literal["cut"] | str:
    if gathering.cut:
        return "cut"
    finish = gathering.finish or "stop"
    if gathering.refuses and finish == "stop":
        return "refusal"
    return "tool_call" if requests and finish == "stop" else finish
