"""No library: bare clients of Redis that move an item to a second list, run the job, and remove the item.

No record, no result, no lease, no second attempt. As a script this is their worker.
"""

from __future__ import annotations

import redis
from resp import Resp, pack

from . import PORT, jobs, option

PIPELINE = 100
#: As long as what a job puts on the wire: its id, task and arguments.
ITEM = b"noop".ljust(100)

client = redis.Redis(port=PORT)


def send(job, *args):
    return client.lpush("bench", " ".join(map(str, [job, *args])).ljust(len(ITEM)))


def bulk(job, calls):
    for start in range(0, len(calls), PIPELINE):
        pipe = client.pipeline(transaction=False)
        for _ in calls[start : start + PIPELINE]:
            pipe.lpush("bench", ITEM)
        pipe.execute()


def call(job, *args):
    send(job, *args)
    return int(client.brpop(["answers"], 10)[1])


def run(item):
    job, *args = item.split()
    return getattr(jobs, job.decode())(*map(int, args))


def serve():
    """BRPOP from two queues: the pair that latency is held against. It loses what it has popped."""
    while True:
        _, item = client.brpop(["urgent", "bench"])
        if (result := run(item)) is not None:
            client.lpush("answers", result)


def plain():
    while True:
        item = client.blmove("bench", "held", 0, "RIGHT", "LEFT")
        run(item)
        client.lrem("held", 1, item)


def piped():
    while True:
        pipe = client.pipeline(transaction=False)
        for _ in range(PIPELINE):
            pipe.lmove("bench", "held", "RIGHT", "LEFT")
        items = pipe.execute()
        pipe = client.pipeline(transaction=False)
        for item in filter(None, items):
            run(item)
            pipe.lrem("held", 1, item)
        pipe.execute()


def raw():
    socket = Resp(PORT)
    take = pack("BLMOVE", "bench", "held", "RIGHT", "LEFT", 0)
    while True:
        item = socket.exchange(take, 1)[0]
        run(item)
        socket.exchange(pack("LREM", "held", 1, item), 1)


def raw_piped():
    socket = Resp(PORT)
    take = pack("LMOVE", "bench", "held", "RIGHT", "LEFT") * PIPELINE
    while True:
        items = [item for item in socket.exchange(take, PIPELINE) if item]
        for item in items:
            run(item)
        socket.exchange(b"".join(pack("LREM", "held", 1, item) for item in items), len(items))


if __name__ == "__main__":
    globals()[option("way")]()
