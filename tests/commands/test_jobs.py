"""redisq jobs, job, enqueue."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable

import pytest
import redis

import redisq
from tests.commands.conftest import EVIL, Call
from tests.waiting import wait_until

STATES = ["running", "succeeded", "failed", "cancelled", "scheduled", "queued"]


def ids(call: Call, *arguments: str) -> list[str]:
    done = call("jobs", "--json", *arguments)
    assert done.code == 0
    return [record["id"] for record in done.records]


@pytest.mark.usefixtures("every_state")
def test_jobs_are_listed_the_newest_first(call: Call, client: redis.Redis) -> None:
    for number, name in enumerate(STATES):
        client.hset(f"redisq:{{q}}:job:{name}", "e", 1_700_000_000_000 + number)
    assert ids(call) == [f"q.{name}" for name in reversed(STATES)]
    assert ids(call, "--limit", "2") == ["q.queued", "q.scheduled"]
    assert ids(call, "--limit", "0") == []
    rows = call("jobs").out.splitlines()
    assert [row.split()[:3] for row in rows[1:]] == [[f"q.{name}", "t", name] for name in reversed(STATES)]
    assert {row.split()[4] for row in rows[1:]} == {"2023-11-14T22:13:20Z"}


@pytest.mark.parametrize("status", STATES)
@pytest.mark.usefixtures("every_state")
def test_jobs_of_a_status(call: Call, status: str) -> None:
    assert ids(call, "--status", status) == [f"q.{status}"]


@pytest.mark.usefixtures("every_state")
def test_jobs_of_a_queue_and_of_a_task(call: Call, app: redisq.RedisQ) -> None:
    other = app.queue("p").options(job_id="other").enqueue("u")
    payload = app.queue("p").options(job_id="payload").put(1)
    assert ids(call, "--queue", "p") in ([payload.id, other.id], [other.id, payload.id])
    assert ids(call, "--task", "u") == [other.id]
    assert len(ids(call, "--task", "t")) == len(STATES)
    assert ids(call, "--task", "t", "--status", "queued") == ["q.queued"]
    assert len(ids(call, "--task", "t", "--limit", "2")) == 2
    assert ids(call, "--task", "never") == []
    assert ids(call, "--queue", "never") == []
    assert call("jobs", "--queue", "never").out == ""


def test_of_a_long_queue_few_are_looked_through(
    call: Call, app: redisq.RedisQ, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("redisq.commands.jobs.LOOKED_THROUGH", 10)
    app.queue("q").enqueue("rare")
    app.queue("q").enqueue_many("common", [((n,), {}) for n in range(10)])
    done = call("jobs", "--task", "rare", "--json")
    assert done.out == ""
    assert done.err == "redisq: q: only the newest 10 jobs were looked through\n"


@pytest.mark.usefixtures("garbage")
def test_garbage_is_passed_over_and_obeyed_by_nobody(call: Call) -> None:
    listed = ids(call, "--limit", "100")
    assert set(listed) == {f"q.{name}" for name in [*STATES, "hollow"]}
    assert len(call("jobs", "--limit", "100").out.splitlines()) == len(listed) + 1
    assert call("job", "q.hollow").code == 0
    assert call("job", "q.text").code == 1


@pytest.mark.parametrize("status", STATES)
@pytest.mark.usefixtures("every_state")
def test_all_about_a_job(call: Call, status: str) -> None:
    (record,) = call("job", f"q.{status}", "--json").records
    assert (record["id"], record["queue"], record["task"], record["status"]) == (f"q.{status}", "q", "t", status)
    if status == "succeeded":
        assert (record["result"], record["args"]) == ({"answer": 42}, None)
    elif status in ("running", "failed"):
        assert (record["args"], record["kwargs"]) == ([status], {"key": 1})
        assert json.loads(record["options"]) == {"max_attempts": 1}
    assert record["error"] == {"failed": EVIL, "cancelled": "cancelled"}.get(status)
    assert (record["due_at"] is not None) == (status == "scheduled")
    assert (record["deliveries"] == 1) == (status in ("running", "succeeded", "failed"))
    assert (record["kept_for"] is not None) == (status in ("succeeded", "cancelled"))
    lines = call("job", f"q.{status}").out.splitlines()
    assert ["status", status] in [line.split() for line in lines]


@pytest.mark.usefixtures("every_state")
def test_an_error_keeps_its_lines_and_all_that_it_says(call: Call) -> None:
    lines = call("job", "q.failed").out.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("error"))
    assert lines[start].endswith(r"[bold red]x[/] \x1b[31mred\x1b[0m \x07 \x7f \x9b31m \u202e line")
    assert lines[start + 1] == " " * 11 + "line"


def test_a_payload_and_an_old_result(call: Call, app: redisq.RedisQ) -> None:
    app.queue("q").options(job_id="a").put({"to": "a@b.c", "é": EVIL})
    assert call("job", "q.a", "--json").records[0]["payload"] == {"to": "a@b.c", "é": EVIL}
    assert "payload" in call("job", "q.a").out
    done = call("job", "q.never")
    assert (done.code, done.err) == (1, "redisq: no job q.never\n")


@pytest.mark.usefixtures("every_state")
def test_progress_is_shown(call: Call, client: redis.Redis) -> None:
    client.hset("redisq:{q}:job:running", "p", "3/7")
    assert call("job", "q.running", "--json").records[0]["progress"] == {"done": 3, "total": 7}
    assert "3/7" in call("job", "q.running").out
    assert call("jobs", "--status", "running").out.splitlines()[1].endswith("3/7")


def test_what_became_of_earlier_attempts_and_what_was_logged(
    call: Call, app: redisq.RedisQ, client: redis.Redis
) -> None:
    app.queue("q").options(job_id="a", expires=600.0, max_attempts=2).enqueue("t")
    for number in range(2):
        try:
            raise ValueError(f"{EVIL} {number}")
        except ValueError as error:
            app.queue("q").claim().nack(error, retry_in=0)
    client.rpush("redisq:{q}:log:a", json.dumps([1, 1, 1_700_000_000_000, 1, f"hello {EVIL}"]))
    (record,) = call("job", "q.a", "--json").records
    assert record["traceback"].endswith(f"ValueError: {EVIL} 1\n")
    assert [attempt["attempt"] for attempt in record["history"]] == [1, 2]
    assert record["log"] == [{"time": "2023-11-14T22:13:20.000Z", "attempt": 1, "text": f"hello {EVIL}"}]
    assert record["deadline"] > record["created_at"]
    lines = call("job", "q.a").out.splitlines()
    names = [line.split(" ")[0] for line in lines if not line.startswith(" ")]
    assert names[-4:] == ["traceback", "failed", "failed", "log"]
    assert "deadline" in names
    assert any(line.startswith(r"log        2023-11-14T22:13:20.000Z hello [bold red]x[/] \x1b[31m") for line in lines)


# enqueue


def test_enqueue_takes_json(call: Call, app: redisq.RedisQ) -> None:
    done = call("enqueue", "shop.add", "7", '"text"', "[1, null]", "-5", "--kwargs", '{"width": 1.5, "é": true}')
    job = app.job(done.out.strip())
    assert (job.queue, job.task, job.status) == ("default", "shop.add", "queued")
    assert (job.args, job.kwargs) == ([7, "text", [1, None], -5], {"width": 1.5, "é": True})
    assert done.err == ""


def test_enqueue_with_options(call: Call, app: redisq.RedisQ) -> None:
    words = ("enqueue", "t", "--queue", "low", "--delay", "60", "--job-id", "a.b:c")
    (record,) = call(*words, "--json").records
    assert (record["id"], record["status"], record["created"]) == ("low.a.b:c", "scheduled", True)
    again = call(*words)
    assert (again.code, again.out) == (0, "low.a.b:c\n")
    assert "exists already (scheduled): no second job was made" in again.err
    assert app.queue("low").counts()["scheduled"] == 1


def test_text_without_quotes_is_explained(call: Call) -> None:
    done = call("enqueue", "t", "hello")
    assert done.code == 2
    assert """(text goes in quotes: '"hello"')""" in done.err


def test_what_is_too_large_is_told(call: Call, app: redisq.RedisQ) -> None:
    done = call("enqueue", "t", json.dumps("x" * 20_000_000))
    assert done.code == 1
    assert "bytes of JSON" in done.err
    assert app.queue("default").counts()["queued"] == 0


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """Has standard input say something."""
    return lambda data: monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_enqueue_takes_lines(call: Call, app: redisq.RedisQ, typed: Callable[[bytes], None]) -> None:
    typed('[1, "é"]\n\n{"kwargs": {"b": 2}}\n{"args": [3], "job_id": "three"}'.encode())
    done = call("enqueue", "shop.add", "--lines", "--queue", "low")
    assert (done.code, done.out, done.err) == (0, "3 enqueued\n", "")
    jobs = list(app.queue("low").jobs())[::-1]
    assert [(job.args, job.kwargs) for job in jobs] == [([1, "é"], {}), ([], {"b": 2}), ([3], {})]
    assert jobs[2].id == "low.three"
    typed(b"[]\n" * 300)
    assert call("enqueue", "t", "--lines", "--delay", "60", "--json").records == [{"queue": "default", "enqueued": 300}]
    assert app.queue("default").counts()["scheduled"] == 300


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"[1", "line 301: "),
        (b"\xff", "line 301: "),
        (b"5", "line 301: neither [args] nor an object of args, kwargs and job_id"),
        (b'{"queue": "x"}', "line 301: neither [args] nor an object"),
        (b'{"args": 5}', "line 301: args are a list, kwargs an object"),
        (b'{"job_id": "a b"}', "line 301: not a job id"),
    ],
)
def test_a_wrong_line_is_told_and_what_is_enqueued(
    call: Call, app: redisq.RedisQ, typed: Callable[[bytes], None], line: bytes, why: str
) -> None:
    typed(b"[]\n" * 300 + line)
    done = call("enqueue", "t", "--lines")
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith(f"redisq: {why}")
    assert "(250 calls before it are enqueued)" in done.err
    assert app.queue("default").counts()["queued"] == 250


def test_lines_are_instead_of_arguments(call: Call) -> None:
    done = call("enqueue", "t", "1", "--lines")
    assert done.code == 2
    assert "--lines: the calls come from standard input" in done.err


def work(app: redisq.RedisQ, outcome: str) -> threading.Thread:
    """Ends the next job of `default`, as a worker would."""

    def run() -> None:
        delivery = app.queue("default").claim(timeout=20.0)
        assert delivery is not None
        if outcome == "succeed":
            delivery.ack({"sum": 5, "said": EVIL})
        else:
            delivery.nack(EVIL)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_waiting_prints_the_result(call: Call, app: redisq.RedisQ) -> None:
    worker = work(app, "succeed")
    done = call("enqueue", "t", "--wait", "20")
    worker.join()
    assert (done.code, json.loads(done.out)) == (0, {"sum": 5, "said": EVIL})
    worker = work(app, "succeed")
    (record,) = call("enqueue", "t", "--wait", "20", "--json").records
    worker.join()
    assert (record["status"], record["result"]["sum"]) == ("succeeded", 5)


def test_waiting_for_a_failure_is_1(call: Call, app: redisq.RedisQ) -> None:
    app.queue("default").options(max_attempts=1, job_id="a").enqueue("t")
    worker = work(app, "fail")
    done = call("enqueue", "t", "--wait", "20", "--job-id", "a")
    worker.join()
    assert (done.code, done.out) == (1, "")
    assert r"default.a failed: [bold red]x[/] \x1b[31mred" in done.err
    assert len(done.err.splitlines()) == 2


def test_waiting_for_one_that_is_cancelled_or_takes_longer_is_1(call: Call, app: redisq.RedisQ) -> None:
    late = call("enqueue", "t", "--wait", "0", "--job-id", "a")
    assert (late.code, late.err) == (1, "redisq: job default.a is still queued\n")
    cancelling = threading.Thread(target=lambda: wait_until(lambda: app.job("default.b")).cancel())
    app.queue("default").options(job_id="b", delay=60.0).enqueue("t")
    cancelling.start()
    done = call("enqueue", "t", "--wait", "20", "--job-id", "b")
    cancelling.join()
    assert done.code == 1
    assert "default.b was cancelled" in done.err


@pytest.mark.usefixtures("every_state")
def test_jobs_with_a_text(call: Call, app: redisq.RedisQ) -> None:
    assert ids(call, "--text", "LATER") == ["q.scheduled"]
    assert ids(call, "--text", "q.fail") == ["q.failed"]
    app.queue("q").options(job_id="payload").put({"card": "4711"})
    assert ids(call, "--text", "4711") == ["q.payload"]
    assert ids(call, "--text", "nowhere") == []


@pytest.mark.usefixtures("every_state")
def test_jobs_since_a_time(call: Call, client: redis.Redis) -> None:
    client.hset("redisq:{q}:job:failed", "e", 1_700_000_000_000)  # 2023-11-14T22:13:20Z
    assert "q.failed" not in ids(call, "--since", "2h")
    assert "q.failed" in ids(call, "--since", "2023-11-14")
    assert "q.failed" in ids(call, "--since", "2023-11-15T00:00+02:00")
    assert "q.failed" not in ids(call, "--since", "2023-11-14T22:14")
    refused = call("jobs", "--since", "yesterday")
    assert refused.code == 2
    assert "a time such as 2026-01-31T12:00 or 2h, not 'yesterday'" in refused.err
