"""Middleware: an error reporter that knows for whom a job runs, a log of times, and a database connection per job."""

import os
import sqlite3
import tempfile
from contextlib import closing, contextmanager
from contextvars import ContextVar

import playground

import redisq

user = ContextVar("user", default="nobody")
database = ContextVar("database")


class Reporter(redisq.Middleware):
    """What Sentry's client, or another, does in place of `print`."""

    def before_enqueue(self, call):
        call.headers["user"] = user.get()

    @contextmanager
    def around_run(self, job):
        try:
            yield
        except Exception as error:
            print(f"reported: {error!r}, {job.task} attempt {job.attempt} for {job.headers['user']}")
            raise


class Timing(redisq.Middleware):
    def after_run(self, job, outcome, seconds):
        print(f"{job.task}{job.args} {outcome}, {'slow' if seconds > 10 else 'in time'}")


class Database(redisq.Middleware):
    @contextmanager
    def around_run(self, job):
        with closing(sqlite3.connect(os.environ["SHOP"])) as connection, connection:  # the second commits, or not
            token = database.set(connection)
            try:
                yield
            finally:
                database.reset(token)


app = redisq.RedisQ(middleware=[Reporter(), Timing(), Database()])


@app.task("sell", max_attempts=2, backoff=0.0)
def sell(amount):
    database.get().execute("INSERT INTO sales VALUES (?)", [amount])
    if amount < 0:
        raise ValueError(amount)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        os.environ["SHOP"] = f"{directory}/shop.db"
        with closing(sqlite3.connect(os.environ["SHOP"])) as connection:
            connection.execute("CREATE TABLE sales (amount)")
            user.set("ada")
            with playground.worker():
                for amount in (5, -3):
                    job = sell.enqueue(amount)
                    redisq.wait([job], timeout=30)
            print(connection.execute("SELECT * FROM sales").fetchall())
