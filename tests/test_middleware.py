"""Middleware: told before and after enqueueing, around a run; what it raises, and what travels with a job."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any

import msgspec
import pytest
import redis

from redisq import (
    CurrentJob,
    EnqueueCall,
    FeedFull,
    InvalidOption,
    Middleware,
    PayloadTooLarge,
    RedisQ,
    Retention,
    current_job,
)
from redisq.bound import BoundQueue
from redisq.claimed import Claimed, Settlement
from redisq.middleware import Middlewares
from redisq.worker.runner import Runner
from tests.worker.test_runner import claimed

NOWHERE = "redis://127.0.0.1:1/0"


class Noting(Middleware):
    """Notes what it is told of enqueueing."""

    def __init__(self, name: str, notes: list[tuple[Any, ...]]) -> None:
        self.name = name
        self.notes = notes

    def before_enqueue(self, call: EnqueueCall) -> None:
        call.headers[self.name] = f"{len(call.headers)}"
        call.state[self] = call.id
        self.notes.append((self.name, "before", call.task, call.args or call.payload))

    def after_enqueue(self, call: EnqueueCall) -> None:
        assert call.state[self] == call.id
        made = call.job is not None and call.job.created
        self.notes.append((self.name, "after", made, type(call.error).__name__))


class Refusing(Middleware):
    def __init__(self, step: str) -> None:
        self.step = step

    def before_enqueue(self, call: EnqueueCall) -> None:
        if self.step == "before":
            raise LookupError("not you")

    def after_enqueue(self, call: EnqueueCall) -> None:
        if self.step == "after":
            raise LookupError("too late")


@pytest.fixture
def notes() -> list[tuple[Any, ...]]:
    return []


_made: list[RedisQ] = []


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    while _made:
        _made.pop().close()


def make(url: str, *middlewares: Middleware, **options: Any) -> RedisQ:
    app = RedisQ(url, middleware=middlewares, **options)
    _made.append(app)
    app.task("add")(lambda a, b=0: a + b)
    return app


# Enqueueing


def test_the_first_is_told_first_and_at_last(redis_url: str, notes: list[Any]) -> None:
    app = make(redis_url, Noting("outer", notes), Noting("inner", notes))
    job = app.tasks["add"].enqueue(1)
    assert notes == [
        ("outer", "before", "add", [1]),
        ("inner", "before", "add", [1]),
        ("inner", "after", True, "NoneType"),
        ("outer", "after", True, "NoneType"),
    ]
    assert job.headers == {"outer": "0", "inner": "1"}
    assert app.job(job.id).headers == job.headers


def test_every_way_of_enqueueing_passes(redis_url: str) -> None:
    seen: list[str | None] = []

    class Seeing(Middleware):
        def after_enqueue(self, call: EnqueueCall) -> None:
            assert call.job is not None
            assert call.job.id == call.id
            seen.append(call.task or call.payload)

    app = make(redis_url, Seeing())
    add, queue = app.tasks["add"], app.queue("q")

    async def asynchronously() -> None:
        await add.enqueue_async(1)
        await add.options(queue="q").enqueue_many_async([((1,), {})])
        await queue.put_async("payload, async")

    add.enqueue(1)
    add.options(delay=5.0).options(queue="q").enqueue(1)
    add.enqueue_many([((1,), {}), ((2,), {}, {"job_id": "two"})])
    queue.enqueue("add", 1)
    queue.options(delay=1.0).options(delay=2.0).enqueue_many("add", [((1,), {})])
    queue.put("payload")
    asyncio.run(asynchronously())
    app.every(3600.0, add).run()
    assert seen == [*["add"] * 6, "payload", "add", "add", "payload, async", "add"]


def test_it_sees_whether_a_job_was_there_before(redis_url: str, notes: list[Any]) -> None:
    app = make(redis_url, Noting("m", notes))
    for _ in range(2):
        app.tasks["add"].options(job_id="once").enqueue(1)
    assert [note[2] for note in notes if note[1] == "after"] == [True, False]


def test_what_it_raises_before_keeps_all_jobs_of_the_call_out(redis_url: str, notes: list[Any]) -> None:
    app = make(redis_url, Noting("m", notes), Refusing("before"), Noting("never", notes))
    with pytest.raises(LookupError, match="not you"):
        app.tasks["add"].enqueue_many([((1,), {}), ((2,), {})])
    with pytest.raises(LookupError, match="not you"):
        asyncio.run(app.tasks["add"].enqueue_async(3))
    assert app.queue("default").counts()["queued"] == 0
    assert [note[:3] for note in notes] == [("m", "before", "add"), ("m", "after", False)] * 2
    assert {note[3] for note in notes if note[1] == "after"} == {"LookupError"}


def test_what_it_raises_afterwards_is_logged(
    redis_url: str, notes: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    app = make(redis_url, Noting("m", notes), Refusing("after"))
    job = app.tasks["add"].enqueue(1)
    assert app.job(job.id).status == "queued"
    assert f"middleware.failed name=Refusing step=after_enqueue id={job.id}" in caplog.text
    assert notes[-1] == ("m", "after", True, "NoneType")


def test_it_hears_of_what_could_not_be_enqueued(redis_url: str, notes: list[Any]) -> None:
    app = make(redis_url, Noting("m", notes), retention=Retention(feed=0))
    with pytest.raises(FeedFull):
        app.tasks["add"].options(feed="f").enqueue(1)
    assert notes[-1] == ("m", "after", False, "FeedFull")


def test_a_coroutine_that_is_cancelled_is_told_of(redis_url: str, notes: list[Any]) -> None:
    app = make(redis_url, Noting("m", notes))

    async def main() -> None:
        task = asyncio.ensure_future(app.tasks["add"].enqueue_async(1))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert notes[-1] == ("m", "after", False, "CancelledError")
        await app.tasks["add"].enqueue_async(2)  # so that nothing is on its way any more

    asyncio.run(main())


def test_middlewares_go_along_to_another_server(redis_url: str, notes: list[Any]) -> None:
    app = make(NOWHERE, Noting("m", notes)).replace(url=redis_url)
    _made.append(app)
    assert app.tasks["add"].enqueue(1).headers == {"m": "0"}


@pytest.mark.parametrize("wrong", ["m", Middleware, object()])
def test_what_is_no_middleware_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidOption, match="middleware: objects of classes derived from"):
        RedisQ(NOWHERE, middleware=[wrong])


def test_nothing_is_in_the_way_of_who_has_none() -> None:
    class Runs(Middleware):
        def after_run(self, job: Any, outcome: str, seconds: float) -> None: ...

    for app in (make(NOWHERE), make(NOWHERE, Runs())):
        assert type(app.queue("q").options()) is BoundQueue
        add = app.tasks["add"]
        assert Runner(app, "w1")._known[b"add"] == (add, False, add.func)


# Headers


def test_headers_of_a_call_travel(redis_url: str, client: redis.Redis) -> None:
    app = make(redis_url)
    job = app.tasks["add"].options(headers={"tenant": "7"}, timeout=5.0).enqueue(1)
    assert job.headers == app.job(job.id).headers == {"tenant": "7"}
    record = client.hget(f"redisq:{{default}}:job:{job.local_id}", "o")
    assert record == b'{"timeout":5.0,"headers":{"tenant":"7"}}'
    with app.queue("default").claim(timeout=5.0) as delivery:  # type: ignore[union-attr]
        assert delivery.job.headers == {"tenant": "7"}
    assert app.job(job.id).headers == {"tenant": "7"}


def test_headers_come_with_every_attempt(redis_url: str) -> None:
    app = make(redis_url)
    queue = app.queue("default")
    job = app.tasks["add"].options(headers={"a": "ä"}, max_attempts=2).enqueue(1)
    for _ in range(2):
        delivery = queue.claim(timeout=5.0)
        assert delivery is not None
        assert delivery.job.headers == {"a": "ä"}
        delivery.nack("no", retry_in=0.0)
    assert app.job(job.id).status == "failed"
    assert job.retry().headers == {"a": "ä"}


def test_a_unique_job_that_is_replaced_has_the_new_headers(redis_url: str) -> None:
    app = make(redis_url)
    add = app.tasks["add"].options(unique=True, replace=True)
    first = add.options(headers={"n": "1"}).enqueue(1)
    assert add.options(headers={"n": "2"}).enqueue(1).headers == {"n": "2"}
    assert add.enqueue(1).id == first.id
    assert first.refresh().headers == {}


def test_what_is_not_said_takes_no_room(redis_url: str, client: redis.Redis) -> None:
    job = make(redis_url).tasks["add"].options(headers={}).enqueue(1)
    assert client.hkeys(f"redisq:{{default}}:job:{job.local_id}") == [b"e", b"v", b"t", b"b"]


def test_headers_can_be_given_to_an_entry_of_the_timetable(redis_url: str) -> None:
    app = make(redis_url)
    entry = app.every(3600.0, app.tasks["add"], headers={"a": "b"})
    assert entry.run().headers == {"a": "b"}
    app.settings.server.ask([entry.definition.declaring(app.settings)], 5.0)
    assert app.timetable("default").find("add").definition.job(0).options.headers == {"a": "b"}


def test_headers_are_signed_with_their_job(redis_url: str, client: redis.Redis, notes: list[Any]) -> None:
    app = make(redis_url, Noting("m", notes), signing_keys=["k" * 32])
    jobs = [app.tasks["add"].enqueue(n) for n in range(2)]
    client.hset(f"redisq:{{default}}:job:{jobs[0].local_id}", "o", '{"headers":{"m":"another"}}')
    delivery = app.queue("default").claim(timeout=5.0)
    assert delivery is not None
    assert (delivery.job.id, delivery.job.headers) == (jobs[1].id, {"m": "0"})
    assert str(jobs[0].refresh().error).startswith("forged: ")


def test_options_that_cannot_be_read_are_no_headers() -> None:
    for options in (None, b"", b"no", b"[]", b'{"headers":[]}', b'{"headers":{"a":1}}', b'{"timeout":1}'):
        assert claimed("t", options=options).headers == {}


@pytest.mark.parametrize("wrong", ["a", ["a"], {"a": 1}, {1: "a"}, {"a": None}, {"a": "\ud800"}, {"a": "b" * 4096}])
def test_headers_are_few_texts(redis_url: str, wrong: Any, notes: list[Any]) -> None:
    class Setting(Middleware):
        def before_enqueue(self, call: EnqueueCall) -> None:
            call.headers = wrong

    app = make(redis_url, Noting("m", notes), Setting())
    for enqueue in (app.tasks["add"].enqueue, lambda n: app.tasks["add"].options(headers=wrong).enqueue(n)):
        with pytest.raises(InvalidOption, match=r"^headers: "):
            enqueue(1)
    assert notes[-1] == ("m", "after", False, "InvalidOption")
    assert app.queue("default").counts()["queued"] == 0


def test_as_many_headers_as_may_be_are_taken(redis_url: str) -> None:
    headers = {"a": "b" * (4096 - len('{"a":""}'))}
    assert make(redis_url).tasks["add"].options(headers=headers).enqueue(1).refresh().headers == headers


# Follow-ups


def run(app: RedisQ, job: Claimed) -> Settlement:
    runner = Runner(app, "w1")
    try:
        return runner.run(job, runner.options(job))
    finally:
        runner.close()


def text_of(settlement: Settlement) -> str:
    return settlement.text.decode() if isinstance(settlement.text, bytes) else settlement.text


def test_follow_ups_pass(notes: list[Any]) -> None:
    app = make(NOWHERE, Noting("m", notes))

    @app.task("parent")
    def parent() -> list[dict[str, str]]:
        here, there = app.tasks["add"], app.tasks["add"].options(queue="other", headers={"own": "1"})
        return [current_job().enqueue(task, 1).headers for task in (here, there)]

    settlement = run(app, claimed("parent"))
    assert msgspec.json.decode(settlement.text) == [{"m": "0"}, {"own": "1", "m": "1"}]
    assert b'{"headers":{"m":"0"}}' in settlement.follow
    assert [note[:3] for note in notes] == [("m", "before", "add"), ("m", "after", True)] * 2


def test_a_follow_up_that_is_refused_is_told_of(notes: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("redisq.current.MOST_FOLLOW_UPS", 0)
    app = make(NOWHERE, Noting("m", notes))
    app.task("parent", give_up_on=(PayloadTooLarge,))(lambda: current_job().enqueue("add"))
    assert run(app, claimed("parent")).way == "f"
    assert notes[-1] == ("m", "after", False, "PayloadTooLarge")


# Around a run

level: ContextVar[str] = ContextVar("level", default="outside")


class Around(Middleware):
    def __init__(self, notes: list[tuple[Any, ...]]) -> None:
        self.notes = notes

    @contextmanager
    def around_run(self, job: CurrentJob) -> Iterator[None]:
        self.notes.append(("enter", job.id, job.attempt, job.headers))
        token = level.set("inside")
        try:
            yield
        except BaseException as error:
            self.notes.append(("saw", type(error).__name__))
            raise
        finally:
            level.reset(token)
            self.notes.append(("exit",))


def tasks(app: RedisQ) -> None:
    @app.task("sync")
    def sync(fail: bool = False) -> str:
        if fail:
            raise KeyError("lost")
        return level.get()

    @app.task("async")
    async def asynchronous(fail: bool = False) -> str:
        await asyncio.sleep(0)
        return sync.func(fail)


@pytest.mark.parametrize("task", ["sync", "async"])
def test_a_job_runs_inside_and_what_it_raises_is_seen(task: str, notes: list[Any]) -> None:
    app = make(NOWHERE, Around(notes))
    tasks(app)
    job = claimed(task, options=b'{"headers":{"a":"b"}}', attempts=b"1")
    assert run(app, job).text == b'"inside"'
    assert level.get() == "outside"
    assert notes == [("enter", "default.j1", 2, {"a": "b"}), ("exit",)]
    notes.clear()
    settlement = run(app, claimed(task, True))
    assert (settlement.way, text_of(settlement)) == ("r", "KeyError: 'lost'")
    assert notes == [("enter", "default.j1", 1, {}), ("saw", "KeyError"), ("exit",)]


def test_the_traceback_begins_in_the_jobs_own_code(notes: list[Any]) -> None:
    app = make(NOWHERE, Around(notes), Around(notes))
    tasks(app)
    frames = [line for line in run(app, claimed("sync", True)).trace.decode().splitlines() if line.startswith("  File")]
    assert [frame.rpartition(" ")[2] for frame in frames] == ["sync"]


class Broken(Middleware):
    """Raises where it is told to."""

    def __init__(self, step: str) -> None:
        self.step = step

    def around_run(self, job: CurrentJob) -> Any:
        self.at("call")
        return self.around()

    @contextmanager
    def around(self) -> Iterator[None]:
        self.at("enter")
        try:
            yield
        finally:
            self.at("exit")

    def at(self, step: str) -> None:
        if step == self.step:
            raise ConnectionError("no database")


@pytest.mark.parametrize("task", ["sync", "async"])
@pytest.mark.parametrize("step", ["call", "enter", "exit"])
def test_what_it_raises_is_the_jobs_failure_and_names_it(task: str, step: str, notes: list[Any]) -> None:
    app = make(NOWHERE, Around(notes), Broken(step))
    tasks(app)
    settlement = run(app, claimed(task))
    assert (settlement.way, text_of(settlement)) == ("r", "ConnectionError: no database (in middleware Broken)")
    assert b"in middleware Broken" in settlement.trace
    assert [note[0] for note in notes] == ["enter", "saw", "exit"]


class Swallowing(Middleware):
    @contextmanager
    def around_run(self, job: CurrentJob) -> Iterator[None]:
        try:
            yield
        except Exception:
            logging.info("I saw nothing")


@pytest.mark.parametrize("task", ["sync", "async"])
def test_it_cannot_make_a_job_succeed_that_failed(task: str) -> None:
    app = make(NOWHERE, Swallowing())
    tasks(app)
    settlement = run(app, claimed(task, True))
    assert (settlement.way, text_of(settlement)) == ("r", "KeyError: 'lost'")


class Awaiting(Middleware):
    def __init__(self, notes: list[tuple[Any, ...]]) -> None:
        self.notes = notes

    @asynccontextmanager
    async def around_run_async(self, job: CurrentJob) -> AsyncIterator[None]:
        await asyncio.sleep(0)
        token = level.set("awaited")
        try:
            yield
        finally:
            await asyncio.sleep(0)
            level.reset(token)
            self.notes.append((job.task,))


def test_an_async_job_can_be_awaited_around(notes: list[Any]) -> None:
    app = make(NOWHERE, Awaiting(notes))
    tasks(app)
    assert run(app, claimed("async")).text == b'"awaited"'
    assert run(app, claimed("sync")).text == b'"outside"'
    assert run(app, claimed("async", True)).way == "r"
    assert notes == [("async",), ("async",)]


# At the end


def test_all_are_closed_whatever_one_raises(notes: list[Any], caplog: pytest.LogCaptureFixture) -> None:
    class Closing(Middleware):
        def __init__(self, name: str) -> None:
            self.name = name

        def close(self) -> None:
            notes.append((self.name,))
            if self.name == "inner":
                raise SystemExit

    Middlewares([Closing("outer"), Closing("inner")]).close()
    assert notes == [("inner",), ("outer",)]
    assert "middleware.failed name=Closing step=close" in caplog.text
