"""The servers that the other tests stand on do what they promise."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

from tests.servers import Server, chosen
from tests.waiting import alive, wait_until

NewServer = Callable[..., Server]


def test_the_shared_server_is_empty(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0
        client.set("left", "behind")


def test_the_shared_server_is_emptied_between_tests(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.dbsize() == 0


def test_a_killed_server_comes_back_on_its_port_with_its_data(new_server: NewServer) -> None:
    server = new_server(appendonly="yes", appendfsync="always")
    url = server.url
    with server.client() as client:
        client.set("a", "1")
    server.kill()
    with pytest.raises(redis.ConnectionError), server.client() as client:
        client.ping()
    server.restart()
    assert server.url == url
    with server.client() as client:
        assert client.get("a") == b"1"


def test_a_server_without_persistence_comes_back_empty(new_server: NewServer) -> None:
    server = new_server()
    with server.client() as client:
        client.set("a", "1")
    server.restart()
    with server.client() as client:
        assert client.dbsize() == 0


def test_a_paused_server_answers_when_it_is_resumed(new_server: NewServer) -> None:
    server = new_server()
    server.pause()
    with pytest.raises(redis.TimeoutError), server.client(socket_timeout=0.2) as client:
        client.ping()
    server.resume()
    with server.client() as client:
        assert client.ping()


def test_a_password_is_part_of_the_url(new_server: NewServer) -> None:
    server = new_server(requirepass="a:b@c/d")
    with redis.Redis.from_url(server.url) as client:
        assert client.ping()


def test_a_server_that_cannot_start_says_why(new_server: NewServer) -> None:
    with pytest.raises(ChildProcessError, match="nonsense"):
        new_server(maxmemory_policy="nonsense")


def test_a_server_does_not_outlive_the_tests(tmp_path: Path, server_kind: str) -> None:
    code = (
        "import sys, time; from tests.servers import Server;"
        "print(Server(sys.argv[1], sys.argv[2]).start().pid, flush=True); time.sleep(60)"
    )
    root = Path(__file__).parent.parent
    with subprocess.Popen(
        [sys.executable, "-c", code, server_kind, str(tmp_path)], cwd=root, stdout=subprocess.PIPE, text=True
    ) as tests:
        assert tests.stdout is not None
        pid = int(tests.stdout.readline())
        assert alive(pid)
        tests.kill()
    wait_until(lambda: not alive(pid))


def test_a_missing_server_is_an_error_in_ci_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert chosen({}) == ["valkey"]
    with pytest.raises(LookupError, match="redis7"):
        chosen({"CI": "true"})
    with pytest.raises(LookupError, match="redis7"):
        chosen({"REDISQ_TEST_SERVERS": "redis7"})
    assert chosen({"CI": "true", "REDISQ_TEST_SERVERS": "valkey"}) == ["valkey"]
    with pytest.raises(LookupError, match="sqlite"):
        chosen({"REDISQ_TEST_SERVERS": "sqlite"})


def test_waiting_in_vain_says_for_what() -> None:
    with pytest.raises(AssertionError, match="the moon is blue"):
        wait_until(lambda: False, timeout=0.05, message="the moon is blue")
