"""The jobs of one claim: each is run or given back, never both and never neither."""

from __future__ import annotations

import threading

from redisq.claimed import Claimed, Settlement, Source, cancelled
from redisq.worker.batch import Batch

SOURCE = Source("q", "redisq:{q}:")


def job(n: int) -> Claimed:
    return Claimed(SOURCE, b"j%d" % n, 1, b"1", b"t", b"[[],{}]", None, b"1", None, None, None)


def ways(settled: list[Settlement]) -> list[tuple[bytes, str]]:
    return [(one.job.id, one.way) for one in settled]


def test_jobs_come_in_their_order_and_end() -> None:
    batch = Batch([job(1), job(2)])
    assert [batch.next(), batch.next(), batch.next(), batch.next()] == [job(1), job(2), None, None]


def test_what_has_not_begun_is_released_and_does_not_begin_any_more() -> None:
    batch = Batch([job(1), job(2), job(3)])
    batch.next()
    assert ways(batch.take()) == [(b"j2", "l"), (b"j3", "l")]
    assert batch.next() is None
    assert batch.take() == []


def test_what_runs_is_neither_settled_nor_released_until_it_is_done() -> None:
    batch = Batch([job(1), job(2)])
    running = batch.next()
    batch.take()
    batch.add(cancelled(running))
    assert ways(batch.take()) == [(b"j1", "c")]


def test_what_was_announced_and_not_begun_goes_back_to_its_place() -> None:
    batch = Batch([job(1), job(2)])
    batch.put_back(batch.next())
    assert ways(batch.take()) == [(b"j1", "l"), (b"j2", "l")]


def test_two_threads_share_a_batch_without_loss() -> None:
    count = 3000
    batch = Batch(map(job, range(count)))
    taken: list[Settlement] = []
    done = threading.Event()

    def guard() -> None:
        done.wait(0.001)
        taken.extend(batch.take())
        done.wait()
        taken.extend(batch.take())

    thread = threading.Thread(target=guard)
    thread.start()
    while (running := batch.next()) is not None:
        batch.add(cancelled(running))
    done.set()
    thread.join()
    assert sorted(one.job.id for one in taken) == sorted(job(n).id for n in range(count))


def test_jobs_that_run_as_one_are_taken_with_the_first() -> None:
    batch = Batch(map(job, range(5)))
    assert batch.next() == job(0)
    assert batch.take_along(lambda one: one.id != b"j3", 10) == ([job(1), job(2)], True)
    settled, running = batch.take_behind()
    assert (ways(settled), running) == ([(b"j3", "l"), (b"j4", "l")], job(2))  # behind the last of them
    batch.add_all([cancelled(job(n)) for n in range(3)])
    assert ways(batch.take()) == [(b"j0", "c"), (b"j1", "c"), (b"j2", "c")]


def test_no_more_are_taken_than_asked_for_and_all_go_back_in_their_order() -> None:
    batch = Batch(map(job, range(4)))
    first = batch.next()
    assert first is not None
    assert batch.take_along(lambda one: True, 2) == ([job(1), job(2)], True)
    batch.put_back(first, job(1), job(2))
    assert [batch.next() for _ in range(5)] == [job(0), job(1), job(2), job(3), None]


def test_what_is_set_aside_has_nothing_given_back_behind_it() -> None:
    batch = Batch([job(0), job(1)])
    batch.next()
    assert batch.take_along(lambda one: True, 5) == ([job(1)], False)
    batch.set_aside()
    assert batch.take_behind() == ([], None)
    assert not batch.shed
