"""Batches: rows that are inserted many at a time, and an address that fails alone."""

import sqlite3

import playground

import redisq

app = redisq.RedisQ()


@app.task(batch=100, linger=0.5)
def insert(jobs: list[redisq.CurrentJob]) -> None:
    with sqlite3.connect(":memory:") as database:
        database.execute("CREATE TABLE rows (name, price)")
        database.executemany("INSERT INTO rows VALUES (?, ?)", [(job.args[0], job.kwargs["price"]) for job in jobs])
    print("inserted", len(jobs))


@app.task(batch=100, max_attempts=2, backoff=0.1)
def send(jobs: list[redisq.CurrentJob]) -> list[str | Exception]:
    addresses = [job.args[0] for job in jobs]
    print("sending to", *addresses)
    return ["sent" if "@" in address else ValueError(f"no address: {address}") for address in addresses]


if __name__ == "__main__":
    rows = insert.enqueue_many([((f"item {number}",), {"price": number}) for number in range(250)])
    with playground.worker():
        rows[-1].wait(timeout=30)
        sent = send.enqueue_many([((address,), {}) for address in ("ada@example.com", "bob", "eve@example.com")])
        print(sent[0].wait(timeout=30), sent[2].wait(timeout=30))
        try:
            sent[1].wait(timeout=30)
        except redisq.JobFailed as error:
            print(error)
