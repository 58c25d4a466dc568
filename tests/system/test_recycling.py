"""Children that have run many jobs, or have grown large, are replaced: no job is cut short, none waits for it."""

from __future__ import annotations

import itertools
import os
import re
import signal
from collections import Counter

from tests.system.shop import Shop
from tests.system.workers import Worker, clean
from tests.waiting import wait_until

SLOW = 30.0


def worn(worker: Worker) -> list[tuple[int, float]]:
    """Of each child that was replaced: how many jobs it had run, and its MiB."""
    seen = re.findall(r"worker\.worn worker=\S+ jobs=(\d+) mib=(\d+)", worker.log)
    return [(int(jobs), float(mib)) for jobs, mib in seen]


def test_children_that_have_run_many_jobs_are_replaced_without_a_gap(shop: Shop, redis_url: str) -> None:
    names = [f"n{n}" for n in range(200)]
    jobs = shop.queue.enqueue_many("nap", [((name, 0.02), {}) for name in names])
    worker = shop.start("--max-jobs", "20")
    for job in jobs:
        job.wait(SLOW)
    assert Counter(words[1] for words in shop.history("start")) == Counter(names)
    ran = Counter(words[2] for words in shop.history("start"))
    assert len(ran) >= 4
    assert all(count >= 20 for count, _ in worn(worker))
    first = {words[2]: float(words[3]) for words in reversed(shop.history("start"))}
    last = {words[2]: float(words[3]) for words in shop.history("start")}
    born = sorted(first.items(), key=lambda item: item[1])
    for (old, _), (_, began) in itertools.pairwise(born):
        assert began < last[old], "the successor serves before the old one stops"
    assert "worker.crashed" not in worker.log
    assert "settle.refused" not in worker.log
    clean(redis_url)


def test_a_child_that_has_grown_large_is_replaced(shop: Shop) -> None:
    worker = shop.start("--max-memory", "150")
    pids = []
    while len(set(pids)) < 3:
        pids.append(shop.queue.enqueue("hoard", 20).wait(SLOW))
        assert len(pids) < 2000
    assert all(mib >= 150 for _, mib in worn(worker))  # rounded, as the log has it
    assert len(worn(worker)) >= 2
    assert worker.process.poll() is None


def test_a_worn_child_finishes_its_job_while_another_serves(shop: Shop) -> None:
    worker = shop.start("--max-jobs", "1")
    shop.queue.pause()
    job = shop.queue.enqueue("nap", "first", 0.0)
    long = shop.queue.enqueue("hold", "long")  # the same child takes it, before its successor is there
    shop.queue.resume()
    assert job.wait(SLOW) == "v1"
    wait_until(lambda: shop.history("start long"), SLOW)
    assert [shop.version() for _ in range(3)] == ["v1"] * 3
    wait_until(lambda: len(worn(worker)) >= 2, SLOW)
    assert not shop.history("end long")
    shop.let_go("long")
    assert long.wait(SLOW) == "v1"
    assert len(shop.history("start long")) == 1
    wait_until(lambda: len(worker.children()) == 1)


def test_a_burst_of_children_that_are_replaced_ends(shop: Shop, redis_url: str) -> None:
    jobs = shop.queue.enqueue_many("nap", [((f"n{n}", 0.01), {}) for n in range(100)])
    worker = shop.start("--max-jobs", "5", "--processes", "2", "--burst")
    assert worker.wait(SLOW) == 0
    assert {job.refresh().status for job in jobs} == {"succeeded"}
    assert len(shop.history("start")) == len(jobs)
    assert worn(worker)
    clean(redis_url)


def test_children_that_are_killed_while_they_are_replaced_lose_nothing(shop: Shop, redis_url: str) -> None:
    jobs = shop.queue.options(max_attempts=10).enqueue_many("nap", [((f"n{n}", 0.02), {}) for n in range(300)])
    worker = shop.start("--max-jobs", "5", "--processes", "2")
    for times in range(1, 5):
        wait_until(lambda at=times: len(worn(worker)) > 2 * at, SLOW)
        os.kill(worker.children()[-1], signal.SIGKILL)  # the newest: a successor, as a rule
    for job in jobs:
        assert job.wait(SLOW) == "v1"
    assert re.search(r"worker\.(crashed|ended) ", worker.log)  # ended: a successor that had no job yet
    wait_until(lambda: len(worker.children()) == 2)
    clean(redis_url)


def test_a_stop_while_children_are_replaced(shop: Shop, redis_url: str) -> None:
    shop.queue.enqueue_many("nap", [((f"n{n}", 0.02), {}) for n in range(300)])
    worker = shop.start("--max-jobs", "1", "--processes", "3")
    wait_until(lambda: len(worn(worker)) > 5, SLOW)
    worker.signal(signal.SIGTERM)
    assert worker.wait(SLOW) == 0
    assert not shop.left()
    assert len(shop.history("start")) == len(shop.history("end"))
    clean(redis_url)


def test_a_reload_while_children_are_replaced(shop: Shop, redis_url: str) -> None:
    jobs = shop.queue.enqueue_many("nap", [((f"n{n}", 0.02), {}) for n in range(300)])
    worker = shop.start("--max-jobs", "10", "--processes", "2")
    wait_until(lambda: worn(worker), SLOW)
    shop.write("v2")
    worker.signal(signal.SIGHUP)
    wait_until(lambda: "reload.done" in worker.log, SLOW)
    for job in jobs:
        job.wait(SLOW)
    assert len(shop.history("start")) == len(jobs)
    assert shop.version() == "v2"
    clean(redis_url)
