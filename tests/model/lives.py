"""Lives of jobs, as the library lives them, one round trip after the other."""

from __future__ import annotations

from collections.abc import Callable

from redisq import claimed as verdict
from redisq.claimer import giving_back
from redisq.connection import evalsha
from redisq.forward import drain, entry
from redisq.job import encode
from redisq.options import DEFAULTS, CallOptions
from redisq.producer import NewJob, spec
from redisq.scripts import RELEASE

from .life import LEASE, Life

LIVES: dict[str, tuple[int, Callable[[Life], None]]] = {}


def life(trips: int) -> Callable[[Callable[[Life], None]], Callable[[Life], None]]:
    """Register a life that makes so many round trips when nothing goes wrong."""

    def register(function: Callable[[Life], None]) -> Callable[[Life], None]:
        LIVES[function.__name__] = trips, function
        return function

    return register


@life(trips=1)
def is_enqueued(life: Life) -> None:
    life.enqueue("a", "b", "c")


@life(trips=4)
def succeeds(life: Life) -> None:
    life.enqueue("a")
    worker = life.worker("w")
    (job,) = life.claim(worker)
    life.settle(worker, life.success(worker, job))


@life(trips=6)
def succeeds_while_the_next_is_claimed(life: Life) -> None:
    life.enqueue("a", "b", "c")
    worker = life.worker("w")
    jobs = life.claim(worker, 1)
    for _ in range(3):
        jobs = life.settle(worker, life.success(worker, jobs[0]), budget=1)
    assert not jobs


@life(trips=5)
def waits_until_it_is_due(life: Life) -> None:
    life.enqueue("a", delay=5.0)
    worker = life.worker("w")
    life.pass_time(5.0)
    life.keep()
    (job,) = life.claim(worker)
    life.settle(worker, life.success(worker, job))


@life(trips=7)
def fails_and_is_retried(life: Life) -> None:
    life.enqueue("a")
    worker = life.worker("w")
    (job,) = life.claim(worker)
    life.settle(worker, verdict.failed(job, "no", DEFAULTS))
    life.pass_time(1.0)
    life.keep()
    (job,) = life.claim(worker)
    life.settle(worker, life.success(worker, job))


@life(trips=7)
def fails_for_good_and_is_revived(life: Life) -> None:
    life.enqueue("a")
    worker = life.worker("w")
    (job,) = life.claim(worker)
    life.settle(worker, verdict.dead(job, "no"))
    life.app.queue("high").revive("a")
    (job,) = life.claim(worker)
    life.settle(worker, life.success(worker, job))


@life(trips=4)
def is_claimed_too_late(life: Life) -> None:
    life.enqueue("a", expires=5.0)
    worker = life.worker("w")
    life.pass_time(5.0)
    (job,) = life.claim(worker)
    assert job.expired
    life.settle(worker, verdict.expired(job))


@life(trips=4)
def would_be_retried_too_late(life: Life) -> None:
    life.enqueue("a", expires=0.9)
    worker = life.worker("w")
    (job,) = life.claim(worker)
    life.settle(worker, verdict.failed(job, "no", DEFAULTS))


@life(trips=7)
def is_postponed(life: Life) -> None:
    life.enqueue("a")
    worker = life.worker("w")
    (job,) = life.claim(worker)
    life.settle(worker, verdict.postponed(job, "unknown"))
    life.pass_time(1.0)
    life.keep()
    (job,) = life.claim(worker)
    life.settle(worker, life.success(worker, job))


@life(trips=5)
def is_released(life: Life) -> None:
    life.enqueue("a", "b")
    worker = life.worker("w")
    first, second = life.claim(worker)
    jobs = life.settle(worker, life.success(worker, first), verdict.released(second), budget=5)
    assert [job.id for job in jobs] == [b"b"]
    life.settle(worker, life.success(worker, jobs[0]))


@life(trips=2)
def is_cancelled_while_it_waits(life: Life) -> None:
    life.enqueue("a")
    life.cancel("a")


@life(trips=5)
def is_cancelled_while_it_runs(life: Life) -> None:
    life.enqueue("a")
    worker = life.worker("w")
    (job,) = life.claim(worker)
    life.cancel("a")
    worker.exchange([verdict.succeeded(job, b"1", DEFAULTS)])


@life(trips=7)
def crashes_its_worker(life: Life) -> None:
    life.enqueue("a")
    life.claim(life.worker("w"))
    life.app.settings.server.call(giving_back(life.app.settings, life.sources, "w", "high.a"))
    worker = life.worker("next")
    (job,) = life.claim(worker)
    life.settle(worker, life.success(worker, job))


@life(trips=11)
def loses_its_worker_to_the_lease(life: Life) -> None:
    life.enqueue("a")
    zombie = life.worker("w")
    (late,) = life.claim(zombie)
    for _ in range(4):
        life.pass_time(LEASE + 0.001)
        life.keep()
    worker = life.worker("next")
    (job,) = life.claim(worker)
    life.settle(worker, life.success(worker, job))
    answers, _ = zombie.exchange([verdict.succeeded(late, b"0", DEFAULTS)])
    assert answers == [b"lost"]


@life(trips=7)
def waits_behind_a_long_one(life: Life) -> None:
    life.enqueue("a", "b")
    worker = life.worker("w")
    first, _ = life.claim(worker)
    args = ("w", "a", *life.app.settings.retention.ended_args)
    life.app.settings.server.call([evalsha(RELEASE, [life.sources[0].base], args)])
    life.settle(worker, life.success(worker, first))
    (second,) = life.claim(worker)
    life.settle(worker, life.success(worker, second))


@life(trips=9)
def leaves_follow_ups(life: Life) -> None:
    life.enqueue("a")
    worker = life.worker("w")
    (job,) = life.claim(worker)
    here, there = (
        NewJob.make("task", b"[[],{}]", CallOptions(job_id=local_id, feed="news")) for local_id in ("b", "c.low")
    )
    forwarded = entry("low", spec(there, encode(there.task, there.body, there.options)))
    follow = [1, forwarded, *spec(here, encode(here.task, here.body, here.options))]
    settlement = life.success(worker, job, follow)
    life.follow_ups["a"] = settlement.text, {"b", "c.low"}
    life.settle(worker, settlement)
    drain(life.app.settings, life.sources[0])
    jobs = life.claim(worker)
    life.settle(worker, *(life.success(worker, job) for job in jobs))


@life(trips=4)
def is_claimed_through_the_library(life: Life) -> None:
    life.enqueue("a")
    delivery = life.app.queue("high").claim(timeout=0.0)
    assert delivery
    life.sent["a"] = {b'"mine"'}
    delivery.ack("mine")
    life.completed["a"] = b'"mine"'


@life(trips=9)
def is_told_to_a_feed(life: Life) -> None:
    life.enqueue("a")
    worker = life.worker("w")
    (job,) = life.claim(worker)
    life.settle(worker, life.success(worker, job))
    delivery = life.app.feed("news").claim(timeout=0.0)
    assert delivery
    life.noted["a"] += 1
    delivery.ack()
