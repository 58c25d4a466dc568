"""redisq-worker --reload: it follows the code, over broken states of it, and ends with whoever started it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.shop import Shop
from tests.waiting import wait_until

SLOW = 30.0


@pytest.fixture
def followed(shop: Shop) -> Iterator[subprocess.Popen[bytes]]:
    """A worker that watches the directory of the shop."""
    command = [Path(sys.executable).parent / "redisq-worker", "--reload", "--queues", "default", "--app", "shop:app"]
    environ = os.environ | shop.environ | {"REDISQ_URL": shop.url, "PWD": str(shop.directory)}
    with (shop.directory / "log").open("ab") as log:
        process = subprocess.Popen(command, cwd=shop.directory, env=environ, stdin=subprocess.DEVNULL, stderr=log)
    assert shop.version() == "v1"
    yield process
    process.terminate()
    process.wait()


def log(shop: Shop) -> str:
    return (shop.directory / "log").read_text()


def test_the_code_is_followed(shop: Shop, followed: subprocess.Popen[bytes]) -> None:
    (shop.directory / "notes.txt").write_text("no code")
    shop.write("v2")
    wait_until(lambda: shop.version() == "v2", SLOW)
    shop.write("", "def")
    wait_until(lambda: "reload.failed" in log(shop), SLOW)
    assert shop.version() == "v2"
    shop.write("v3")
    wait_until(lambda: shop.version() == "v3", SLOW)
    assert set(re.findall(r"reload\.changed files=(\S+)", log(shop))) == {"shop.py"}
    followed.terminate()
    assert followed.wait(20) == 0
    assert not shop.left()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_with_its_worker(shop: Shop, followed: subprocess.Popen[bytes], number: int) -> None:
    followed.send_signal(number)
    assert followed.wait(20) == 0
    assert log(shop).count("worker.stopped") == 1
    assert not shop.left()


def test_its_worker_ends_without_it(shop: Shop, followed: subprocess.Popen[bytes]) -> None:
    assert shop.left()
    followed.kill()
    wait_until(lambda: not shop.left(), SLOW)


def test_an_app_that_is_broken_from_the_start_ends_it(shop: Shop) -> None:
    shop.write("", "def")
    command = [Path(sys.executable).parent / "redisq-worker", "--reload", "--queues", "default", "--app", "shop:app"]
    done = subprocess.run(command, cwd=shop.directory, env=os.environ | shop.environ, capture_output=True, text=True)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_without_watchfiles_it_says_what_is_missing() -> None:
    code = "import sys; sys.modules['watchfiles'] = None; from redisq.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "--reload", "--queues", "default"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert done.stderr == "redisq-worker: --reload needs watchfiles: pip install 'redisq-jobs[reload]'\n"
