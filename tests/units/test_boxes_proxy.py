"""The way out of a box: only to hosts that were named, and with secrets that the box never sees."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from test_boxes import WHY_NOT

from gemot.boxes import Call, Key, once
from gemot.boxes.proxy import Host, Proxy, environment

pytestmark = pytest.mark.skipif(bool(WHY_NOT), reason=f"NOTHING ABOUT THE PROXY IS TESTED HERE: {WHY_NOT}")

ASK = """
import urllib.request
def ask(url, **facts):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, **facts), timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)
"""


def through(folder: Path, source: str, **facts: bool) -> tuple[str, list[str], list[str]]:
    """Run ``source`` in a box whose only way leads to a host at this computer: what it printed, what that host was sent, and
    what the proxy reported."""
    sent: list[str] = []
    reported: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        sent.append(asked.decode())
        said = asked if b" /echo " in asked else b"hello"
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(said))
        for at in range(0, len(said), 7):  # in pieces, so that what is looked for is cut
            writer.write(said[at : at + 7])
            await writer.drain()
            await asyncio.sleep(0)
        writer.close()

    async def work() -> str:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        host = Host("localhost", port, {"Authorization": environment("A_KEY", "Bearer {}")}, tls=False, **facts)
        proxy = Proxy((host,), reported.append)
        await proxy.start(str(folder / "s"))
        try:
            key = Key("x", proxy=str(folder / "s"))
            ended = await once(key, Call(python=f"PORT = {port}\n{ASK}{source}", seconds=20))
        finally:
            await proxy.close()
            server.close()
        return ended.out.text() + ended.error.text()

    return asyncio.run(work()), sent, reported


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_KEY", "hunter-2")


def test_a_named_host_is_reached_with_its_secret_and_the_box_never_holds_it(tmp_path: Path) -> None:
    source = (
        "import os; print(ask('http://localhost/a?b', headers={'Authorization': 'mine', 'X': 'y'}), str(os.environ))"
    )
    said, (sent,), reported = through(tmp_path, source, local=True)
    assert "(200, 'hello')" in said and "hunter" not in said
    assert sent.startswith("GET /a?b HTTP/1.1\r\n") and "X: y" in sent and "mine" not in sent
    assert "Authorization: Bearer hunter-2\r\n" in sent and reported == ["GET localhost/a"]


def test_a_host_that_repeats_what_it_was_sent_shows_the_box_no_secret(tmp_path: Path) -> None:
    said, (sent,), _ = through(
        tmp_path, "print(ask('http://localhost/echo', headers={'Accept-Encoding': 'gzip'}))", local=True
    )
    assert "Authorization: Bearer hunter-2" in sent and "gzip" not in sent
    assert "Authorization: *************" in said and "hunter" not in said


def test_another_host_is_refused_in_words(tmp_path: Path) -> None:
    said, sent, _ = through(tmp_path, "print(ask('http://example.com/'))", local=True)
    assert "403" in said and "a person has allowed localhost" in said and not sent


def test_a_tunnel_is_only_for_hosts_that_have_one(tmp_path: Path) -> None:
    said, sent, reported = through(tmp_path, "print(ask(f'https://localhost:{PORT}/'))", local=True)
    assert "403" in said and not sent and "tunnel" in reported[0]


def test_a_name_that_leads_to_this_computer_is_refused(tmp_path: Path) -> None:
    said, sent, _ = through(tmp_path, "print(ask('http://localhost/'))")
    assert "403" in said and "private network" in said and not sent


def test_there_is_no_way_around_it(tmp_path: Path) -> None:
    source = """
import socket
for family, where in ((socket.AF_INET, ('127.0.0.1', PORT)), (socket.AF_UNIX, '/run/proxy')):
    try:
        socket.socket(family).connect(where)
    except OSError as error:
        print(type(error).__name__, error.errno)
    else:
        print("reached", where)
"""
    said, sent, _ = through(tmp_path, source, local=True)
    assert said.split("\n")[:2] == ["ConnectionRefusedError 111", "OSError 97"] and not sent
