"""Requests are counted over all processes, whatever becomes of each."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from redisq_api.meter import BOUNDS, PARTS, ROWS, Meter, path_of_parent

KEY = ("GET", "/x", "200")
COUNTER = """
import sys
from redisq_api.meter import Meter
meter = Meter(sys.argv[1])
for _ in range(1000):
    meter.count(("GET", "/x", "200"), 0.002)
print("counted", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Of a file that does not exist yet, as its folder does not."""
    return str(tmp_path / "folder" / "x.meter")


@pytest.fixture
def meter(path: str) -> Iterator[Meter]:
    """One process's."""
    with closing(Meter(path)) as meter:
        yield meter


def start(path: str) -> subprocess.Popen[bytes]:
    """Another process, which has counted a thousand and goes on living."""
    process = subprocess.Popen([sys.executable, "-c", COUNTER, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"counted\n"
    return process


def number(meter: Meter) -> float:
    """How many requests there were."""
    return sum(meter.read()[KEY][1:])


def test_seconds_and_buckets() -> None:
    meter = Meter()
    for seconds in (0.0, BOUNDS[0], 0.002, BOUNDS[-1], 100.0):
        meter.count(KEY, seconds)
    seconds, *buckets = meter.read()[KEY]
    assert seconds == sum((0.0, BOUNDS[0], 0.002, BOUNDS[-1], 100.0))
    assert (buckets[0], buckets[1], buckets[-2], buckets[-1], sum(buckets)) == (2, 1, 1, 1, 5)


def test_nothing_is_lost_between_threads(meter: Meter) -> None:
    threads = [threading.Thread(target=lambda: [meter.count(KEY, 0.1) for _ in range(2000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert number(meter) == 8000


def test_processes_are_added_up_and_what_a_killed_one_counted_stays(meter: Meter, path: str) -> None:
    meter.count(KEY, 0.1)
    for killed in (start(path), start(path)):
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
    assert number(meter) == 2001, "the second went on where the first was"
    with start(path) as one, start(path) as two:
        assert number(meter) == 4001
        for process in (one, two):
            process.communicate()
    assert os.stat(path).st_blocks * 512 < 2_000_000


def test_what_there_is_no_room_for_is_counted_together(meter: Meter) -> None:
    for n in range(ROWS + 10):
        meter.count(("GET", f"/{n}", "200"), 0.1)
    meter.count(("GET", "/" + "x" * 500, "200"), 0.1)
    counted = meter.read()
    assert len(counted) == ROWS
    assert sum(counted["other", "other", "other"][1:]) == 12


@pytest.mark.parametrize("sort", ["link", "folder", "another's"])
def test_a_file_that_is_not_ours_is_not_used(tmp_path: Path, sort: str) -> None:
    path, other = tmp_path / "x", tmp_path / "other"
    other.write_text("precious")
    if sort == "link":
        path.symlink_to(other)
    elif sort == "folder":
        path.mkdir()
    else:
        assert os.geteuid() == 0, "only root can give a file away"
        path.touch()
        os.chown(path, 12345, 12345)
    with pytest.raises(OSError, match=str(path)):
        Meter(str(path))
    assert other.read_text() == "precious"


def test_files_of_services_that_are_gone_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ended = subprocess.Popen(["true"])
    ended.wait()
    folder = tmp_path / f"redisq-api-{os.geteuid()}"
    folder.mkdir()
    kept = [folder / f"{os.getpid()}.meter", folder / "mine.meter"]
    for path in (folder / f"{ended.pid}.meter", *kept):
        path.touch()
    assert path_of_parent() == str(folder / f"{os.getppid()}.meter")
    assert sorted(folder.iterdir()) == sorted(kept)


def test_more_processes_than_parts_are_told(path: str) -> None:
    code = f"""
import sys
from redisq_api.meter import Meter
try:
    Meter({path!r})
except OSError as error:
    print(error)
"""
    Meter(path).close()
    with open(path, "r+b") as file:
        fcntl.lockf(file, fcntl.LOCK_EX, PARTS, 0)
        told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "too many processes" in told.stdout
