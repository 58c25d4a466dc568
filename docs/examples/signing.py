"""Signed jobs: what somebody writes into Redis who has no key is not run."""

import os

import playground  # its server
import redis

import redisq
from redisq.embedded import EmbeddedServer

# from where you keep secrets, mostly as REDISQ_SIGNING_KEYS: `python -c "import secrets; print(secrets.token_hex(32))"`
NEW = "9d1c0a4fb4f3f0e2b2a4f3c1d5e6978890a1b2c3d4e5f60718293a4b5c6d7e8f"
OLD = "4b8e2f1d3c5a697887a6b5c4d3e2f1009f8e7d6c5b4a39281706f5e4d3c2b1a0"
app = redisq.RedisQ(signing_keys=[NEW, OLD])  # signs with the first, accepts both


@app.task
def pay(amount, to):
    return f"paid {amount} to {to}"


if __name__ == "__main__":
    before = redisq.RedisQ(signing_keys=[OLD])  # a producer that does not know the new key yet
    without = redisq.RedisQ(signing_keys=[])
    jobs = [
        pay.enqueue(1, "ann"),
        before.queue("default").enqueue("signing.pay", 2, "ben"),
        pay.enqueue(3, "cid"),
        without.queue("default").enqueue("signing.pay", 4, "eve"),
    ]
    server = EmbeddedServer(os.environ["REDISQ_URL"].removeprefix("embedded://"))
    with redis.Redis.from_url(server.url) as client:  # somebody puts in another receiver
        client.hset(f"redisq:{{default}}:job:{jobs[2].local_id}", "b", '[[3,"eve"],{}]')
    with playground.worker():
        for job in jobs:
            try:
                print(job.wait(timeout=30))
            except redisq.JobFailed as error:
                print(error)
