"""One reply, from its bytes to its end: whether it is whole, and what is wrong where it is not. It reads nothing itself."""

from __future__ import annotations

from typing import Any, cast

from gemot.models.port import ModelFailed
from gemot.models.wire.events import Documents, Unreadable, WebPage
from gemot.models.wire.faults import Faults
from gemot.models.wire.formats import Failed, Format
from gemot.models.wire.gathering import Gathering
from gemot.models.wire.transport import ConnectionFailed, NotHttp


class Reading:
    """Feed it the bytes of a reply until :attr:`over`; then, or where there are no more, call :meth:`end` or :meth:`break_off`.

    All three raise :class:`ModelFailed` where the reply is not a whole one, and :class:`Failed` where it holds an error. What comes
    after the server's reason for the end changes nothing but the usage.
    """

    def __init__(self, format_: Format, gathering: Gathering, faults: Faults) -> None:
        self._format, self._gathering, self._faults = format_, gathering, faults
        self._documents = Documents()
        self._spoilt = False

    @property
    def over(self) -> bool:
        """Nothing of the reply follows."""
        return self._documents.done or self._gathering.ended or self._spoilt

    @property
    def trails(self) -> bool:
        """Only usage can follow."""
        return bool(self._gathering.finish)

    def feed(self, data: bytes) -> None:
        self._hear(data)

    def end(self, *, framed: bool) -> None:
        """The reply has ended. ``framed``: the server said where, so its end is no broken connection."""
        if not self.over:
            self._hear(None)
        self._check(framed)

    def break_off(self, error: ConnectionFailed) -> None:
        """The connection has failed."""
        if not self.trails and not self.over:
            raise (
                self._faults.garbled(str(error))
                if isinstance(error, NotHttp)
                else self._faults.broke_off(str(error), silent=error.silent)
            )
        self._check(framed=False)

    def _hear(self, data: bytes | None) -> None:
        """Take in the documents that are complete now, up to the end of the reply; None: no more bytes come."""
        documents = self._documents
        try:
            for name, document in documents.end() if data is None else documents.feed(data):
                self._take(name, document)
                if self._gathering.ended:
                    break
        except Failed:
            if not self.trails:
                raise
            self._spoilt = True
        except WebPage:
            raise self._faults.web_page() from None
        except (Unreadable, RecursionError) as error:
            if not self.trails:
                raise self._faults.garbled(str(error)) from None
            self._spoilt = True

    def _take(self, name: str, document: Any) -> None:
        is_error = name.lower() == "error"
        if isinstance(document, dict):
            self._gathering.document()
            self._format.hear(self._gathering, name, cast("dict[str, Any]", document))
        elif not is_error:
            raise Unreadable(f"an event of it is {str(document)[:80]!r}, and no object")
        if is_error:
            raise Failed(document)

    def _check(self, framed: bool) -> None:
        failure = self._failure(framed)
        if failure is not None:
            raise failure

    def _failure(self, framed: bool) -> ModelFailed | None:
        """Why this is no whole reply; None where it is one."""
        gathering, documents, faults = self._gathering, self._documents, self._faults
        if gathering.blocked:
            return faults.filtered(f"the question ({gathering.blocked})")
        if not gathering.finish and not gathering.cut:
            if not gathering.any and documents.stray:
                return faults.garbled(f"it is no stream of events: {documents.stray.strip()}")
            told = documents.done or documents.whole or gathering.ended
            if not told and not (framed and gathering.any):
                return faults.broke_off("" if gathering.any else "nothing had come")
            if gathering.half:
                return faults.broke_off("in the arguments of a request")
        if gathering.any:
            return None
        if gathering.finish == "filter":
            return faults.filtered("the reply")
        if gathering.finish == "garbled":
            return faults.garbled("the model wrote a request for a tool that its provider could not read")
        return None if gathering.finish else faults.garbled("there was nothing in it")
