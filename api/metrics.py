"""/metrics: what the service has done and has to do, in the text format of Prometheus."""

import hmac
import ipaddress
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import falcon

from . import census
from .database import Database, Unavailable
from .describe import Answer, operation
from .jobs import Jobs
from .meter import BOUNDS, Meter
from .problems import Problem

_STARTED = "metrics_started"
_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# To count a long backlog takes the database a moment: for so long an answer is good enough for the next who asks.
_KEPT = 5.0

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Family:
    """A metric with all its samples."""

    name: str
    kind: str
    help: str
    samples: tuple[tuple[str, Labels, float], ...]

    def text(self) -> Iterator[str]:
        """Its lines."""
        yield f"# HELP {self.name} {self.help}"
        yield f"# TYPE {self.name} {self.kind}"
        for suffix, labels, value in self.samples:
            inside = ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items())
            yield f"{self.name}{suffix}{{{inside}}} {value:.12g}" if inside else f"{self.name}{suffix} {value:.12g}"


class Timing:
    """Counts every request, by method, route and status, with the time that it took."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter

    def process_request(self, request: falcon.Request, response: falcon.Response) -> None:
        """Has to be the first."""
        request.context[_STARTED] = time.perf_counter()

    def process_response(
        self, request: falcon.Request, response: falcon.Response, resource: object, req_succeeded: bool
    ) -> None:
        """And the last. A path that is not ours counts as `other`, so that nobody can make up labels."""
        started = request.context.get(_STARTED)
        if started is not None:
            key = (request.method, request.uri_template or "other", str(response.status_code))
            self._meter.count(key, time.perf_counter() - started)


class Metrics:
    """/metrics, for whoever has the token; without one, for this machine."""

    def __init__(self, database: Database, jobs: Jobs, meter: Meter, token: str | None) -> None:
        self._database = database
        self._jobs = jobs
        self._meter = meter
        self._token = token
        self._lock = threading.Lock()
        self._tasks: tuple[float, list[Family]] = (float("-inf"), [])

    @operation(
        "Read metrics",
        text="Prometheus' text. Without a token of their own only this machine may read them.",
        answers={200: Answer("the metrics")},
        problems={401: ("unauthorized",), 403: ("metrics_are_local",)},
    )
    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Everything that is known; what Redis or the database would have to tell is left out while they are away."""
        self._check(request)
        families = [*self._of_tasks(), _of_requests(self._meter)]
        response.content_type = _CONTENT_TYPE
        response.data = "\n".join([*(line for family in families for line in family.text()), ""]).encode()

    on_head = on_get

    def _check(self, request: falcon.Request) -> None:
        if self._token is not None:
            scheme, _, value = (request.get_header("Authorization") or "").partition(" ")
            given = value.strip().encode("utf-8", "surrogateescape")
            if scheme.lower() != "bearer" or not hmac.compare_digest(given, self._token.encode()):
                raise Problem(401, "unauthorized", "Send the token of the metrics.", {"WWW-Authenticate": "Bearer"})
        elif not _is_local(request):
            raise Problem(403, "metrics_are_local", "Without REDISQ_API_METRICS_TOKEN only this machine may read them.")

    def _of_tasks(self) -> list[Family]:
        with self._lock:
            until, families = self._tasks
            if until <= time.monotonic():
                families = [*self._of_database(), *self._of_redis()]
                self._tasks = (time.monotonic() + _KEPT, families)
            return families

    def _of_database(self) -> list[Family]:
        try:
            waiting, unfinished = census.waiting(self._database), census.unfinished(self._database)
            ended = census.ended(self._database)
        except Unavailable:
            return [_gauge("redisq_api_database_up", "Whether the database answers.", [({}, 0)])]
        return [
            _gauge("redisq_api_database_up", "Whether the database answers.", [({}, 1)]),
            _gauge(
                "redisq_api_tasks", "Tasks that have not ended, as the database knows them.",
                [({"queue": queue, "state": state}, count) for (queue, state), count in unfinished.items()],
            ),
            _gauge(
                "redisq_api_outbox_tasks", "Tasks that wait in the database until their queue has room.",
                [({"queue": one.queue}, one.count) for one in waiting],
            ),
            _gauge(
                "redisq_api_outbox_age_seconds", "How long the oldest of them could have been handed over.",
                [({"queue": one.queue}, one.age) for one in waiting],
            ),
            Family(
                "redisq_api_tasks_ended_total", "counter", "Tasks that have ended.",
                tuple(("", {"queue": queue, "state": state}, count) for (queue, state), count in ended.items()),
            ),
        ]  # fmt: skip

    def _of_redis(self) -> list[Family]:
        try:
            queues = census.queues(self._database)
        except Unavailable:
            queues = []
        counts = {queue: found for queue in queues if (found := self._jobs.counts(queue)) is not None}
        is_up = len(counts) == len(queues) and (bool(queues) or self._jobs.is_reachable())
        return [
            _gauge("redisq_api_redis_up", "Whether Redis answers.", [({}, int(is_up))]),
            _gauge(
                "redisq_api_jobs", "Jobs in Redis, those of others too; failed: dead letters.",
                [
                    ({"queue": queue, "status": status}, count)
                    for queue, found in counts.items()
                    for status, count in found.items()
                ],
            ),
        ]  # fmt: skip


def _of_requests(meter: Meter) -> Family:
    samples: list[tuple[str, Labels, float]] = []
    for (method, route, status), (seconds, *buckets) in sorted(meter.read().items()):
        labels = {"method": method, "route": route, "status": status}
        so_far = 0.0
        for bound, count in zip((*map(str, BOUNDS), "+Inf"), buckets, strict=True):
            so_far += count
            samples.append(("_bucket", labels | {"le": bound}, so_far))
        samples += [("_sum", labels, seconds), ("_count", labels, so_far)]
    return Family(
        "redisq_api_request_seconds", "histogram", "Requests, and how long their answers took.", tuple(samples)
    )


def _gauge(name: str, text: str, samples: list[tuple[dict[str, str], float]]) -> Family:
    return Family(name, "gauge", text, tuple(("", labels, value) for labels, value in samples))


def _is_local(request: falcon.Request) -> bool:
    """Asked by a process of this machine, and not by a proxy here for somebody else."""
    if any(request.get_header(name) for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via")):
        return False
    try:
        return ipaddress.ip_address(request.env.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
