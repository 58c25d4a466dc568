"""Jobs that wait for others, and workflows of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis

import redisq
from redisq import InvalidOption, JobCancelled, JobFailed, JobNotFound, RedisQ, WaitTimeout, WorkflowNotFound
from redisq import claimed as verdict
from redisq.claimed import Settlement, Source
from redisq.claimer import settling
from redisq.connection import Route, evalsha
from redisq.current import CurrentJob
from redisq.forward import drain
from redisq.job import Job
from redisq.options import DEFAULTS
from redisq.scripts import LOG
from tests.invariants import checked_app
from tests.waiting import wait_until


@pytest.fixture
def app(redis_url: str) -> Iterator[RedisQ]:
    with checked_app(redis_url, lease=5.0) as app:
        for name, queue in [("a", "q"), ("b", "q"), ("c", "q"), ("d", "q"), ("far", "other"), ("further", "third")]:
            app.task(name, queue=queue, max_attempts=1)(lambda *args, **kwargs: None)
        yield app


def call(app: RedisQ, name: str, *args: Any, **options: Any) -> Any:
    return app.tasks[name].options(**options).call(*args)


def enqueue(app: RedisQ, name: str, *args: Any, **options: Any) -> Job:
    return app.tasks[name].options(**options).enqueue(*args)


def run(app: RedisQ, *tasks: str, queue: str = "q", result: Any = None, fail: bool = False) -> None:
    """The queue's next jobs are of these tasks; they succeed, with their names, or fail for good."""
    for task in tasks:
        delivery = app.queue(queue).claim(0.0)
        assert delivery is not None, f"nothing to claim, and not {task}"
        assert delivery.job.task == task
        if fail:
            delivery.nack(redisq.GiveUp("broken"))
        else:
            delivery.ack(task if result is None else result)


def idle(app: RedisQ, queue: str = "q") -> bool:
    return app.queue(queue).claim(0.0) is None


# A job and its parents


def test_a_job_runs_when_all_its_parents_have_succeeded(app: RedisQ) -> None:
    first, second = enqueue(app, "a"), enqueue(app, "b")
    last = enqueue(app, "c", after=[first, second.id])
    assert last.status == "scheduled"
    assert last.created
    assert app.queue("q").counts() == {"scheduled": 1, "queued": 2, "running": 0, "failed": 0}
    run(app, "a")
    assert last.refresh().status == "scheduled"
    run(app, "b", "c")
    assert last.refresh().result == "c"


def test_it_has_the_results_in_the_order_in_which_it_named_its_parents(app: RedisQ, client: redis.Redis) -> None:
    parents = [enqueue(app, "a", job_id=f"p{n}", result_ttl=0.0) for n in range(200)]
    last = enqueue(app, "b", after=reversed(parents))
    for number in range(200):
        run(app, "a", result=[number])
    told = last.parents()
    assert [parent.id for parent in told] == [f"q.p{n}" for n in reversed(range(200))]
    assert [parent.result for parent in told] == [[n] for n in reversed(range(200))]
    assert {parent.status for parent in told} == {"succeeded"}
    run(app, "b")
    assert last.parents() == []
    assert client.keys("*:after:*") == client.keys("*:next:*") == []


def test_a_result_too_large_to_copy_is_read_from_its_job(app: RedisQ, client: redis.Redis) -> None:
    first = enqueue(app, "a")
    last = enqueue(app, "b", after=[first])
    run(app, "a", result="x" * 70_000)
    assert client.hgetall(f"redisq:{{q}}:after:{last.local_id}")[first.id.encode()] == b"1:S"
    assert last.parents()[0].result == "x" * 70_000
    first.delete()
    with pytest.raises(JobNotFound, match=first.id):
        last.parents()


def test_parents_that_have_ended_count_at_once(app: RedisQ) -> None:
    done, stopped, lost = enqueue(app, "a"), enqueue(app, "b"), enqueue(app, "c")
    run(app, "a")
    stopped.cancel()
    run(app, "c", fail=True)
    ready = enqueue(app, "d", after=[done])
    assert ready.status == "queued"
    assert ready.parents()[0].result == "a"
    assert enqueue(app, "d", after=[stopped]).error == f"its parent {stopped.id} did not succeed: cancelled"
    assert enqueue(app, "d", after=[lost]).status == "scheduled"
    assert enqueue(app, "d", after_failure=[lost]).status == "queued"
    assert enqueue(app, "d", after_failure=[done]).status == "cancelled"
    assert enqueue(app, "d", after_end=[done, stopped, lost]).status == "queued"


def test_a_dead_parent_blocks_until_it_is_retried(app: RedisQ) -> None:
    first = enqueue(app, "a")
    last = enqueue(app, "b", after=[first])
    run(app, "a", fail=True)
    assert last.refresh().status == "scheduled"
    assert idle(app)
    first.refresh().retry()
    run(app, "a", "b")


@pytest.mark.parametrize("end", ["cancel", "delete", "delete the dead", "forget", "purge"])
def test_whatever_ends_a_parent_for_good_cancels_what_waits_for_it(app: RedisQ, client: redis.Redis, end: str) -> None:
    first = enqueue(app, "a")
    middle = enqueue(app, "b", after=[first])
    last = enqueue(app, "c", after=[middle])
    if end in ("delete the dead", "forget"):
        run(app, "a", fail=True)
    if end == "forget":
        client.zadd("redisq:{q}:dead", {first.local_id: 1})
        wait_until(lambda: idle(app) and middle.refresh().status == "cancelled")  # by a claim that keeps house
        why = "forgotten"
    elif end == "purge":
        assert app.queue("q").purge() == 3
        assert [job.status for job in app.queue("q").jobs()] == ["cancelled"] * 3
        return
    else:
        getattr(first, end.split()[0])()
        why = "cancelled" if end == "cancel" else "deleted"
    assert middle.refresh().error == f"its parent {first.id} did not succeed: {why}"
    assert last.refresh().error == f"its parent {middle.id} did not succeed: cancelled"
    assert {job.id for job in app.queue("q").jobs(status="cancelled")} >= {middle.id, last.id}
    assert client.keys("*:after:*") == client.keys("*:next:*") == []


def test_a_long_chain_is_cancelled_whole(app: RedisQ) -> None:
    flow = redisq.chain(*[call(app, "a")] * 8100).enqueue()
    app.job(flow.job_ids[0]).cancel()
    assert app.queue("q").counts() == {"scheduled": 0, "queued": 0, "running": 0, "failed": 0}
    assert app.settings.server.ask([("LLEN", "redisq:{q}:ended")]) == [8100]


def test_after_failure_runs_for_the_first_dead_letter_and_once(app: RedisQ) -> None:
    first, second = enqueue(app, "a"), enqueue(app, "b")
    alarm = enqueue(app, "c", after_failure=[first, second])
    run(app, "a")
    assert alarm.refresh().status == "scheduled"
    run(app, "b", fail=True)
    told = alarm.parents()
    assert [(parent.status, parent.error) for parent in told] == [("succeeded", None), ("failed", "GiveUp: broken")]
    run(app, "c")
    second.refresh().retry()
    run(app, "b", fail=True)
    assert idle(app)


def test_after_failure_is_cancelled_when_there_is_none(app: RedisQ) -> None:
    first, second = enqueue(app, "a"), enqueue(app, "b")
    alarm = enqueue(app, "c", after_failure=[first, second])
    run(app, "a")
    second.cancel()
    assert alarm.refresh().error == "not needed: no parent has failed"


def test_after_end_runs_however_they_end(app: RedisQ) -> None:
    jobs = [enqueue(app, name) for name in "abc"]
    last = enqueue(app, "d", after_end=jobs)
    run(app, "a")
    run(app, "b", fail=True)
    assert last.refresh().status == "scheduled"
    jobs[2].cancel()
    assert [parent.status for parent in last.parents()] == ["succeeded", "failed", "cancelled"]
    run(app, "d")


def test_a_parent_that_ends_again_counts_once(app: RedisQ) -> None:
    first, second = enqueue(app, "a"), enqueue(app, "b")
    last = enqueue(app, "c", after_end=[first, second])
    run(app, "a", fail=True)
    second.cancel()
    assert last.refresh().status == "queued"
    first, second = enqueue(app, "a"), enqueue(app, "b", delay=60.0)
    last = enqueue(app, "d", after_end=[first, second])
    run(app, "c")
    run(app, "a", fail=True)
    first.refresh().retry()
    run(app, "a")
    assert last.refresh().status == "scheduled"
    assert [parent.status for parent in last.parents()] == ["failed", None]


def test_a_delay_counts_from_the_end_of_the_parents(app: RedisQ) -> None:
    first = enqueue(app, "a")
    last = enqueue(app, "b", after=[first], delay=60.0)
    assert redis_due(app, last) == float("inf")
    run(app, "a")
    assert last.refresh().status == "scheduled"
    assert redis_due(app, last) < float("inf")


def redis_due(app: RedisQ, job: Job) -> float:
    return float(app.settings.server.ask([("ZSCORE", f"redisq:{{{job.queue}}}:scheduled", job.local_id)])[0])


def test_what_waits_is_a_job_as_any_other(app: RedisQ, client: redis.Redis) -> None:
    first = enqueue(app, "a")
    waiting = [enqueue(app, "b", after=[first], job_id=f"w{n}") for n in range(3)]
    assert enqueue(app, "b", after=[first], job_id="w0").created is False
    assert {job.id for job in app.queue("q").jobs(status="scheduled")} == {job.id for job in waiting}
    waiting[0].cancel()
    waiting[1].delete()
    assert not client.exists("redisq:{q}:after:w0", "redisq:{q}:after:w1")
    run(app, "a", "b")
    assert waiting[2].refresh().status == "succeeded"
    assert waiting[0].refresh().status == "cancelled"
    assert idle(app)


def test_limits_hold_for_what_waited(app: RedisQ) -> None:
    first = enqueue(app, "a")
    for _ in range(2):
        enqueue(app, "b", after=[first], concurrency=1)
    run(app, "a")
    with app.queue("q").claim(0.0):
        assert idle(app)
    run(app, "b")


def test_a_unique_parent_that_is_replaced_keeps_who_waits_for_it(app: RedisQ) -> None:
    first = enqueue(app, "a", 1, unique="one", replace=True)
    last = enqueue(app, "b", after=[first])
    assert enqueue(app, "a", 2, unique="one", replace=True).id == first.id
    run(app, "a", "b")
    assert last.refresh().status == "succeeded"


def test_a_settlement_that_is_sent_again_queues_nothing_again(app: RedisQ) -> None:
    first = enqueue(app, "a")
    enqueue(app, "b", after=[first])
    delivery = app.queue("q").claim(0.0)
    opened = delivery._still_open()
    again = settling(app.settings, opened.worker, [Settlement(opened.claimed, "s", b"1", 60_000)])
    delivery.ack(1)
    assert app.settings.server.ask(again)[0] == [b"done"]
    run(app, "b")
    assert idle(app)


@pytest.mark.parametrize(
    "options",
    [
        {"after": "q.x"},
        {"after": 7},
        {"after": [7]},
        {"after": ["nonsense"]},
        {"after": ["q.a"], "after_end": ["q.a"]},
        {"after": ["q.a"], "unique": True},
        {"after": [f"q.{n}" for n in range(10_001)]},
    ],
    ids=str,
)
def test_what_cannot_be_waited_for_is_refused(app: RedisQ, options: dict[str, Any]) -> None:
    with pytest.raises((InvalidOption, redisq.InvalidName)):
        enqueue(app, "a", **options)


def test_a_parent_that_is_not_there_is_an_error(app: RedisQ) -> None:
    with pytest.raises(JobNotFound, match=r"q\.nobody"):
        enqueue(app, "a", after=["q.nobody"])
    with pytest.raises(JobNotFound, match=r"q\.self"):
        enqueue(app, "a", job_id="self", after=["q.self"])
    assert enqueue(app, "a", after=[]).status == "queued"
    with pytest.raises(InvalidOption, match="after"):
        app.every(60.0, app.tasks["a"].options(after=["q.a"]), name="e")


# In other queues


def forward(app: RedisQ, *queues: str) -> None:
    for name in queues:
        drain(app.settings, Source(name, app.queue(name).base))


def test_a_parent_in_another_queue(app: RedisQ, client: redis.Redis) -> None:
    first = enqueue(app, "far")
    last = enqueue(app, "a", after=[first])
    forward(app, "q")
    assert last.refresh().status == "scheduled"
    run(app, "far", queue="other", result={"à": 1})
    assert last.parents()[0].result == {"à": 1}
    run(app, "a")
    assert client.keys("*:after:*") == client.keys("*:next:*") == client.keys("*:forward") == []


@pytest.mark.parametrize("end", ["succeed", "cancel", "fail", "missing"])
def test_a_parent_in_another_queue_that_has_ended(app: RedisQ, end: str) -> None:
    first = enqueue(app, "far")
    if end == "cancel":
        first.cancel()
    elif end == "missing":
        first.delete()
    else:
        run(app, "far", queue="other", fail=end == "fail", result="x" * 70_000)
    last, alarm, final = (enqueue(app, "a", **{o: [first]}) for o in ("after", "after_failure", "after_end"))
    forward(app, "q")
    statuses = [job.refresh().status for job in (last, alarm, final)]
    expected = {
        "succeed": ["queued", "cancelled", "queued"],
        "cancel": ["cancelled", "cancelled", "queued"],
        "fail": ["scheduled", "queued", "queued"],
        "missing": ["cancelled", "cancelled", "queued"],
    }
    assert statuses == expected[end]
    if end == "succeed":
        assert last.parents()[0].result == "x" * 70_000
    if end == "fail":
        first.refresh().retry()
        run(app, "far", queue="other")
        assert last.refresh().status == "queued"
    if end == "missing":
        assert last.refresh().error == f"its parent {first.id} did not succeed: there is no such job"


def test_what_is_sent_on_twice_changes_nothing(app: RedisQ, client: redis.Redis) -> None:
    first = enqueue(app, "far")
    last = enqueue(app, "a", after=[first])
    sent = client.lrange("redisq:{q}:forward", 0, -1)
    for _ in range(2):
        client.rpush("redisq:{q}:forward", *sent)
        forward(app, "q")
    first.refresh().cancel()
    sent = client.lrange("redisq:{other}:forward", 0, -1)
    client.rpush("redisq:{other}:forward", *sent)
    forward(app, "other")
    assert last.refresh().status == "cancelled"
    assert len(list(app.queue("q").jobs())) == 1


@pytest.mark.parametrize(
    "entry",
    [b"", b"[]", b'["q"]', b'["q","nonsense",["x"]]', b'["q","link",["x"]]', b'["q","arrive",[]]', b'["q",[]]', b"[1]"],
)
def test_garbage_on_the_way_is_a_dead_letter_in_the_end(app: RedisQ, client: redis.Redis, entry: bytes) -> None:
    enqueue(app, "a")
    client.rpush("redisq:{q}:forward", entry)
    forward(app, "q")
    run(app, "a")
    assert idle(app)
    assert client.llen("redisq:{q}:forward") == 0
    assert app.queue("q").counts()["failed"] == 1


def test_what_comes_behind_a_job_that_is_refused_waits_for_it(app: RedisQ, client: redis.Redis) -> None:
    client.set("redisq:{other}:pending", "no list")
    flow = redisq.chain(call(app, "a"), call(app, "far"), call(app, "b")).enqueue()
    run(app, "a")
    assert client.llen("redisq:{q}:forward") == 2
    assert flow.refresh().status == "running"
    client.delete("redisq:{other}:pending")
    forward(app, "q", "other", "q")
    run(app, "far", queue="other")
    run(app, "b")
    assert flow.wait(5.0) == "b"


# Workflows


def test_a_chain(app: RedisQ) -> None:
    flow = redisq.chain(call(app, "a"), call(app, "b"), call(app, "c")).enqueue()
    assert [job.status for job in flow.jobs] == ["queued", "scheduled", "scheduled"]
    assert flow.status == "running"
    assert flow.result is None
    run(app, "a", "b", "c")
    flow = app.workflow(flow.id)
    assert (flow.status, flow.result, len(flow.jobs)) == ("succeeded", "c", 3)
    assert flow.job_ids == [job.id for job in flow.jobs]


def test_a_group_and_what_comes_after_it(app: RedisQ) -> None:
    inner = redisq.chain(call(app, "b"), call(app, "c"))
    flow = redisq.group(call(app, "a"), inner, on_success=call(app, "d")).enqueue()
    run(app, "a", "b")
    last = flow.jobs[-1]
    run(app, "c")
    assert [parent.result for parent in last.parents()] == ["a", "c"]
    run(app, "d")
    assert flow.refresh().result == ["a", "c"]
    flow = redisq.chain(inner, redisq.group(inner, call(app, "a")), call(app, "d")).enqueue()
    run(app, "b", "c", "b", "a", "c", "d")
    assert flow.wait(0.0) == "d"


def test_the_graph_tells_who_waits_for_whom_also_when_all_has_ended(app: RedisQ, client: redis.Redis) -> None:
    inner = redisq.group(call(app, "a"), call(app, "b"))
    flow = redisq.chain(inner, call(app, "c"), on_failure=call(app, "d")).enqueue()
    run(app, "a", "b", "c")
    a, b, c, d = flow.job_ids
    assert app.workflow(flow.id).graph == [
        (a, "a", "succeeded", (), None),
        (b, "b", "succeeded", (), None),
        (c, "c", "succeeded", (a, b), "after"),
        (d, "d", "cancelled", (a, b, c), "after_failure"),
    ]
    flow.jobs[0].delete()
    assert app.workflow(flow.id).graph[0] == (a, None, None, (), None)
    assert app.workflow(flow.id).graph[2].parents == (a, b)


def test_the_graph_of_a_workflow_without_ties_has_no_edges(app: RedisQ, client: redis.Redis) -> None:
    flow = redisq.group(call(app, "a"), call(app, "b")).enqueue()
    assert [(node.parents, node.condition) for node in flow.graph] == [((), None)] * 2
    (key,) = client.keys("*flow:*")
    assert set(json.loads(client.get(key))) == {"jobs", "shape", "spare"}
    run(app, "a", "b")


def test_what_comes_when_it_fails_and_a_retry(app: RedisQ) -> None:
    flow = redisq.chain(call(app, "a"), call(app, "b"), on_success=call(app, "c"), on_failure=call(app, "d")).enqueue()
    run(app, "a", fail=True)
    assert flow.refresh().status == "running"
    run(app, "d")
    assert flow.refresh().status == "failed"
    with pytest.raises(JobFailed, match="broken"):
        flow.wait(1.0)
    assert flow.retry().status == "running"
    run(app, "a", "b", "c")
    assert flow.wait(1.0) == "b"
    assert idle(app)


def test_what_comes_when_it_fails_is_not_needed_when_it_does_not(app: RedisQ) -> None:
    flow = redisq.chain(call(app, "a"), on_failure=redisq.chain(call(app, "c"), call(app, "d"))).enqueue()
    run(app, "a")
    assert [job.status for job in flow.refresh().jobs] == ["succeeded", "cancelled", "cancelled"]
    assert flow.refresh().status == "succeeded"


def test_cancelling_all_of_it(app: RedisQ) -> None:
    flow = redisq.chain(call(app, "a"), call(app, "far"), on_failure=call(app, "b")).enqueue()
    delivery = app.queue("q").claim(0.0)
    assert flow.cancel().status == "running"
    delivery.ack(1)
    assert flow.refresh().status == "cancelled"
    with pytest.raises(JobCancelled, match="cancelled"):
        flow.wait()
    assert idle(app)
    assert idle(app, "other")


def test_across_queues_and_back(app: RedisQ, client: redis.Redis) -> None:
    flow = redisq.chain(
        redisq.group(call(app, "far"), call(app, "a"), call(app, "further")), call(app, "further"), call(app, "b")
    ).enqueue()
    assert len(flow.jobs) == 5
    run(app, "far", queue="other")
    run(app, "further", queue="third")
    assert idle(app, "third")
    run(app, "a")
    last = flow.jobs[3]
    assert [parent.result for parent in last.parents()] == ["far", "a", "further"]
    run(app, "further", queue="third")
    run(app, "b")
    assert flow.wait(1.0) == "b"
    assert client.keys("*:after:*") == client.keys("*:next:*") == client.keys("*:forward") == []


def test_a_producer_that_dies_behind_its_call_has_enqueued_all_of_it(
    app: RedisQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("redisq.workflow._send_on", lambda *_: None)
    flow = redisq.chain(call(app, "a"), call(app, "far"), call(app, "further")).enqueue()
    run(app, "a")
    forward(app, "q", "other", "q")
    run(app, "far", queue="other")
    forward(app, "third", "other")
    run(app, "further", queue="third")
    assert flow.wait(1.0) == "further"


def test_a_call_that_is_sent_again_makes_nothing_again(app: RedisQ, monkeypatch: pytest.MonkeyPatch) -> None:
    once = Route.call

    def twice(self: Route, *args: Any, **more: Any) -> Any:
        once(self, *args, **more)
        return once(self, *args, **more)

    monkeypatch.setattr(Route, "call", twice)
    flow = redisq.chain(call(app, "a"), call(app, "far"), call(app, "b")).enqueue()
    monkeypatch.undo()
    run(app, "a")
    run(app, "far", queue="other")
    run(app, "b")
    assert flow.wait(1.0) == "b"
    assert idle(app)


def test_an_id_of_the_callers_own_is_known(app: RedisQ) -> None:
    flow = redisq.chain(call(app, "a"), call(app, "b")).enqueue("order-7")
    again = redisq.chain(call(app, "b"), call(app, "far")).enqueue("order-7")
    assert flow.id == again.id == "q.order-7"
    assert flow.job_ids == again.job_ids
    run(app, "a", "b")
    assert idle(app)
    with pytest.raises(redisq.InvalidName):
        redisq.chain(call(app, "a")).enqueue("no id")


def test_when_no_answer_comes_the_id_is_told(app: RedisQ) -> None:
    gone = RedisQ("redis://127.0.0.1:1/0", patience=0.1)
    task = gone.task("a", queue="q")(print)
    with pytest.raises(redisq.ServerUnavailable):
        redisq.chain(task.call()).enqueue()
    gone.close()


def test_all_of_it_or_nothing(redis_url: str, app: RedisQ) -> None:
    with checked_app(redis_url, retention=redisq.Retention(feed=1)) as small:
        queue = small.queue("q")
        queue.options(feed="news").put(1)
        queue.claim(0.0).ack()
        calls = [small.task(name)(print).options(queue="q") for name in ("x", "y")]
        with pytest.raises(redisq.FeedFull, match="news"):
            redisq.chain(calls[0].call(), calls[1].options(feed="news").call()).enqueue()
        assert queue.counts() == {"scheduled": 0, "queued": 0, "running": 0, "failed": 0}
        small.feed("news").claim(1.0).ack()


def test_waiting_for_it(app: RedisQ) -> None:
    flow = redisq.chain(call(app, "a"), call(app, "b")).enqueue()
    with pytest.raises(WaitTimeout):
        flow.wait(0.1)

    async def both() -> Any:
        flow = await redisq.chain(call(app, "a"), call(app, "b")).enqueue_async()
        waiting = asyncio.create_task(flow.wait_async(10.0))
        await asyncio.to_thread(run, app, "a", "a", "b", "b")
        return await waiting

    assert asyncio.run(both()) == "b"
    assert flow.wait(1.0) == "b"


def test_its_record_lasts_as_long_as_its_results(app: RedisQ, client: redis.Redis) -> None:
    flow = redisq.chain(call(app, "a"), call(app, "b", result_ttl=500_000.0)).enqueue()
    key = f"redisq:{{q}}:flow:{flow.id.partition('.')[2]}"
    assert client.ttl(key) == -1
    run(app, "a")
    assert client.ttl(key) == 86400
    run(app, "b")
    assert 86400 < client.ttl(key) <= 500_000
    client.delete(key)
    with pytest.raises(WorkflowNotFound):
        app.workflow(flow.id)


def test_what_is_no_workflow_is_refused(app: RedisQ) -> None:
    a = call(app, "a")
    for wrong in ([], [a, app.tasks["a"]], [a, 7], [a, "a"]):
        with pytest.raises(InvalidOption):
            redisq.chain(*wrong)
    with pytest.raises(InvalidOption):
        redisq.group(a, on_failure=app.tasks["b"])
    with pytest.raises(InvalidOption, match="unique"):
        redisq.chain(call(app, "a", unique=True)).enqueue()
    with pytest.raises(InvalidOption, match="one app"):
        redisq.chain(a, app.replace().tasks["b"].call()).enqueue()
    with pytest.raises(InvalidOption, match="after_end"):
        redisq.chain(a, call(app, "b", after_end=["q.x"])).enqueue()
    with pytest.raises(redisq.PayloadTooLarge):
        redisq.group(*[a] * 10_001).enqueue()
    with pytest.raises(redisq.PayloadTooLarge):
        redisq.chain(redisq.group(*[a] * 150), redisq.group(*[a] * 150)).enqueue()
    with pytest.raises(redisq.PayloadTooLarge):
        redisq.group(*[call(app, "a", "x" * 1_000_000)] * 5).enqueue()


def test_a_call_of_a_workflow_can_wait_for_a_job_outside(app: RedisQ) -> None:
    before = enqueue(app, "a")
    redisq.chain(call(app, "b"), call(app, "c", after=[before])).enqueue()
    app.queue("q").claim(0.0).release()
    run(app, "a", "b", "c")


def test_a_running_job_leaves_jobs_that_wait_for_each_other(redis_url: str) -> None:
    with checked_app(redis_url) as app:
        queue = app.queue("q")
        app.task("first", queue="q")(print)
        app.task("far", queue="other")(print)
        queue.enqueue("outer")
        delivery = queue.claim(0.0)
        claimed = delivery._still_open().claimed
        current = CurrentJob(app.settings, "w", claimed, [], {})
        one = current.enqueue(app.tasks["first"])
        two = current.enqueue(app.tasks["far"].options(after=[one]))
        current.enqueue(app.tasks["first"].options(after=[one, two]))
        delivery._settle(verdict.succeeded(claimed, b"1", DEFAULTS, current.follow()))
        forward(app, "q", "other", "q")
        run(app, "first")
        forward(app, "q")
        run(app, "far", queue="other")
        run(app, "first")


# With what else an app may have


class Watching(redisq.Middleware):
    """Notes what it is told, and gives each job something to carry."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str | None, bool]] = []

    def before_enqueue(self, call: redisq.EnqueueCall) -> None:
        call.headers["from"] = "tests"

    def after_enqueue(self, call: redisq.EnqueueCall) -> None:
        assert call.job is not None
        self.told.append((call.queue, call.task, call.job.created))


def test_middlewares_are_told_of_every_job_of_a_workflow_and_what_they_give_travels(redis_url: str) -> None:
    watching = Watching()
    with checked_app(redis_url, middleware=[watching]) as app:
        a, far = app.task("a", queue="q")(print), app.task("far", queue="other")(print)
        flow = redisq.chain(a.call(1), far.call(2))
        made = flow.enqueue(workflow_id="w")
        assert sorted(watching.told) == [("other", "far", True), ("q", "a", True)]
        assert [job.headers for job in made.jobs] == [{"from": "tests"}] * 2
        flow.enqueue(workflow_id="w")
        assert [created for _, _, created in watching.told] == [True, True, False, False]


def test_the_jobs_of_a_workflow_are_signed(redis_url: str) -> None:
    with checked_app(redis_url, signing_keys=["k" * 32]) as app:
        a, far = app.task("a", queue="q")(print), app.task("far", queue="other")(print)
        flow = redisq.chain(a.call(1), far.call(2)).enqueue()
        run(app, "a")
        run(app, "far", queue="other")
        assert flow.refresh().status == "succeeded"


def test_a_parent_that_logs_still_tells_who_waits_for_it(app: RedisQ, client: redis.Redis) -> None:
    queue = app.queue("q")
    parent = enqueue(app, "a")
    child = enqueue(app, "b", after=[parent])
    delivery = queue.claim(0.0)
    assert delivery is not None
    worker, number = client.hmget(f"{queue.base}job:{parent.local_id}", "w", "d")
    assert worker is not None
    line = b'[%b,1,1700000000000,1,"half way"]' % (number or b"")
    app.settings.server.ask([evalsha(LOG, [queue.base], [parent.local_id, worker, number, 100, line])])
    assert client.exists(f"{queue.base}log:{parent.local_id}")
    delivery.ack()
    assert child.refresh().status == "queued"
    run(app, "b")
