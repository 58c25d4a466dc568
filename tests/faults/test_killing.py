"""All that runs is killed with -9, one after the other, while tasks run: each still ends, with one result."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.servers import free_port
from tests.system.test_up import Up
from tests.waiting import wait_until

TASKS = 500
SLOW = 90.0


@pytest.fixture
def history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "history"
    path.touch()
    monkeypatch.setenv("NAPPING_HISTORY", str(path))
    monkeypatch.setenv("REDISQ_APP", "tests.faults.napping:app")
    return path


@pytest.fixture
def up(tmp_path: Path, history: Path) -> Iterator[Up]:
    up = Up(tmp_path / "data", free_port(), "--demo").ready()
    yield up
    up.interrupt()


def events(history: Path, kind: str) -> Counter[str]:
    """How often each job has started, or ended."""
    return Counter(line.split()[1] for line in history.read_text().splitlines() if line.startswith(kind))


def kill_and_see_it_again(up: Up, find: Callable[[], int]) -> None:
    first = wait_until(find, SLOW)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: find() not in (0, first), SLOW)


def test_everything_is_killed_and_every_task_ends_once(up: Up, history: Path) -> None:
    def child_of(name: str) -> int:
        parent = up.part(name)
        return next((pid for pid in up.children(parent) if parent), 0)

    victims: list[tuple[str, Callable[[], int]]] = [
        ("a child of the worker", lambda: child_of("worker")),
        ("the worker", lambda: up.part("worker")),
        ("the service", lambda: up.part("api")),
        ("the relay", lambda: up.part("relay")),
        ("the server", lambda: up.part("server")),
    ]
    ids: list[str] = []
    for first in range(0, TASKS, 100):
        body = "&".join(f"input_param[]={number}" for number in range(first, first + 100))
        ids += [task["id"] for task in up.call("POST", "/api/v1/task", body)]
    for count, (_, find) in enumerate(victims, start=1):
        wait_until(lambda done=count * 60: len(events(history, "end")) >= done, SLOW)
        kill_and_see_it_again(up, find)

    statuses: dict[str, str] = {}

    def all_ended() -> bool:
        for task_id in ids:
            if statuses.get(task_id) != "succeeded":
                statuses[task_id] = up.call("GET", f"/api/v1/task/{task_id}/status")["status"]
        return all(status == "succeeded" for status in statuses.values())

    wait_until(all_ended, SLOW, "all tasks succeed")
    results = [up.call("GET", f"/api/v1/task/{task_id}/result")["result"] for task_id in ids]
    assert results == [str(number) for number in range(TASKS)]
    ended = events(history, "end")
    assert len(ended) == TASKS  # none is lost, none came from nowhere
    repeated = sum(ended.values()) - TASKS
    # What was finished and not settled when its worker or the server died: a few milliseconds' worth of jobs per kill.
    assert repeated <= 5, f"{repeated} tasks ran to their end more than once"
