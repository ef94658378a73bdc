"""The one way out of a box: a proxy that the machine runs, for the hosts that a person has named, over one unix socket.

A box with ``Key.proxy`` set finds it as its HTTP proxy. For a host with secrets the program in the box speaks plain HTTP
to the proxy (``http://api.example.com/...``); the proxy speaks TLS to the host and puts the secret in a header, so that
the box never holds it. Where TLS must reach from end to end, ``tunnel`` lets bytes through as they are, without secrets.

One request for each connection: nothing that follows the first can ride on what was judged for it.

A host that repeats the headers it is sent, in an error page say, would hand the secret to the box: so what was put in is
starred out of what comes back. What we don't like: a host can repeat it in a way that is not looked for.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

HEAD_BYTES_MAX = 65_536
BODY_BYTES_MAX = 64 << 20
SECONDS_MAX = 120.0
_NOT_PASSED_ON = frozenset(
    (
        "connection",
        "proxy-connection",
        "keep-alive",
        "te",
        "trailer",
        "upgrade",
        "proxy-authorization",
        "host",
        "expect",
    )
)
_SECRET_BYTES_MIN = 8
"""A shorter word of a header is no secret: ``Bearer``, ``Basic``."""


@dataclass(frozen=True)
class Host:
    """A host that may be reached. ``headers``: name -> where its value comes from when it is needed.

    ``tls``: speak TLS to it. ``tunnel``: bytes may pass unread (``CONNECT``). ``local``: it may be on a private network
    or this computer; otherwise a name that leads there is refused.
    """

    name: str
    port: int = 443
    headers: dict[str, Callable[[], str]] = field(default_factory=dict[str, Callable[[], str]])
    tls: bool = True
    tunnel: bool = False
    local: bool = False


def environment(variable: str, form: str = "{}") -> Callable[[], str]:
    """A header's value from the machine's environment: ``environment("API_KEY", "Bearer {}")``. Raises KeyError if unset."""
    return lambda: form.format(os.environ[variable])


class _Refused(Exception):
    """Why a request does not go through; told to the box in the answer."""


class Proxy:
    """``report`` is told each request, as ``GET api.example.com/path`` or why it was refused."""

    def __init__(self, hosts: tuple[Host, ...], report: Callable[[str], None] = lambda line: None) -> None:
        self._hosts = {host.name.lower(): host for host in hosts}
        self._report = report
        self._server: asyncio.Server | None = None
        self._tls = ssl.create_default_context()

    async def start(self, path: str) -> None:
        """Listen at ``path``, which only this user may use."""
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, path, limit=HEAD_BYTES_MAX)
        finally:
            os.umask(before)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(SECONDS_MAX):
                await self._pass_on(reader, writer)
        except _Refused as why:
            self._report(f"refused: {why}")
            text = f"{why}\n".encode()
            head = f"HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nContent-Length: {len(text)}\r\n\r\n"
            writer.write(head.encode() + text)
        except (OSError, TimeoutError, KeyError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            self._report(f"failed: {type(error).__name__}")
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
        finally:
            with suppress(OSError):
                await writer.drain()
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        words = lines[0].split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            raise _Refused("that is no request of HTTP/1")
        method, target, _ = words
        if method == "CONNECT":
            name, _, port = target.rpartition(":")
            host = self._allowed(name, port)
            if not host.tunnel:
                raise _Refused(
                    f"{name} may not be reached through a tunnel; ask for http://{name}/, which is sent on with TLS"
                )
            far_reader, far_writer = await self._reach(host, tls=False)
            self._report(f"CONNECT {host.name}:{host.port}")
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await _both_ways(reader, writer, far_reader, far_writer)
            return
        url = urlsplit(target)
        if url.scheme != "http" or not url.hostname:
            raise _Refused(f"ask for http://host/..., not for {target[:100]}")
        host = self._allowed(url.hostname, str(url.port or 80), "80")
        put_in = {name: value() for name, value in host.headers.items()}
        head, length = _rewritten(method, url._replace(scheme="", netloc="").geturl() or "/", lines[1:], host, put_in)
        body = await reader.readexactly(length)
        far_reader, far_writer = await self._reach(host, host.tls)
        self._report(f"{method} {host.name}{url.path}")
        far_writer.write(head + body)
        await _copy(far_reader, writer, _secrets(put_in))
        far_writer.close()

    def _allowed(self, name: str, port: str, *also: str) -> Host:
        host = self._hosts.get(name.lower().strip("[]"))
        if host is None or port not in (str(host.port), *also):
            there = ", ".join(f"{one.name}:{one.port}" for one in self._hosts.values()) or "nothing"
            raise _Refused(f"{name[:100]}:{port[:5]} may not be reached from here; a person has allowed {there}")
        return host

    async def _reach(self, host: Host, tls: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        for *_, where in await asyncio.get_running_loop().getaddrinfo(host.name, host.port, type=1):
            address = ipaddress.ip_address(str(where[0]).partition("%")[0])
            if host.local or address.is_global:
                if not tls:
                    return await asyncio.open_connection(str(address), host.port)
                return await asyncio.open_connection(str(address), host.port, ssl=self._tls, server_hostname=host.name)
        raise _Refused(f"{host.name} leads to this computer or a private network, and was not allowed as one that does")


def _rewritten(method: str, path: str, lines: list[str], host: Host, put_in: dict[str, str]) -> tuple[bytes, int]:
    """The request as the host gets it, and the length of its body. Raises :class:`_Refused`."""
    own = {name.lower() for name in put_in}
    if put_in:  # what is packed can't be looked through
        own.add("accept-encoding")
    kept: list[str] = []
    length = 0
    for line in lines:
        name, colon, value = line.partition(":")
        plain = name.lower()
        if not line:
            continue
        if not colon or name != name.strip() or "\n" in line or "\r" in line:
            raise _Refused("a header of the request is malformed")
        if plain == "transfer-encoding":
            raise _Refused("send the body with a Content-Length, not in chunks")
        if plain == "content-length":
            if not value.strip().isdigit() or int(value) > BODY_BYTES_MAX:
                raise _Refused(f"the body may be {BODY_BYTES_MAX:,} bytes long")
            length = int(value)
        elif plain not in _NOT_PASSED_ON and plain not in own:
            kept.append(line)
    kept += [f"{name}: {value}" for name, value in put_in.items()]
    kept += ["Accept-Encoding: identity"] if put_in else []
    kept += [f"Host: {host.name}", "Connection: close", *([f"Content-Length: {length}"] if length else [])]
    return "\r\n".join((f"{method} {path} HTTP/1.1", *kept, "", "")).encode("latin-1"), length


def _secrets(put_in: dict[str, str]) -> tuple[bytes, ...]:
    """What of the headers must not come back: each word of a value that is long enough to be a secret, the longest first."""
    words = {word.encode("latin-1") for value in put_in.values() for word in (value, *value.split())}
    return tuple(sorted((word for word in words if len(word) >= _SECRET_BYTES_MIN), key=len, reverse=True))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, secrets: tuple[bytes, ...] = ()) -> None:
    """All of it, with each secret starred out at its full length, so that no count of bytes changes."""
    beginnings = {secret[:length] for secret in secrets for length in range(1, len(secret))}
    longest = max(map(len, beginnings), default=0)
    held = b""
    while data := await reader.read(65_536):
        data = held + data
        for secret in secrets:
            data = data.replace(secret, b"*" * len(secret))
        keep = next((count for count in range(min(longest, len(data)), 0, -1) if data[-count:] in beginnings), 0)
        held = data[len(data) - keep :]
        writer.write(data[: len(data) - keep])
        await writer.drain()
    writer.write(held)


async def _both_ways(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    far_reader: asyncio.StreamReader,
    far_writer: asyncio.StreamWriter,
) -> None:
    tasks = [asyncio.create_task(_copy(reader, far_writer)), asyncio.create_task(_copy(far_reader, writer))]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        far_writer.close()
