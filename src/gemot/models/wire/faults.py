"""Failures of calls, named: statuses, error bodies and broken connections -> :class:`ModelFailed`.

Nothing of a library gets past this module. A message says which model failed, what its server said, and what would help.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any, cast

from gemot.models.catalogue import Provider
from gemot.models.port import ModelFailed
from gemot.models.redacting import CHARS_MIN, Redactor

WORDS_MAX = 400
"""So much of a server's own error message is passed on, in characters."""
BODY_BYTES_MAX = 1 << 20
"""So much of an error's body is read."""

_TOO_LONG = re.compile(
    r"context[ _](?:length|window|size|limit)|prompt is too long|exceed_context|max(?:imum)?[ _](?:context|model[ _]len)"
    r"|(?:input|prompt)\b.{0,40}\btokens?\b.{0,60}\bexceeds?\b|too many (?:input )?tokens|input is too long",
    re.IGNORECASE,
)
"""How servers say that a question is longer than the model takes in. No status says it."""
_QUOTA = re.compile(
    r"insufficient_quota|exceeded your current quota|billing|credit balance|insufficient (?:balance|credits?|funds)|payment required",
    re.IGNORECASE,
)
_QUOTA_PASSES = re.compile(r"per[ _-]?(?:minute|second|hour)|RateLimit|rate limit|retry in", re.IGNORECASE)
"""Google says "exceeded your current quota" of the requests in a minute, too."""
_LOADING = re.compile(
    r"\b(?:loading|warming up|starting|overloaded|unavailable|busy|capacity|try again)\b", re.IGNORECASE
)
_FILTERED = re.compile(
    r"content[_ ](?:filter|policy|management)|responsible ?ai|safety (?:system|policy)|prohibited content|blocked by",
    re.IGNORECASE,
)
_PASSING = frozenset([408, 409, 425, 429])
_SECONDS_IN_WORDS = re.compile(
    r"(?:try again|retry|wait)\b[^.\d]{0,40}?(?P<n>\d+(?:\.\d+)?) ?(?P<u>ms|milliseconds?|s\b|secs?|seconds?|m\b|mins?|minutes?|h\b|hours?)?"
    r"(?:(?P<n2>\d+(?:\.\d+)?)s)?",
    re.IGNORECASE,
)
_DURATION = re.compile(
    r"(\d+(?:\.\d+)?) ?(ms|milliseconds?|h|hours?|m|mins?|minutes?|s|secs?|seconds?)?", re.IGNORECASE
)
_UNIT_SECONDS = {
    "": 1.0,
    "ms": 0.001,
    "milli": 0.001,
    "s": 1.0,
    "sec": 1.0,
    "m": 60.0,
    "min": 60.0,
    "h": 3600.0,
    "hour": 3600.0,
}


class Faults:
    """Names what goes wrong with one model. ``key``: never repeated in a message."""

    def __init__(self, provider: Provider, model: str, url: str, key: str | None, redactor: Redactor) -> None:
        self._provider, self._model, self._url, self._key, self._redactor = provider, model, url, key, redactor

    def of_status(self, status: int, headers: Mapping[str, str], body: Any, raw: str) -> ModelFailed:
        """The failure of a call that was answered with ``status``; ``body`` is the decoded error, or None for another text."""
        said = message_of(body) if body is not None else _plain(raw)
        words = self.words(said) or "it gave no reason"
        codes = " ".join(filter(None, (said, *_codes(body))))
        if 300 <= status < 400:
            target = self.words(headers.get("location", "")) or "another address, which it does not name"
            return self._refused(
                status, f"it has moved to {target}.", "Name that address; no key is sent to where a server points."
            )
        if status == 413 or (status in (400, 422) and _TOO_LONG.search(codes)):
            return self._refused(status, words, "Show it less, or name a model with a larger window.", "window")
        if status == 402 or (_QUOTA.search(codes) and status in (400, 403, 429) and not _QUOTA_PASSES.search(codes)):
            return self._refused(
                status, words, "Its credit or quota is used up: top it up, or name another model.", "quota"
            )
        if status in _PASSING or status >= 500:
            wait = delay_seconds(headers, body, said)
            return self._passing("overloaded", f"it answered {status} ({words})", retry_after_seconds=wait)
        if status in (400, 403, 451) and _FILTERED.search(codes):
            return self._refused(
                status,
                words,
                "Its content filter refused the request: change the request, or name another model.",
                "filtered",
            )
        return self._refused(status, words, _advice(status, self._provider))

    def of_event(self, error: Any, *, began: bool) -> ModelFailed:
        """The failure that stands inside a reply: an error event, or an error in a document with status 200."""
        said = message_of(error) or "it gave no reason"
        code = next((int(code) for code in _codes(error) if code.isdecimal() and 400 <= int(code) < 600), None)
        codes = " ".join((said, *_codes(error)))
        if code is None and re.search(
            r"overloaded|rate_limit|server_error|api_error|unavailable|internal", codes, re.I
        ):
            code = 529 if "overloaded" in codes else 429 if "rate_limit" in codes else 500
        if code is None and (_TOO_LONG.search(codes) or "invalid_request" in codes or "authentication" in codes):
            code = 401 if "authentication" in codes else 400
        if code is not None:
            return self.of_status(code, {}, error, said)
        passing = began or _LOADING.search(said) is not None
        words = self.words(said)
        if passing:
            return self._passing("overloaded", f"it sent an error in the place of a reply ({words})")
        return self._passing("garbled", f"it sent an error in the place of a reply ({words})")

    def broke_off(self, why: str = "", *, silent: bool = False) -> ModelFailed:
        detail = f" ({self.words(why)})" if why else ""
        return self._passing("unreachable", f"the reply broke off in the middle{detail}", silent=silent)

    def unreachable(self, why: str, *, silent: bool, passing: bool = True) -> ModelFailed:
        failure = self._passing("unreachable", f"the call to {self._url} failed: {self.words(why)}", silent=silent)
        failure.passing = passing
        return failure

    def garbled(self, why: str) -> ModelFailed:
        return self._passing("garbled", f"its reply can't be read: {self.words(why)}")

    def odd(self, error: Exception) -> ModelFailed:
        """The failure of a call in a way that this client does not know."""
        return self._passing("garbled", f"the call failed: {self.words(str(error))} ({type(error).__name__})")

    def web_page(self) -> ModelFailed:
        """A page for people in the place of a reply. It does not pass: the address, or a proxy before it, is another one."""
        return ModelFailed(
            "garbled",
            f"{self._who}: its reply can't be read: it is a web page. Check that {self._url} is the address of a model, "
            "with its path (often /v1), and that no proxy asks for a login.",
        )

    def filtered(self, what: str) -> ModelFailed:
        return ModelFailed(
            "filtered",
            f"{self._who}: its content filter withheld {what}. Change the question, or name another model (--model).",
        )

    def impossible(self, why: str) -> ModelFailed:
        """A request that can't be sent at all."""
        return ModelFailed("refused", f"{self._who} can't be asked that: {self.words(why)}")

    @property
    def _who(self) -> str:
        return f"{self._provider.name}:{self._model}"

    def _passing(
        self, kind: str, what: str, *, retry_after_seconds: float | None = None, silent: bool = False
    ) -> ModelFailed:
        if kind == "garbled":
            advice = "Check that the address is that of a model and not of a web page or proxy; or name another model."
        else:
            advice = "Try again later, check the network and the address, or name another model (--model)."
        return ModelFailed(
            kind,
            f"{self._who}: {what}. {advice}",
            passing=True,
            retry_after_seconds=retry_after_seconds,
            silent=silent,
        )

    def _refused(self, status: int, words: str, advice: str, kind: str = "refused") -> ModelFailed:
        text = f"{self._who} at {self._url} refused the request with status {status}: {words} {advice}"
        return ModelFailed(kind, text.strip())

    def words(self, text: str) -> str:
        """A server's words without anything that is, or looks like, a key: servers quote them."""
        text = self._redactor.text(text[: 64 * 1024])
        if self._key and len(self._key) >= CHARS_MIN and any(character.isdigit() for character in self._key):
            # Beside a weak password this takes out nothing but digits that stand with it: an error is no content.
            text = text.replace(self._key, "[key]")
        text = re.sub(r"\b(?:sk-|AIza)[\w*.-]{6,}", "[key]", text)
        text = " ".join(text.split())
        # Cut between words: the beginning of a key in an encoding of its own is a part of a key, too.
        return text if len(text) <= WORDS_MAX else text[:WORDS_MAX].rpartition(" ")[0] + "..."


def message_of(body: Any) -> str:
    """What an error says, wherever its server puts it."""
    for _ in range(4):
        if isinstance(body, list) and body:
            body = cast("list[Any]", body)[0]
        elif isinstance(body, dict):
            members = cast("dict[str, Any]", body)
            inner = next(
                (members[key] for key in ("error", "message", "detail", "msg", "errors", "reason") if members.get(key)),
                None,
            )
            if inner is None:
                return json.dumps(members, ensure_ascii=False, default=str)[:1000] if members else ""
            body = inner
        else:
            break
    return (
        body
        if isinstance(body, str)
        else ""
        if body is None
        else json.dumps(body, ensure_ascii=False, default=str)[:1000]
    )


def _codes(body: Any) -> list[str]:
    """The codes and types in an error."""
    if isinstance(body, list) and body:
        body = cast("list[Any]", body)[0]
    if not isinstance(body, dict):
        return []
    members = cast("dict[str, Any]", body)
    own = [
        str(members[key]) for key in ("code", "type", "status", "statusCode") if isinstance(members.get(key), str | int)
    ]
    return own + _codes(members.get("error"))


def delay_seconds(headers: Mapping[str, str], body: Any, said: str) -> float | None:
    """The pause that a server asks for, in seconds: of its headers, of Google's RetryInfo, or of its words. None: it asks for none."""
    millis = _number(headers.get("retry-after-ms", ""))
    if millis is not None:
        return millis / 1000
    asked = headers.get("retry-after", "").strip()
    if asked:
        seconds = _duration(asked)
        if seconds is None:
            seconds = _until(asked)
        if seconds is not None:
            return seconds
    for name in (
        "x-ratelimit-reset-after",
        "ratelimit-reset",
        "x-ratelimit-reset-requests",
        "x-ratelimit-reset-tokens",
    ):
        left = headers.get(name.replace("reset", "remaining").replace("-after", ""), "")
        if name in headers and (name == "x-ratelimit-reset-after" or left.strip() == "0"):
            seconds = _duration(headers[name])
            if seconds is not None and seconds < 86_400:
                return seconds
    info = _retry_info(body)
    if info is not None:
        return info
    words = _SECONDS_IN_WORDS.search(said)
    if words is None or (words["u"] is None and words["n2"] is None):
        return None
    return float(words["n"]) * _unit(words["u"] or "s") + float(words["n2"] or 0)


def _retry_info(body: Any) -> float | None:
    """Google's ``RetryInfo`` among the details of an error."""
    for _ in range(2):
        if isinstance(body, list) and body:
            body = cast("list[Any]", body)[0]
        if isinstance(body, dict) and "error" in body:
            body = cast("dict[str, Any]", body)["error"]
    details = cast("dict[str, Any]", body).get("details") if isinstance(body, dict) else None
    for detail in cast("list[Any]", details) if isinstance(details, list) else []:
        pause = cast("dict[str, Any]", detail).get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(pause, str):
            return _duration(pause)
    return None


def _duration(text: str) -> float | None:
    """``2.7``, ``30s``, ``1m30s``, ``250ms`` in seconds; None for another text."""
    text = text.strip()
    if not text or _DURATION.sub("", text).strip():
        return None
    return sum(float(found[1]) * _unit(found[2] or "") for found in _DURATION.finditer(text))


def _unit(name: str) -> float:
    plain = name.lower().removesuffix("s") if len(name) > 2 else name.lower()
    for known in ("milli", "hour", "min", "sec"):
        if plain.startswith(known):
            return _UNIT_SECONDS[known]
    return _UNIT_SECONDS.get(plain, 1.0)


def _until(text: str) -> float | None:
    """The seconds until an HTTP date."""
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError, OverflowError):
        return None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value < 1e9 else None


def _plain(raw: str) -> str:
    """The words of an error that is no JSON: of a web page its text."""
    if "<" in raw[:200] and ">" in raw:
        title = re.search(r"<title[^>]*>(.*?)</title>", raw[:20_000], re.IGNORECASE | re.DOTALL)
        text = title[1] if title else re.sub(r"<[^>]*>", " ", raw[:20_000])
        return f"a web page: {' '.join(text.split())[:200]}"
    return raw


def _advice(status: int, provider: Provider) -> str:
    if status in (401, 403):
        return f"Check the key in {' or '.join(provider.keys)}, and what it may use."
    if status == 407:
        return "A proxy on the way wants a name and a password: HTTP_PROXY=http://NAME:PASSWORD@HOST:PORT."
    if status == 404:
        return "Check the model's name and the address."
    return "The request has to change before it is sent again."
