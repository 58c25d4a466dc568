"""A producer of the fault run: enqueues its share of the jobs, in all the ways there are, and notes what it was told.

    python -m tests.faults.producing SHARE SEED SPAN [SERVICE-URL]

It goes on until its share is acknowledged, for `SPAN` seconds if nothing goes wrong. Killed and started again, it goes
on after what its history says; what it had asked for and not been told stays unknown. With a service's URL it posts
tasks there, under idempotency keys, by which it can ask again.
"""

from __future__ import annotations

import base64
import json
import random
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from typing import Any

import redisq
from tests.faults.history import read_file
from tests.faults.workload import DIRECTORY, FEED, HAND, QUEUES, SLOT, Spec, app, history

#: Sort -> how many of ten thousand. Few crash: what a child holds by mistake must not be freed by its early end.
SORTS = {
    "noop": 5600,
    "brief": 2500,
    "async": 600,
    "chain": 400,
    "across": 300,
    "once": 300,
    "long": 80,
    "stuck": 60,
    "dead": 100,
    "crash-once": 5,
    "crash-always": 2,
}
#: Of those that are to be cancelled: before they run, and in the middle.
CANCELLED_SORTS = {"noop": 1, "long": 3}
MS = {"brief": (1, 5), "async": (1, 5), "long": (100, 600), "stuck": (100, 400)}
HAND_SORTS = {"ack": 70, "nack-once": 10, "release-once": 5, "hold": 10, "dead": 5}
#: Only tasks without surprises go through the service: it is its way that is looked at there.
POSTED = ("noop", "brief", "once", "dead", "long", "async")
LOGIN = "faults:faults"
LIBRARY_BATCH = 200


class Producer:
    """What one producer has done and has to do."""

    def __init__(self, share: int, seed: int, span: float, service: str | None) -> None:
        self._share = share
        self._service = service
        self._span = span
        self._began = time.monotonic()
        self._next = self._acked = 0
        path = DIRECTORY / "history" / f"{SLOT}.jsonl"
        for event in read_file(path) if path.exists() else ():
            self._began = min(self._began, event["t"])
            if event["e"] == "invoke":
                # beyond what it had in hand when it was killed
                last = max(int(key.rpartition("-")[2]) for key in event["keys"])
                self._next = max(self._next, last + 1 + LIBRARY_BATCH)
            elif event["e"] == "ack":
                self._acked += len(event["ids"])
        self._draw = random.Random(f"{seed} {SLOT} {self._next}")

    def run(self) -> None:
        while self._acked < self._share:
            ahead = self._acked / self._share - (time.monotonic() - self._began) / self._span
            if ahead > 0:
                time.sleep(min(ahead * self._span, 2.0))
            if self._service:
                self._post(self._draw.randint(1, 40))
            else:
                self._enqueue()

    # Through the library

    def _enqueue(self) -> None:
        way = self._draw.choice(("single", "bulk", "own ids", "delayed", "hand", "bulk"))
        queue = app.queue(self._draw.choice(QUEUES))
        feed = self._draw.random() < 0.3
        if way == "hand":
            hand = app.queue(HAND)
            for spec in self._specs(self._draw.randint(1, 5), HAND_SORTS):

                def put(options: list[dict[str, Any]], spec: Spec = spec) -> list[redisq.Job]:
                    return [hand.options(**options[0]).put(str(spec))]

                self._send([spec], put, feed)
        elif way in ("single", "delayed"):
            delay = self._draw.uniform(0.1, 2.0) if way == "delayed" else 0.0
            cancelled = self._draw.random() < 0.15
            (spec,) = self._specs(1, CANCELLED_SORTS if cancelled else SORTS)
            jobs = self._send(
                [spec], lambda options: [queue.options(**options[0]).enqueue(spec.sort, str(spec))], feed, delay
            )
            if cancelled:
                self._cancel(jobs[0])
        else:
            self._enqueue_many(queue, way == "own ids", feed)

    def _enqueue_many(self, queue: redisq.Queue, own_ids: bool, feed: bool) -> None:
        """A call for each sort, and no call of several round trips: so it is known of all its jobs, or of none."""
        specs = self._specs(self._draw.randint(10, LIBRARY_BATCH), SORTS)
        for sort in dict.fromkeys(spec.sort for spec in specs):
            mine = [spec for spec in specs if spec.sort == sort]
            ids = [f"own-{spec.key}" for spec in mine] if own_ids else None

            def ask(options: list[dict[str, Any]], sort: str = sort, mine: list[Spec] = mine) -> list[redisq.Job]:
                calls: list[Any] = [((str(spec),), {}, one) for spec, one in zip(mine, options, strict=True)]
                return queue.enqueue_many(sort, calls)

            self._send(mine, ask, feed, 0.0, ids)

    def _specs(self, count: int, sorts: dict[str, int]) -> list[Spec]:
        names = self._draw.choices(list(sorts), list(sorts.values()), k=count)
        first, self._next = self._next, self._next + count
        return [Spec(f"{SLOT}-{first + i}", sort, self._ms(sort)) for i, sort in enumerate(names)]

    def _ms(self, sort: str) -> int:
        return self._draw.randint(*MS.get(sort, (0, 0)))

    def _send(
        self,
        specs: Sequence[Spec],
        ask: Callable[[list[dict[str, Any]]], list[redisq.Job]],
        feed: bool,
        delay: float = 0.0,
        ids: Sequence[str] | None = None,
    ) -> list[redisq.Job]:
        """Ask until the queue has said that it has them: under the same ids, once there are any."""
        keys = [spec.key for spec in specs]
        history().note("invoke", keys=keys, sorts=[spec.sort for spec in specs], feed=feed)
        common = ({"feed": FEED} if feed else {}) | ({"delay": delay} if delay else {})
        while True:
            options = [common | ({"job_id": ids[i]} if ids else {}) for i in range(len(specs))]
            try:
                jobs = ask(options)
            except redisq.EnqueueUnknown as error:
                history().note("unknown", keys=keys, error=str(error))
                ids = ids or error.job_ids
            except (redisq.ServerRefused, redisq.ServerUnavailable, redisq.FeedFull) as error:
                history().note("refused", keys=keys, error=str(error))
                time.sleep(0.1)
            else:
                history().note("ack", keys=keys, ids=[job.id for job in jobs])
                self._acked += len(jobs)
                return jobs

    def _cancel(self, job: redisq.Job) -> None:
        if self._draw.random() < 0.5:
            time.sleep(self._draw.uniform(0.0, 0.3))
        history().note("cancel", id=job.id)
        try:
            status = job.cancel().status
        except redisq.RedisQError:
            return  # whether it was cancelled is not known
        history().note("cancelled", id=job.id, status=status)

    # Through the service

    def _post(self, count: int) -> None:
        """One POST of several inputs: it makes all of the tasks or none, however often it is sent."""
        sort = self._draw.choice(POSTED)
        first, self._next = self._next, self._next + count
        specs = [Spec(f"{SLOT}-{first + i}", sort, self._ms(sort)) for i in range(count)]
        keys = [spec.key for spec in specs]
        history().note("invoke", keys=keys, sorts=[sort] * count, feed=False)
        body = json.dumps({"task": sort, "input_param": [str(spec) for spec in specs]}).encode()
        headers = {
            "Authorization": "Basic " + base64.b64encode(LOGIN.encode()).decode(),
            "Content-Type": "application/json",
            "Idempotency-Key": keys[0],
        }
        while True:
            request = urllib.request.Request(f"{self._service}/api/v1/task", body, headers)
            try:
                with urllib.request.urlopen(request, timeout=20.0) as response:
                    tasks = json.load(response)
            except (OSError, ValueError) as error:  # HTTPError is an OSError
                history().note("unknown", keys=keys, error=str(error))
                time.sleep(0.2)
            else:
                history().note("ack", keys=keys, ids=[f"{task['queue']}.{task['id']}" for task in tasks])
                self._acked += len(tasks)
                return


if __name__ == "__main__":
    share, seed, span, *service = sys.argv[1:]
    Producer(int(share), int(seed), float(span), service[0] if service else None).run()
