"""The library's own job ids: unique, sorted by time, and good as part of a key."""

from __future__ import annotations

import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from redisq import ids, keys
from redisq.retry import reconnect_delays


def test_ids_of_one_process_sort_by_the_time_they_were_made() -> None:
    made = [ids.new_id() for _ in range(20_000)]
    assert made == sorted(made)
    assert len(set(made)) == len(made)


def test_ids_of_many_threads_are_unique() -> None:
    with ThreadPoolExecutor(8) as pool:
        batches = list(pool.map(lambda _: [ids.new_id() for _ in range(2000)], range(16)))
    assert len({made for batch in batches for made in batch}) == 32_000
    assert all(batch == sorted(batch) for batch in batches)


def test_a_clock_that_steps_back_does_not_turn_the_order(monkeypatch: pytest.MonkeyPatch) -> None:
    first = ids.new_id()
    monkeypatch.setattr(ids.time, "time_ns", lambda: 0)
    later = [ids.new_id() for _ in range(100)]
    assert [first, *later] == sorted([first, *later])


def test_a_millisecond_that_is_full_goes_over_into_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    first = ids.new_id()
    monkeypatch.setattr(ids.time, "time_ns", lambda: 0)
    monkeypatch.setattr(ids, "_last_bits", (1 << 60) - 1)
    second, third = ids.new_id(), ids.new_id()
    assert first[:10] < second[:10] == third[:10]
    assert second < third


def test_an_id_is_22_characters_that_a_job_id_may_have() -> None:
    for _ in range(100):
        made = ids.new_id()
        assert len(made) == 22
        assert keys.check_job_id(made) == made


def test_ids_made_after_a_fork_differ() -> None:
    read, write = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(write, ids.new_id().encode())
        os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(read, 100).decode() != ids.new_id()


def test_a_fork_in_the_middle_of_making_ids_does_not_hang_the_child() -> None:
    stop = threading.Event()

    def make() -> None:
        while not stop.is_set():
            ids.new_id()

    threads = [threading.Thread(target=make) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(30):
            pid = os.fork()
            if not pid:
                ids.new_id()
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_nonce_is_random_text() -> None:
    made = {ids.nonce(8) for _ in range(1000)}
    assert len(made) == 1000
    assert all(len(text) == 8 and text.isalnum() for text in made)


def test_the_applications_random_numbers_stay_its_own() -> None:
    random.seed(7)
    expected = [random.random() for _ in range(3)]
    random.seed(7)
    ids.new_id()
    next(reconnect_delays(1.0))
    assert [random.random() for _ in range(3)] == expected
