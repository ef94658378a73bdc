"""The way to a server: TLS, proxies, names and addresses. What is wrong on it has a name."""

from __future__ import annotations

import pytest
from wire import WireServer
from wire.asking import text
from wire.exchanging import BODY, SIZED, ask, failure, free_port
from wire.proxying import CERTIFICATE, Proxying, TlsRaw
from wire.replaying import Raw, connection

from gemot.models.port import ModelFailed


def test_certificate_is_checked_and_can_be_named() -> None:
    with TlsRaw([SIZED, BODY]) as server:
        url = f"https://localhost:{server.port}/v1"
        outcome = failure(url)
        assert (
            outcome.kind == "unreachable"
            and "certificate of localhost" in str(outcome)
            and "SSL_CERT_FILE" in str(outcome)
        )
        assert text(ask(url, environment={"SSL_CERT_FILE": str(CERTIFICATE)})[0]) == "Two files."
        missing = failure(url, environment={"SSL_CERT_FILE": "missing.pem"})
        assert missing.kind == "refused" and "SSL_CERT_FILE (missing.pem)" in str(missing)


def test_plain_server_behind_https_is_named() -> None:
    with WireServer("openai") as server:
        outcome = failure(server.url.replace("http:", "https:"))
    assert outcome.kind == "unreachable" and "does not speak TLS" in str(outcome) and "http://" in str(outcome)


def test_plain_proxy_is_asked_with_the_whole_address_and_a_name_of_other_letters() -> None:
    with Raw([SIZED, BODY]) as server, Proxying(server.port) as proxy:
        environment = {"HTTP_PROXY": f"http://127.0.0.1:{proxy.port}"}
        assert text(ask("http://bücher.test/v1", environment=environment)[0]) == "Two files."
        assert proxy.asked == ["POST http://xn--bcher-kva.test/v1/chat/completions HTTP/1.1"]
        assert b"host: xn--bcher-kva.test\r\n" in server.asked[0][0]


def test_tunnel_holds_tls_with_the_server_and_a_login_with_the_proxy() -> None:
    with TlsRaw([SIZED, BODY]) as server, Proxying(server.port, "me:p@ss1") as proxy:
        trusted = {"SSL_CERT_FILE": str(CERTIFICATE)}
        through = {"https_proxy": f"http://me:p%40ss1@127.0.0.1:{proxy.port}"}
        outcomes = ask("https://model.test/v1", environment=trusted | through, times=2)
        assert [text(outcome) for outcome in outcomes] == ["Two files."] * 2
        assert proxy.asked == ["CONNECT model.test:443 HTTP/1.1"]
        assert b"proxy-authorization" not in server.asked[0][0]
        untrusted = failure("https://model.test/v1", environment=through)
        assert "certificate of model.test" in str(untrusted)
        strange = failure("https://other.test/v1", environment=trusted | through)
        assert "certificate of other.test" in str(strange)
        unknown = failure(
            "https://model.test/v1", environment=trusted | {"ALL_PROXY": f"http://127.0.0.1:{proxy.port}"}
        )
        assert not unknown.passing and "407" in str(unknown) and "password" in str(unknown)


def test_proxy_without_a_login_refuses_a_plain_request_by_name() -> None:
    with Raw([SIZED, BODY]) as server, Proxying(server.port, "me:pass1") as proxy:
        outcome = failure("http://model.test/v1", environment={"HTTP_PROXY": f"http://127.0.0.1:{proxy.port}"})
    assert outcome.kind == "refused" and "407" in str(outcome) and "HTTP_PROXY" in str(outcome)


def test_proxy_is_passed_by_where_no_proxy_says_so_and_for_this_computer() -> None:
    with Raw([SIZED, BODY]) as server, Proxying(server.port) as proxy:
        environment = {"HTTP_PROXY": f"http://127.0.0.1:{proxy.port}", "NO_PROXY": "nowhere.invalid"}
        assert text(ask(server.url, environment=environment)[0]) == "Two files."
        assert failure("http://nowhere.invalid/v1", environment=environment).kind == "unreachable"
        assert not proxy.asked


@pytest.mark.parametrize("value", ["socks5://127.0.0.1:1", "https://127.0.0.1:1", "http://127.0.0.1:99999", "http://"])
def test_proxy_that_can_not_be_used_is_named(value: str) -> None:
    with pytest.raises(ModelFailed, match=r"proxy|Port") as caught:
        connection("http://model.test/v1", environment={"HTTP_PROXY": value})
    assert caught.value.kind == "refused"


def test_proxy_that_is_away_is_named() -> None:
    port = free_port()
    outcome = failure("https://model.test/v1", environment={"HTTPS_PROXY": f"http://127.0.0.1:{port}"})
    assert outcome.kind == "unreachable" and f"127.0.0.1:{port}" in str(outcome)


def test_address_of_six_is_reached() -> None:
    try:
        server = Raw([SIZED, BODY], host="::1")
    except OSError:
        pytest.skip("no IPv6 here")
    with server:
        assert text(ask(f"http://[::1]:{server.port}/v1")[0]) == "Two files."
        assert b"host: [::1]:" in server.asked[0][0]
