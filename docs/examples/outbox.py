"""An outbox: what is to be enqueued is a row of the caller's own transaction, and a relay enqueues it by an id."""

import json
import sqlite3

import playground

import redisq

app = redisq.RedisQ()
db = sqlite3.connect(":memory:", isolation_level=None)
db.execute("CREATE TABLE user (id INTEGER PRIMARY KEY, name TEXT)")
db.execute("CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, queue TEXT, task TEXT, args TEXT)")


def sign_up(name):
    db.execute("BEGIN")
    user_id = db.execute("INSERT INTO user (name) VALUES (?)", [name]).lastrowid
    db.execute("INSERT INTO outbox (queue, task, args) VALUES ('default', 'welcome', ?)", [json.dumps([user_id])])
    db.execute("COMMIT")


def relay(forget=lambda row_id: db.execute("DELETE FROM outbox WHERE id = ?", [row_id])):
    """One round, to be repeated for ever. It may die between any two lines, and may run twice at a time."""
    for row_id, queue, task, args in db.execute("SELECT * FROM outbox ORDER BY id LIMIT 100").fetchall():
        job = app.queue(queue).options(job_id=f"outbox-{row_id}").enqueue(task, *json.loads(args))
        print(job.id, "created" if job.created else "was there")
        forget(row_id)


def die(row_id):
    raise SystemExit("killed before it could forget the row")


if __name__ == "__main__":
    sign_up("ann")
    sign_up("bob")
    try:
        relay(forget=die)
    except SystemExit as error:
        print(error)
    relay()
    print(app.queue("default").counts()["queued"], "jobs,", len(db.execute("SELECT * FROM outbox").fetchall()), "rows")
