"""What stands in Redis, against what the model expects; and what must hold of it whatever the model says."""

from __future__ import annotations

import json
from typing import Any

from redisq import keys

from .expected import Queue
from .records import UNFINISHED, Job
from .world import FEED, World

Dump = dict[str, tuple[str, int, Any]]

LETTERS = {"queued": None, "scheduled": "d", "running": "r", "succeeded": "s", "failed": "f", "cancelled": "c"}


def compare(world: World) -> None:
    """AssertionError at the first difference."""
    dump = world.dump()
    known = {"redisq:queues"}
    for queue in world.queues.values():
        known |= _compare_queue(dump, queue)
    strays = dump.keys() - known
    assert not strays, f"keys that nothing accounts for: {sorted(strays)}"


def _compare_queue(dump: Dump, queue: Queue) -> set[str]:
    """Answers the keys that belong there."""
    base = queue.base
    found = {
        key.removeprefix(base): row for key, row in dump.items() if key.startswith(base) and not _in_feed(key, base)
    }
    places = _places(found)
    for job_id, at in places.items():
        assert len(at) == 1, f"{job_id} is in {at}"
    assert _ids(found, "pending") == queue.pending
    assert _ids(found, "suspects") == queue.suspects
    assert _scores(found, "scheduled") == queue.scheduled
    assert _scores(found, "dead") == queue.dead
    assert _ids(found, "ended") == queue.ended
    assert _ids(found, "forward") == [entry.decode() for entry in queue.forward]
    claimed = {key.removeprefix("claimed:"): _ids(found, key) for key in found if key.startswith("claimed:")}
    assert claimed == {worker: ids for worker, ids in queue.claimed.items() if ids}
    _compare_leases(found, queue)
    for job_id in {key.removeprefix("job:") for key in found if key.startswith("job:")} | queue.jobs.keys():
        _compare_job(found.get(f"job:{job_id}"), queue, queue.jobs.get(job_id), places.get(job_id, []))
    _check_token(found, queue)
    _check_news(queue)
    return {base + name for name in found if _is_expected(name, found[name])}


def _in_feed(key: str, base: str) -> bool:
    return key.startswith(f"{base}feed:{FEED}:")


def _is_expected(name: str, row: tuple[str, int, Any]) -> bool:
    """Whether the table of keys.py has it; and whether it has a TTL where it must."""
    kind, colon, _ = name.partition(":")
    if kind in ("control", "done"):
        return row[1] > 0
    return kind + colon in keys.NAMES.values() and kind != "feed"


def _places(found: dict[str, tuple[str, int, Any]]) -> dict[str, list[str]]:
    """Where each id stands, in all the places of keys.py."""
    places: dict[str, list[str]] = {}
    for name in found:
        if name in ("pending", "suspects") or name.startswith("claimed:"):
            ids = _ids(found, name)
        elif name in ("scheduled", "dead"):
            ids = list(_scores(found, name))
        else:
            continue
        for job_id in ids:
            places.setdefault(job_id, []).append(name)
    return places


def _compare_job(row: tuple[str, int, Any] | None, queue: Queue, job: Job | None, at: list[str]) -> None:
    if job is None:
        raise AssertionError(f"a record that nobody expects: {row}, in {at}")
    assert row is not None, f"the record of {job} is gone"
    fields = {name.decode(): value.decode("latin-1") for name, value in _pairs(row[2])}
    seen = {
        "s": fields.get("s"),
        "d": int(fields.get("d", 0)),
        "a": int(fields.get("a", 0)),
        "u": int(fields.get("u", 0)),
        "k": int(fields.get("k", 0)),
        "q": int(fields.get("q", 0)),
        "m": "m" in fields,
        "g": "g" in fields,
        "ex": _time(int(fields["ex"]), int(fields["e"])) if "ex" in fields else None,
        "hi": [tuple(json.loads(line)[:3]) for line in fields.get("hi", "").splitlines()],
    }
    expected = {
        "s": LETTERS[job.status],
        "d": job.delivery,
        "a": job.attempts,
        "u": job.postponed,
        "k": job.crashes,
        "q": job.suspicions,
        "m": job.cancelled,
        "g": job.untold,
        "ex": job.deadline,
        "hi": job.failures,
    }
    assert seen == expected, f"{job}: {fields}"
    if job.status == "running":
        assert fields["w"] == job.worker
        assert at == [f"claimed:{job.worker}"]
    assert bool(at) == (job.status in UNFINISHED or job.id in queue.dead), f"{job} is in {at}"
    expires = job.status not in UNFINISHED and not job.untold and job.id not in queue.dead
    assert (row[1] > 0) == expires, f"{job}, with a TTL of {row[1]} ms"


def _time(moment: int, since: int) -> int:
    """As a script reads a moment: a negative number is the time itself."""
    return -moment if moment < 0 else since + moment


def _compare_leases(found: dict[str, tuple[str, int, Any]], queue: Queue) -> None:
    assert _scores(found, "workers") == {worker: lease.ends for worker, lease in queue.leases.items()}
    calls = {name.decode(): value.decode().split(":") for name, value in _pairs(_value(found, "calls"))}
    seen = {worker: (int(number), float(mark) if mark else None) for worker, (number, _, mark) in calls.items()}
    assert seen == {worker: (lease.number, lease.mark) for worker, lease in queue.leases.items()}
    orders = {key.removeprefix("control:"): _ids(found, key) for key in found if key.startswith("control:")}
    assert orders == {worker: ids[::-1] for worker, ids in queue.control.items()}
    state = {name.decode(): value.decode() for name, value in _pairs(_value(found, "state"))}
    assert ("paused" in state) == queue.paused


def _check_token(found: dict[str, tuple[str, int, Any]], queue: Queue) -> None:
    """Whoever sleeps must hear of what can be claimed, and of what is due before he thinks."""
    tokens = len(_ids(found, "wake"))
    assert tokens <= 1, f"{tokens} tokens"
    if queue.paused:
        return
    if queue.pending or queue.suspects:
        assert tokens, "jobs wait, and there is no token"
    if min(queue.scheduled.values(), default=queue.known_due) < queue.known_due:
        assert tokens, "a job is due before those who sleep will look, and there is no token"


def _check_news(queue: Queue) -> None:
    """A job that has ended, and was to be told of, has an entry in the feed or was noted by its reader."""
    for job in queue.jobs.values():
        if queue.feed and job.feed and job.status not in UNFINISHED:
            assert job.id in queue.feed.jobs or job.noted == job.ends, f"nobody is told of the end of {job}"


def _value(found: dict[str, tuple[str, int, Any]], name: str) -> Any:
    return found[name][2] if name in found else []


def _ids(found: dict[str, tuple[str, int, Any]], name: str) -> list[str]:
    return [entry.decode() for entry in _value(found, name)]


def _pairs(flat: list[bytes]) -> list[tuple[bytes, bytes]]:
    return list(zip(flat[::2], flat[1::2], strict=True))


def _scores(found: dict[str, tuple[str, int, Any]], name: str) -> dict[str, float]:
    return {entry.decode(): float(score) for entry, score in _pairs(_value(found, name))}
