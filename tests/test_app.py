"""RedisQ: tasks by name, queues by name, and an object that opens nothing until it is used."""

from __future__ import annotations

import asyncio
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from redisq import (
    InvalidName,
    InvalidOption,
    InvalidURL,
    JobNotFound,
    RedisQ,
    ServerUnavailable,
    Task,
    TaskNameTaken,
)
from tests.invariants import checked_app
from tests.servers import free_port


@pytest.fixture
def app(redis_url: str) -> Iterator[RedisQ]:
    with checked_app(redis_url) as app:
        yield app


@pytest.fixture
def offline() -> RedisQ:
    return RedisQ(f"redis://127.0.0.1:{free_port()}/0", patience=0.3)


def add(a: int, b: int = 2) -> int:
    """Adds."""
    return a + b


# Tasks


def test_a_task_is_called_as_its_function(offline: RedisQ) -> None:
    task = offline.task("add")(add)
    assert isinstance(task, Task)
    assert task(1) == 3
    assert task(1, b=5) == 6
    assert (task.__name__, task.__doc__, task.__wrapped__) == ("add", "Adds.", add)


def test_a_coroutine_function_stays_one_when_called(offline: RedisQ) -> None:
    @offline.task
    async def later(n: int) -> int:
        return n + 1

    assert asyncio.run(later(1)) == 2


def test_a_name_is_module_and_qualified_name_when_none_is_given(offline: RedisQ) -> None:
    assert offline.task(add).name == "tests.test_app.add"
    assert offline.task(queue="low")(free_port).name == "tests.servers.free_port"
    assert offline.task()(asyncio.sleep).name == "asyncio.tasks.sleep"
    assert set(offline.tasks) == {"tests.test_app.add", "tests.servers.free_port", "asyncio.tasks.sleep"}


@pytest.mark.parametrize("arguments", [["-m", "shop"], ["shop.py"]])
def test_a_module_that_is_run_names_its_tasks_as_a_worker_does(tmp_path: Path, arguments: list[str]) -> None:
    """What `python -m shop` enqueues, a worker that has imported `shop` knows."""
    code = "import redisq\napp = redisq.RedisQ()\n@app.task\ndef add(a, b): return a + b\nprint(add.name)\n"
    (tmp_path / "shop.py").write_text(code)
    run = subprocess.run([sys.executable, *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=30)
    assert run.stdout == "shop.add\n", run.stderr


def test_code_that_is_no_module_names_its_tasks_so() -> None:
    code = "import redisq\n@redisq.RedisQ().task\ndef add(a, b): return a + b\nprint(add.name)\n"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert run.stdout == "__main__.add\n", run.stderr


def test_two_functions_of_one_name_are_an_error(offline: RedisQ) -> None:
    offline.task("add")(add)
    with pytest.raises(TaskNameTaken) as caught:
        offline.task("add")(lambda: None)
    assert isinstance(caught.value, ValueError)
    assert offline.tasks["add"].func is add


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 257])
def test_a_name_that_cannot_be_one_is_an_error(offline: RedisQ, name: str) -> None:
    with pytest.raises(InvalidName):
        offline.task(name)(add)


def test_the_tasks_cannot_be_changed_from_outside(offline: RedisQ) -> None:
    with pytest.raises(TypeError):
        offline.tasks["x"] = None


def test_a_task_goes_to_its_queue_unless_the_call_says_otherwise(app: RedisQ) -> None:
    task = app.task("add", queue="low", max_attempts=7)(add)
    assert task.enqueue(1).queue == "low"
    assert task.options(queue="high").enqueue(1).queue == "high"
    assert task.options(queue="high").options(delay=60.0).enqueue(1).id.startswith("high.")
    assert [job.queue for job in task.enqueue_many([((1,), {}), ((2,), {})])] == ["low", "low"]
    assert app.task("x")(add).enqueue(1).queue == "default"


def test_a_job_id_names_its_queue(app: RedisQ) -> None:
    task = app.task("add")(add)
    job = task.options(queue="low", job_id="resize-7").enqueue(1)
    assert job.id == "low.resize-7"
    assert app.job("low.resize-7").task == "add"
    with pytest.raises(JobNotFound):
        app.job("default.resize-7")


def test_bound_options_make_many_jobs(app: RedisQ) -> None:
    bound = app.task("add")(add).options(delay=60.0)
    jobs = [bound.enqueue(1), *bound.enqueue_many([((2,), {}), ((3,), {}, {"delay": 0.0})])]
    assert [job.status for job in jobs] == ["scheduled", "scheduled", "queued"]


# Making one


@pytest.mark.parametrize(
    "url",
    [
        "http://h",
        "localhost",
        "127.0.0.1:6379",
        "redis://h:port",
        "redis://h:99999",
        "redis://[::1",
        "//h",
        "mysql://h",
        "redis://h/main",
        "rediss://h/0/1",
        "embedded://relative",
        "embedded:///",
        "embedded:",
    ],
)
def test_a_url_that_makes_no_sense_is_told_at_once(url: str) -> None:
    with pytest.raises(InvalidURL) as caught:
        RedisQ(url)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("lease", [0, -1, 0.01, 1e9, float("nan"), float("inf"), "30", None, True])
def test_a_lease_that_makes_no_sense_is_told_at_once(lease: Any) -> None:
    with pytest.raises(InvalidOption):
        RedisQ("redis://h", lease=lease)


@pytest.mark.parametrize(
    "url", ["redis://me:hunter2@127.0.0.1:1/0", "redis://:hunter2@127.0.0.1:1", "rediss://x:hunter2@h:1"]
)
def test_a_password_is_never_shown(url: str) -> None:
    app = RedisQ(url, patience=0.0)
    assert "hunter2" not in repr(app)
    assert "hunter2" not in repr(app.settings.server)
    if "127" in url:
        with pytest.raises(ServerUnavailable) as caught:
            app.queue("q").put(1)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("url", ["redis://:hunter2@h:port", "http://me:hunter2@h", "redis://me:hunter2@[::1"])
def test_a_password_in_a_wrong_url_is_not_shown_either(url: str) -> None:
    with pytest.raises(InvalidURL) as caught:
        RedisQ(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["embedded:///some/directory", "unix:///run/redis.sock?db=1", "redis://h", "redis://h/"]
)
def test_a_url_is_shown_as_it_was_given(url: str) -> None:
    assert url in repr(RedisQ(url))


@pytest.mark.parametrize("patience", [-1, float("nan"), "10", None])
def test_a_patience_that_makes_no_sense_is_told_at_once(patience: Any) -> None:
    with pytest.raises(InvalidOption, match="patience"):
        RedisQ("redis://h", patience=patience)


def test_the_environment_names_the_server_when_the_app_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDISQ_URL", "redis://from-environment:1/0")
    assert "from-environment" in repr(RedisQ())
    assert "given" in repr(RedisQ("redis://given:1/0"))
    monkeypatch.setenv("REDISQ_URL", "nonsense")
    with pytest.raises(InvalidURL):
        RedisQ()
    monkeypatch.delenv("REDISQ_URL")
    assert "127.0.0.1:6379" in repr(RedisQ())


def test_making_an_app_and_its_queues_opens_no_connection() -> None:
    before = threading.active_count()
    app = RedisQ("redis://192.0.2.1:1/0")  # answers nobody
    app.task("add")(add)
    app.queue("q")
    app.feed("news")
    app.close()
    assert threading.active_count() == before


def test_the_same_name_is_the_same_queue(offline: RedisQ) -> None:
    assert offline.queue("q") is offline.queue("q")
    assert offline.feed("q") is offline.feed("q")
    assert offline.queue("q") is not offline.queue("p")


def test_an_app_for_another_server_has_the_same_tasks(offline: RedisQ) -> None:
    offline.task("add", queue="low", max_attempts=9, timeout=5.0, result_ttl=0.0, backoff=0.0)(add)
    other = offline.replace(url="redis://elsewhere:1/0", lease=7.0)
    task = other.tasks["add"]
    assert (task.queue, task.run_options) == ("low", offline.tasks["add"].run_options)
    assert (other.settings.lease, other.settings.patience) == (7.0, 0.3)
    assert "elsewhere" in repr(other)
    assert task(1) == 3


def test_a_server_that_is_away_is_told_after_the_patience(offline: RedisQ) -> None:
    for act in (
        lambda: offline.queue("q").put(1),
        lambda: offline.queue("q").counts(),
        lambda: offline.job("q.a"),
        lambda: offline.find_jobs(["q.a"]),
        lambda: list(offline.queue("q").jobs()),
        lambda: offline.queue("q").purge(),
        lambda: offline.queue("q").claim(0.1),
        lambda: offline.feed("f").claim(0.1),
    ):
        with pytest.raises(ServerUnavailable):
            act()


def test_looking_up_over_queues_keeps_the_order(app: RedisQ) -> None:
    ids = [app.queue(name).options(job_id=f"j{n}").put(n).id for n, name in enumerate(["b", "a", "b", "c"])]
    wanted = [*reversed(ids), "a.nobody", ids[0]]
    assert [job and job.id for job in app.find_jobs(wanted)] == [*reversed(ids), None, ids[0]]
    with pytest.raises(InvalidName):
        app.find_jobs(["nonsense"])


def test_a_value_that_came_from_a_job_can_be_pickled_by_its_owner(app: RedisQ) -> None:
    job: Any = app.queue("q").enqueue("t", [1, {"a": None}])
    assert pickle.loads(pickle.dumps(job.args)) == [[1, {"a": None}]]
