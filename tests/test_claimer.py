"""The protocol at its lowest: numbered claims, leases and marks, crashes and suspects, and garbage of every kind."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import redis

from redisq import CurrentJob, Job, RedisQ
from redisq import claimed as verdict
from redisq.claimed import Claimed, Settlement, Source
from redisq.claimer import Claimer, giving_back, keeping, registration, renewal, settling, worker_name
from redisq.connection import evalsha
from redisq.forward import drain
from redisq.scripts import CLAIM
from tests.invariants import check, checked_app
from tests.waiting import wait_until

LEASE = 1.2
BASE = "redisq:{q}:"


@pytest.fixture
def app(redis_url: str) -> Iterator[RedisQ]:
    with checked_app(redis_url, lease=LEASE) as app:
        yield app


@pytest.fixture
def messy_app(redis_url: str) -> Iterator[RedisQ]:
    """For tests that leave a queue in a state that the library alone would not."""
    app = RedisQ(redis_url, lease=LEASE)
    yield app
    app.close()


class Worker:
    """A worker by hand: every call of the protocol, one at a time."""

    def __init__(self, app: RedisQ, *queues: str, register: bool = True) -> None:
        self.settings = app.settings
        self.sources = [Source(name, app.queue(name).base) for name in queues or ("q",)]
        self.name = worker_name()
        self.number = 0
        if register:
            self.call(registration(app.settings, self.sources, self.name))

    def call(self, commands: Sequence[Any]) -> list[Any]:
        return self.settings.server.call(commands)

    def claim(self, budget: int = 10, number: int | None = None, empty: bool = True, kept: bool = False) -> list[Any]:
        """Per queue: ids, or what it said."""
        self.number = self.number + 1 if number is None else number
        args = (self.name, self.number, budget, 1_000_000, int(empty), int(kept))
        answers = self.call([evalsha(CLAIM, [source.base for source in self.sources], args)])[0]
        self.rows = [answer for answer in answers if isinstance(answer, list)]
        return [[row[0].decode() for row in a] if isinstance(a, list) else a.decode() for a in answers]

    def jobs(self, budget: int = 10, **options: Any) -> list[Claimed]:
        self.claim(budget, **options)
        pairs = zip(self.sources, self.rows, strict=True)
        return [Claimed(source, id_, int(d), *rest) for source, rows in pairs for id_, d, *rest in rows]

    def settle(self, *settlements: Settlement) -> list[str]:
        replies = self.call(settling(self.settings, self.name, settlements))
        return [answer.decode() for reply in replies for answer in reply]

    def keep(self) -> Any:
        return self.call(keeping(self.settings, self.sources))[0]

    def renew(self) -> list[int]:
        return [reply[0] for reply in self.call(renewal(self.sources, [self.name]))]

    def give_back(self, blamed: str = "") -> None:
        self.call(giving_back(self.settings, self.sources, self.name, blamed))


def put(app: RedisQ, *ids: str) -> list[Job]:
    return [app.queue("q").options(job_id=job_id).put(job_id) for job_id in ids]


def status(app: RedisQ, local_id: str) -> str:
    return app.job(f"q.{local_id}").status


def expire(client: redis.Redis, worker: Worker, ago: float, mark: float | None = None) -> None:
    """As if this worker's lease had ended so many seconds ago, and been marked then."""
    seconds, micros = client.time()
    now = seconds * 1000 + micros // 1000
    for source in worker.sources:
        client.zadd(f"{source.base}workers", {worker.name: now - int(ago * 1000)})
        number, lease = client.hget(f"{source.base}calls", worker.name).decode().split(":")[:2]
        text = "" if mark is None else str(now - int(mark * 1000))
        client.hset(f"{source.base}calls", worker.name, f"{number}:{lease}:{text}")
        client.hdel(f"{source.base}state", "kept")


# Numbers


def test_the_same_number_again_moves_nothing_and_answers_what_is_held(app: RedisQ) -> None:
    put(app, "a", "b", "c")
    worker = Worker(app)
    assert worker.claim(2) == [["a", "b"]]
    assert worker.claim(2, number=1) == [["a", "b"]]
    assert worker.claim(99, number=1) == [["a", "b"]]
    assert app.queue("q").counts() == {"scheduled": 0, "queued": 1, "running": 2, "failed": 0}
    assert worker.claim(2) == [["c"]]
    assert worker.claim(2, number=2) == [["a", "b", "c"]]


def test_a_lower_number_is_refused(app: RedisQ) -> None:
    put(app, "a", "b")
    worker = Worker(app)
    assert worker.claim(1) == [["a"]]
    assert worker.claim(0) == [[]]
    assert worker.claim(1, number=1) == ["stale"]
    assert app.queue("q").counts()["queued"] == 1


def test_who_is_not_registered_is_refused_everything(app: RedisQ, client: redis.Redis) -> None:
    put(app, "a")
    worker = Worker(app, register=False)
    assert worker.claim() == ["unregistered"]
    assert worker.renew() == [0]
    assert client.zcard(f"{BASE}workers") == 0
    assert client.hlen(f"{BASE}calls") == 0
    assert app.queue("q").counts()["queued"] == 1


def test_registration_in_one_queue_is_no_registration_in_another(app: RedisQ) -> None:
    put(app, "a")
    app.queue("p").options(job_id="z").put(1)
    worker = Worker(app, "q")
    worker.sources.append(Source("p", app.queue("p").base))
    assert worker.claim() == [["a"], "unregistered"]
    assert app.job("p.z").status == "queued"


def test_the_zombies_calls_are_refused_every_time(app: RedisQ) -> None:
    put(app, "a", "b")
    zombie = Worker(app)
    mine = zombie.jobs(1)[0]
    zombie.give_back()
    for _ in range(2):
        assert zombie.settle(verdict.succeeded(mine, b'"late"', mine.run_options())) == ["lost"]
        assert zombie.settle(verdict.released(mine)) == ["lost"]
        assert zombie.claim() == ["unregistered"]
        assert zombie.renew() == [0]
        zombie.give_back()
    assert status(app, "a") == "queued"
    heir = Worker(app)
    again = heir.jobs(1)[0]
    assert again.id == b"a"
    assert again.delivery > mine.delivery
    assert again.token > mine.token
    assert zombie.settle(verdict.succeeded(mine, b'"late"', mine.run_options())) == ["lost"]
    assert heir.settle(verdict.succeeded(again, b'"good"', again.run_options())) == ["ok"]
    assert zombie.settle(verdict.failed(mine, "late", mine.run_options())) == ["lost"]
    assert app.job("q.a").result == "good"


def test_the_same_worker_with_an_older_delivery_is_fenced_too(app: RedisQ) -> None:
    put(app, "a")
    worker = Worker(app)
    first = worker.jobs(1)[0]
    assert worker.settle(verdict.released(first)) == ["ok"]
    second = worker.jobs(1)[0]
    assert worker.settle(verdict.succeeded(first, b"1", first.run_options())) in (["lost"], ["done"])
    assert status(app, "a") == "running"
    assert worker.settle(verdict.succeeded(second, b"2", second.run_options())) == ["ok"]
    assert app.job("q.a").result == 2


WAYS = {
    "succeeded": lambda job: verdict.succeeded(job, b"1", job.run_options()),
    "failed": lambda job: verdict.dead(job, "no"),
    "retried": lambda job: verdict.failed(job, "no", job.run_options(), retry_in=60.0),
    "retried at once": lambda job: verdict.failed(job, "no", job.run_options(), retry_in=0.0),
    "postponed": lambda job: verdict.postponed(job, "not yet"),
    "released": verdict.released,
    "cancelled": verdict.cancelled,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_settle_that_is_sent_again_changes_nothing_and_is_told_so(app: RedisQ, client: redis.Redis, way: str) -> None:
    put(app, "a", "b")
    worker = Worker(app)
    job = worker.jobs(1)[0]
    settlement = WAYS[way](job)
    assert worker.settle(settlement) == ["ok"]
    before = client.hgetall(f"{BASE}job:a"), app.queue("q").counts(), client.lrange(f"{BASE}ended", 0, -1)
    assert worker.settle(settlement) == ["done"]
    assert worker.settle(settlement, settlement) == ["done", "done"]
    assert (client.hgetall(f"{BASE}job:a"), app.queue("q").counts(), client.lrange(f"{BASE}ended", 0, -1)) == before
    check(client)


def test_a_batch_of_every_way_stands_alone(app: RedisQ, client: redis.Redis) -> None:
    put(app, *"abcdefg")
    worker = Worker(app)
    jobs = worker.jobs(7)
    lost = Claimed(jobs[0].source, b"nobody", 1, b"1", None, None, None, b"1", None, None, None)
    ways = [make(job) for make, job in zip(WAYS.values(), jobs, strict=True)]
    answers = worker.settle(ways[0], verdict.cancelled(lost), *ways[1:], ways[0])
    assert sorted(answers) == ["done", *["lost"], *["ok"] * 7]
    found = {job_id: status(app, job_id) for job_id in "abcdefg"}
    assert sorted(found.values()) == sorted(
        ["succeeded", "failed", "scheduled", "queued", "scheduled", "queued", "cancelled"]
    )
    check(client)


def test_released_jobs_go_to_the_head_in_their_order(app: RedisQ) -> None:
    put(app, *"abcde")
    worker = Worker(app)
    jobs = worker.jobs(3)
    worker.settle(*[verdict.released(job) for job in jobs])
    assert worker.claim(5) == [["a", "b", "c", "d", "e"]]


def test_what_a_dead_worker_held_goes_to_the_head_in_its_order(app: RedisQ) -> None:
    put(app, *"abcde")
    worker, heir = Worker(app), Worker(app)
    worker.claim(2)
    worker.claim(1)
    worker.give_back()
    assert heir.claim(5) == [["a", "b", "c", "d", "e"]]


def test_a_claim_takes_from_the_queues_in_their_order(app: RedisQ) -> None:
    for name in "rqp":
        for i in range(3):
            app.queue(name).options(job_id=f"{name}{i}").put(i)
    worker = Worker(app, "p", "q", "r")
    assert worker.claim(4) == [["p0", "p1", "p2"], ["q0"], []]
    assert worker.claim(4) == [[], ["q1", "q2"], ["r0", "r1"]]


def test_a_claim_is_bounded_by_bytes(app: RedisQ) -> None:
    for i in range(5):
        app.queue("q").options(job_id=str(i)).put("x" * 400_000)
    assert len(Worker(app).claim(5)[0]) == 3


# The token


def test_the_token_is_there_while_there_is_something_to_claim(app: RedisQ, client: redis.Redis) -> None:
    worker = Worker(app)
    put(app, "a", "b")
    assert client.llen(f"{BASE}wake") == 1
    client.delete(f"{BASE}wake")  # a waiting worker took it
    assert worker.claim(1) == [["a"]]
    assert client.llen(f"{BASE}wake") == 1
    worker.keep()
    assert worker.claim(1, kept=True) == [["b"]]
    assert client.llen(f"{BASE}wake") == 0


@pytest.mark.parametrize("how", ["repeated", "stale", "unregistered", "no budget"])
def test_a_claim_that_takes_nothing_leaves_the_token_right(app: RedisQ, client: redis.Redis, how: str) -> None:
    worker = Worker(app, register=how != "unregistered")
    worker.claim(0)
    worker.claim(0)
    put(app, "a")
    client.delete(f"{BASE}wake")
    number = {"repeated": 2, "stale": 1, "unregistered": None, "no budget": None}[how]
    worker.claim(0 if how == "no budget" else 1, number=number)
    assert client.llen(f"{BASE}wake") == 1


def test_a_paused_queue_has_no_token_and_gives_nothing(app: RedisQ, client: redis.Redis) -> None:
    put(app, "a")
    app.queue("q").pause()
    worker = Worker(app)
    worker.keep()
    assert worker.claim(1, kept=True) == [[]]
    assert client.llen(f"{BASE}wake") == 0
    app.queue("q").resume()
    assert client.llen(f"{BASE}wake") == 1
    assert worker.claim(1) == [["a"]]


# Leases


def test_an_ended_lease_is_marked_first_and_reaped_a_third_later(app: RedisQ, client: redis.Redis) -> None:
    put(app, "a")
    dead, live = Worker(app), Worker(app)
    dead.claim(1)
    expire(client, dead, ago=100.0)
    live.keep()
    assert status(app, "a") == "running"
    expire(client, dead, ago=100.0, mark=LEASE / 3 - 0.15)
    live.keep()
    assert status(app, "a") == "running"
    expire(client, dead, ago=100.0, mark=LEASE / 3 + 0.01)
    live.keep()
    assert status(app, "a") == "queued"
    assert dead.claim() == ["unregistered"]
    assert not client.exists(f"{BASE}claimed:{dead.name}")


def test_a_renewal_clears_the_mark(app: RedisQ, client: redis.Redis) -> None:
    put(app, "a")
    sleeper, live = Worker(app), Worker(app)
    sleeper.claim(1)
    expire(client, sleeper, ago=100.0, mark=100.0)
    assert sleeper.renew() == [1]
    live.keep()
    assert status(app, "a") == "running"
    assert client.zscore(f"{BASE}workers", sleeper.name) > time.time() * 1000


@pytest.mark.parametrize("paused", [False, True])
def test_a_claim_clears_the_mark(app: RedisQ, client: redis.Redis, paused: bool) -> None:
    put(app, "a")
    sleeper, live = Worker(app), Worker(app)
    sleeper.claim(1)
    if paused:
        app.queue("q").pause()
    expire(client, sleeper, ago=0.01, mark=LEASE)
    assert sleeper.claim(1) == [[]]
    live.keep()
    assert status(app, "a") == "running"


def test_a_mark_in_the_future_is_set_anew(app: RedisQ, client: redis.Redis) -> None:
    put(app, "a")
    dead, live = Worker(app), Worker(app)
    dead.claim(1)
    expire(client, dead, ago=1.0, mark=-3600.0)
    live.keep()
    assert status(app, "a") == "running"
    mark = int(client.hget(f"{BASE}calls", dead.name).rpartition(b":")[2])
    assert mark <= time.time() * 1000 + 1000


def test_a_lease_that_ends_too_late_is_cut(app: RedisQ, client: redis.Redis) -> None:
    dead, live = Worker(app), Worker(app)
    expire(client, dead, ago=-3600.0)
    live.keep()
    assert client.zscore(f"{BASE}workers", dead.name) < time.time() * 1000 + LEASE * 1000 + 500


def test_housekeeping_of_the_future_is_done_again(app: RedisQ, client: redis.Redis) -> None:
    put(app, "a")
    dead, live = Worker(app), Worker(app)
    dead.claim(1)
    expire(client, dead, ago=100.0, mark=100.0)
    client.hset(f"{BASE}state", "kept", int(time.time() * 1000) + 3_600_000)
    live.keep()
    assert status(app, "a") == "queued"


def test_two_who_reap_give_back_once(app: RedisQ, client: redis.Redis) -> None:
    put(app, "a", "b")
    dead, one, two = Worker(app), Worker(app), Worker(app)
    dead.claim(2)
    for reaper in (one, two):
        client.hdel(f"{BASE}state", "kept")
        if client.zscore(f"{BASE}workers", dead.name) is not None:
            expire(client, dead, ago=100.0, mark=100.0)
        reaper.keep()
    assert client.lrange(f"{BASE}pending", 0, -1) == [b"b", b"a"]


def test_a_worker_without_a_call_is_reaped_too(messy_app: RedisQ, client: redis.Redis) -> None:
    live = Worker(messy_app)
    client.zadd(f"{BASE}workers", {"ghost": 1})
    live.keep()
    assert client.zscore(f"{BASE}workers", "ghost") is None


def test_what_is_next_is_answered(app: RedisQ, client: redis.Redis) -> None:
    worker = Worker(app)
    worker.keep()
    assert 0 < worker.keep()[0] <= LEASE * 1000
    app.queue("q").options(delay=0.2).put(1)
    assert 0 < worker.keep()[0] <= 200


def test_a_stamp_far_ahead_is_due_when_its_time_comes(app: RedisQ, client: redis.Redis) -> None:
    app.queue("q").options(job_id="a", delay=3600.0).put(1)
    worker = Worker(app)
    worker.keep()
    assert worker.claim() == [[]]
    client.zadd(f"{BASE}scheduled", {"a": 1})
    worker.keep()
    assert worker.claim() == [["a"]]


# Crashes


def crash(app: RedisQ, client: redis.Redis, budget: int, reap: bool) -> list[str]:
    """A worker claims and dies. Answers what it held."""
    worker, live = Worker(app), Worker(app)
    held = worker.claim(budget)[0]
    if reap:
        expire(client, worker, ago=100.0, mark=100.0)
        live.keep()
    else:
        worker.give_back(f"q.{held[0]}" if held else "")
    live.give_back()
    return held


@pytest.mark.parametrize("reap", [False, True], ids=["given back", "reaped"])
def test_three_crashes_alone_are_the_end_exactly(app: RedisQ, client: redis.Redis, reap: bool) -> None:
    put(app, "a")
    for _ in range(3):
        assert status(app, "a") == "queued"
        assert crash(app, client, 1, reap) == ["a"]
    job = app.job("q.a")
    assert job.status == "failed"
    assert "crashed" in job.error
    assert job.attempt == 1


def test_neighbours_of_the_one_that_crashed_go_free(app: RedisQ, client: redis.Redis) -> None:
    put(app, "bad", "b", "c")
    for _ in range(3):
        assert "bad" in crash(app, client, 3, reap=False)
    assert status(app, "bad") == "failed"
    worker = Worker(app)
    jobs = worker.jobs(3)
    assert [job.id for job in jobs] == [b"b", b"c"]
    assert worker.settle(*[verdict.succeeded(job, b"1", job.run_options()) for job in jobs]) == ["ok", "ok"]


def test_a_job_that_always_crashes_among_others_ends_after_five_at_most(app: RedisQ, client: redis.Redis) -> None:
    put(app, "bad", "b", "c", "d")
    crashes = 0
    for _ in range(20):
        worker, live = Worker(app), Worker(app)
        jobs = worker.jobs(10)
        if not jobs:
            break
        if any(job.id == b"bad" for job in jobs):
            crashes += 1
            assert crashes <= 5, "five crashes, and it still runs"
            expire(client, worker, ago=100.0, mark=100.0)
            live.keep()
        else:
            worker.settle(*[verdict.succeeded(job, b"1", job.run_options()) for job in jobs])
            worker.give_back()
        live.give_back()
        put(app, f"new{crashes}-1", f"new{crashes}-2")  # there are always neighbours
        if status(app, "bad") == "failed":
            break
    assert status(app, "bad") == "failed"
    assert crashes >= 3
    for job in app.queue("q").jobs("failed"):
        assert job.local_id == "bad", "a neighbour was blamed"


def test_a_suspect_of_the_second_time_runs_alone(app: RedisQ, client: redis.Redis) -> None:
    put(app, "a", "b")
    assert crash(app, client, 2, reap=True) == ["a", "b"]
    assert crash(app, client, 2, reap=True) == ["a", "b"]
    put(app, "c")
    busy = Worker(app)
    assert busy.claim(5, empty=False) == [["c"]]
    assert client.llen(f"{BASE}wake") == 1
    empty = Worker(app)
    assert empty.claim(5) == [["a"]]
    assert app.queue("q").counts() == {"scheduled": 0, "queued": 1, "running": 2, "failed": 0}
    assert {job.local_id for job in app.queue("q").jobs("queued")} == {"b"}


def test_releases_and_failures_are_no_crashes(app: RedisQ, client: redis.Redis) -> None:
    put(app, "a")
    for _ in range(5):
        worker = Worker(app)
        job = worker.jobs(1)[0]
        assert job.attempt == 1
        worker.settle(verdict.released(job))
        worker.jobs(1)
        worker.give_back()
    assert client.hmget(f"{BASE}job:a", "k", "a", "q") == [None, None, None]


def test_a_cancelled_job_that_comes_back_from_a_dead_worker_is_cancelled(app: RedisQ, client: redis.Redis) -> None:
    put(app, "a", "b")
    dead, live = Worker(app), Worker(app)
    dead.claim(2)
    for name in "ab":
        assert app.job(f"q.{name}").cancel().status == "running"
    expire(client, dead, ago=100.0, mark=100.0)
    live.keep()
    assert [status(app, name) for name in "ab"] == ["cancelled", "cancelled"]


@pytest.mark.parametrize("way", [way for way in WAYS if way != "failed"])
def test_however_a_cancelled_job_is_settled_it_is_cancelled(app: RedisQ, way: str) -> None:
    put(app, "a")
    worker = Worker(app)
    job = worker.jobs(1)[0]
    app.job("q.a").cancel()
    assert worker.settle(WAYS[way](job)) == ["ok"]
    seen = app.job("q.a")
    assert (seen.status, seen.error, seen.result) == ("cancelled", "cancelled", None)


# The claimer itself


def test_an_orphan_of_a_lost_reply_is_adopted_once(app: RedisQ) -> None:
    put(app, "a", "b")
    by_hand = Worker(app)
    by_hand.claim(1)  # its reply is lost: the claimer below has not seen it
    claimer = Claimer(app.settings, by_hand.sources, by_hand.name)
    _, jobs = claimer.exchange([], 1)
    assert [job.id for job in jobs] == [b"a"]
    _, jobs = claimer.exchange([], 1)
    assert [job.id for job in jobs] == [b"b"]
    claimer.close()


# Follow-ups


def test_thousands_of_follow_ups_in_one_batch_all_come_to_be(app: RedisQ, client: redis.Redis) -> None:
    put(app, *"abcdefghij")
    worker = Worker(app)
    settlements = []
    for job in worker.jobs(10):
        current = CurrentJob(app.settings, worker.name, job, [], {})
        for _ in range(1000):
            current.enqueue("more")
        settlements.append(verdict.succeeded(job, b"1", job.run_options(), current.follow()))
    assert worker.settle(*settlements) == ["ok"] * 10
    assert worker.settle(*settlements) == ["done"] * 10
    assert app.queue("q").counts()["queued"] == 10_000


def test_follow_ups_are_enqueued_whole_or_not_at_all(app: RedisQ, client: redis.Redis) -> None:
    other = app.task("other", queue="p")(lambda: None)
    put(app, "a")
    worker = Worker(app)
    job = worker.jobs(1)[0]
    current = CurrentJob(app.settings, worker.name, job, [], {})
    for _ in range(1000):
        current.enqueue(other)
    settlement = verdict.succeeded(job, b"1", job.run_options(), current.follow())
    client.set(f"{BASE}forward", "broken")
    assert worker.settle(settlement)[0].startswith("error")
    assert status(app, "a") == "running"
    client.delete(f"{BASE}forward")
    assert worker.settle(settlement) == ["ok"]
    assert client.llen(f"{BASE}forward") == 1000
    while drain(app.settings, worker.sources[0]):
        pass
    assert client.llen(f"{BASE}forward") == 0
    assert app.queue("p").counts()["queued"] == 1000


def test_a_huge_claim_takes_what_one_script_can_move(app: RedisQ, client: redis.Redis) -> None:
    app.queue("q").enqueue_many("t", [((), {})] * 9000)
    worker = Worker(app)
    assert len(worker.claim(9000)[0]) == 5000
    assert len(worker.claim(9000)[0]) == 4000
    worker.give_back()
    assert app.queue("q").counts() == {"scheduled": 0, "queued": 9000, "running": 0, "failed": 0}


# Garbage


GARBAGE = [
    b"",
    b" ",
    b"\x00\xff\xfe",
    b"x" * 200,
    b"x" * 100_000,
    b"{}",
    b"a\nb",
    b"../a",
    "имя".encode(),
    b"-1",
    b"nil",
]


@pytest.mark.parametrize("place", ["pending", "suspects", "scheduled"])
def test_garbage_goes_to_the_dead_letters_with_its_bytes(messy_app: RedisQ, client: redis.Redis, place: str) -> None:
    app = messy_app
    for entry in GARBAGE:
        if place == "scheduled":
            client.zadd(f"{BASE}scheduled", {entry: 1})
        else:
            client.lpush(f"{BASE}{place}", entry)
    put(app, "good")
    worker = Worker(app)
    claimed: list[str] = []
    for _ in range(len(GARBAGE) + 1):
        worker.keep()
        claimed += worker.claim(5)[0]
    assert claimed == ["good"]
    kept = [client.hget(f"{BASE}job:{job.local_id}", "b") for job in app.queue("q").jobs("failed")]
    assert sorted(kept) == sorted(GARBAGE)
    assert app.queue("q").counts()["failed"] == len(GARBAGE)


def test_a_thousand_pieces_of_garbage_hold_nothing_up(messy_app: RedisQ, client: redis.Redis) -> None:
    client.rpush(f"{BASE}pending", *[f"ghost-{n}" for n in range(1000)])
    put(messy_app, "good")
    worker = Worker(messy_app)
    wait_until(lambda: worker.claim(1) == [["good"]], timeout=3.0)
    assert messy_app.queue("q").counts() == {"scheduled": 0, "queued": 0, "running": 1, "failed": 1000}


@pytest.mark.parametrize("kind", ["string", "list", "no version"])
def test_a_record_of_a_wrong_type_does_not_hold_up_others(messy_app: RedisQ, client: redis.Redis, kind: str) -> None:
    put(messy_app, "a", "bad", "c")
    client.delete(f"{BASE}job:bad")
    if kind == "string":
        client.set(f"{BASE}job:bad", "x")
    elif kind == "list":
        client.rpush(f"{BASE}job:bad", "x")
    else:
        client.hset(f"{BASE}job:bad", "t", "something")
    assert Worker(messy_app).claim(5) == [["a", "c"]]
    dead = list(messy_app.queue("q").jobs("failed"))
    assert [job.payload for job in dead] == ["bad"]
    assert client.exists(f"{BASE}job:bad")


@pytest.mark.parametrize("field", list("vdeau"))
@pytest.mark.parametrize("value", [b"abc", b"", b"\xff", b"1.5", b"-1", b"1e3", b"9" * 40, b"0x10", b" 1"])
def test_garbage_in_a_number_of_a_record_harms_this_job_alone(
    messy_app: RedisQ, client: redis.Redis, field: str, value: bytes
) -> None:
    put(messy_app, "a", "bad", "c")
    client.hset(f"{BASE}job:bad", field, value)
    worker = Worker(messy_app)
    claimer = Claimer(messy_app.settings, worker.sources, worker.name)
    _, jobs = claimer.exchange([], 5)
    ids = [job.id for job in jobs]
    assert [ids[0], ids[-1]] == [b"a", b"c"]
    for job in jobs:
        _ = job.token, job.attempt, int(job.version)
        messy_app.queue("q").read(job)
        claimer.exchange([verdict.failed(job, "no", job.run_options())], 0)
    claimer.close()
    if b"bad" not in ids:
        dead = [job.payload for job in messy_app.queue("q").jobs("failed")]
        assert dead == ["bad"]
    check(client)


def test_an_id_that_is_in_the_queue_twice_runs_once(messy_app: RedisQ, client: redis.Redis) -> None:
    put(messy_app, "a", "b")
    for entry in ("a", "b", "a"):
        client.lpush(f"{BASE}pending", entry)
    worker = Worker(messy_app)
    assert worker.claim(9) == [["a", "b"]]
    assert messy_app.queue("q").counts() == {"scheduled": 0, "queued": 0, "running": 2, "failed": 0}
    check(client)


@pytest.mark.parametrize(
    "key", ["pending", "scheduled", "suspects", "dead", "wake", "state", "ended", "workers", "calls"]
)
def test_a_key_of_a_wrong_type_loses_no_job_and_does_not_make_deaf(
    messy_app: RedisQ, client: redis.Redis, key: str
) -> None:
    """What is wrong is broken while the worker lives, and repaired later: every job is there and ends."""
    app, other = messy_app, messy_app.queue("p")
    put(app, "a", "b")
    app.queue("q").options(job_id="c", delay=0.001).put("c")
    client.rpush(f"{BASE}pending", "ghost")
    worker = Worker(app, "q", "p")
    client.zadd(f"{BASE}scheduled", {"c": 1})
    saved = client.dump(f"{BASE}{key}")
    client.delete(f"{BASE}{key}")
    client.set(f"{BASE}{key}", "broken")

    other.options(job_id="p1").put(1)
    worker.keep()
    answers = worker.claim(5)
    assert answers[1] == ["p1"], "another queue is not heard any more"

    client.delete(f"{BASE}{key}")
    if saved:
        client.restore(f"{BASE}{key}", 0, saved)
    heir = Worker(app, "q", "p")
    worker.give_back()
    client.hdel(f"{BASE}state", "kept")
    heir.keep()
    found = set(heir.claim(9)[0]) | set(heir.claim(9, number=heir.number)[0])
    assert found == {"a", "b", "c"}


@pytest.mark.parametrize("key", ["pending", "dead", "wake", "ended", "scheduled"])
@pytest.mark.parametrize("way", ["succeeded", "failed", "retried", "retried at once", "released", "given back"])
def test_settling_into_a_key_of_a_wrong_type_loses_no_job(
    messy_app: RedisQ, client: redis.Redis, key: str, way: str
) -> None:
    app = messy_app
    put(app, "a")
    worker = Worker(app)
    job = worker.jobs(1)[0]
    client.delete(f"{BASE}{key}")
    client.set(f"{BASE}{key}", "broken")
    if way == "given back":
        worker.give_back()
    else:
        worker.call(settling(app.settings, worker.name, [WAYS[way](job)]))
    client.delete(f"{BASE}{key}")
    # either it took effect, or it did not: then the job is still held, and comes back
    worker.give_back()
    put(app, "b")  # a token that was broken is not missed for long
    check(client)
