"""The proxy that the environment names for an address, as curl reads it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from msgspec import Struct


class Proxy(Struct, frozen=True):
    """A proxy that the environment names."""

    host: str
    port: int
    login: str
    """The value of the header that names a user to it; empty without one."""


def is_here(host: str) -> bool:
    """Whether a host is this computer: a proxy can't reach it."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def proxy(scheme: str, authority: str, environment: Mapping[str, str]) -> Proxy | None:
    """The proxy for ``authority`` (host, or host:port) at this scheme; None without one. Raises :class:`ValueError`."""
    named = [f"{scheme}_proxy", f"{scheme}_proxy".upper(), "all_proxy", "ALL_PROXY"]
    if "REQUEST_METHOD" in environment:  # a CGI script: HTTP_PROXY is a header that its client sent
        named.remove(f"{scheme}_proxy".upper())
    url = next((value for name in named if (value := environment.get(name, "").strip())), "")
    if not url:
        return None
    import urllib.request  # here: it takes longer to import than everything else, and few have a proxy

    bypass: Any = cast("Any", urllib.request).proxy_bypass_environment
    exempt = environment.get("no_proxy") or environment.get("NO_PROXY") or ""
    if bypass(authority, {"no": exempt}):
        return None
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(
            f"the proxy {parts.scheme}://{parts.hostname or ''} can't be used: only http:// proxies can "
            "(HTTPS_PROXY, HTTP_PROXY, ALL_PROXY; NO_PROXY names hosts that need none)"
        )
    return Proxy(parts.hostname, parts.port or 80, basic(parts.username, parts.password))


def basic(user: str | None, password: str | None) -> str:
    """The value of a header that names a user with a password; empty without one."""
    if user is None:
        return ""
    login = f"{unquote(user)}:{unquote(password or '')}".encode()
    return f"Basic {base64.b64encode(login).decode()}"
