"""The doctor: what hands have spoilt is found and mended."""

import os
import subprocess
import sys

import playground  # its server
import redis

import redisq
from redisq.embedded import EmbeddedServer

app = redisq.RedisQ()
queue = app.queue("orders")


def doctor(*arguments):
    subprocess.run([sys.executable, "-m", "redisq.admin", "doctor", *arguments], check=True)


if __name__ == "__main__":
    queue.options(job_id="a").put(1)
    queue.options(job_id="b").put(2)
    server = EmbeddedServer(os.environ["REDISQ_URL"].removeprefix("embedded://"))
    with redis.Redis.from_url(server.url) as client:  # somebody tidies up
        client.delete("redisq:{orders}:pending")
    print(queue.counts())

    doctor("--dry-run")
    doctor("--queues", "orders")
    print(queue.counts())
