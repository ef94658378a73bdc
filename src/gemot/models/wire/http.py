"""A small HTTP/1.1 client on asyncio: one POST at a time on each connection, a body in pieces, a reply as it arrives.

Connections, limits, proxies and TLS are ours; `httptools` (llhttp) parses. Measured for one streamed call: 0.09 ms of CPU,
against 0.20 with aiohttp and 1.05 with httpx; 2 ms of import, against 130 and 50. See docs/decisions/0070-own-wire.md.

A redirect is not followed: the request holds a key, and the key belongs to the address that a person named.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from gemot.models.wire.proxies import Proxy, basic, is_here, proxy
from gemot.models.wire.transport import Connection, ConnectionFailed, Limits, NotHttp

if TYPE_CHECKING:
    import ssl

__all__ = ["Client", "ConnectionFailed", "Limits", "NotHttp", "Response"]

IDLE_MAX = 100
"""So many connections are kept for the next calls."""
CONNECTIONS_MAX = 1_000
"""So many calls to one address can be under way."""


_PATH_SIGNS = "/%:@!$&'()*+,;=~"
"""What stands for itself in an address, beside letters and digits."""


class Response:
    """The reply to one POST. Read with :meth:`read` until it returns ``b""``, then :meth:`close`."""

    __slots__ = ("_connection", "headers", "status")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.status = connection.status
        """The status of the reply."""
        self.headers: Mapping[str, str] = connection.headers
        """The headers of the reply, with names in lower case; of repeated ones the last."""

    async def read(self) -> bytes:
        """The next piece of the body; ``b""`` at its end. Raises :class:`ConnectionFailed`."""
        return await self._connection.read()

    @property
    def framed(self) -> bool:
        """Whether the reply says itself where it ends. Otherwise its end can't be told from a broken connection."""
        return self._connection.framed

    def end_within(self, seconds: float) -> None:
        """Wait no longer than this for the end of the reply, whatever comes. The first call counts, and a later one with less does not."""
        self._connection.end_within(seconds)

    def close(self) -> None:
        """Give the connection back, or close it where the reply has not been read to its end."""
        self._connection.release()


class Client:
    """Connections to one address. It belongs to the event loop that it is first used on.

    ``url`` is the base address (http or https). ``environment`` may name proxies and certificates, as curl reads them.
    """

    def __init__(self, url: str, environment: Mapping[str, str] = os.environ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{url.rpartition('@')[2]!r} is no http or https address")
        self._secure = parts.scheme == "https"
        self._host = parts.hostname.encode("idna").decode() if not parts.hostname.isascii() else parts.hostname
        self._port = parts.port or (443 if self._secure else 80)
        self._path = quote(parts.path.rstrip("/"), safe=_PATH_SIGNS)
        self._query = quote(parts.query, safe=f"{_PATH_SIGNS}?")
        default = self._port == (443 if self._secure else 80)
        host = f"[{self._host}]" if ":" in self._host else self._host
        self._authority = host if default else f"{host}:{self._port}"
        self._login = basic(parts.username, parts.password)
        self._environment = environment
        self._proxy = None if is_here(self._host) else proxy(parts.scheme, self._authority, environment)
        self._tls: ssl.SSLContext | None = None
        self._idle: list[Connection] = []
        self._places = asyncio.Semaphore(CONNECTIONS_MAX)
        self._closed = False

    async def post(self, path: str, headers: Mapping[str, str], body: Sequence[bytes], limits: Limits) -> Response:
        """Send a request; return when the head of the reply is there.

        ``path`` follows the base address; ``body`` is sent as it is, piece by piece. Raises :class:`ConnectionFailed`.
        A kept connection that turns out to be closed before any byte of a reply is replaced by a new one, once.
        """
        await self._places.acquire()
        connection: Connection | None = None
        try:
            again = False
            while True:
                connection = None if again else self._kept()
                reused = connection is not None
                if connection is None:
                    connection = await self._connect(limits)
                try:
                    await connection.send(self._head(path, headers, body), body, limits)
                    return Response(connection)
                except ConnectionFailed as error:
                    connection.abort()
                    if not (reused and connection.ended_by_peer and error.silent):
                        raise
                    again = True
        except BaseException:
            if connection is not None:
                connection.abort()
            self._places.release()
            raise

    async def close(self) -> None:
        """Close every kept connection."""
        self._closed = True
        for connection in self._idle:
            connection.abort()
        self._idle.clear()
        await asyncio.sleep(0)

    def take_back(self, connection: Connection) -> None:
        """A call has ended; its connection can be kept if it is still good."""
        self._places.release()
        if not self._closed and connection.reusable and len(self._idle) < IDLE_MAX:
            self._idle.append(connection)
        else:
            connection.abort()

    def _kept(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.reusable:
                return connection
            connection.abort()
        return None

    def _head(self, path: str, headers: Mapping[str, str], body: Sequence[bytes]) -> bytes:
        target = f"{self._path}{path}"
        if self._query:
            target += f"{'&' if '?' in path else '?'}{self._query}"
        through = self._proxy is not None and not self._secure
        lines = [f"POST {'http://' + self._authority if through else ''}{target} HTTP/1.1", f"host: {self._authority}"]
        if self._login and not any(name.lower() == "authorization" for name in headers):
            lines.append(f"authorization: {self._login}")
        if through and self._proxy is not None and self._proxy.login:
            lines.append(f"proxy-authorization: {self._proxy.login}")
        lines += [f"{name}: {value}" for name, value in headers.items()]
        lines.append(f"content-length: {sum(map(len, body))}")
        for line in lines:
            # A line break would begin another header, of whoever wrote the value.
            if not (line.isascii() and line.isprintable()):
                name = line.partition(":")[0]
                raise ValueError(f"the header {name[:40]!a} would hold a sign that no header may: look at the key")
        return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n"

    async def _connect(self, limits: Limits) -> Connection:
        loop = asyncio.get_running_loop()
        proxy = self._proxy
        host, port = (self._host, self._port) if proxy is None else (proxy.host, proxy.port)
        tls = self._context() if self._secure else None
        made: Connection | None = None
        try:
            async with asyncio.timeout(limits.connect):
                _, made = await loop.create_connection(
                    lambda: Connection(self.take_back),
                    host,
                    port,
                    ssl=tls if proxy is None else None,
                    server_hostname=self._host if tls is not None and proxy is None else None,
                )
                if proxy is not None and tls is not None:
                    await self._tunnel(made, proxy, tls, limits)
                return made
        except BaseException as error:
            if made is not None:
                made.abort()
            if isinstance(error, TimeoutError) and error.errno is None and limits.connect is not None:
                words = f"no connection to {host}:{port} within {limits.connect:g} s"
            elif isinstance(error, OSError | OverflowError | UnicodeError):
                words = _os_words(error, self._host, host, port)
            else:
                raise
            raise ConnectionFailed(words, silent=True) from None

    async def _tunnel(self, connection: Connection, proxy: Proxy, tls: ssl.SSLContext, limits: Limits) -> None:
        lines = [f"CONNECT {self._host}:{self._port} HTTP/1.1", f"host: {self._host}:{self._port}"]
        if proxy.login:
            lines.append(f"proxy-authorization: {proxy.login}")
        try:
            status = await connection.tunnel("\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n", limits)
        except ConnectionFailed as error:
            raise ConnectionFailed(f"the proxy {proxy.host}:{proxy.port}: {error}", silent=True) from None
        if not 200 <= status < 300:
            why = f"the proxy {proxy.host}:{proxy.port} answered {status} instead of connecting"
            if status == 407:
                why += ": it wants a name and a password (HTTPS_PROXY=http://NAME:PASSWORD@HOST:PORT)"
            raise ConnectionFailed(why, silent=True, final=status in (403, 407))
        loop = asyncio.get_running_loop()
        transport = await loop.start_tls(connection.transport, connection, tls, server_hostname=self._host)
        if transport is None:
            raise ConnectionFailed(f"the proxy {proxy.host}:{proxy.port} closed the connection", silent=True)
        connection.transport = transport

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            import ssl  # here: a local server needs none of it

            file, folder = self._environment.get("SSL_CERT_FILE"), self._environment.get("SSL_CERT_DIR")
            try:
                self._tls = ssl.create_default_context(cafile=file or None, capath=folder or None)
            except OSError as error:  # an SSLError is one
                named = f"SSL_CERT_FILE ({file})" if file else f"SSL_CERT_DIR ({folder})"
                raise ValueError(f"the certificates in {named} can't be read: {error.strerror or error}") from None
        return self._tls


def _os_words(error: BaseException, server: str, host: str, port: int) -> str:
    """What is wrong with the way to ``server``, which leads through ``host`` and ``port``."""
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    verify = getattr(error, "verify_message", "")
    if verify:
        return (
            f"the certificate of {server} can't be trusted ({verify}); SSL_CERT_FILE names a file with more authorities"
        )
    if getattr(error, "reason", "") in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return f"{server}:{port} does not speak TLS; begin the address with http:// if it is meant to"
    return f"no connection to {host}:{port} ({words})"
