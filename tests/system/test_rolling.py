"""SIGHUP: a worker takes on new code and serves meanwhile. Whatever breaks or dies in the middle, nothing is lost."""

from __future__ import annotations

import itertools
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from tests.system.shop import CODE, Shop
from tests.system.workers import COMMAND, Worker, clean
from tests.waiting import alive, wait_until

SLOW = 30.0
BROKEN = "import nothing_of_that_name"


def rolled(worker: Worker, times: int = 1) -> None:
    wait_until(lambda: worker.log.count("reload.done") >= times, SLOW)


def stand_in(worker: Worker) -> int:
    """The process of the newest one."""
    return int(wait_until(lambda: re.findall(r"reload\.begun pid=(\d+)", worker.log))[-1])


def startups(worker: Worker) -> list[float]:
    """Seconds from when a stand-in was started until it served: the gap if nobody else served meanwhile."""
    times: dict[str, list[datetime]] = {}
    for at, event in re.findall(r"^(\S+ \S+) INFO (reload\.\w+)", worker.log, re.MULTILINE):
        times.setdefault(event, []).append(datetime.fromisoformat(at))
    return [
        (served - began).total_seconds()
        for began, served in zip(times["reload.begun"], times["reload.serving"], strict=False)
    ]


def test_the_queue_is_served_throughout_and_each_job_runs_once(shop: Shop, redis_url: str) -> None:
    names = [f"n{n}" for n in range(700)]
    jobs = shop.queue.enqueue_many("nap", [((name, 0.02), {}) for name in names])
    worker = shop.start("--processes", "2")
    began = time.monotonic()
    for second in itertools.count(1):
        wait_until(lambda at=began + second: time.monotonic() > at)
        if shop.queue.counts()["queued"] == 0:
            break
        worker.signal(signal.SIGHUP)
    assert [job.wait(SLOW) for job in jobs] == ["v1"] * len(names)
    assert Counter(words[1] for words in shop.history("start")) == Counter(names)
    assert Counter(words[1] for words in shop.history("end")) == Counter(names)
    rolled(worker)
    assert shop.largest_gap() < min(startups(worker))
    assert "settle.refused" not in worker.log
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    clean(redis_url)


def test_new_code_runs_under_the_same_pid_and_what_ran_finishes(shop: Shop) -> None:
    worker = shop.start()
    long = shop.hold("long")
    shop.write("v2")
    worker.signal(signal.SIGHUP)
    stand_in(worker)
    wait_until(lambda: shop.version() == "v2", SLOW)
    assert not shop.history("end long"), "the stand-in serves while the job runs"
    shop.let_go("long")
    assert long.wait(SLOW) == "v1"
    rolled(worker)
    assert shop.version() == "v2"
    events = re.findall(r"(worker\.started|worker\.stopping|reload\.\w+)", worker.log)
    assert events == [
        "worker.started",
        "reload.begun",
        "worker.started",
        "reload.serving",
        "worker.started",  # the new image's, before the stand-in is told to stop
        "worker.stopping",
        "reload.done",
    ]
    assert len(shop.history("start long")) == 1
    assert worker.process.poll() is None
    assert len(worker.children()) == 1
    assert not alive(stand_in(worker))


def test_what_does_not_finish_within_the_grace_runs_again_with_the_new_code(shop: Shop) -> None:
    worker = shop.start("--grace", "0.3")
    long = shop.queue.enqueue("nap", "long", 4)
    wait_until(lambda: shop.history("start long"))
    shop.write("v2", CODE.replace("time.sleep(seconds)", "time.sleep(0)"))
    worker.signal(signal.SIGHUP)
    assert long.wait(SLOW) == "v2"
    assert long.refresh().attempt == 1
    rolled(worker)


@pytest.mark.parametrize("code", [BROKEN, "def", "import os; os._exit(0)", "app = 5", "import os; os.abort()"])
def test_new_code_that_is_broken_leaves_the_old_running(shop: Shop, code: str) -> None:
    worker = shop.start()
    children = worker.children()
    shop.write("", code)
    worker.signal(signal.SIGHUP)
    wait_until(lambda: "reload.failed" in worker.log, SLOW)
    assert shop.version() == "v1"
    assert worker.children() == children
    shop.write("v2")
    worker.signal(signal.SIGHUP)
    rolled(worker)
    assert shop.version() == "v2"


def test_code_that_breaks_after_the_stand_in_has_it_is_tried_again(shop: Shop) -> None:
    worker = shop.start()
    shop.hold("long")
    shop.write("v2")
    worker.signal(signal.SIGHUP)
    wait_until(lambda: "reload.serving" in worker.log, SLOW)
    shop.write("", BROKEN)
    shop.let_go("long")
    assert shop.version() == "v2"
    wait_until(lambda: "reload.failed" in worker.log, SLOW)
    shop.write("v3")
    rolled(worker)
    assert shop.version() == "v3"
    assert "worker.stopped" not in worker.log.rpartition("reload.serving")[2].rpartition("reload.done")[2]


def test_a_stop_while_only_the_stand_in_can_run_the_code(shop: Shop, redis_url: str) -> None:
    worker = shop.start()
    shop.hold("long")
    worker.signal(signal.SIGHUP)
    wait_until(lambda: "reload.serving" in worker.log, SLOW)
    shop.write("", "print('tried', flush=True)\n" + BROKEN)
    shop.let_go("long")
    wait_until(lambda: worker.log.count("tried") > 1, SLOW)
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    wait_until(lambda: not shop.left())
    clean(redis_url)


@pytest.mark.parametrize("moment", ["reload.begun", "reload.serving", "worker.started"])
def test_a_stop_in_the_middle_ends_all_and_loses_nothing(shop: Shop, redis_url: str, moment: str) -> None:
    jobs = shop.queue.enqueue_many("nap", [((f"n{n}", 0.02), {}) for n in range(300)])
    worker = shop.start("--processes", "2")
    before = worker.log.count(moment)
    times = 3 if moment == "worker.started" else 1  # its own, the stand-in's, its own again
    worker.signal(signal.SIGHUP)
    wait_until(lambda: worker.log.count(moment) >= before + times, SLOW)
    worker.signal(signal.SIGTERM)
    assert worker.wait() == 0
    assert not shop.left()
    seen = Counter(job.refresh().status for job in jobs)
    assert set(seen) <= {"succeeded", "queued"}
    assert len(shop.history("end")) == len(shop.history("start")) == seen["succeeded"]
    clean(redis_url)


def test_a_stand_in_without_its_supervisor_ends(shop: Shop) -> None:
    worker = shop.start()
    shop.hold("long")
    worker.signal(signal.SIGHUP)
    wait_until(lambda: "reload.serving" in worker.log, SLOW)
    worker.signal(signal.SIGKILL)
    assert shop.left()
    wait_until(lambda: not shop.left(), SLOW)


def test_a_stand_in_that_is_killed_before_it_serves_changes_nothing(shop: Shop) -> None:
    worker = shop.start()
    shop.write("v2", "import time; time.sleep(60)\n" + CODE)
    worker.signal(signal.SIGHUP)
    os.kill(stand_in(worker), signal.SIGKILL)
    wait_until(lambda: "reload.failed code=-9" in worker.log)
    assert shop.version() == "v1"


def test_a_stand_in_that_is_killed_while_it_serves_is_done_without(shop: Shop) -> None:
    worker = shop.start()
    shop.hold("long")
    shop.write("v2")
    worker.signal(signal.SIGHUP)
    wait_until(lambda: "reload.serving" in worker.log, SLOW)
    os.kill(stand_in(worker), signal.SIGKILL)
    shop.let_go("long")
    rolled(worker)
    assert shop.version() == "v2"


def test_a_second_hang_up_in_the_middle_has_the_newest_code_run(shop: Shop) -> None:
    worker = shop.start()
    shop.write("v2")
    worker.signal(signal.SIGHUP)
    stand_in(worker)
    shop.write("v3")
    worker.signal(signal.SIGHUP)
    wait_until(lambda: shop.version() == "v3", SLOW)
    rolled(worker)
    assert shop.version() == "v3"


def test_a_stand_in_that_does_not_come_to_serve_is_given_up(shop: Shop) -> None:
    hasty = (
        "import sys; from redisq.worker import rolling; rolling.READY_TIME = 1.0; from redisq.cli import main; main()"
    )
    command = [sys.executable, "-c", hasty, "--queues", "default", "--app", "shop:app", "--url", shop.url]
    log = shop.directory / "log"
    with log.open("ab") as output:
        process = subprocess.Popen(command, env=os.environ | shop.environ, stderr=output)
    assert shop.version() == "v1"
    shop.write("v2", "import time; time.sleep(60)\n" + CODE)
    process.send_signal(signal.SIGHUP)
    wait_until(lambda: "reload.failed code=-15" in log.read_text(), SLOW)
    assert shop.version() == "v1"
    process.terminate()
    assert process.wait(20) == 0


def test_a_deployment_may_lead_a_link_elsewhere(shop: Shop) -> None:
    link, log = shop.directory / "current", shop.directory / "log"
    for version in ("v1", "v2"):
        shop.write(version)
        (shop.directory / version).mkdir()
        (shop.directory / "shop.py").rename(shop.directory / version / "shop.py")
    link.symlink_to("v1")
    command = [COMMAND, "--queues", "default", "--app", "shop:app", "--url", shop.url]
    environ = os.environ | shop.environ | {"PWD": str(link), "PYTHONPATH": ""}
    with log.open("ab") as output:
        process = subprocess.Popen(command, cwd=link, env=environ, stderr=output)
    assert shop.version() == "v1"
    link.unlink()
    link.symlink_to("v2")
    process.send_signal(signal.SIGHUP)
    wait_until(lambda: "reload.done" in log.read_text(), SLOW)
    assert shop.version() == "v2"
    process.terminate()
    assert process.wait(20) == 0


# Terminals


def test_a_hang_up_that_comes_to_all_ends_no_job(shop: Shop) -> None:
    worker = shop.start()
    long = shop.hold("long")
    worker.everybody(signal.SIGHUP)
    wait_until(lambda: "reload.serving" in worker.log, SLOW)
    shop.let_go("long")
    assert long.wait(SLOW) == "v1"
    assert len(shop.history("start long")) == 1
    rolled(worker)


@pytest.mark.parametrize("nohup", [False, True])
def test_a_worker_ends_with_its_terminal_unless_nohup_keeps_it(shop: Shop, nohup: bool) -> None:
    log = shop.directory / "log"
    script = "exec redisq-worker --queues default --app shop:app 2>>$LOG"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environ = shop.environ | {"PATH": path, "REDISQ_URL": shop.url, "LOG": str(log)}
    pid, terminal = pty.fork()
    if not pid:
        signal.signal(signal.SIGHUP, signal.SIG_IGN if nohup else signal.SIG_DFL)
        os.execve("/bin/sh", ["sh", "-c", script], environ)
    wait_until(lambda: log.exists() and "worker.started" in log.read_text())
    os.close(terminal)
    if nohup:
        assert shop.version() == "v1"
        os.kill(pid, signal.SIGTERM)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert log.read_text().rstrip().endswith("worker.stopped")
    assert "reload" not in log.read_text()
