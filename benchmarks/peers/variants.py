"""Every peer with the settings it is measured with: its safest and its fastest documented ones.

Safest: what its documentation offers so that a job outlives a worker that is killed, is tried again, and leaves a
result. Fastest: results and acknowledgements off where they can be, and the numbers raised that the documentation raises
for small jobs; found by trying. "Default" stands where a peer has no choice to offer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SEND = ("enqueue", "bulk", "memory")
IDLE = ("latency", "results", "footprint")
ALL = ("drain", *SEND, *IDLE, "crash")
WORKLOADS = ("limits", *ALL)


@dataclass(frozen=True)
class Variant:
    """One way to run a peer."""

    peer: str
    name: str
    #: safest, fastest or default.
    settings: str
    #: In words, for who reads the figures; the first one says whether results are kept.
    note: str
    #: The command of the worker, from the peer's own environment.
    worker: tuple[str, ...]
    #: No-op jobs to drain: two to four seconds of work.
    jobs: int = 1000
    #: How often the command is started, for peers whose command is one process.
    copies: int = 1
    #: For the adapter.
    options: dict[str, Any] = field(default_factory=dict)
    workloads: tuple[str, ...] = ("drain",)
    #: Seconds between two jobs of the latency workload, at most. Workers that poll are asked all over their interval.
    rest: float = 0.01
    #: What is imported to see what an import costs.
    module: str = ""

    @property
    def imported(self) -> str:
        return self.module or self.peer


def _limits() -> list[Variant]:
    def variant(way: str, jobs: int, note: str, workloads: tuple[str, ...] = ("limits",)) -> Variant:
        worker = ("python", "-m", "adapters.limits")
        return Variant("limits", way, "default", note, worker, jobs, 1, {"way": way}, workloads, module="redis")

    return [
        variant("plain", 10_000, "redis-py, one by one: BLMOVE, job, LREM"),
        variant("piped", 100_000, "redis-py, pipelines of 100 LMOVE, then of 100 LREM"),
        variant("raw", 15_000, "raw socket, one by one: BLMOVE, job, LREM"),
        variant("raw_piped", 200_000, "raw socket, 100 LMOVE in one write, then 100 LREM"),
        variant("serve", 10_000, "redis-py: LPUSH here, BRPOP of two queues there; loses what it has popped", SEND + IDLE),
    ]


def _redisq() -> list[Variant]:
    def variant(name: str, note: str, jobs: int, processes: int, workloads: tuple[str, ...], **options: Any) -> Variant:
        worker = ("redisq-worker", "--app", "adapters.redisq:app", "--queues", "urgent,bench", "--log-level", "warning")
        settings = name.partition("-")[0]
        return Variant(
            "redisq", name, settings, note, (*worker, "--processes", str(processes)), jobs, 1, options, workloads
        )

    safe, fast = "results kept; the defaults: lease, retries, dead letters", "results not kept: result_ttl=0"
    return [
        variant("safest-1", f"{safe}; one process", 80_000, 1, ALL),
        variant("safest-2", f"{safe}; two processes", 100_000, 2, ("drain", "crash")),
        variant("fastest-1", f"{fast}; one process", 80_000, 1, ("drain", *SEND, "latency"), result_ttl=0.0),
        variant("fastest-2", f"{fast}; two processes", 100_000, 2, ("drain",), result_ttl=0.0),
    ]


def _rq() -> list[Variant]:
    def worker(kind: str) -> tuple[str, ...]:
        command = ("rq", "worker", "--url", "{url}", "--path", ".", "--worker-class", kind, "--quiet")
        return (*command, "--maintenance-interval", "30", "urgent", "bench")

    safe = "results kept; Worker, which forks for each job; Retry(max=3), maintenance every 30 s"
    fast = "results not kept: result_ttl=0; SimpleWorker, which runs jobs in its own process"
    fork, simple = worker("rq.Worker"), worker("rq.SimpleWorker")
    retries, fleeting = {"retries": 3}, {"result_ttl": 0}
    return [
        Variant("rq", "safest-1", "safest", f"{safe}; one worker", fork, 80, 1, retries, ALL),
        Variant("rq", "safest-2", "safest", f"{safe}; two workers", fork, 120, 2, retries),
        Variant("rq", "fastest-1", "fastest", f"{fast}; one worker", simple, 400, 1, fleeting, ("drain", *SEND, "latency")),
        Variant("rq", "fastest-2", "fastest", f"{fast}; two workers", simple, 700, 2, fleeting),
        Variant("rq", "simple", "default", "results kept; SimpleWorker", simple, workloads=("results", "footprint")),
    ]


def _celery() -> list[Variant]:
    def worker(pool: str, processes: int) -> tuple[str, ...]:
        quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat") if pool == "solo" else ()
        command = ("celery", "-A", "adapters.celery", "worker", "-P", pool, "-c", str(processes), "-l", "WARNING")
        return (*command, "-Q", "urgent,bench", "-n", "worker{copy}@%h", *quiet)

    safe = "results kept; prefork, acks_late, reject_on_worker_lost, prefetch 1"
    fast = "results not kept: ignore_result; solo pool, early ack, prefetch 128, no gossip, mingle, heartbeat or rate limits"
    sure = {"task_acks_late": True, "task_reject_on_worker_lost": True, "worker_prefetch_multiplier": 1}
    quick = {"task_ignore_result": True, "worker_prefetch_multiplier": 128, "worker_disable_rate_limits": True}
    soon = {"conf": sure | {"broker_transport_options": {"visibility_timeout": 20}}}
    return [
        Variant("celery", "safest-1", "safest", f"{safe}; one child", worker("prefork", 1), 1200, 1, {"conf": sure}, ALL),
        Variant("celery", "safest-2", "safest", f"{safe}; two children", worker("prefork", 2), 1500, 1, {"conf": sure}),
        Variant(
            "celery", "safest-20s", "safest", f"{safe}; visibility_timeout 20 s in place of 1 h, so jobs longer than that run twice",
            worker("prefork", 1), options=soon, workloads=("crash",),
        ),
        Variant(
            "celery", "fastest-1", "fastest", f"{fast}; one worker", worker("solo", 1), 2000, 1, {"conf": quick},
            ("drain", "enqueue", "memory", "latency", "footprint", "crash"),
        ),
        Variant("celery", "fastest-2", "fastest", f"{fast}; two workers", worker("solo", 1), 2500, 2, {"conf": quick}),
    ]  # fmt: skip


def _dramatiq() -> list[Variant]:
    def worker(processes: int) -> tuple[str, ...]:
        return ("dramatiq", "adapters.dramatiq", "--processes", str(processes), "--threads", "8", "--skip-logging")

    safe = "results kept; the default middleware (retries, time and age limits); eight threads a process"
    fast = "results not kept; no middleware; eight threads a process"
    results, bare = {"results": True}, {"broker": {"middleware": []}}
    soon = {"results": True, "broker": {"heartbeat_timeout": 10_000, "maintenance_chance": 100_000}}
    return [
        Variant("dramatiq", "safest-1", "safest", f"{safe}; one process", worker(1), 3000, 1, results, ALL, rest=1.0),
        Variant("dramatiq", "safest-2", "safest", f"{safe}; two processes", worker(2), 4500, 1, results),
        Variant(
            "dramatiq", "safest-10s", "safest", f"{safe}; heartbeat_timeout 10 s in place of 60 s, maintenance at each tenth command",
            worker(1), options=soon, workloads=("crash",),
        ),
        Variant(
            "dramatiq", "fastest-1", "fastest", f"{fast}; one process", worker(1), 4500, 1, bare,
            ("drain", "enqueue", "memory", "latency", "footprint"), rest=1.0,
        ),
        Variant("dramatiq", "fastest-2", "fastest", f"{fast}; two processes", worker(2), 7000, 1, bare),
    ]  # fmt: skip


def _huey() -> list[Variant]:
    def worker(kind: str, count: int) -> tuple[str, ...]:
        return ("huey_consumer", "adapters.huey.huey", "-k", kind, "-w", str(count), "-q", "-n")

    safe = "results kept: store_none, notify_result; there is no acknowledgement"
    fast = "results not kept: results=False; no periodic tasks"
    kept, bare = {"huey": {"store_none": True, "notify_result": True}}, {"huey": {"results": False}}
    sends = ("drain", "enqueue", "memory", "latency", "footprint")
    return [
        Variant("huey", "safest-1", "safest", f"{safe}; one thread", worker("thread", 1), 4000, 1, kept, ALL),
        Variant("huey", "safest-2", "safest", f"{safe}; two processes", worker("process", 2), 6000, 1, kept),
        Variant("huey", "fastest-1", "fastest", f"{fast}; one thread", worker("thread", 1), 5500, 1, bare, sends),
        Variant("huey", "fastest-2", "fastest", f"{fast}; two processes", worker("process", 2), 8000, 1, bare),
    ]


def _arq() -> list[Variant]:
    worker = ("arq", "adapters.arq.Worker")
    safe = "results kept; the defaults: max_jobs 10, poll_delay 0.5 s, five tries"
    fast = "results not kept: keep_result=0; max_jobs 100, poll_delay 10 ms"
    quick = {"worker": {"max_jobs": 100, "poll_delay": 0.01, "keep_result": 0}}
    polls = {"worker": {"poll_delay": 0.01}, "poll": 0.01}
    soon = {"worker": {"job_timeout": 10}}
    return [
        Variant("arq", "safest-1", "safest", f"{safe}; one process", worker, 600, workloads=ALL, rest=0.5),
        Variant("arq", "safest-2", "safest", f"{safe}; two processes", worker, 800, 2),
        Variant(
            "arq", "safest-10s", "safest", f"{safe}; job_timeout 10 s in place of 300 s", worker,
            options=soon, workloads=("crash",),
        ),
        Variant("arq", "fastest-1", "fastest", f"{fast}; one process", worker, 2000, 1, quick, ("drain", *SEND, "latency")),
        Variant("arq", "fastest-2", "fastest", f"{fast}; two processes", worker, 2500, 2, quick),
        Variant(
            "arq", "10ms", "fastest", "results kept; poll_delay 10 ms for worker and waiter", worker,
            options=polls, workloads=("results",),
        ),
    ]  # fmt: skip


def _saq() -> list[Variant]:
    def worker(processes: int) -> tuple[str, ...]:
        return ("saq", "adapters.saq.settings", "--workers", str(processes))

    safe = "results kept; retries=3, concurrency 10"
    fast = "results not kept: ttl=-1; concurrency 100"
    sure, quick = {"job": {"retries": 3}}, {"job": {"ttl": -1}, "concurrency": 100}
    polls = {"job": {"retries": 3}, "poll": 0.01}
    return [
        Variant("saq", "safest-1", "safest", f"{safe}; one process", worker(1), 2500, 1, sure, ALL),
        Variant("saq", "safest-2", "safest", f"{safe}; two processes", worker(2), 3500, 1, sure),
        Variant("saq", "fastest-1", "fastest", f"{fast}; one process", worker(1), 2500, 1, quick, ("drain", *SEND, "latency")),
        Variant("saq", "fastest-2", "fastest", f"{fast}; two processes", worker(2), 3500, 1, quick),
        Variant(
            "saq", "10ms", "fastest", "results kept; the waiter polls every 10 ms in place of 0.5 s", worker(1),
            options=polls, workloads=("results",),
        ),
    ]  # fmt: skip


def _taskiq() -> list[Variant]:
    def worker(processes: int, ack: str) -> tuple[str, ...]:
        command = ("taskiq", "worker", "adapters.taskiq:broker", "--workers", str(processes), "--log-level", "WARNING")
        return (*command, "--max-async-tasks", "100", "--ack-type", ack)

    safe = "results kept; streams, retries, ack when saved, 100 at a time, uvloop"
    fast = "results not kept; a list, 100 at a time, uvloop"
    sure = {"stream": {"unacknowledged_lock_timeout": 10}, "results": True}
    soon = {"stream": {"unacknowledged_lock_timeout": 10, "idle_timeout": 20_000}, "results": True}
    polls = {"results": True, "poll": 0.01}
    late, early = "when_saved", "when_received"
    return [
        Variant("taskiq", "safest-1", "safest", f"{safe}; one process", worker(1, late), 2500, 1, sure, ALL),
        Variant("taskiq", "safest-2", "safest", f"{safe}; two processes", worker(2, late), 3500, 1, sure),
        Variant(
            "taskiq", "safest-20s", "safest", f"{safe}; idle_timeout 20 s in place of 10 min, so jobs longer than that run twice",
            worker(1, late), options=soon, workloads=("crash",),
        ),
        Variant("taskiq", "fastest-1", "fastest", f"{fast}; one process", worker(1, early), 4500, workloads=ALL),
        Variant("taskiq", "fastest-2", "fastest", f"{fast}; two processes", worker(2, early), 6500),
        Variant(
            "taskiq", "10ms", "fastest", "results kept; a list, the waiter polls every 10 ms in place of 0.2 s", worker(1, early),
            options=polls, workloads=("results",),
        ),
    ]  # fmt: skip


def _streaq() -> list[Variant]:
    def worker(processes: int) -> tuple[str, ...]:
        return ("streaq", "run", "adapters.streaq:worker", "--workers", str(processes))

    safe = "results kept; the defaults: concurrency 16, three tries, idle_timeout 60 s"
    fast = "results not kept: ttl=0; concurrency 100"
    quick = {"worker": {"concurrency": 100}, "task": {"ttl": 0}}
    soon = {"worker": {"idle_timeout": 10}}
    return [
        Variant("streaq", "safest-1", "safest", f"{safe}; one process", worker(1), 2000, workloads=ALL),
        Variant("streaq", "safest-2", "safest", f"{safe}; two processes", worker(2), 2500),
        Variant(
            "streaq", "safest-10s", "safest", f"{safe}, but idle_timeout 10 s", worker(1), options=soon, workloads=("crash",)
        ),
        Variant("streaq", "fastest-1", "fastest", f"{fast}; one process", worker(1), 2500, 1, quick, ("drain", *SEND, "latency")),
        Variant("streaq", "fastest-2", "fastest", f"{fast}; two processes", worker(2), 3000, 1, quick),
    ]


def _pydocket() -> list[Variant]:
    def worker(*more: str) -> tuple[str, ...]:
        command = ("docket", "worker", "--tasks", "adapters.pydocket:tasks", "--docket", "bench", "--url", "{url}")
        return (*command, "--logging-level", "WARNING", "--name", "worker{copy}", *more)

    safe = "results kept; the defaults: concurrency 10, redelivery_timeout 5 min"
    fast = "results not kept: execution_ttl=0; concurrency 50, minimum-check-interval 10 ms"
    quick = worker("--concurrency", "50", "--minimum-check-interval", "10ms")
    soon = worker("--redelivery-timeout", "10s")
    less = {"execution_ttl": 0}
    variants = [
        Variant("pydocket", "safest-1", "safest", f"{safe}; one process", worker(), 250, workloads=ALL, module="docket"),
        Variant("pydocket", "safest-2", "safest", f"{safe}; two processes", worker(), 500, 2),
        Variant("pydocket", "safest-10s", "safest", f"{safe}, but 10 s", soon, workloads=("crash",)),
        Variant("pydocket", "fastest-1", "fastest", f"{fast}; one process", quick, 1500, 1, less, ("drain", *SEND, "latency")),
        Variant("pydocket", "fastest-2", "fastest", f"{fast}; two processes", quick, 2000, 2, less),
    ]
    return variants


def _bullmq() -> list[Variant]:
    worker = ("python", "-m", "adapters.bullmq")
    safe = "results kept; concurrency 1, attempts=3"
    fast = "results not kept: removeOnComplete; concurrency 16"
    sure, quick = {"job": {"attempts": 3}}, {"job": {"removeOnComplete": True}, "concurrency": 16}
    return [
        Variant("bullmq", "safest-1", "safest", f"{safe}; one process", worker, 2500, 1, sure, ALL),
        Variant("bullmq", "safest-2", "safest", f"{safe}; two processes", worker, 3500, 2, sure),
        Variant("bullmq", "fastest-1", "fastest", f"{fast}; one process", worker, 2500, 1, quick, ("drain", *SEND, "latency")),
        Variant("bullmq", "fastest-2", "fastest", f"{fast}; two processes", worker, 3500, 2, quick),
    ]


def _tasktiger() -> list[Variant]:
    def worker(executor: str) -> tuple[str, ...]:
        command = ("tasktiger", "--host", "127.0.0.1", "--port", "{port}", "--queues", "urgent,bench")
        return (*command, "--module", "adapters.jobs", "--executor", executor)

    safe = "no results; the default executor, which forks for each job; retry=True"
    fast = "no results; the sync executor, which runs jobs in its own process"
    sure = {"job": {"retry": True}}
    sends = ("drain", "enqueue", "memory", "latency", "footprint")
    return [
        Variant("tasktiger", "safest-1", "safest", f"{safe}; one worker", worker("fork"), 300, 1, sure, ALL),
        Variant("tasktiger", "safest-2", "safest", f"{safe}; two workers", worker("fork"), 400, 2, sure),
        Variant("tasktiger", "fastest-1", "fastest", f"{fast}; one worker", worker("sync"), 1500, workloads=sends),
        Variant("tasktiger", "fastest-2", "fastest", f"{fast}; two workers", worker("sync"), 2500, 2),
    ]


def _wakaq() -> list[Variant]:
    worker = ("wakaq-worker", "--app", "adapters.wakaq.wakaq")
    note = "no results; the defaults, there is no acknowledgement"
    return [
        Variant("wakaq", "default-1", "default", f"{note}; one child", worker, 8000, 1, {"concurrency": 1}, ALL),
        Variant("wakaq", "default-2", "default", f"{note}; two children", worker, 12_000, 1, {"concurrency": 2}),
    ]


VARIANTS = [
    variant
    for peer in (
        _limits, _redisq, _rq, _celery, _dramatiq, _huey, _arq, _saq, _taskiq, _streaq, _pydocket, _bullmq, _tasktiger, _wakaq,
    )
    for variant in peer()
]  # fmt: skip
PEERS = list(dict.fromkeys(variant.peer for variant in VARIANTS))
