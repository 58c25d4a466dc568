"""Every peer with the settings it is measured with: its safest and its fastest documented ones.

Safest: what its documentation offers so that a job outlives a worker that is killed, is tried again, and leaves a
result. Fastest: results and acknowledgements off where they can be, and raised what the documentation raises for small
jobs. Default: a peer that has no such choice to offer. Both with one process and with two.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

SEND = ("enqueue", "bulk", "memory")
IDLE = ("latency", "results", "footprint")
ALL = ("drain", *SEND, *IDLE, "crash")
#: For fastest settings, which keep no results: those that change what an idle worker does, and those that do not.
FAST = ("drain", *SEND, "latency")
LIKEWISE = ("drain", *SEND)
WORKLOADS = ("limits", *ALL)

Command = tuple[str, ...]

#: Stands in a command for its queues, each a word of its own.
EACH_QUEUE = ("{each queue}",)


@dataclass(frozen=True)
class Variant:
    """One way to run a peer."""

    peer: str
    name: str
    #: safest, fastest or default.
    settings: str
    #: In words, for who reads the figures; the first says whether results are kept.
    note: str
    #: The worker, from the peer's own environment; {url}, {port}, {copy} and {queues} are filled in.
    command: Command
    #: No-op jobs to drain: two to four seconds of work.
    jobs: int = 0
    workloads: Command = ("crash",)
    #: Of the worker while it drains; at all other times it has these two.
    drained: Command = ("bench",)
    queues: Command = ("urgent", "bench")
    #: How often the command is started.
    copies: int = 1
    #: For the adapter.
    options: dict[str, Any] = field(default_factory=dict)
    #: Seconds between two jobs of the latency workload, at most. Workers that poll are asked all over their interval.
    rest: float = 0.01
    #: What is imported to see what an import costs; by default what the peer is called.
    module: str = ""


def pair(
    peer: str,
    settings: str,
    note: str,
    command: Command,
    jobs: tuple[int, int],
    workloads: Command = ALL,
    two: Command | None = None,
    **more: Any,
) -> list[Variant]:
    """One process, for all workloads, and two, for drains: the command `two`, or the same one started twice."""
    one = Variant(peer, f"{settings}-1", settings, f"{note}; one process", command, jobs[0], workloads, **more)
    changes = {"command": two} if two else {"copies": 2}
    note = f"{note}; two processes"
    return [one, replace(one, name=f"{settings}-2", note=note, jobs=jobs[1], workloads=("drain",), **changes)]


def limits() -> list[Variant]:
    def variant(way: str, jobs: int, note: str, workloads: Command = ("limits",)) -> Variant:
        command = ("python", "-m", "adapters.limits")
        return Variant("limits", way, "default", note, command, jobs, workloads, options={"way": way}, module="redis")

    return [
        variant("plain", 10_000, "redis-py, one by one: BLMOVE, job, LREM"),
        variant("piped", 100_000, "redis-py, pipelines of 100 LMOVE, then of 100 LREM"),
        variant("raw", 15_000, "raw socket, one by one: BLMOVE, job, LREM"),
        variant("raw_piped", 200_000, "raw socket, 100 LMOVE in one write, then 100 LREM"),
        variant(
            "serve", 0, "redis-py: LPUSH here, BRPOP of two queues there, which loses what it has popped", SEND + IDLE
        ),
    ]


def redisq() -> list[Variant]:
    command = ("redisq-worker", "--app", "adapters.redisq:app", "--queues", "{queues}", "--log-level", "warning")
    two = (*command, "--processes", "2")
    safe, fast = "results kept; the defaults: lease, retries, dead letters", "results not kept: result_ttl=0"
    one, other = pair("redisq", "safest", safe, command, (80_000, 100_000), two=two)
    note = f"{one.note}, of two queues"
    return [
        one,
        other,
        replace(one, name="safest-queues", note=note, drained=one.queues, workloads=("drain",)),
        *pair("redisq", "fastest", fast, command, (80_000, 100_000), FAST, two, options={"result_ttl": 0.0}),
    ]


def rq() -> list[Variant]:
    def worker(kind: str, *more: str) -> Command:
        command = ("rq", "worker", "--url", "{url}", "--path", ".", "--worker-class", kind, "--quiet")
        return (*command, "--maintenance-interval", "30", *more, *EACH_QUEUE)

    safe = "results kept; Worker, which forks for each job; Retry(max=3), maintenance every 30 s"
    fast = "results not kept: result_ttl=0; SimpleWorker, which runs jobs in its own process"
    fork, simple = worker("rq.Worker"), worker("rq.SimpleWorker")
    kept = "results kept; SimpleWorker"
    soon = worker("rq.Worker", "--worker-ttl", "30", "--job-monitoring-interval", "5")
    note = f"{safe}; worker-ttl 30 s in place of 7 min, job-monitoring-interval 5 s in place of 30 s"
    return [
        *pair("rq", "safest", safe, fork, (80, 120), options={"retries": 3}),
        *pair("rq", "fastest", fast, simple, (400, 700), FAST, options={"result_ttl": 0}),
        Variant("rq", "safest-30s", "safest", note, soon, options={"retries": 3}),
        Variant("rq", "simple", "fastest", kept, simple, workloads=("results", "footprint")),
    ]


def celery() -> list[Variant]:
    def worker(pool: str, processes: int, *more: str) -> Command:
        command = ("celery", "-A", "adapters.celery", "worker", "-P", pool, "-c", str(processes), "-l", "WARNING")
        return (*command, "-Q", "{queues}", "-n", "worker{copy}@%h", *more)

    safe = "results kept; prefork, acks_late, reject_on_worker_lost, prefetch 1"
    fast = (
        "results not kept: ignore_result; solo pool, early ack, prefetch 128, no rate limits, gossip, mingle, heartbeat"
    )
    sure = {"task_acks_late": True, "task_reject_on_worker_lost": True, "worker_prefetch_multiplier": 1}
    soon = {"conf": sure | {"broker_transport_options": {"visibility_timeout": 20}}}
    quick = {"task_ignore_result": True, "worker_prefetch_multiplier": 128, "worker_disable_rate_limits": True}
    prefork, two = worker("prefork", 1), worker("prefork", 2)
    solo = worker("solo", 1, "--without-gossip", "--without-mingle", "--without-heartbeat")
    note = f"{safe}; visibility_timeout 20 s in place of 1 h, so longer jobs run twice"
    works = (*FAST, "footprint", "crash")
    base = "celery.app.base"  # `import celery` alone puts off nearly all of it
    return [
        *pair("celery", "safest", safe, prefork, (1200, 1500), two=two, options={"conf": sure}, module=base),
        *pair("celery", "fastest", fast, solo, (2000, 2500), works, options={"conf": quick}, module=base),
        Variant("celery", "safest-20s", "safest", note, prefork, options=soon),
    ]


def dramatiq() -> list[Variant]:
    def worker(processes: int) -> Command:
        return ("dramatiq", "adapters.dramatiq", "--processes", str(processes), "--threads", "8", "--skip-logging")

    safe = "results kept; the default middleware (retries, limits of time and age); eight threads a process"
    fast = "results not kept; no middleware; eight threads a process"
    kept, bare = {"results": True}, {"broker": {"middleware": []}}
    soon = kept | {"broker": {"heartbeat_timeout": 10_000, "maintenance_chance": 100_000}}
    note = f"{safe}; heartbeat_timeout 10 s in place of 60 s, maintenance at each tenth command"
    one, two = worker(1), worker(2)
    return [
        *pair("dramatiq", "safest", safe, one, (3000, 4500), two=two, options=kept, rest=1.0),
        *pair("dramatiq", "fastest", fast, one, (4500, 7000), FAST, two, options=bare, rest=1.0),
        Variant("dramatiq", "safest-10s", "safest", note, one, options=soon),
    ]


def huey() -> list[Variant]:
    def worker(kind: str, count: int) -> Command:
        return ("huey_consumer", "adapters.huey.huey", "-k", kind, "-w", str(count), "-q", "-n")

    safe = "results kept: store_none, notify_result; there is no acknowledgement"
    fast = "results not kept: results=False"
    kept, bare = {"huey": {"store_none": True, "notify_result": True}}, {"huey": {"results": False}}
    one, two = worker("thread", 1), worker("process", 2)
    return [
        *pair("huey", "safest", safe, one, (4000, 6000), two=two, options=kept),
        *pair("huey", "fastest", fast, one, (4000, 7000), LIKEWISE, two, options=bare),
    ]


def arq() -> list[Variant]:
    command = ("arq", "adapters.arq.Worker")
    safe = "results kept; the defaults: max_jobs 10, poll_delay 0.5 s, five tries"
    fast = "results not kept: keep_result=0; max_jobs 100, poll_delay 10 ms"
    quick = {"worker": {"max_jobs": 100, "poll_delay": 0.01, "keep_result": 0}}
    soon, note = {"worker": {"job_timeout": 10}}, f"{safe}; job_timeout 10 s in place of 300 s"
    polls, polling = {"worker": {"poll_delay": 0.01}, "poll": 0.01}, "results kept; worker and waiter poll every 10 ms"
    return [
        *pair("arq", "safest", safe, command, (600, 800), rest=0.5),
        *pair("arq", "fastest", fast, command, (2000, 2500), FAST, options=quick),
        Variant("arq", "safest-10s", "safest", note, command, options=soon),
        Variant("arq", "polling", "fastest", polling, command, options=polls, workloads=("results",)),
    ]


def saq() -> list[Variant]:
    one = ("saq", "adapters.saq.settings")
    two = (*one, "--workers", "2")
    safe, fast = "results kept; retries=3, concurrency 10", "results not kept: ttl=-1; concurrency 100"
    sure, quick = {"job": {"retries": 3}}, {"job": {"ttl": -1}, "concurrency": 100}
    polls, polling = sure | {"poll": 0.01}, "results kept; the waiter polls every 10 ms in place of 0.5 s"
    return [
        *pair("saq", "safest", safe, one, (2500, 3500), two=two, options=sure),
        *pair("saq", "fastest", fast, one, (2500, 3500), LIKEWISE, two, options=quick),
        Variant("saq", "polling", "fastest", polling, one, options=polls, workloads=("results",)),
    ]


def taskiq() -> list[Variant]:
    def worker(processes: int, ack: str) -> Command:
        command = ("taskiq", "worker", "adapters.taskiq:broker", "--workers", str(processes), "--log-level", "WARNING")
        return (*command, "--max-async-tasks", "100", "--ack-type", ack)

    safe = "results kept; streams, retries, ack when saved, 100 at a time, uvloop"
    fast = "results not kept; a list, 100 at a time, uvloop"
    stream = {"unacknowledged_lock_timeout": 10}
    sure, soon = ({"stream": stream | more, "results": True} for more in ({}, {"idle_timeout": 20_000}))
    note = (
        f"{safe}; idle_timeout 20 s in place of 10 min, so longer jobs run twice; takes back only after a new message"
    )
    polls, polling = {"results": True, "poll": 0.01}, "results kept; a list; the waiter polls every 10 ms, not 0.2 s"
    late, early = worker(1, "when_saved"), worker(1, "when_received")
    return [
        *pair("taskiq", "safest", safe, late, (2500, 3500), two=worker(2, "when_saved"), options=sure),
        *pair("taskiq", "fastest", fast, early, (3000, 5000), (*FAST, "crash"), worker(2, "when_received")),
        Variant("taskiq", "safest-20s", "safest", note, late, options=soon),
        Variant("taskiq", "polling", "fastest", polling, early, options=polls, workloads=("results",)),
    ]


def streaq() -> list[Variant]:
    one = ("streaq", "run", "adapters.streaq:worker")
    two = (*one, "--workers", "2")
    safe = "results kept; the defaults: concurrency 16, three tries, idle_timeout 60 s"
    fast = "results not kept: ttl=0; concurrency 100"
    quick = {"worker": {"concurrency": 100}, "task": {"ttl": 0}}
    soon, note = {"worker": {"idle_timeout": 10}}, f"{safe}, but idle_timeout 10 s"
    return [
        *pair("streaq", "safest", safe, one, (1500, 2000), two=two),
        *pair("streaq", "fastest", fast, one, (1800, 2400), LIKEWISE, two, options=quick),
        Variant("streaq", "safest-10s", "safest", note, one, options=soon),
    ]


def pydocket() -> list[Variant]:
    def worker(*more: str) -> Command:
        command = ("docket", "worker", "--tasks", "adapters.pydocket:tasks", "--docket", "bench", "--url", "{url}")
        return (*command, "--logging-level", "WARNING", "--name", "worker{copy}", *more)

    safe = "results kept; the defaults: concurrency 10, redelivery_timeout 5 min"
    fast = "results not kept: execution_ttl=0; concurrency 50, minimum-check-interval 10 ms"
    less = {"execution_ttl": 0, "concurrency": 50, "check_ms": 10}
    soon, note = worker("--redelivery-timeout", "10s"), f"{safe}, but 10 s"
    return [
        *pair("pydocket", "safest", safe, worker(), (250, 500), module="docket"),
        *pair("pydocket", "fastest", fast, ("python", "-m", "adapters.pydocket"), (1500, 2000), LIKEWISE, options=less),
        Variant("pydocket", "safest-10s", "safest", note, soon),
    ]


def bullmq() -> list[Variant]:
    command = ("python", "-m", "adapters.bullmq")
    safe = "results kept; concurrency 1, attempts=3"
    fast = "results not kept: removeOnComplete; concurrency 16"
    sure, quick = {"job": {"attempts": 3}}, {"job": {"removeOnComplete": True}, "concurrency": 16}
    return [
        *pair("bullmq", "safest", safe, command, (2500, 3500), options=sure),
        *pair("bullmq", "fastest", fast, command, (2500, 3500), LIKEWISE, options=quick),
    ]


def tasktiger() -> list[Variant]:
    def worker(executor: str) -> Command:
        command = ("tasktiger", "--host", "127.0.0.1", "--port", "{port}", "--queues", "{queues}")
        return (*command, "--module", "adapters.jobs", "--executor", executor)

    safe = "no results; the default executor, which forks for each job; retry_on Exception and JobTimeoutException"
    fast = "no results; the sync executor, which runs jobs in its own process"
    return [
        *pair("tasktiger", "safest", safe, worker("fork"), (300, 400), options={"retry": True}),
        *pair("tasktiger", "fastest", fast, worker("sync"), (1500, 2500), (*FAST, "footprint")),
    ]


def wakaq() -> list[Variant]:
    command = ("wakaq-worker", "--app", "adapters.wakaq.wakaq")
    note = "no results; the defaults, there is no acknowledgement"
    one, two = pair("wakaq", "default", note, command, (8000, 12_000), options={"concurrency": 1}, two=command)
    return [one, replace(two, options={"concurrency": 2})]


_ALL = (limits, redisq, rq, celery, dramatiq, huey, arq, saq, taskiq, streaq, pydocket, bullmq, tasktiger, wakaq)
VARIANTS = [variant for peer in _ALL for variant in peer()]
PEERS = [peer.__name__ for peer in _ALL]
