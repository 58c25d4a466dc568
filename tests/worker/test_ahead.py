"""Claiming ahead: two batches at most, nothing lost with a lost answer, and all of it given back when it is shed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from redisq import RedisQ
from redisq.claimed import Settlement, Source, succeeded
from redisq.claimer import Claimer, registration
from redisq.options import DEFAULTS
from redisq.weights import Weights
from redisq.worker.ahead import Ahead


@pytest.fixture
def app(redis_url: str) -> Iterator[RedisQ]:
    app = RedisQ(redis_url)
    yield app
    app.close()


@pytest.fixture
def claimer(app: RedisQ) -> Iterator[Claimer]:
    claimer = _claimer(app, "q")
    yield claimer
    claimer.close()


def _claimer(app: RedisQ, *queues: str) -> Claimer:
    sources = [Source(name, app.queue(name).base) for name in queues]
    app.settings.server.ask(registration(app.settings, sources, "w"))
    return Claimer(app.settings, sources, "w")


def fill(app: RedisQ, count: int, queue: str = "q") -> list[bytes]:
    return [app.queue(queue).put(number).local_id.encode() for number in range(count)]


def run(ahead: Ahead, budget: int, settled: list[Settlement] | None = None) -> list[Settlement]:
    """One round of a worker: what it claims, it runs."""
    answers, jobs = ahead.exchange(settled or [], budget, 0.0, False)
    assert set(answers) <= {b"ok"}
    return [succeeded(job, b"null", DEFAULTS) for job in jobs]


def ids(settled: list[Settlement]) -> list[bytes]:
    return [one.job.id for one in settled]


def test_a_batch_is_full_if_it_has_as_many_as_were_asked_for_then(app: RedisQ, claimer: Claimer) -> None:
    fill(app, 30)
    ahead, settled = Ahead(claimer), []
    for budget in (2, 4, 8):  # the pace grows from one to the next
        settled = run(ahead, budget, settled)
        assert ahead.pending


def test_all_jobs_run_once_and_in_order(app: RedisQ, claimer: Claimer) -> None:
    sent = fill(app, 23)
    ahead, done, settled = Ahead(claimer), [], run(Ahead(claimer), 0)
    while settled := run(ahead, 4, settled):
        done += ids(settled)
    assert done == sent
    assert app.queue("q").counts() == {"scheduled": 0, "queued": 0, "running": 0, "failed": 0}
    assert not ahead.pending


def test_a_full_batch_has_the_next_one_claimed_and_no_more(app: RedisQ, claimer: Claimer) -> None:
    fill(app, 20)
    ahead = Ahead(claimer)
    settled = run(ahead, 4)
    assert ahead.pending
    app.queue("q").counts()
    assert len(claimer.posted) == 1
    for _ in range(3):
        settled = run(ahead, 4, settled)
        assert len(claimer.posted) == 1
    assert app.queue("q").counts()["running"] <= 8


def test_a_batch_that_is_not_full_has_nothing_claimed_behind_it(app: RedisQ, claimer: Claimer) -> None:
    fill(app, 3)
    ahead = Ahead(claimer)
    assert len(run(ahead, 4)) == 3
    assert not ahead.pending


def test_one_job_at_a_time_has_nothing_claimed_behind_it(app: RedisQ, claimer: Claimer) -> None:
    fill(app, 3)
    ahead = Ahead(claimer)
    run(ahead, 1)
    assert not ahead.pending


@pytest.fixture
def ranked(app: RedisQ) -> Iterator[Claimer]:
    claimer = _claimer(app, "urgent", "q", "idle")
    yield claimer
    claimer.close()


def test_of_several_queues_the_one_of_the_batch_is_claimed_ahead(app: RedisQ, ranked: Claimer) -> None:
    sent = fill(app, 20)
    later = fill(app, 4, "idle")
    ahead, done, settled = Ahead(ranked), [], run(Ahead(ranked), 0)
    while settled := run(ahead, 4, settled):
        done += ids(settled)
    assert done == sent + later


def test_a_more_important_job_waits_for_two_batches_at_most(app: RedisQ, ranked: Claimer) -> None:
    sent = fill(app, 40)
    ahead = Ahead(ranked)
    settled = run(ahead, 4)
    for _ in range(3):
        settled = run(ahead, 4, settled)
    app.queue("q").counts()  # what was posted is claimed
    assert ahead.pending
    urgent = fill(app, 9, "urgent")
    order = [*ids(settled)]
    for _ in range(5):
        settled = run(ahead, 4, settled)
        order += ids(settled)
    assert order == [*sent[12:20], *urgent, *sent[20:24]]


def test_what_is_claimed_ahead_is_never_more_important_than_what_runs(app: RedisQ, ranked: Claimer) -> None:
    fill(app, 40)
    ahead = Ahead(ranked)
    settled = run(ahead, 4)
    urgent = fill(app, 20, "urgent")
    settled = run(ahead, 4, settled)
    assert app.queue("urgent").counts() == {"scheduled": 0, "queued": 20, "running": 0, "failed": 0}
    assert ids(run(ahead, 4, settled)) == urgent[:4]


def test_a_mixed_batch_has_its_least_important_queue_claimed_ahead(app: RedisQ, ranked: Claimer) -> None:
    urgent, sent = fill(app, 2, "urgent"), fill(app, 20)
    ahead = Ahead(ranked)
    settled = run(ahead, 4)
    assert ids(settled) == urgent + sent[:2]
    assert ids(run(ahead, 4, settled)) == sent[2:6]


def test_a_paused_queue_holds_up_nothing_that_is_claimed_ahead(app: RedisQ, ranked: Claimer) -> None:
    sent = fill(app, 20)
    fill(app, 1, "urgent")
    app.queue("urgent").pause()
    ahead = Ahead(ranked)
    assert ids(run(ahead, 4, run(ahead, 4))) == sent[4:8]


def test_of_queues_with_weights_nothing_is_claimed_ahead(app: RedisQ, ranked: Claimer) -> None:
    fill(app, 20)
    ranked.weights = Weights({"urgent": 6, "q": 1, "idle": 1})
    ahead = Ahead(ranked)
    run(ahead, 4)
    assert not ahead.pending


def test_what_was_claimed_ahead_is_given_back_in_its_order(app: RedisQ, claimer: Claimer) -> None:
    sent = fill(app, 12)
    ahead = Ahead(claimer)
    settled = run(ahead, 4)
    answers, jobs = ahead.exchange(settled, 0, 0.0, True)
    assert (answers, jobs) == ([b"ok"] * 4, [])
    assert not ahead.pending
    assert app.queue("q").counts() == {"scheduled": 0, "queued": 8, "running": 0, "failed": 0}
    assert ids(run(ahead, 4) + run(ahead, 4)) == sent[4:]


def test_what_was_given_back_by_others_meanwhile_is_not_run(app: RedisQ, claimer: Claimer) -> None:
    fill(app, 12)
    ahead = Ahead(claimer)
    settled = run(ahead, 4)
    app.settings.server.ask([("DEL", claimer.sources[0].base + "claimed:w")])  # as if a reaper had
    answers, jobs = ahead.exchange(settled, 0, 0.0, True)
    assert len(answers) == 4
    assert jobs == []


@pytest.mark.parametrize("lost", ["call", "answer"])
def test_a_lost_call_or_answer_loses_no_job_and_repeats_none(app: RedisQ, claimer: Claimer, lost: str) -> None:
    sent = fill(app, 30)
    ahead, done, rounds = Ahead(claimer), [], 0
    settled: list[Settlement] = []
    while True:
        answers, jobs = ahead.exchange(settled, 4, 0.0, False)
        assert set(answers) <= {b"ok", b"done"}
        settled = [succeeded(job, b"null", DEFAULTS) for job in jobs]
        done += ids(settled)
        rounds += 1
        if not jobs:
            break
        if rounds % 2:
            if lost == "answer":
                app.queue("q").counts()
                claimer.link.readable(1.0)
            claimer.link.close()
    assert sorted(done) == sorted(sent)
    assert app.queue("q").counts()["running"] == 0


def test_the_scripts_may_be_gone_when_a_call_was_posted(app: RedisQ, claimer: Claimer) -> None:
    sent = fill(app, 20)
    ahead, done = Ahead(claimer), []
    settled = run(ahead, 4)
    done += ids(settled)
    app.settings.server.ask([("SCRIPT", "FLUSH")])
    while settled := run(ahead, 4, settled):
        done += ids(settled)
    assert done == sent


def test_a_suspect_does_not_join_a_batch_that_was_claimed_ahead(app: RedisQ, claimer: Claimer) -> None:
    sent = fill(app, 12)
    ahead = Ahead(claimer)
    settled = run(ahead, 4)
    base = claimer.sources[0].base
    app.settings.server.ask([("RPUSH", base + "suspects", fill(app, 1)[0])])
    app.settings.server.ask([("LPOP", base + "pending")])
    seen = ids(settled)
    while settled := run(ahead, 4, settled):
        seen += ids(settled)
        assert len({*ids(settled)} - {*sent}) in (0, len(settled))  # the suspect, if it is there, is alone
    assert len(seen) == 13


def test_nothing_further_is_claimed_ahead_if_so_asked(app: RedisQ, claimer: Claimer) -> None:
    sent = fill(app, 20)
    ahead = Ahead(claimer)
    first = run(ahead, 4)
    assert ahead.pending
    second = ahead.exchange([], 4, 0.0, False, False)[1]
    assert not ahead.pending
    third = ahead.exchange([], 4, 0.0, False, False)[1]
    assert not ahead.pending
    assert [*ids(first), *(job.id for job in second + third)] == sent[:12]
