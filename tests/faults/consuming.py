"""Those who claim through the library in the fault run: `consumer` takes jobs by hand, `reader` reads the feed.

python -m tests.faults.consuming consumer|reader
"""

from __future__ import annotations

import contextlib
import sys
import time

import redisq
from tests.faults.workload import FEED, HAND, Spec, app, begin, end, history, outcome


def consume() -> None:
    """For ever: claim, and end each job in the way that it asks for."""
    while True:
        with contextlib.suppress(redisq.ServerUnavailable, redisq.ServerRefused):
            delivery = app.queue(HAND).claim(timeout=5.0)
            if delivery is not None:
                handle(delivery)


def handle(delivery: redisq.Delivery) -> None:
    """`acked` is noted after the server has said so; of a settle that it did not answer, `unknown`."""
    job = delivery.job
    spec = begin(job.payload, job.id, job.token)
    if spec.sort == "hold":
        time.sleep(0.2)
    try:
        how = settle(delivery, spec)
    except redisq.LeaseLost:
        how = "lost"
    except redisq.ServerUnavailable:
        how = "unknown"
    end(job.id, job.token, how)


def settle(delivery: redisq.Delivery, spec: Spec) -> str:
    job = delivery.job
    if spec.sort == "dead" or (spec.sort == "nack-once" and job.attempt == 1):
        delivery.nack(f"planned {job.token}", retry_in=0.1)
        return "raise"
    if spec.sort == "release-once" and job.token & 1023 == 1:
        delivery.release()
        return "release"
    delivery.ack(outcome(spec, job.token))
    return "acked"


def read_feed() -> None:
    """For ever: note how jobs ended, then ack that."""
    feed = app.feed(FEED)
    while True:
        with contextlib.suppress(redisq.ServerUnavailable, redisq.ServerRefused, redisq.LeaseLost):
            news = feed.claim_many(100, timeout=2.0)
            for one in news:
                job = one.job
                token = job.result["token"] if job.status == "succeeded" else 0
                history().note("told", id=job.id, status=job.status, token=token)
            feed.ack_many(news)


if __name__ == "__main__":
    {"consumer": consume, "reader": read_feed}[sys.argv[1]]()
