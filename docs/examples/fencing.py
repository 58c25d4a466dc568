"""An effect outside of Redis that happens once, whoever else runs the job by mistake.

A worker that was frozen, or cut off, may go on with a job which by then runs elsewhere. Redis refuses its late result,
but only the database can refuse its late write: so each write carries the delivery's token, and a lower one than the
row has seen changes nothing.

    CREATE TABLE account (id text PRIMARY KEY, balance numeric NOT NULL, token bigint NOT NULL DEFAULT 0)
"""

from __future__ import annotations

import os
from decimal import Decimal

import psycopg

import redisq

app = redisq.RedisQ(lease=float(os.environ.get("LEASE", "30")))


class Superseded(Exception):
    """A later delivery of the job has written already."""


@app.task(name="set_balance", queue="accounts")
def set_balance(account: str, balance: str) -> None:
    write(account, Decimal(balance), redisq.current_job().token)


def write(account: str, balance: Decimal, token: int) -> None:
    """Write, unless a later delivery has. The database compares and writes in one statement."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        written = connection.execute(
            "UPDATE account SET balance = %s, token = %s WHERE id = %s AND token <= %s",
            (balance, token, account, token),
        )
        if written.rowcount == 0:
            raise Superseded(f"{account}: {token} is not the latest delivery")
