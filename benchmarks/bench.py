"""One queue, filled and drained, and what a job of it costs. What the benchmarks of the worker share."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from runs import Figures
from servers import Server
from tasks import app
from workers import Worker

from redisq import RedisQ, keys

#: The most records that are deleted in one command.
CHUNK = 5000


class Cost(NamedTuple):
    """Of so many jobs: seconds by the clock, and of processor time of the client and of the server."""

    jobs: int
    seconds: float
    client: float
    server: float

    def figures(self, prefix: str = "") -> Figures:
        """Jobs a second, and microseconds of processor time a job."""
        figures = {
            "jobs_per_s": self.jobs / self.seconds,
            "client_us": self.client / self.jobs * 1e6,
            "server_us": self.server / self.jobs * 1e6,
        }
        return {prefix + name: value for name, value in figures.items()}


class Bench:
    """A queue of a server, by this process as the producer. The worker that drains it is another's."""

    def __init__(self, server: Server, queue: str = "bench", url: str | None = None) -> None:
        self.server = server
        self.app: RedisQ = app.replace(url=url or server.url)
        self.queue = self.app.queue(queue)
        self.task = self.app.tasks["tasks.noop"].options(queue=queue)
        self._ended = self.key("ended")

    def key(self, name: str, rest: str = "") -> str:
        return self.queue.base + keys.NAMES[name] + rest

    def enqueue(self, jobs: int, delay: float = 0.0) -> Cost:
        """In bulk. Jobs with a delay are deleted again: what is scheduled stays as it was."""
        calls, task = [((), {})] * jobs, self.task.options(delay=delay)
        server, client, began = self.server.cpu(), time.process_time(), time.perf_counter()
        made = task.enqueue_many(calls)
        seconds, client = time.perf_counter() - began, time.process_time() - client
        cost = Cost(jobs, seconds, client, self.server.cpu() - server)
        if delay:
            ids = [job.local_id for job in made]
            for chunk in (ids[first : first + CHUNK] for first in range(0, jobs, CHUNK)):
                self.server.control("ZREM", self.key("scheduled"), *chunk)
            self._delete(ids)
        return cost

    def fill(self, waiting: int) -> None:
        """Enqueue what is missing until so many wait; a few more may."""
        missing = waiting - int(self.server.control("LLEN", self.key("pending")))
        if missing > 0:
            self.enqueue(missing)

    def wait_for_workers(self, workers: Sequence[Worker], children: int = 1) -> None:
        """Until each child has claimed once."""

        def have_claimed() -> bool:
            calls = self.server.control("HVALS", self.key("calls"))
            return sum(not call.startswith(b"0:") for call in calls) >= children * len(workers)

        workers[0].wait(have_claimed)

    def drain(self, workers: Sequence[Worker], jobs: int) -> Cost:
        """Have them run so many jobs of the queue, which is paused, or a few more where more wait, and forget those.

        The clock runs from the first claim to the last settlement, as the server noted them.
        """
        self.server.control("DEL", self._ended)
        client, server = sum(worker.cpu() for worker in workers), self.server.cpu()
        self.queue.resume()
        workers[0].wait(lambda: self.server.control("LLEN", self._ended) >= jobs)
        self.queue.pause()
        workers[0].wait(lambda: self.queue.counts()["running"] == 0)
        client, server = sum(worker.cpu() for worker in workers) - client, self.server.cpu() - server
        began, ended = self._times(-1)[0], self._times(0)[1]
        ids = [id_.decode() for id_ in self.server.control("LRANGE", self._ended, 0, -1)]
        self._delete(ids)
        self.server.control("DEL", self._ended)
        return Cost(len(ids), ended - began, client, server)

    def close(self) -> None:
        self.app.close()

    def _times(self, index: int) -> tuple[float, float]:
        """When the job at this place among the ended ones was claimed, and when it had ended, in seconds."""
        job = self.key("job", self.server.control("LINDEX", self._ended, index).decode())
        claimed, end = self.server.control("HMGET", job, "c", "z")
        return int(claimed) / 1000, int(end) / 1000

    def _delete(self, ids: Sequence[str]) -> None:
        """Their records: rounds are to be alike."""
        for first in range(0, len(ids), CHUNK):
            self.server.control("UNLINK", *(self.key("job", id_) for id_ in ids[first : first + CHUNK]))
