"""What a user is given: workers (named grants of a queue, with weights), the rule that chooses among them, quotas; by
name or by a plan.

A plan is shared: what it says holds for all of its users from their next request on. What a user is given by name holds
beside it (workers) or before it (rule, quotas).
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from . import clock
from .database import Conflict, Database
from .settings import RATE

RULES = ("random", "weighted", "least-loaded")

_QUEUE = re.compile(r"([A-Za-z0-9_-]{1,64})(?::([1-9][0-9]{0,5}))?")
_PLAN_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class BadUser(ValueError):
    """A name, password, grant, rule or quota that cannot be one; the message says which."""


@dataclass(frozen=True, slots=True)
class Quota:
    """`unfinished` tasks at a time, `requests` in every `seconds`. None: what the plan or the service says; 0: any."""

    unfinished: int | None = None
    requests: int | None = None
    seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What all users of a plan are given."""

    name: str
    rule: str | None
    quota: Quota
    workers: Mapping[str, int]


def parse(words: Iterable[str]) -> dict[str, int]:
    """`high:3` or `high` (weight 1), each a queue, as weights by queue. Raises BadUser."""
    found: dict[str, int] = {}
    for word in words:
        match = _QUEUE.fullmatch(word)
        if match is None:
            raise BadUser(
                "a queue's name is 1 to 64 of the characters A-Z a-z 0-9 _ -, and may have a weight"
                f" behind it such as high:3, not {word!r}"
            )
        found[match[1]] = int(match[2] or 1)
    return found


def parse_requests(text: str) -> tuple[int, int]:
    """`600/60`: so many requests in so many seconds. Raises BadUser."""
    match = RATE.fullmatch(text)
    if match is None:
        raise BadUser(f"a quota of requests is a count and seconds such as 600/60, not {text!r}")
    return int(match[1]), int(match[2])


def granted(database: Database, account_id: int, plan: str | None) -> dict[str, int]:
    """The weights of a user's workers by queue; empty for somebody who has none."""
    own = database.all("SELECT queue, weight FROM worker WHERE account_id = ? ORDER BY queue", account_id)
    shared = workers_of_plan(database, plan) if plan is not None else {}
    return {**shared, **dict(own)}


def own(database: Database, account_id: int) -> tuple[str | None, Quota]:
    """The rule and the quota that a user has by name, whatever his plan says."""
    row = database.one("SELECT rule, unfinished, requests, seconds FROM account WHERE id = ?", account_id)
    return (row[0], Quota(*row[1:])) if row else (None, Quota())


def grant(database: Database, account_id: int, workers: Mapping[str, int]) -> None:
    """Gives a user workers, or other weights; belongs into a `write()`."""
    for queue, weight in workers.items():
        database.run(
            "INSERT INTO worker (account_id, queue, weight) VALUES (?, ?, ?)"
            " ON CONFLICT (account_id, queue) DO UPDATE SET weight = excluded.weight",
            account_id, queue, weight,
        )  # fmt: skip


def revoke(database: Database, account_id: int, queues: Iterable[str]) -> list[str]:
    """Takes workers from a user; answers the queues of those that he had. Belongs into a `write()`."""
    sql = "DELETE FROM worker WHERE account_id = ? AND queue = ?"
    return [queue for queue in queues if database.run(sql, account_id, queue)]


def workers_of_plan(database: Database, name: str) -> dict[str, int]:
    """The weights of a plan's workers by queue."""
    return dict(database.all("SELECT queue, weight FROM plan_worker WHERE plan = ? ORDER BY queue", name))


def find_plan(database: Database, name: str) -> Plan | None:
    """The plan of that name."""
    row = database.one("SELECT name, rule, unfinished, requests, seconds FROM plan WHERE name = ?", name)
    return Plan(row[0], row[1], Quota(*row[2:]), workers_of_plan(database, name)) if row else None


def plans(database: Database) -> list[Plan]:
    """All plans, by name."""
    names = [name for (name,) in database.all("SELECT name FROM plan ORDER BY name")]
    return [plan for plan in (find_plan(database, name) for name in names) if plan is not None]


def users_of_plans(database: Database) -> dict[str, int]:
    """How many users have a plan, of those that somebody has."""
    return dict(database.all("SELECT plan, count(*) FROM account WHERE plan IS NOT NULL GROUP BY plan"))


def put_plan(database: Database, plan: Plan) -> None:
    """Makes a plan, or makes another one of it; belongs into a `write()`. Raises BadUser."""
    if not _PLAN_NAME.fullmatch(plan.name) or plan.name == "none":
        raise BadUser(f"a plan's name is 1 to 64 of the characters A-Z a-z 0-9 _ . - and not none, not {plan.name!r}")
    quota = plan.quota
    database.run(
        "INSERT INTO plan (name, rule, unfinished, requests, seconds, created_at) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (name) DO UPDATE SET rule = excluded.rule, unfinished = excluded.unfinished,"
        " requests = excluded.requests, seconds = excluded.seconds",
        plan.name, plan.rule, quota.unfinished, quota.requests, quota.seconds, clock.now(),
    )  # fmt: skip
    database.run("DELETE FROM plan_worker WHERE plan = ?", plan.name)
    for queue, weight in plan.workers.items():
        database.run("INSERT INTO plan_worker (plan, queue, weight) VALUES (?, ?, ?)", plan.name, queue, weight)


def remove_plan(database: Database, name: str) -> bool:
    """Deletes a plan; belongs into a `write()`. False when there is none; BadUser while somebody has it."""
    try:
        return database.run("DELETE FROM plan WHERE name = ?", name) == 1
    except Conflict:
        raise BadUser(f"there are users with the plan {name}: give them another one first") from None


def check_plan(database: Database, name: str) -> None:
    """Raises BadUser when there is no such plan."""
    if database.one("SELECT 1 FROM plan WHERE name = ?", name) is None:
        raise BadUser(f"there is no plan {name}")
