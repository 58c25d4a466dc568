"""redisq retry, cancel, purge, pause, resume."""

from __future__ import annotations

import io
import sys

import pytest

import redisq
from tests.commands.conftest import Call


class Terminal(io.StringIO):
    """Somebody who answers."""

    def isatty(self) -> bool:
        return True


def fail(queue: redisq.Queue, count: int, task: str = "t") -> None:
    for _ in range(count):
        queue.options(max_attempts=1).enqueue(task)
        delivery = queue.claim()
        assert delivery is not None
        delivery.nack("no")


@pytest.mark.usefixtures("every_state")
def test_retry_takes_dead_letters_only(call: Call, app: redisq.RedisQ) -> None:
    done = call("retry", "q.failed", "q.succeeded", "q.never", "q.cancelled")
    assert (done.code, done.out) == (1, "q.failed queued\n")
    assert done.err.splitlines() == [
        "redisq: q.succeeded stays as it is: succeeded",
        "redisq: no job q.never",
        "redisq: q.cancelled stays as it is: cancelled",
    ]
    assert app.job("q.failed").status == "queued"
    again = call("retry", "q.failed", "--json")
    assert (again.code, again.records) == (0, [{"id": "q.failed", "status": "queued"}])


def test_retry_all(call: Call, app: redisq.RedisQ) -> None:
    fail(app.queue("q"), 3)
    fail(app.queue("p"), 2)
    app.queue("empty").put(1)
    assert call("retry", "--all", "--queue", "p").out == "p: 2 queued again\n"
    fail(app.queue("r"), 1)
    assert call("retry", "--all", "--json").records == [
        {"queue": "empty", "retried": 0},
        {"queue": "p", "retried": 0},
        {"queue": "q", "retried": 3},
        {"queue": "r", "retried": 1},
    ]
    assert call("retry", "--all").out == "nothing to queue again\n"
    assert app.queue("q").counts() == {"scheduled": 0, "queued": 3, "running": 0, "failed": 0}


def test_retry_all_of_a_task(call: Call, app: redisq.RedisQ) -> None:
    for task in ("t", "u", "t", "u", "u"):
        fail(app.queue("q"), 1, task)
    assert call("retry", "--all", "--task", "u").out == "q: 3 queued again\n"
    assert [job.task for job in app.queue("q").jobs("failed")] == ["t", "t"]


@pytest.mark.usefixtures("every_state")
def test_cancel_by_id(call: Call, app: redisq.RedisQ) -> None:
    done = call("cancel", "q.queued", "q.scheduled", "q.running", "q.cancelled")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "q.queued cancelled",
        "q.scheduled cancelled",
        "q.running asked to stop",
        "q.cancelled cancelled",
    ]
    refused = call("cancel", "q.succeeded", "q.failed", "q.never")
    assert (refused.code, refused.out, len(refused.err.splitlines())) == (1, "", 3)
    assert call("job", "q.running", "--json").records[0]["asked_to_stop"]
    assert app.queue("q").counts() == {"scheduled": 0, "queued": 0, "running": 1, "failed": 1}


@pytest.mark.usefixtures("garbage")
def test_cancel_all_of_a_queue(call: Call, app: redisq.RedisQ) -> None:
    app.queue("p").put(1)
    (record,) = call("cancel", "--all", "--queue", "q", "--yes", "--json").records
    assert record == {"queue": "q", "cancelled": 3, "asked_to_stop": 1}
    assert (app.job("q.queued").status, app.job("q.scheduled").status) == ("cancelled", "cancelled")
    counts = app.queue("q").counts()
    assert (counts["scheduled"], counts["queued"], counts["running"]) == (0, 0, 1)
    assert app.queue("p").counts()["queued"] == 1


@pytest.mark.usefixtures("every_state")
def test_purge_leaves_what_runs_and_dead_letters(call: Call, app: redisq.RedisQ) -> None:
    assert call("purge", "q", "--yes", "--json").records == [{"queue": "q", "cancelled": 2}]
    assert app.queue("q").counts() == {"scheduled": 0, "queued": 0, "running": 1, "failed": 1}
    assert call("purge", "q", "--yes").out == "q: 0 cancelled\n"
    assert call("purge", "never", "--yes").out == "never: 0 cancelled\n"


def test_purge_takes_more_than_a_portion(call: Call, app: redisq.RedisQ) -> None:
    app.queue("q").enqueue_many("t", [((n,), {}) for n in range(1203)])
    assert call("purge", "q", "--yes").out == "q: 1203 cancelled\n"


DESTRUCTIVE = [("purge", "q"), ("cancel", "--all", "--queue", "q")]


@pytest.mark.parametrize("words", DESTRUCTIVE)
@pytest.mark.usefixtures("every_state")
def test_without_a_terminal_it_is_refused(
    call: Call, app: redisq.RedisQ, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    before = app.queue("q").counts()
    done = call(*words)
    assert (done.code, done.out) == (2, "")
    assert "--yes" in done.err
    assert app.queue("q").counts() == before


@pytest.mark.parametrize("words", DESTRUCTIVE)
@pytest.mark.parametrize("answer", ["y\n", "YES\n", " yes \n", "n\n", "\n", "", "yesterday\n"])
@pytest.mark.usefixtures("every_state")
def test_a_person_is_asked(
    call: Call, app: redisq.RedisQ, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], answer: str
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    done = call(*words)
    agreed = answer.strip().lower() in ("y", "yes")
    assert done.code == (0 if agreed else 1)
    assert "Cancel all" in done.err
    assert app.queue("q").counts()["queued"] == (0 if agreed else 1)


def test_pause_and_resume(call: Call, app: redisq.RedisQ) -> None:
    for name in ("q", "p"):
        app.queue(name).put(1)
    done = call("pause", "q", "p")
    assert (done.code, done.out, done.err) == (0, "q paused\np paused\n", "")
    assert app.queue("q").claim(timeout=0.0) is None
    assert call("resume", "q", "--json").records == [{"queue": "q", "paused": False}]
    assert app.queue("q").claim(timeout=5.0)
    assert app.queue("p").claim(timeout=0.0) is None


def test_a_queue_that_never_was_may_be_a_slip(call: Call, app: redisq.RedisQ) -> None:
    app.queue("high").put(1)
    done = call("pause", "hihg", "--json")
    assert (done.code, done.records) == (0, [{"queue": "hihg", "paused": True}])
    assert done.err == "redisq: nothing was ever enqueued into hihg: is that its name?\n"


@pytest.mark.parametrize("line", ["retry --all", "purge q --yes", "cancel --all --queue q --yes"])
def test_long_work_shows_a_bar_on_a_terminal(
    call: Call, app: redisq.RedisQ, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    fail(app.queue("q"), 3)
    app.queue("q").put(1)
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("TERM", "xterm")
    assert call(*line.split()).code == 0
    assert ("Queueing again" if "retry" in line else "Cancelling") in screen.getvalue()


def test_retry_all_with_a_text(call: Call, app: redisq.RedisQ) -> None:
    queue = app.queue("q")
    for error in ("no route to 10.0.0.7", "no funds"):
        queue.options(max_attempts=1).enqueue("t")
        delivery = queue.claim()
        assert delivery is not None
        delivery.nack(error)
    assert call("retry", "--all", "--text", "ROUTE", "--since", "1h").out == "q: 1 queued again\n"
    assert [job.error for job in queue.jobs("failed")] == ["no funds"]
    assert call("retry", "--all", "--since", "2999-01-01").out == "nothing to queue again\n"
    assert call("retry", "q.x", "--text", "y").code == 2
