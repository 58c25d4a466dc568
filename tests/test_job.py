"""Job is a value: what a hash says, whatever it says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redisq import JSON, Job
from redisq.job import STATUSES, encode, fencing_token
from redisq.options import CallOptions


class Home:
    """Stands for a queue; says what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *args: self.asked.append((name, *args))


def job(**fields: bytes) -> Job:
    return Job(Home(), "q", "a", {name.encode(): value for name, value in fields.items()}, JSON())


def test_the_least_that_a_hash_can_say() -> None:
    seen = job()
    assert (seen.id, seen.queue, seen.local_id, seen.status, seen.attempt) == ("q.a", "q", "a", "queued", 1)
    assert (seen.task, seen.args, seen.kwargs, seen.payload, seen.result, seen.error) == (None,) * 6
    assert (seen.progress, seen.created_at, seen.started_at, seen.finished_at) == (None,) * 4


def test_all_that_a_hash_can_say() -> None:
    seen = job(
        v=b"1", t=b"t", b=b'[[1],{"a":2}]', e=b"1700000000123", s=b"r", c=b"1700000001000", d=b"2", a=b"1", p=b"3/7"
    )
    assert (seen.task, seen.args, seen.kwargs, seen.payload) == ("t", [1], {"a": 2}, None)
    assert (seen.status, seen.attempt, seen.progress) == ("running", 2, {"done": 3, "total": 7})
    assert seen.created_at == datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=UTC)
    assert seen.started_at is not None
    assert seen.started_at.tzinfo is UTC
    assert seen.token == 1700000000123 << 20 | 2


@pytest.mark.parametrize(("letter", "status"), STATUSES.items())
def test_every_status_has_a_letter(letter: bytes, status: str) -> None:
    assert job(s=letter).status == status


def test_result_and_error_belong_to_how_it_ended() -> None:
    assert (job(s=b"s", r=b"[1]", x=b"once").result, job(s=b"s", r=b"[1]", x=b"once").error) == ([1], None)
    assert (job(s=b"f", r=b"[1]", x=b"no").result, job(s=b"f", x=b"no").error) == (None, "no")
    assert job(s=b"d", x=b"no").error == "no"


@given(st.dictionaries(st.sampled_from(list("tbosfwrxpi")), st.binary(max_size=30)))
def test_bytes_that_make_no_sense_are_shown_and_raise_nothing(fields: dict[str, bytes]) -> None:
    if b"/" in fields.get("p", b""):
        del fields["p"]
    seen = job(v=b"1", **fields)
    assert seen.status in STATUSES.values()
    assert seen.attempt == 1
    _ = (seen.args, seen.kwargs, seen.payload, seen.result, seen.error, seen.progress)
    repr(seen)


@pytest.mark.parametrize("body", [b"[[1]]", b'{"a":1}', b"[1,2]", b"null", b"\xff", b"7"])
def test_a_body_that_is_no_call_is_shown_all_the_same(body: bytes) -> None:
    seen = job(t=b"t", b=body)
    assert seen.args in (None, 1)
    repr(seen)


def test_a_job_is_a_snapshot_that_cannot_be_changed() -> None:
    seen = job()
    with pytest.raises(AttributeError):
        seen.status = "succeeded"


def test_acting_asks_the_home_with_the_local_id() -> None:
    seen = job(t=b"t")
    for act in (seen.refresh, seen.cancel, seen.retry, seen.delete):
        act()
    assert seen.home.asked == [("fetch", "a"), ("cancel", "a"), ("revive", "a"), ("delete", "a")]


def test_a_repr_shows_neither_arguments_nor_results() -> None:
    assert "secret" not in repr(job(t=b"t", b=b'[["secret"],{}]', r=b'"secret"', x=b"secret"))


@given(st.integers(1, 2**42), st.integers(1, 2**20 - 2))
def test_a_token_grows_with_the_delivery_and_with_the_time(enqueued: int, delivery: int) -> None:
    assert fencing_token(enqueued, delivery) < fencing_token(enqueued, delivery + 1) < fencing_token(enqueued + 1, 1)
    assert fencing_token(enqueued, delivery) < 2**63


def test_a_waiting_job_has_few_fields() -> None:
    assert encode("t", b"[[],{}]", CallOptions())[::2] == [b"v", b"t", b"b"]
    assert encode("t", b"", CallOptions(job_id="a"))[::2] == [b"v", b"t", b"b", b"i"]
    assert encode("t", b"", CallOptions().with_(timeout=5.0))[::2] == [b"v", b"t", b"b", b"o"]


def test_two_calls_under_one_id_can_be_told_apart() -> None:
    assert encode("t", b"", CallOptions(job_id="a"))[-1] != encode("t", b"", CallOptions(job_id="a"))[-1]
