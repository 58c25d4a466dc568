"""The scripts keep the rules of the house: documented, short, loaded, and in one slot."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import resources

import pytest
import redis

import redisq
from redisq import RedisQ, keys, scripts
from tests.servers import Server
from tests.waiting import wait_until

FILES = {
    path.name.removesuffix(".lua"): path.read_text()
    for path in resources.files("redisq.lua").iterdir()
    if path.name.endswith(".lua")
}
LOADED = {script.name: script for script in scripts.BY_SHA.values()}
INCLUDED = {
    name for text in FILES.values() for line in re.findall(r"^-- include: (.+)$", text, re.M) for name in line.split()
}
# commands whose first argument is a key
CALL = re.compile(r"redis\.p?call\('([A-Z]+)',?\s*([^,)]*)")
WITHOUT_KEY = {"TIME"}
# variables that hold a key or the beginning of one, each put together from the base
KEYS = {"KEYS[1]", "key", "base", "done", "claimed", "entry", "log"}


def test_every_file_is_loaded_or_included() -> None:
    assert FILES.keys() == LOADED.keys() | INCLUDED
    assert not LOADED.keys() & INCLUDED


@pytest.mark.parametrize("name", sorted(LOADED))
def test_a_script_begins_with_its_flags_and_says_what_it_takes(name: str) -> None:
    lines = FILES[name].splitlines()
    assert lines[0].startswith("#!lua")
    comment = "\n".join(lines[: next(i for i, line in enumerate(lines) if i and not line.startswith("--"))])
    assert re.search(r"^-- KEYS     ", comment, re.M)
    assert re.search(r"^-- (ARGV     |Returns  )", comment, re.M)
    body = FILES[name][len(comment) :]
    assert bool(re.search(r"^return", body, re.M)) == bool(re.search(r"^-- Returns  ", comment, re.M))
    assert bool(re.search(r"\bARGV\b", body)) == ("-- ARGV" in comment)


@pytest.mark.parametrize("name", sorted(INCLUDED))
def test_a_part_defines_functions_and_says_what_they_do(name: str) -> None:
    text = FILES[name]
    assert not text.startswith("#!")
    assert re.search(r"^-- ", text, re.M)
    assert re.search(r"^local function", text, re.M)


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_script_is_short(name: str) -> None:
    assert len(FILES[name].splitlines()) <= 100


@pytest.mark.parametrize("name", sorted(LOADED))
def test_every_key_begins_with_a_base_that_was_passed(name: str) -> None:
    """In a cluster a script may touch only the slot of its keys: nothing else may be put together as a key."""
    source = LOADED[name].source
    assert "KEY." not in source
    for command, argument in CALL.findall(source):
        if command in WITHOUT_KEY:
            continue
        first = argument.split()[0]
        assert first in {"q", *KEYS}, f"{command} {argument}"
    for names, values in re.findall(r"^ *local ([\w, ]+) = (.+)$", source, re.M):
        for variable, value in zip(names.split(", "), values.split(", "), strict=False):
            assert variable not in KEYS or value.split()[0] in {"q", "base", "KEYS[1]"}, f"{variable} = {value}"


@pytest.mark.parametrize("name", sorted(FILES))
def test_keys_are_named_by_the_table_only(name: str) -> None:
    text = FILES[name]
    assert set(re.findall(r"\bKEY\.(\w+)", text)) <= keys.NAMES.keys()
    for value in keys.NAMES.values():
        assert f".. '{value}'" not in text


def test_a_digest_is_the_one_of_the_server(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        for script in LOADED.values():
            assert client.script_load(script.source) == script.sha


def test_settling_and_claiming_go_on_without_memory_and_enqueueing_does_not() -> None:
    for name, text in FILES.items():
        if name in {"enqueue", "enqueue_after", "enqueue_once", "flow", "limit", "revive", "declare", "tick"}:
            assert text.startswith("#!lua\n"), name
        elif name in LOADED:
            assert re.match(r"#!lua flags=(allow-oom|no-writes)", text), name


def test_scripts_stay_in_one_slot_on_a_server_in_cluster_mode(new_server: Callable[..., Server]) -> None:
    """There the server itself refuses a script that touches a key of another slot."""
    server = new_server(cluster_enabled="yes")
    with server.client() as client:
        client.execute_command("CLUSTER", "ADDSLOTS", *range(16384))
        wait_until(lambda: b"cluster_state:ok" in client.execute_command("CLUSTER", "INFO"))
    app = RedisQ(server.url)
    queue = app.queue("high")
    for job_id in "abcdef":
        queue.options(job_id=job_id, feed="news").put(job_id)
    queue.options(job_id="late", delay=60.0).put(1)
    queue.claim().ack("good")
    queue.claim().nack("bad", retry_in=60.0)
    queue.claim().release()
    for delivery in iter(lambda: queue.claim(timeout=0.0), None):
        delivery.nack("bad", retry_in=0.0)
    assert queue.counts() == {"scheduled": 2, "queued": 0, "running": 0, "failed": 4}
    assert queue.oldest() is None
    assert [worker.held for worker in queue.workers()] == [0]
    app.job("high.b").cancel()
    app.job("high.c").retry()
    app.job("high.d").delete()
    queue.pause()
    queue.resume()
    assert queue.purge() == 2
    assert len(app.feed("news").claim_many(10)) == 6
    entry = app.every(86400.0, app.task(name="t")(print), queue="high")
    definition, ahead = app.crons["t"], 86_400_000 * 40_000
    app.settings.server.ask([definition.declaring(app.settings), definition.ticking(app.settings, [ahead])])
    assert app.job(str(entry.refresh().last_job)).status == "scheduled"
    entry.pause()
    assert app.job(str(entry.refresh().last_job)).status == "cancelled"
    entry.resume()
    task = app.tasks["t"].options(queue="high")
    flow = redisq.chain(task.call(), app.tasks["t"].options(queue="low").call(), task.call()).enqueue()
    task.options(after=flow.jobs).enqueue()
    for name in ("high", "low", "high", "high"):
        app.queue(name).claim().ack()
    assert flow.refresh().status == "succeeded"
    app.close()
