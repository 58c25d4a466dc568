"""The checker on histories written by hand: each column can turn red, and what is in order turns none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.faults import checker, ledger, recovery, schedule
from tests.faults.facts import Facts, gather
from tests.faults.history import Event, History, read
from tests.faults.run import TARGETS

ID = "high.1"
FAULTY = {"pid": 10, "ppid": 1, "slot": "w1"}


class Story:
    """A history, told event by event; `facts` are what is gathered from it."""

    def __init__(self) -> None:
        self.events: list[Event] = [{"e": "run", "t": 0.0, "lease": 2.0, "workers": ["w1", "w2"]}]

    def add(self, event: str, t: float = 0.0, **fields: Any) -> Story:
        self.events.append({"e": event, "t": t, **fields})
        return self

    def asked(self, key: str = "p-1", id_: str = ID, sort: str = "noop", feed: bool = False) -> Story:
        self.add("invoke", keys=[key], sorts=[sort], feed=feed)
        return self.add("ack", keys=[key], ids=[id_])

    def ran(self, start: float, end: float, token: int = 1, how: str | None = "ok", **changes: Any) -> Story:
        run = {"id": ID, "key": "p-1", "sort": "noop", "token": token, **FAULTY, **changes}
        self.add("start", start, **run)
        if how:
            self.add("end", end, **{name: run[name] for name in ("id", "token", "pid", "slot")}, how=how)
        return self

    def hit(self, kind: str, start: float, end: float, target: str = "w1", pids: tuple[int, ...] = ()) -> Story:
        n = len(self.events)
        return self.add("fault", start, n=n, kind=kind, target=target, pids=list(pids)).add("over", end, n=n)

    def record(self, status: str = "succeeded", token: int = 1, **changes: Any) -> Story:
        row = {"id": ID, "key": "p-1", "error": None, "listed": 1, **changes}
        return self.add("record", status=status, token=token, **row)

    @property
    def facts(self) -> Facts:
        return gather(self.events)

    @property
    def red(self) -> list[str]:
        return ledger.draw_up(self.facts).red


@pytest.fixture
def story() -> Story:
    return Story()


def test_what_is_in_order_is_green(story: Story) -> None:
    story.asked(feed=True).ran(1.0, 1.1).record().add("told", id=ID, status="succeeded", token=1)
    story.asked("p-2", "high.2").add("cancel", id="high.2").add("cancelled", 3.0, id="high.2", status="cancelled")
    story.record("cancelled", 0, id="high.2", key="p-2")
    story.asked("p-3", "high.3", "chain").ran(4.0, 4.1, id="high.3", key="p-3", sort="chain")
    story.record(id="high.3", key="p-3").ran(4.2, 4.3, id="high.4", key="p-3/f").record(id="high.4", key="p-3/f")
    story.add("invoke", keys=["p-5"], sorts=["noop"], feed=False)  # its producer was killed: it may be there, or not
    assert story.red == []
    assert ledger.lines(ledger.draw_up(story.facts))[-1].endswith("green")


def test_lost(story: Story) -> None:
    assert story.asked().red == ["lost"]


def test_not_ended_is_lost(story: Story) -> None:
    assert story.asked().record("queued").red == ["lost"]


def test_a_missing_follow_up_is_lost(story: Story) -> None:
    assert story.asked(sort="chain").record().red == ["lost"]


def test_news_that_was_not_told_is_lost(story: Story) -> None:
    assert story.asked(feed=True).record().red == ["lost"]


def test_a_task_that_the_database_does_not_see_end_is_lost(story: Story) -> None:
    assert story.asked().record().add("row", id=ID, state="queued", token=0).red == ["lost"]


def test_unexpected(story: Story) -> None:
    assert story.ran(1.0, 1.1).record().red == ["unexpected"]


def test_a_second_job_of_one_call_is_unexpected(story: Story) -> None:
    assert story.asked().record().record(id="high.2").red == ["unexpected"]


def test_a_follow_up_of_a_job_that_failed_is_unexpected(story: Story) -> None:
    story.asked(sort="chain").add("cancel", id=ID).record("cancelled", 0).record(id="high.2", key="p-1/f")
    assert story.red == ["unexpected"]


def test_a_follow_up_that_nobody_had_asked_for_is_unexpected(story: Story) -> None:
    assert story.asked().record().record(id="high.2", key="p-1/f").red == ["unexpected"]


@pytest.mark.parametrize("places", [0, 2])
def test_in_no_place_or_in_two_is_unaccounted(story: Story, places: int) -> None:
    assert story.asked().record(listed=places).red == ["unaccounted"]


def test_a_run_without_a_record_is_unaccounted(story: Story) -> None:
    story.add("invoke", keys=["p-1"], sorts=["noop"], feed=False).ran(1.0, 1.1)
    assert story.red == ["unaccounted"]


def test_what_is_broken_in_redis_is_unaccounted(story: Story) -> None:
    assert story.add("broken", what="2 tokens").red == ["unaccounted"]


def test_two_ends_told_are_two_completions(story: Story) -> None:
    story.asked().record().add("told", id=ID, status="succeeded", token=1)
    assert story.red == []
    assert story.add("told", id=ID, status="succeeded", token=2).red == ["double completions"]


def test_two_acks_are_two_completions(story: Story) -> None:
    story.asked(sort="ack").hit("stop-consumer", 0.5, 2.5, "c0", (10,))
    story.ran(1.0, 3.0, 1, "acked").ran(2.0, 2.1, 2, "acked", pid=11).record(token=2)
    assert checker.completed_twice(story.facts)


def test_two_follow_ups_are_two_completions(story: Story) -> None:
    story.asked(sort="chain").record().record(id="high.2", key="p-1/f").record(id="high.3", key="p-1/f")
    assert story.red == ["double completions"]


def test_another_end_in_the_database_is_a_second_completion(story: Story) -> None:
    assert story.asked().record().add("row", id=ID, state="succeeded", token=2).red == ["double completions"]


def test_a_duplicate_without_a_fault_is_unexplained(story: Story) -> None:
    assert story.asked().ran(1.0, 1.1).ran(5.0, 5.1, 2, pid=11).record(token=2).red == ["unexplained duplicates"]


@pytest.mark.parametrize(
    ("kind", "target", "pids"),
    [
        ("kill-child", "w1", (10,)),
        ("kill-worker", "w1", (1,)),
        ("black-hole", "w1", ()),
    ],
)
def test_a_fault_explains_a_duplicate_that_it_can_have_made(
    story: Story, kind: str, target: str, pids: tuple[int, ...]
) -> None:
    story.asked().ran(1.0, 1.1).ran(2.0, 2.1, 2, pid=11).record(token=2)
    assert checker.unexplained(story.hit(kind, 1.05, 1.06, target, pids).facts) == []
    assert checker.explained(story.facts) == {kind: 1}


@pytest.mark.parametrize(
    ("kind", "target", "pids", "start"),
    [
        ("kill-child", "w1", (12,), 1.05),  # another process
        ("kill-child", "w1", (10,), 5.5),  # too late
        ("stop-worker", "w1", (10,), 0.5),  # over before
        ("black-hole", "w2", (), 1.05),  # another worker's network
        ("drop-replies", "w1", (), 1.05),  # no reason to run it again
        ("flush-scripts", "server", (), 1.05),
        ("kill-server", "server", (), 1.05),
        ("stop-server", "server", (), 1.05),
        ("deploy", "workers", (), 1.05),
    ],
)
def test_a_fault_does_not_explain_what_it_cannot_have_made(
    story: Story, kind: str, target: str, pids: tuple[int, ...], start: float
) -> None:
    story.asked().ran(1.0, 1.1).ran(5.0, 5.1, 2, pid=11).record(token=2)
    assert "unexplained duplicates" in story.hit(kind, start, start + 0.01, target, pids).red


def test_a_crash_explains_its_neighbour(story: Story) -> None:
    story.asked().ran(1.0, 1.1).ran(2.0, 2.1, 2, pid=11).record(token=2)
    story.asked("p-2", "high.2", "crash-once").ran(1.2, 1.3, 1, "crash", id="high.2", key="p-2", sort="crash-once")
    assert story.record(id="high.2", key="p-2").red == []


@pytest.mark.parametrize("how", ["raise", "crash", "release"])
def test_what_was_meant_to_run_again_is_no_duplicate(story: Story, how: str) -> None:
    story.asked().ran(1.0, 1.1, 1, how).ran(2.0, 2.1, 2).record(token=2)
    assert story.red == []
    assert checker.explained(story.facts) == {}


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_status_without_a_reason_is_wrong(story: Story, status: str) -> None:
    assert story.asked().record(status, 0).red == ["ended wrongly"]


def test_a_success_that_was_not_due_is_wrong(story: Story) -> None:
    assert story.asked(sort="dead").record().red == ["ended wrongly"]


def test_a_job_that_was_broken_off_three_times_may_fail(story: Story) -> None:
    story.asked().record("failed", 0, error="crashed: its worker died 3 times")
    for i in range(3):
        story.ran(i, 0.0, i + 1, None).hit("kill-child", i + 0.5, i + 0.5, pids=(10,))
    assert story.red == []
    story.events = [event for event in story.events if event.get("token") != 3]
    assert story.red == ["ended wrongly"]


def test_a_cancel_that_was_forgotten_is_wrong(story: Story) -> None:
    story.asked().add("cancel", id=ID).add("cancelled", id=ID, status="running").record()
    assert story.red == ["ended wrongly"]


def test_started_after_it_was_cancelled(story: Story) -> None:
    story.asked().add("cancel", id=ID).add("cancelled", 1.0, id=ID, status="cancelled").ran(2.0, 2.1)
    assert story.record("cancelled", 0).red == ["started after a cancel"]


@pytest.mark.parametrize(("token", "expected"), [(2, []), (1, ["late settles accepted"])])
def test_a_late_settle_must_not_count(story: Story, token: int, expected: list[str]) -> None:
    story.asked().ran(1.0, 9.0).ran(4.0, 4.1, 2, pid=11).hit("stop-worker", 1.5, 8.5, pids=(10, 1))
    found = ledger.draw_up(story.record(token=token).facts)
    assert (found.red, found.refused) == (expected, 0 if expected else 1)


def test_what_does_not_end_in_good_time_is_held_up(story: Story) -> None:
    assert story.asked().add("held", what=f"{ID} is running").record().red == ["held up"]


def test_a_process_that_died_by_itself(story: Story) -> None:
    assert story.add("died", slot="w1", code=1).red == ["processes that died by themselves"]


@pytest.mark.parametrize(("again", "red"), [(2.9, False), (3.1, True)])
def test_a_killed_childs_job_has_to_run_again_soon(story: Story, again: float, red: bool) -> None:
    story.asked().ran(1.0, 0.0, 1, None).hit("kill-child", 2.0, 2.0, pids=(10,)).ran(again, again, 2, pid=11)
    assert bool(story.record(token=2).red) is red


@pytest.mark.parametrize(("again", "red"), [(2.0, False), (2.2, True)])
def test_a_crashed_childs_job_has_to_run_again_soon(story: Story, again: float, red: bool) -> None:
    story.asked(sort="crash-once").ran(1.0, 1.1, 1, "crash", sort="crash-once")
    story.ran(again, again, 2, pid=11, sort="crash-once").record(token=2)
    assert bool(story.red) is red
    assert bool(story.hit("latency", 1.5, 1.9).red) is False  # then it is not measured


@pytest.mark.parametrize(("again", "red"), [(4.9, False), (5.1, True)])
def test_a_lost_workers_job_has_to_run_again_within_leases(story: Story, again: float, red: bool) -> None:
    story.asked().ran(1.0, 0.0, 1, None).hit("kill-worker", 2.0, 3.0, pids=(1, 10)).ran(again, again, 2, pid=11)
    assert bool(story.record(token=2).red) is red


def test_what_falls_together_with_an_outage_is_not_measured(story: Story) -> None:
    story.asked().ran(1.0, 0.0, 1, None).hit("kill-worker", 2.0, 3.0, pids=(1, 10)).ran(9.0, 9.1, 2, pid=11)
    times = recovery.of_workers_jobs(story.hit("stop-server", 4.0, 6.0, "server").facts)
    assert (times.seconds, times.clouded) == ([], 1)


@pytest.mark.parametrize(("first", "expected"), [(2.5, []), (9.0, ["restarted server: each worker runs a job"])])
def test_every_worker_has_to_run_a_job_after_a_restart(story: Story, first: float, expected: list[str]) -> None:
    story.asked().hit("kill-server", 1.0, 2.0, "server").ran(2.1, 2.2).record()
    story.asked("p-2", "high.2").ran(first, first, id="high.2", key="p-2", slot="w2", pid=11)
    assert story.record(id="high.2", key="p-2").red == expected


def test_a_worker_that_was_hit_as_well_is_not_waited_for(story: Story) -> None:
    story.hit("kill-server", 1.0, 2.0, "server").hit("stop-worker", 1.5, 5.0).hit("stop-worker", 1.5, 5.0, "w2")
    assert recovery.of_server(story.facts).clouded == 2


def test_a_history_is_read_as_it_was_written(tmp_path: Path) -> None:
    history = History(tmp_path / "a.jsonl")
    history.note("invoke", keys=["p-1"], sorts=["noop"], feed=False)
    history.note("ack", keys=["p-1"], ids=[ID])
    facts = gather(read(tmp_path))
    assert facts.calls["p-1"].ids == {ID}


def test_a_seed_gives_one_schedule() -> None:
    assert schedule.plan(7, 90.0, 3.0, TARGETS) == schedule.plan(7, 90.0, 3.0, TARGETS)
    assert schedule.plan(7, 90.0, 3.0, TARGETS) != schedule.plan(8, 90.0, 3.0, TARGETS)


def test_a_schedule_has_enough_of_every_kind() -> None:
    for seed in range(20):
        faults = schedule.plan(seed, 95.0, 3.0, TARGETS)
        assert len(faults) >= 40
        assert len({fault.kind for fault in faults}) >= 20
