"""The guard: what waits behind a long job is given back, what is finished is settled, and nothing of it twice."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import pytest

from redisq import ServerUnavailable
from redisq.claimed import Claimed, Settlement, cancelled
from redisq.worker.batch import Batch
from redisq.worker.guard import FIRST_LOOK, Guard
from tests.waiting import wait_until
from tests.worker.test_batch import job, ways


class Server:
    """Takes settlements, unless it is away."""

    def __init__(self) -> None:
        self.got: list[Settlement] = []
        self.behind: list[bytes] = []
        self.away = False
        self.tried = 0
        self.slow = threading.Event()
        self.slow.set()

    def settle(self, settled: list[Settlement], running: Claimed | None) -> None:
        self.tried += 1
        self.slow.wait(5.0)
        if self.away:
            raise ServerUnavailable("away")
        self.got += settled
        self.behind += [running.id] if running else []


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def guard(server: Server) -> Iterator[Guard]:
    guard = Guard(server.settle, os.getppid())
    yield guard
    guard.rest()


def test_a_batch_that_is_done_quickly_is_left_alone(guard: Guard, server: Server) -> None:
    for _ in range(50):
        batch = Batch([job(1)])
        guard.watch(batch, alone=False)
        batch.next()
        batch.add(cancelled(job(1)))
        assert ways(batch.take()) == [(b"j1", "c")]
    guard.rest()
    assert guard.unsent() == []
    assert server.tried == 0


def test_what_waits_behind_a_long_job_is_released_and_what_is_finished_is_settled(guard: Guard, server: Server) -> None:
    batch = Batch([job(n) for n in range(4)])
    began = time.monotonic()
    guard.watch(batch, alone=False)
    batch.next()
    batch.add(cancelled(job(0)))
    batch.next()
    wait_until(lambda: len(server.got) == 3)
    assert FIRST_LOOK <= time.monotonic() - began < FIRST_LOOK + 1.0
    assert ways(server.got) == [(b"j0", "c"), (b"j2", "l"), (b"j3", "l")]
    assert (server.behind, batch.shed) == ([b"j1"], True)
    assert batch.next() is None
    batch.add(cancelled(job(1)))
    assert ways(batch.take() + guard.unsent()) == [(b"j1", "c")] or len(server.got) == 4


def test_what_could_not_be_sent_is_handed_to_the_loop_once(guard: Guard, server: Server) -> None:
    server.away = True
    batch = Batch([job(1), job(2)])
    guard.watch(batch, alone=False)
    batch.next()
    wait_until(lambda: server.tried == 1)
    assert ways(guard.unsent()) == [(b"j2", "l")]
    assert guard.unsent() == []


def test_the_loop_waits_for_what_is_under_way(guard: Guard, server: Server) -> None:
    server.slow.clear()
    batch = Batch([job(1), job(2)])
    guard.watch(batch, alone=False)
    batch.next()
    wait_until(lambda: server.tried == 1)
    threading.Timer(0.1, server.slow.set).start()
    assert guard.unsent() == []
    assert ways(server.got) == [(b"j2", "l")]


def test_what_was_claimed_behind_a_long_job_is_given_back_once_though_nothing_waits(
    guard: Guard, server: Server
) -> None:
    batch = Batch([job(1), job(2)])
    batch.next()
    batch.add(cancelled(job(1)))
    batch.next()
    batch.take()
    guard.watch(batch, alone=False)
    wait_until(lambda: server.behind == [b"j2"])
    batch.take_behind()
    assert batch.take_behind() == ([], None)
    assert server.behind == [b"j2"]


def test_each_batch_is_watched_anew(guard: Guard, server: Server) -> None:
    for n in range(3):
        guard.watch(batch := Batch([job(10 * n), job(10 * n + 1)]), alone=False)
        batch.next()
        wait_until(lambda n=n: len(server.got) == n + 1)
        guard.rest()
    assert [one.job.id for one in server.got] == [b"j1", b"j11", b"j21"]


def test_a_child_whose_supervisor_is_gone_ends(server: Server) -> None:
    pid = os.fork()
    if not pid:
        guard = Guard(server.settle, os.getppid() + 1)  # not the parent: as if it had died
        guard.watch(Batch([]), alone=True)
        threading.Event().wait(10.0)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
