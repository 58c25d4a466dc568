"""One delivery attempt, over real sockets, to receivers of every kind."""

from __future__ import annotations

import os
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from ipaddress import ip_network
from typing import Any

import pytest
import trustme
from redisq_api.webhooks import transport
from redisq_api.webhooks.addresses import PUBLIC, Reach
from redisq_api.webhooks.transport import KEPT, Outcome, post

from tests.api.webhooks.receivers import Receiver, raw_receiver, receiver

LOOPBACK = Reach([ip_network("127.0.0.0/8")])
HEADERS = {"webhook-id": "msg_1", "content-type": "application/json"}
HEAD = b"HTTP/1.1 200 OK\r\n"


def send(url: str, reach: Reach = LOOPBACK, timeout: float = 5.0) -> Outcome:
    return post(url, HEADERS, '{"a": "ü"}', reach, timeout)


@pytest.fixture
def there() -> Iterator[Receiver]:
    with receiver() as it:
        yield it


def resolve_to(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """Has every name resolve to the first address, then to the second, and so on; the list has what was asked."""
    asked: list[str] = []
    original = socket.getaddrinfo

    def resolve(host: str, *rest: Any, **more: Any) -> Any:
        asked.append(host)
        return original(answers[min(len(asked), len(answers)) - 1], *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


def test_what_is_sent_and_what_is_kept(there: Receiver) -> None:
    there.status, there.body = 200, b"thanks \xff\0" + b"x" * 2 * KEPT
    before = time.time_ns() // 1000
    outcome = send(there.url + "?q=1")
    request = there.requests[0]
    assert request.path == "/hook?q=1"
    assert request.body == '{"a": "ü"}'.encode()
    assert request.headers["host"] == f"127.0.0.1:{there.port}"
    assert request.headers["webhook-id"] == "msg_1"
    assert request.headers["content-type"] == "application/json"
    assert (outcome.status, outcome.error) == (200, None)
    assert outcome.response is not None
    assert outcome.response.startswith("thanks \ufffd\ufffdxxx")
    assert len(outcome.response) == KEPT
    assert before <= outcome.at <= before + 5_000_000
    assert 0 < outcome.duration < 5_000_000


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_a_failure_and_is_not_followed(there: Receiver, status: int) -> None:
    with receiver() as other:
        there.status, there.headers = status, {"Location": other.url}
        assert send(there.url).error == f"it answered {status}"
        assert (len(there.requests), other.requests) == (1, [])


@pytest.mark.parametrize(("sent", "read"), [("7", 7), ("999999999", 86_400), ("-1", None), ("Fri, 1 Jan", None)])
def test_retry_after(there: Receiver, sent: str, read: int | None) -> None:
    there.status, there.headers = 503, {"Retry-After": sent}
    assert send(there.url).retry_after == read


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    outcome = send(f"http://127.0.0.1:{port}/")
    assert outcome.status is None
    assert "refused" in str(outcome.error)


def test_loopback_is_refused_unless_allowed(there: Receiver) -> None:
    assert send(there.url, PUBLIC).error == "the address is not a public one"
    assert send(there.url.replace("127.0.0.1", "localhost"), PUBLIC).error == (
        "the host has no address that may be called"
    )
    assert there.requests == []


def test_a_name_that_resolves_to_a_private_address_is_refused(
    there: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = resolve_to(monkeypatch, "127.0.0.1")
    assert send(f"http://hook.example:{there.port}/", PUBLIC).error == "the host has no address that may be called"
    assert (asked, there.requests) == (["hook.example"], [])


def test_the_answer_of_a_resolver_counts_once(there: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    # The first answer may be called and refuses; the second, which nobody asks for, would be the private receiver.
    asked = resolve_to(monkeypatch, "127.1.1.1", "127.0.0.1")
    outcome = send(f"http://hook.example:{there.port}/", Reach([ip_network("127.1.1.1/32")]))
    assert "refused" in str(outcome.error)
    assert (asked, there.requests) == (["hook.example"], [])


def test_the_host_header_is_the_name(there: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, "127.0.0.1")
    assert send(f"http://hook.example:{there.port}/").error is None
    assert there.requests[0].headers["host"] == f"hook.example:{there.port}"


def test_a_name_that_is_none() -> None:
    assert send("http://no-such-host.invalid/").error == "the host has no address that may be called"


def test_the_environments_proxy_is_not_asked(there: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "https_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert send(there.url).error is None
        assert (len(there.requests), proxy.requests) == (1, [])


def drip(data: bytes) -> Callable[[socket.socket], None]:
    """Sends a byte now and then, for longer than anybody should listen."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(data)
        while True:
            connection.sendall(b"x")
            time.sleep(0.05)

    return answer


@pytest.mark.parametrize("data", [b"", HEAD, HEAD + b"A: "], ids=["status", "head", "header"])
def test_a_slow_one_takes_no_longer_than_the_time_out(data: bytes) -> None:
    with raw_receiver(drip(data)) as url:
        outcome = send(url, timeout=0.5)
    assert outcome.error is not None
    assert 400_000 < outcome.duration < 3_000_000


def test_one_that_says_nothing() -> None:
    with raw_receiver(lambda connection: connection.recv(1) and time.sleep(1)) as url:
        assert send(url, timeout=0.3).error == "it took too long"


def test_one_that_takes_nothing() -> None:
    with raw_receiver(lambda connection: time.sleep(1)) as url:
        outcome = post(url, HEADERS, "x" * 50_000_000, LOOPBACK, 0.3)
    assert outcome.error == "it took too long"
    assert outcome.duration < 3_000_000


def test_a_slow_body_changes_nothing_of_a_success() -> None:
    with raw_receiver(drip(HEAD + b"\r\n")) as url:
        outcome = send(url, timeout=0.5)
    assert (outcome.status, outcome.error) == (200, None)
    assert outcome.duration < 3_000_000


def endless(data: bytes, piece: bytes) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        connection.sendall(data)
        while True:
            connection.sendall(piece)

    return answer


def test_a_huge_body_is_read_to_its_beginning() -> None:
    with raw_receiver(endless(HEAD + b"\r\n", b"y" * 65536)) as url:
        outcome = send(url)
    assert (outcome.status, outcome.error, outcome.response) == (200, None, "y" * KEPT)


@pytest.mark.parametrize("piece", [b"100 Continue" * 9999, b"A: b\r\n", b"A" * 65536, b"HTTP/1.1 100 Go\r\n\r\n"])
def test_a_huge_head_is_a_failure(piece: bytes) -> None:
    begin = b"" if piece.startswith(b"HTTP") else HEAD
    with raw_receiver(endless(begin, piece)) as url:
        outcome = send(url)
    assert outcome.error is not None
    assert outcome.duration < 5_000_000


LIES = [
    b"\x15\x03\x01\x00\x02\x02\x46",
    b"SSH-2.0-OpenSSH\r\n",
    b"HTTP/1.1 abc OK\r\n\r\n",
    b"HTTP/1.1 20",
    b"",
]


@pytest.mark.parametrize("data", LIES)
def test_what_is_no_http_is_a_failure(data: bytes) -> None:
    with raw_receiver(lambda connection: connection.recv(65536) and connection.sendall(data)) as url:
        outcome = send(url, timeout=2.0)
    assert outcome.error is not None


@pytest.mark.parametrize(
    "rest",
    [
        b"Content-Length: 99\r\n\r\nshort",
        b"Content-Length: -5\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\xff\xfe\xfd",
    ],
)
def test_a_success_with_a_lying_body_is_a_success(rest: bytes) -> None:
    with raw_receiver(lambda connection: connection.recv(65536) and connection.sendall(HEAD + rest)) as url:
        outcome = send(url, timeout=2.0)
    assert (outcome.status, outcome.error) == (200, None)


@pytest.fixture
def trusted(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[trustme.CA]:
    """An authority that the worker trusts."""
    authority = trustme.CA()
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(os.fspath(path))
    monkeypatch.setenv("SSL_CERT_FILE", os.fspath(path))
    transport._tls.cache_clear()
    yield authority
    transport._tls.cache_clear()


def by_tls(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


def test_tls_is_verified_against_the_name(trusted: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve_to(monkeypatch, "127.0.0.1")
    with receiver(by_tls(trusted, "hook.example")) as secure:
        assert send(f"https://hook.example:{secure.port}/").error is None
        assert send(f"https://hook.example.:{secure.port}/").error is None
        assert len(secure.requests) == 2
        wrong = send(f"https://other.example:{secure.port}/")
        assert str(wrong.error).startswith("its certificate does not hold: ")
        assert len(secure.requests) == 2


def test_tls_of_an_address(trusted: trustme.CA) -> None:
    with receiver(by_tls(trusted, "127.0.0.1")) as secure:
        assert send(secure.url).error is None


def test_a_stranger_to_all_authorities_gets_nothing(trusted: trustme.CA) -> None:
    with receiver(by_tls(trustme.CA(), "127.0.0.1")) as secure:
        assert str(send(secure.url).error).startswith("its certificate does not hold: ")
        assert secure.requests == []


def test_tls_with_one_that_speaks_none(there: Receiver, trusted: trustme.CA) -> None:
    assert "SSL" in str(send(there.url.replace("http:", "https:")).error)
    with raw_receiver(lambda connection: time.sleep(1)) as url:
        assert send(url.replace("http:", "https:"), timeout=0.3).error == "it took too long"
