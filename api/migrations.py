"""The database's schema as numbered steps, which `redisq-api init-db` applies in order, each once.

A step that has been released is never edited: a change is a new step at the end.

Times are microseconds since the epoch. `task.state` is what the database knows: `accepted` (the outbox: not yet known
to be in the queue), `scheduled` or `queued` (handed over), `succeeded`, `failed`, `cancelled` (ended). `task.relay_at`
says from when on the relay looks after an accepted row; while `task.on_its_way` is 1, some process is enqueueing it
until then: the one that took the POST, or a relay. `task.size` is the bytes of `input_param`.

`rule`, `unfinished`, `requests` and `seconds` of an account are null where the plan's hold, and those of a plan where
the service's do; a quota of 0 is none. `meter` has the debts of limits.py. A token or the cookie
of a session is known by its SHA-256.

A `webhook_delivery` is `pending` (its next attempt is due at `due_at`), `sending` (a worker has attempt number
`attempts` since `sent_at`), `delivered` or `failed`. `failures` counts since it was begun or resent. Where it goes to
the `callback_url` of a task, `webhook_id` is empty, as it is with the secrets for that.

A row of `history` is about the `step` microseconds that end `at`; what its values are is told in history.py.
"""

import secrets
from collections.abc import Callable
from functools import cache

from . import clock
from .database import Database, Unavailable

_STEP_1 = (
    """CREATE TABLE service (name TEXT PRIMARY KEY, value TEXT NOT NULL)""",
    """CREATE TABLE account (
        id {serial}, name TEXT NOT NULL UNIQUE, password TEXT NOT NULL,
        admin SMALLINT NOT NULL DEFAULT 0, created_at BIGINT NOT NULL)""",
    """CREATE TABLE worker (
        account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE, queue TEXT NOT NULL,
        PRIMARY KEY (account_id, queue))""",
    """CREATE TABLE token (
        digest TEXT PRIMARY KEY, account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
        created_at BIGINT NOT NULL)""",
    """CREATE TABLE task (
        id TEXT PRIMARY KEY, account_id BIGINT NOT NULL REFERENCES account (id), task TEXT NOT NULL,
        input_param TEXT NOT NULL, queue TEXT NOT NULL, state TEXT NOT NULL, attempt INTEGER NOT NULL DEFAULT 1,
        created_at BIGINT NOT NULL, due_at BIGINT NOT NULL, relay_at BIGINT NOT NULL,
        started_at BIGINT, finished_at BIGINT, result TEXT, error TEXT)""",
    """CREATE INDEX task_of_account ON task (account_id, id)""",
    """CREATE INDEX task_outbox ON task (queue, relay_at, id) WHERE state = 'accepted'""",
    """CREATE INDEX task_handed_over ON task (id) WHERE state IN ('scheduled', 'queued')""",
    """CREATE TABLE idempotency (
        account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE, key TEXT NOT NULL,
        fingerprint TEXT NOT NULL, answer TEXT NOT NULL, location TEXT NOT NULL, created_at BIGINT NOT NULL,
        PRIMARY KEY (account_id, key))""",
    """CREATE INDEX idempotency_age ON idempotency (created_at)""",
)
# The long backlog: turns between the users of a queue, rows that one process at a time hands over, bytes in Redis.
_STEP_2 = (
    """ALTER TABLE task ADD COLUMN size INTEGER NOT NULL DEFAULT 0""",
    """ALTER TABLE task ADD COLUMN on_its_way SMALLINT NOT NULL DEFAULT 0""",
    """UPDATE task SET size = length(input_param) WHERE state IN ('accepted', 'scheduled', 'queued')""",
    """DROP INDEX task_outbox""",
    """CREATE INDEX task_waiting ON task (queue, account_id, relay_at, id)
        WHERE state = 'accepted' AND on_its_way = 0""",
    """CREATE INDEX task_on_its_way ON task (relay_at, queue, size) WHERE state = 'accepted' AND on_its_way = 1""",
    """CREATE INDEX task_held ON task (queue, state, size) WHERE state IN ('scheduled', 'queued')""",
)
# How many tasks have ended, for /metrics.
_STEP_3 = (
    """CREATE TABLE tally (
        queue TEXT NOT NULL, state TEXT NOT NULL, number BIGINT NOT NULL, PRIMARY KEY (queue, state))""",
    """INSERT INTO tally (queue, state, number)
        SELECT queue, state, count(*) FROM task WHERE state IN ('succeeded', 'failed', 'cancelled')
        GROUP BY queue, state""",
)
# Users, plans and tokens: what an administrator gives and takes, what of it was used, and who did that.
_STEP_4 = (
    """CREATE TABLE plan (
        name TEXT PRIMARY KEY, rule TEXT, unfinished BIGINT, requests BIGINT, seconds BIGINT,
        created_at BIGINT NOT NULL)""",
    """CREATE TABLE plan_worker (
        plan TEXT NOT NULL REFERENCES plan (name) ON DELETE CASCADE, queue TEXT NOT NULL, weight BIGINT NOT NULL,
        PRIMARY KEY (plan, queue))""",
    """ALTER TABLE account ADD COLUMN disabled_at BIGINT""",
    """ALTER TABLE account ADD COLUMN plan TEXT REFERENCES plan (name)""",
    """ALTER TABLE account ADD COLUMN rule TEXT""",
    """ALTER TABLE account ADD COLUMN unfinished BIGINT""",
    """ALTER TABLE account ADD COLUMN requests BIGINT""",
    """ALTER TABLE account ADD COLUMN seconds BIGINT""",
    """ALTER TABLE worker ADD COLUMN weight BIGINT NOT NULL DEFAULT 1""",
    """ALTER TABLE token ADD COLUMN name TEXT""",
    """ALTER TABLE token ADD COLUMN scopes TEXT NOT NULL DEFAULT 'read,write'""",
    """ALTER TABLE token ADD COLUMN expires_at BIGINT""",
    """ALTER TABLE token ADD COLUMN used_at BIGINT""",
    """CREATE UNIQUE INDEX token_name ON token (account_id, name)""",
    """CREATE TABLE meter (name TEXT PRIMARY KEY, empty_at BIGINT NOT NULL)""",
    """CREATE TABLE audit (
        id {serial}, at BIGINT NOT NULL, actor TEXT NOT NULL, act TEXT NOT NULL, subject TEXT NOT NULL,
        detail TEXT NOT NULL)""",
    """CREATE INDEX audit_of_subject ON audit (subject, id)""",
    """CREATE INDEX task_unfinished ON task (account_id) WHERE state IN ('accepted', 'scheduled', 'queued')""",
    """CREATE INDEX task_ended ON task (finished_at) WHERE state IN ('succeeded', 'failed', 'cancelled')""",
)
# Retries are numbered runs, and lists are filtered by what stands in their index.
_STEP_5 = (
    """ALTER TABLE task ADD COLUMN run INTEGER NOT NULL DEFAULT 0""",
    """CREATE INDEX task_listing ON task (account_id, id, state, queue, task)""",
    """DROP INDEX task_of_account""",
)
# Webhooks: whom to tell that a task has ended, by which secrets, and every attempt to do so.
_STEP_6 = (
    """ALTER TABLE task ADD COLUMN callback_url TEXT""",
    """CREATE TABLE webhook (
        id TEXT PRIMARY KEY, account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
        url TEXT NOT NULL, events TEXT NOT NULL, created_at BIGINT NOT NULL, disabled_at BIGINT)""",
    """CREATE INDEX webhook_of_account ON webhook (account_id, id)""",
    """CREATE TABLE webhook_secret (
        secret TEXT PRIMARY KEY, account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
        webhook_id TEXT NOT NULL, created_at BIGINT NOT NULL, expires_at BIGINT)""",
    """CREATE INDEX webhook_secret_of ON webhook_secret (account_id, webhook_id)""",
    """CREATE TABLE webhook_delivery (
        id TEXT PRIMARY KEY, account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
        webhook_id TEXT NOT NULL, task_id TEXT, event TEXT NOT NULL, url TEXT NOT NULL, body TEXT NOT NULL,
        state TEXT NOT NULL, attempts INTEGER NOT NULL DEFAULT 0, failures INTEGER NOT NULL DEFAULT 0,
        created_at BIGINT NOT NULL, due_at BIGINT NOT NULL, sent_at BIGINT, finished_at BIGINT)""",
    """CREATE INDEX webhook_delivery_listing ON webhook_delivery (account_id, id)""",
    """CREATE INDEX webhook_delivery_of_task ON webhook_delivery (task_id)""",
    """CREATE INDEX webhook_delivery_due ON webhook_delivery (account_id, due_at, id) WHERE state = 'pending'""",
    """CREATE INDEX webhook_delivery_sent ON webhook_delivery (sent_at, account_id) WHERE state = 'sending'""",
    """CREATE INDEX webhook_delivery_old ON webhook_delivery (finished_at) WHERE state IN ('delivered', 'failed')""",
    """CREATE TABLE webhook_attempt (
        delivery_id TEXT NOT NULL REFERENCES webhook_delivery (id) ON DELETE CASCADE, number INTEGER NOT NULL,
        at BIGINT NOT NULL, duration BIGINT NOT NULL, status INTEGER, error TEXT, response TEXT,
        PRIMARY KEY (delivery_id, number))""",
)
# Who may look at and do what in the console, and who is logged in there.
_STEP_7 = (
    """ALTER TABLE account ADD COLUMN role TEXT NOT NULL DEFAULT 'user'""",
    """UPDATE account SET role = 'admin' WHERE admin = 1""",
    """ALTER TABLE account DROP COLUMN admin""",
    """CREATE TABLE session (
        digest TEXT PRIMARY KEY, account_id BIGINT NOT NULL REFERENCES account (id) ON DELETE CASCADE,
        created_at BIGINT NOT NULL, seen_at BIGINT NOT NULL, flash TEXT)""",
    """CREATE INDEX session_of_account ON session (account_id)""",
)
# How the queues were lately, and who samples them: when that lease ends, and whose it is.
_STEP_8 = (
    """CREATE TABLE history (
        queue TEXT NOT NULL, step BIGINT NOT NULL, at BIGINT NOT NULL, depth DOUBLE PRECISION,
        oldest DOUBLE PRECISION, done DOUBLE PRECISION, failed DOUBLE PRECISION, latency DOUBLE PRECISION,
        PRIMARY KEY (queue, step, at))""",
    """INSERT INTO service (name, value) VALUES ('history', '')""",
)
_STEPS = (_STEP_1, _STEP_2, _STEP_3, _STEP_4, _STEP_5, _STEP_6, _STEP_7, _STEP_8)
_IS_SQLITE_SET_UP = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'migration'"
_IS_SET_UP = "SELECT 1 WHERE to_regclass('migration') IS NOT NULL"


class SchemaMissing(Exception):
    """The database has no schema, or an older one; the message says what to do."""


def apply(database: Database) -> int:
    """Brings the schema up to date; answers how many steps that took. Two at once are harmless."""
    serial = "INTEGER PRIMARY KEY" if database.is_sqlite else "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"
    with database.write():
        database.lock("migration")
        database.run("CREATE TABLE IF NOT EXISTS migration (number INTEGER PRIMARY KEY, applied_at BIGINT NOT NULL)")
        applied = _applied(database)
        for number, statements in enumerate(_STEPS[applied:], start=applied + 1):
            for statement in statements:
                database.run(statement.replace("{serial}", serial))
            database.run("INSERT INTO migration (number, applied_at) VALUES (?, ?)", number, clock.now())
        # Every database has a feed of its own, so that services which share queues are told of their own tasks only.
        database.run(
            "INSERT INTO service (name, value) VALUES ('feed', ?) ON CONFLICT DO NOTHING", f"api-{secrets.token_hex(6)}"
        )
    return len(_STEPS) - applied


def check(database: Database) -> None:
    """Raises SchemaMissing unless the schema is the one that this version needs. A database that is away passes."""
    try:
        applied = _applied(database) if database.one(_IS_SQLITE_SET_UP if database.is_sqlite else _IS_SET_UP) else 0
    except Unavailable:
        return
    if applied < len(_STEPS):
        what = "has no schema yet" if applied == 0 else f"has schema {applied}, this version needs {len(_STEPS)}"
        raise SchemaMissing(f"the database {what}: run `redisq-api init-db`")


def feed_of(database: Database) -> Callable[[], str]:
    """Tells the name of the feed through which this database is told how its tasks ended.

    It is looked up when it is asked for first: at the start of the service the database may still be away.
    """

    @cache
    def feed() -> str:
        row = database.one("SELECT value FROM service WHERE name = 'feed'")
        if row is None:
            raise SchemaMissing("the database has no schema yet: run `redisq-api init-db`")
        return str(row[0])

    return feed


def _applied(database: Database) -> int:
    row = database.one("SELECT max(number) FROM migration")
    return int(row[0] or 0) if row else 0
