"""What a power cut would leave: the order of the server's system calls.

A kill -9 proves nothing about the disk, since the kernel keeps what was written. So the server is watched by strace:
each acknowledgement must go out after an fdatasync has returned. A server that answers earlier is found out.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import redisq
from tests.needs import need
from tests.servers import Server
from tests.waiting import wait_until

JOBS = 20
CALL = re.compile(r"(?P<name>fdatasync|fsync|write|sendto|writev)\((?P<fd>\d+)<(?P<file>[^>]*)>.*= (?P<answer>-?\d+)")


def answers_and_syncs(trace: str) -> str:
    """A letter per system call that matters: S for a sync that has returned, A for an answer to a client."""
    letters = []
    for line in trace.splitlines():
        call = CALL.search(line)
        if call and call["name"] in ("fdatasync", "fsync") and call["answer"] == "0":
            letters.append("S")
        elif call and call["name"] not in ("fdatasync", "fsync") and "TCP" in call["file"]:
            letters.append("A")
    return "".join(letters)


def watched(server: Server, act: Callable[[], None], output: Path) -> str:
    command = [
        need("strace"),
        "-f",
        "-yy",
        "-e",
        "trace=fdatasync,fsync,write,sendto,writev",
        "-o",
        str(output),
        "-p",
        str(server.pid),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert "attached" in process.stderr.readline()
        act()
        process.terminate()
    wait_until(lambda: output.read_text())
    return answers_and_syncs(output.read_text())


@pytest.mark.parametrize(("policy", "safe"), [("always", True), ("everysec", False)])
def test_every_answer_comes_after_a_sync(
    new_server: Callable[..., Server], tmp_path: Path, policy: str, safe: bool
) -> None:
    server = new_server(appendonly="yes", appendfsync=policy)
    queue = redisq.RedisQ(server.url, durability="fsync" if safe else None).queue("q")
    queue.put("first")  # connects, loads the script, and looks up what the server gives

    def enqueue() -> None:
        for number in range(JOBS):
            queue.put(number)

    calls = watched(server, enqueue, tmp_path / "trace")
    assert calls.count("A") >= JOBS, calls
    assert ("AA" not in calls and calls.startswith("S")) is safe, calls
