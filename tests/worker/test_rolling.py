"""The steps of a rolling restart that do not take a whole worker; those that do are in tests/system/test_rolling.py."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

from redisq.worker.notify import Notifier
from redisq.worker.rolling import NOTHING, VARIABLE, Handover, Rolling, StandIn
from redisq.worker.signals import Signals
from tests.waiting import wait_until

SCRIPT = "trap 'echo told; [ $((n += 1)) -gt 1 ] && exit 7' TERM; echo up; while :; do sleep 0.02; done"


@pytest.fixture
def process() -> Iterator[subprocess.Popen[str]]:
    """Says when it is told to stop, and stops the second time."""
    with subprocess.Popen(["sh", "-c", SCRIPT], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        yield process
        process.returncode = 0  # StandIn has waited for it
        if StandIn(process.pid).ended() is None:
            os.kill(process.pid, signal.SIGKILL)


def told(process: subprocess.Popen[str]) -> bool:
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    return process.stdout.readline() == "told\n"


def test_a_stand_in_is_let_go_once_and_only_when_the_new_image_serves(process: subprocess.Popen[str]) -> None:
    rolling = Rolling(Handover(stand_in=process.pid), Signals(), Notifier({}))
    for _ in range(3):
        assert not rolling.step(False)
    assert rolling._stand_in is not None
    assert rolling._stand_in._told == 0
    for _ in range(3):
        assert not rolling.step(True)
    wait_until(lambda: told(process))
    assert not rolling.over()
    assert not told(process)


def test_a_stop_is_passed_on_as_often_as_it_comes(process: subprocess.Popen[str]) -> None:
    signals = Signals()
    rolling = Rolling(Handover(stand_in=process.pid), signals, Notifier({}))
    rolling.pass_on()
    signals.stops = 1
    rolling.pass_on()
    wait_until(lambda: told(process))
    assert not rolling.over()
    signals.stops = 2
    rolling.pass_on()
    wait_until(rolling.over)


def test_who_has_lost_its_parent_is_to_stop() -> None:
    for parent, stops in ((0, 0), (os.getppid(), 0), (os.getpid(), 1)):
        signals = Signals()
        Rolling(Handover(parent=parent), signals, Notifier({})).pass_on()
        assert signals.stops == stops


def test_a_new_image_without_its_stand_in_goes_on() -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    rolling = Rolling(Handover(stand_in=gone.pid), Signals(), Notifier({}))
    assert rolling.over()
    assert not rolling.step(True)
    assert not rolling.step(True)


@pytest.mark.parametrize("text", ["", "1", "1:2", "a:b:c", "1:2:3:4", "1:9999:0"])
def test_a_handover_that_cannot_be_read_is_none(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(VARIABLE, text)
    assert Handover.take() == NOTHING
    assert VARIABLE not in os.environ


def test_a_handover_is_taken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "12:-1:34")
    assert Handover.take() == Handover(12, -1, 34)
    assert Handover.take() == NOTHING
