"""HTTP itself: every legal form of a reply is read, every fault has a name, and nothing is left behind."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import threading
import zlib
from collections.abc import Callable

import pytest
from wire.asking import question, text
from wire.exchanging import BODY, CLOSED, OK, SIZED, ask, failure, free_port, is_clean
from wire.proxying import CERTIFICATE, Proxying, TlsRaw
from wire.recorded import sse
from wire.recorded_chat import HI, STOP
from wire.replaying import Piece, Raw, connection, reset

from gemot.abi.messages import Message, Reply, Text
from gemot.models.port import ModelFailed
from gemot.models.wire.http import CONNECTIONS_MAX
from gemot.models.wire.unpacking import Unpacker


def chunked(body: bytes, extension: bytes = b"", trailer: bytes = b"") -> bytes:
    return b"%x%s\r\n%s\r\n0\r\n%s\r\n" % (len(body), extension, body, trailer)


def bare_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


def packed(kind: bytes, body: bytes) -> list[Piece]:
    return [OK + b"content-encoding: %s\r\ncontent-length: %d\r\n\r\n" % (kind, len(body)), body]


def waits(ends: threading.Event) -> Callable[[socket.socket], None]:
    """Says nothing until ``ends`` is set."""

    def wait(_: socket.socket) -> None:
        ends.wait(30)

    return wait


FORMS: dict[str, list[Piece]] = {
    "a length": [SIZED, BODY],
    "chunks": [OK + b"transfer-encoding: chunked\r\n\r\n", chunked(BODY)],
    "chunks with extensions and trailers": [OK + b"transfer-encoding: chunked\r\n\r\n", chunked(BODY, b";a=b;c", b"x-end: 1\r\ncontent-encoding: br\r\n")],
    "the end of the connection": [CLOSED, BODY],
    "HTTP/1.0": [b"HTTP/1.0 200 OK\r\n\r\n", BODY],
    "HTTP/1.0 with a length": [b"HTTP/1.0 200 OK\r\ncontent-length: %d\r\n\r\n" % len(BODY), BODY],
    "100 Continue": [b"HTTP/1.1 100 Continue\r\n\r\n", SIZED, BODY],
    "103 Early Hints, twice": [b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 2 + SIZED, BODY],
    "gzip": packed(b"gzip", gzip.compress(BODY)),
    "gzip in two parts": packed(b"gzip", gzip.compress(BODY[:9]) + gzip.compress(BODY[9:])),
    "gzip in capitals": packed(b"GZIP", gzip.compress(BODY)),
    "deflate": packed(b"deflate", zlib.compress(BODY)),
    "deflate in its bare form": packed(b"deflate", bare_deflate(BODY)),
    "gzip, byte by byte": [OK + b"content-encoding: gzip\r\nconnection: close\r\n\r\n", *[gzip.compress(BODY)[at : at + 1] for at in range(len(gzip.compress(BODY)))]],
    "a charset in the place of a packing": packed(b"utf-8", BODY),
    "an offer of HTTP/2": [OK + b"connection: upgrade\r\nupgrade: h2c\r\ncontent-length: %d\r\n\r\n" % len(BODY), BODY],
    "sixty kilobytes of headers": [SIZED[:-2] + b"x-a: " + b"a" * 60_000 + b"\r\n\r\n", BODY],
    "the same header twice": [OK + b"x-a: 1\r\nx-a: 2\r\nset-cookie: a\r\nset-cookie: b\r\n" + SIZED[len(OK) :], BODY],
    "headers in capitals, without blanks": [OK + b"CONTENT-LENGTH:%d\r\n\r\n" % len(BODY), BODY],
    "the head byte by byte": [*[SIZED[at : at + 1] for at in range(len(SIZED))], BODY],
    "a status without words": [SIZED.replace(b" OK", b""), BODY],
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_reply_in_any_legal_form_is_read_three_times(form: str) -> None:
    with Raw(FORMS[form]) as server:
        outcomes = ask(server.url, times=3)
    assert [text(outcome) for outcome in outcomes] == ["Two files."] * 3, outcomes
    assert len(server.asked) == 3


FAULTS: dict[str, tuple[list[Piece], str, bool, str]] = {
    "no HTTP": ([b"SSH-2.0-OpenSSH_9\r\n"], "garbled", True, "not HTTP"),
    "HTTP/2": ([b"\0\0\x12\x04\0\0\0\0\0" + b"\0" * 18], "garbled", True, "not HTTP"),
    "another protocol": ([b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"], "garbled", True, "protocol"),
    "headers without end": ([OK + b"x-a: " + b"a" * 70_000], "garbled", True, "headers"),
    "hints without end": ([b"HTTP/1.1 103 E\r\nx: y\r\n\r\n" * 4_000], "garbled", True, "headers"),
    "two lengths": ([OK + b"content-length: 5\r\ncontent-length: 6\r\n\r\nhello"], "garbled", True, "not HTTP"),
    "a length and chunks": ([OK + b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n", chunked(BODY)], "garbled", True, "not HTTP"),
    "broken chunks": ([OK + b"transfer-encoding: chunked\r\n\r\nzz\r\n"], "garbled", True, "chunk"),
    "an unknown packing": ([OK + b"content-encoding: br\r\ncontent-length: 5\r\n\r\nhello"], "garbled", True, "br"),
    "a damaged packing": (packed(b"gzip", b"no gzip at all"), "garbled", True, "unpacked"),
    "a packing that breaks off": (packed(b"gzip", gzip.compress(sse(*HI))[:-9]), "garbled", True, "breaks off"),
    "no answer": ([b"", reset], "unreachable", True, ""),
    "the end in the head": ([b"HTTP/1.1 200"], "unreachable", True, "broke off"),
    "the end in the body": ([SIZED, BODY[:40], reset], "unreachable", True, "broke off"),
    "the end in a chunk": ([OK + b"transfer-encoding: chunked\r\n\r\n", b"fff\r\n" + BODY[:40]], "unreachable", True, "broke off"),
    "an empty body": ([OK + b"content-length: 0\r\n\r\n"], "unreachable", True, "nothing"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_of_the_server_has_a_name(fault: str, capfd: pytest.CaptureFixture[str]) -> None:
    pieces, kind, passing, words = FAULTS[fault]
    with Raw(pieces) as server:
        outcome = failure(server.url)
        assert len(server.asked) == 1
    assert (outcome.kind, outcome.passing) == (kind, passing), outcome
    assert words in str(outcome)
    assert capfd.readouterr() == ("", "")


ADDRESSES: dict[str, tuple[str, str, bool, str]] = {
    "nobody listens": (f"http://127.0.0.1:{free_port()}/v1", "unreachable", True, "no connection"),
    "port 99999": ("http://127.0.0.1:99999/v1", "refused", False, "ort"),
    "port x": ("http://127.0.0.1:x/v1", "refused", False, "ort"),
    "half an address of six": ("http://[::1/v1", "refused", False, "IPv6"),
    "another scheme": ("ftp://me:secret1@127.0.0.1/v1", "refused", False, "http"),
    "no scheme": ("127.0.0.1:8000/v1", "refused", False, "http"),
    "no host": ("http:///v1", "refused", False, "http"),
    "an empty label": ("http://a..invalid/v1", "unreachable", True, "no connection"),
    "a label that is too long": (f"http://{'a' * 70}.invalid/v1", "unreachable", True, "no connection"),
    "a label of other letters that is too long": (f"http://{'ü' * 70}.invalid/v1", "refused", False, "label"),
}  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
def test_address_that_leads_nowhere_has_a_name(address: str) -> None:
    url, kind, passing, words = ADDRESSES[address]

    async def run() -> ModelFailed:
        with pytest.raises(ModelFailed) as caught:
            await connection(url).ask(question(), lambda _: None)
        return caught.value

    outcome = asyncio.run(run())
    assert (outcome.kind, outcome.passing) == (kind, passing), outcome
    assert words in str(outcome) and "secret1" not in str(outcome)


def test_path_and_query_of_the_address_are_sent() -> None:
    with Raw([SIZED, BODY]) as server:
        ask(f"http://127.0.0.1:{server.port}/a b/ü/?api-version=1&x=ü")
    assert server.asked[0][0].startswith(b"POST /a%20b/%C3%BC/chat/completions?api-version=1&x=%C3%BC HTTP/1.1\r\n")


@pytest.mark.parametrize("key", ["a1b2c3d4\r\nx-evil: 1", "a1b2c3d4\nx", "a1b2c3d4\0", "a1b2c3d4\u2028", "schlüssel1"])
def test_key_that_no_header_can_hold_is_refused_and_not_sent(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wire.replaying.KEY", key)
    with Raw([SIZED, BODY]) as server:
        outcome = failure(server.url)
    assert outcome.kind == "refused" and not outcome.passing and "look at the key" in str(outcome)
    assert not server.asked and key not in str(outcome)


def test_header_counts_and_not_what_follows_the_body_under_its_name() -> None:
    head = b"HTTP/1.1 429 No\r\nretry-after: 7\r\ntransfer-encoding: chunked\r\n\r\n"
    with Raw([head, chunked(b"slow down", trailer=b"retry-after: 9999\r\n")]) as server:
        assert failure(server.url).retry_after_seconds == 7


# Connections that are used again


def test_connection_is_used_again() -> None:
    with Raw([SIZED, BODY]) as server:
        ask(server.url, times=5)
        assert len(server._threads) == 1


def test_connection_that_the_server_closed_meanwhile_is_replaced() -> None:
    def leaves(connection: socket.socket) -> None:
        connection.shutdown(socket.SHUT_RDWR)

    with Raw([SIZED, BODY, leaves], [SIZED, BODY]) as server:
        outcomes = ask(server.url, times=2)
    assert [text(outcome) for outcome in outcomes] == ["Two files."] * 2
    assert len(server.asked) == 2


def test_question_is_not_sent_twice_after_a_byte_of_a_reply() -> None:
    with Raw([SIZED, BODY], [b"HTTP/1.1 2", reset], [SIZED, BODY]) as server:
        _, outcome = ask(server.url, times=2)
        assert isinstance(outcome, ModelFailed) and outcome.kind == "unreachable"
        assert len(server.asked) == 2


def test_question_is_not_sent_twice_when_a_used_connection_is_silent() -> None:
    silent = threading.Event()
    with Raw([SIZED, BODY], [waits(silent)]) as server:
        _, outcome = ask(server.url, times=2, first_byte=0.1)
        silent.set()
        assert isinstance(outcome, ModelFailed) and outcome.silent and "did not answer" in str(outcome)
        assert len(server.asked) == 2


def test_bytes_after_a_reply_are_no_reply_to_the_next_question() -> None:
    with Raw([SIZED, BODY + b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n"], [SIZED, BODY]) as server:
        outcomes = ask(server.url, times=2)
        assert [text(outcome) for outcome in outcomes] == ["Two files."] * 2
        assert len(server._threads) == 2


def test_two_hundred_questions_at_once_are_answered() -> None:
    with Raw([SIZED, BODY]) as server:

        async def run() -> list[Reply]:
            client = connection(server.url)
            replies = await asyncio.gather(*(client.ask(question(), lambda _: None) for _ in range(200)))
            is_clean_now = client._client._places._value == CONNECTIONS_MAX
            await client.close()
            assert is_clean_now
            return replies

        assert {text(reply) for reply in asyncio.run(run())} == {"Two files."}


# Limits


HANGS = {
    "to connect": ("connect", [], "within 0.1 s"),
    "to the first byte": ("first_byte", [b""], "did not answer for 0.1 s"),
    "after a hint": ("first_byte", [b"HTTP/1.1 103 E\r\n\r\n"], "nothing came for 0.1 s"),
    "in the head": ("first_byte", [OK], "nothing came for 0.1 s"),
    "in the body": ("silence", [CLOSED, BODY[:40]], "nothing came for 0.1 s"),
    "for the whole": ("whole", [CLOSED, BODY[:40]], "had not ended after 0.1 s"),
}


@pytest.mark.parametrize("where", HANGS)
def test_server_that_hangs_is_given_up(where: str) -> None:
    limit, pieces, words = HANGS[where]
    ends = threading.Event()
    kind = TlsRaw if limit == "connect" else Raw
    with (
        kind([*pieces, waits(ends)]) as server,
        socket.create_server(("127.0.0.1", 0)) as deaf,
    ):
        url = f"https://127.0.0.1:{deaf.getsockname()[1]}/v1" if limit == "connect" else server.url
        outcome = failure(url, environment={"SSL_CERT_FILE": str(CERTIFICATE)}, **{limit: 0.1})
        ends.set()
    assert outcome.kind == "unreachable" and outcome.passing and words in str(outcome), outcome


def test_pings_after_the_reason_do_not_hold_a_reply(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gemot.models.connection.TRAILER_SECONDS", 0.1)
    ends = threading.Event()

    def pings(connection: socket.socket) -> None:
        while not ends.wait(0.02):
            connection.sendall(b": ping\n\n")

    with Raw([CLOSED, sse(*HI, STOP), pings]) as server:
        (outcome,) = ask(server.url)
        ends.set()
    assert text(outcome) == "Two files."


def test_long_question_is_sent_as_fast_as_the_server_takes_it() -> None:
    """The limit to the first byte begins when all has been sent, and holds while nothing moves."""
    long = question(Message("user", (Text("x" * 20_000_000),)))

    class Slow(Raw):
        def _answer(self, connection: socket.socket) -> bool:
            taken = 0
            while taken < 20_000_000:
                taken += len(connection.recv(1 << 20))
                threading.Event().wait(0.03)
            connection.sendall(SIZED + BODY)
            return False

    with Slow([]) as server:

        async def run() -> Reply:
            client = connection(server.url, first_byte=0.3)
            reply = await client.ask(long, lambda _: None)
            is_clean(client)
            await client.close()
            return reply

        assert text(asyncio.run(run())) == "Two files."


def test_refusal_before_the_question_has_been_sent_is_read_and_the_connection_is_dropped() -> None:
    class Early(Raw):
        def _answer(self, connection: socket.socket) -> bool:
            connection.recv(1_000)
            self.asked.append((b"", b""))
            connection.sendall(b"HTTP/1.1 413 Too Large\r\ncontent-length: 5\r\n\r\nlarge")
            threading.Event().wait(0.2)
            return False

    with Early([]) as server:

        async def run() -> ModelFailed:
            client = connection(server.url)
            with pytest.raises(ModelFailed) as caught:
                await client.ask(question(Message("user", (Text("x" * 20_000_000),))), lambda _: None)
            assert not client._client._idle
            is_clean(client)
            await client.close()
            return caught.value

        assert asyncio.run(run()).kind == "window"


# Cancelling


PHASES: dict[str, list[Piece]] = {
    "before the head": [],
    "in the head": [OK],
    "in the body": [CLOSED, BODY[:40]],
    "in an error": [b"HTTP/1.1 500 No\r\nconnection: close\r\n\r\n", b"half"],
    "after the reason": [CLOSED, sse(*HI, STOP)],
}


@pytest.mark.parametrize("phase", PHASES)
def test_call_that_is_cancelled_leaves_nothing(phase: str) -> None:
    reached, gone = threading.Event(), threading.Event()

    def hold(connection: socket.socket) -> None:
        reached.set()
        connection.settimeout(20)
        with contextlib.suppress(ConnectionResetError):
            connection.recv(1)
        gone.set()

    with Raw([*PHASES[phase], hold]) as server:
        asyncio.run(_cancelled(server.url, reached, {}))
        assert gone.wait(10)


@pytest.mark.parametrize("phase", ["in TLS", "in a tunnel"])
def test_connecting_that_is_cancelled_leaves_nothing(phase: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf, Proxying(1, silent=True) as proxy:
        port, reached = deaf.getsockname()[1], threading.Event()
        environment = {"SSL_CERT_FILE": str(CERTIFICATE)}
        if phase == "in a tunnel":
            environment["HTTPS_PROXY"] = f"http://127.0.0.1:{proxy.port}"
        url = "https://model.test/v1" if phase == "in a tunnel" else f"https://127.0.0.1:{port}/v1"
        threading.Timer(0.2, reached.set).start()
        asyncio.run(_cancelled(url, reached, environment, proxy.gone if phase == "in a tunnel" else None))


async def _cancelled(
    url: str, reached: threading.Event, environment: dict[str, str], gone: threading.Event | None = None
) -> None:
    """Cancel a question when ``reached`` is set; ``gone`` is set when its connection is closed."""
    client = connection(url, environment=environment)
    asking = asyncio.create_task(client.ask(question(), lambda _: None))
    await asyncio.to_thread(reached.wait, 20)
    await asyncio.sleep(0.02)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    is_clean(client)
    assert gone is None or await asyncio.to_thread(gone.wait, 5)
    await client.close()


# Packed replies


def test_little_that_unpacks_to_very_much_comes_in_bounded_pieces() -> None:
    unpack = Unpacker()
    unpack.feed(gzip.compress(bytes(50_000_000)))
    total = 0
    while piece := unpack.take():
        assert len(piece) <= 1 << 20
        total += len(piece)
    assert total == 50_000_000 and unpack.whole


def test_document_that_unpacks_to_very_much_is_given_up() -> None:
    body = gzip.compress(b"data: " + b"x" * 70_000_000)
    with Raw(packed(b"gzip", body)) as server:
        outcome = failure(server.url)
    assert outcome.kind == "garbled" and "longer than" in str(outcome)
