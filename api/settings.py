"""What the service is told by its environment, read once and checked.

| variable              | meaning                                                          | default                  |
|-----------------------|------------------------------------------------------------------|--------------------------|
| REDISQ_URL            | the Redis server                                                 | the app's own            |
| REDISQ_APP            | `module:attribute` of the app whose tasks are offered            | the installed one        |
| REDISQ_DATABASE       | `sqlite:///relative`, `sqlite:////absolute`, `postgresql://…`;   | sqlite:///redisq.sqlite3 |
|                       | `?pool=` there: connections of one process, 8 if not given       |                          |
| REDISQ_CORS_ORIGINS   | origins whose pages may call, comma-separated; a port may be `*` | none                     |
| REDISQ_API_TASKS      | the tasks on offer, comma-separated                              | all that the app has     |
| REDISQ_API_TASK       | the task of a POST that names none                               | the first on offer       |
| REDISQ_API_BACKLOG    | jobs of the service per queue in Redis; more wait in the         | 10000                    |
|                       | database                                                         |                          |
| REDISQ_API_BACKLOG_BYTES | bytes of their input, likewise                                | 67108864                 |
| REDISQ_API_MAX_BODY   | bytes of a request's body                                        | 1048576                  |
| REDISQ_API_MAX_INPUTS | values of `input_param` in one request                           | 1000                     |
| REDISQ_API_WAITERS    | requests of one process that may wait for results at the same    | 4                        |
|                       | time; keep it below gunicorn's `--threads`                       |                          |
| REDISQ_API_METRICS_TOKEN | who sends it as bearer token may read /metrics; without one   | none                     |
|                       | they are for loopback, not through a proxy                       |                          |
| REDISQ_API_METRICS_FILE | where the processes of one service count requests together     | in the temporary folder  |
| REDISQ_API_PROXIES    | reverse proxies in front, each of which adds to X-Forwarded-For  | 0                        |
| REDISQ_API_LONGEST    | tasks that may wait for one queue before a POST is a 503; 0: any | 0                        |
| REDISQ_API_UNFINISHED | unfinished tasks of a user at a time, before a POST is a 429;    | 0                        |
|                       | 0: any. Users and plans may have their own                       |                          |
| REDISQ_API_REQUESTS   | requests of a user in so many seconds, such as `600/60`; 0: any  | 0                        |
| REDISQ_API_SESSION_IDLE | minutes after which the console asks for the password again,    | 720                      |
|                       | when nothing was done there                                      |                          |
| REDISQ_API_SESSION_AGE | minutes after which it asks for it in any case                  | 10080                    |
| REDISQ_API_KEEP_DAYS  | days for which tasks, and deliveries of webhooks, are kept once  | 30                       |
|                       | they have ended; 0: for ever                                     |                          |
| REDISQ_API_WEBHOOK_QUEUE | the queue of deliveries, which needs a worker of its own      | webhooks                 |
| REDISQ_API_WEBHOOK_ALLOW | networks to which webhooks may go beside the public Internet, | none                     |
|                       | comma-separated, such as `10.1.0.0/16`                           |                          |
| REDISQ_API_WEBHOOK_TIMEOUT | seconds that a receiver has to answer                       | 15                       |
| REDISQ_API_WEBHOOK_RETRIES | seconds from each attempt that has failed to the next one,  | 5,300,1800,7200,18000,   |
|                       | comma-separated; after the last the delivery has failed          | 36000,50400,72000,86400  |
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

_QUEUE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SECONDS = re.compile(r"[0-9]{1,7}")
_ORIGIN = re.compile(r"https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:([0-9]{1,5}|\*))?")

#: So many requests in so many seconds.
RATE = re.compile(r"([1-9][0-9]{0,8})/([1-9][0-9]{0,6})")


class Misconfigured(Exception):
    """A setting that cannot be used; the message is one line that names it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting with its default; see the table above."""

    redis_url: str | None = None
    app: str | None = None
    database: str = "sqlite:///redisq.sqlite3"
    cors_origins: tuple[str, ...] = ()
    task: str | None = None
    backlog: int = 10_000
    backlog_bytes: int = 64 * 1024 * 1024
    max_body: int = 1024 * 1024
    max_inputs: int = 1000
    waiters: int = 4
    proxies: int = 0
    metrics_token: str | None = None
    metrics_file: str | None = None
    longest: int = 0
    unfinished: int = 0
    requests: tuple[int, int] = (0, 0)
    session_idle: int = 720
    session_age: int = 10080
    keep_days: int = 30
    tasks: tuple[str, ...] = ()
    webhook_queue: str = "webhooks"
    webhook_allow: tuple[IPv4Network | IPv6Network, ...] = ()
    webhook_timeout: int = 15
    webhook_retries: tuple[int, ...] = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)


def read(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings in `environ` (the process's own when None). Raises Misconfigured."""
    env = os.environ if environ is None else environ
    default = Settings()
    return Settings(
        redis_url=env.get("REDISQ_URL") or None,
        app=env.get("REDISQ_APP") or None,
        database=env.get("REDISQ_DATABASE") or default.database,
        cors_origins=_origins(env.get("REDISQ_CORS_ORIGINS", "")),
        tasks=tuple(name.strip() for name in env.get("REDISQ_API_TASKS", "").split(",") if name.strip()),
        task=env.get("REDISQ_API_TASK") or None,
        backlog=_number(env, "REDISQ_API_BACKLOG", default.backlog, least=1),
        backlog_bytes=_number(env, "REDISQ_API_BACKLOG_BYTES", default.backlog_bytes, least=1),
        max_body=_number(env, "REDISQ_API_MAX_BODY", default.max_body, least=1),
        max_inputs=_number(env, "REDISQ_API_MAX_INPUTS", default.max_inputs, least=1),
        waiters=_number(env, "REDISQ_API_WAITERS", default.waiters, least=0),
        proxies=_number(env, "REDISQ_API_PROXIES", default.proxies, least=0),
        metrics_token=env.get("REDISQ_API_METRICS_TOKEN") or None,
        metrics_file=env.get("REDISQ_API_METRICS_FILE") or None,
        longest=_number(env, "REDISQ_API_LONGEST", default.longest, least=0),
        unfinished=_number(env, "REDISQ_API_UNFINISHED", default.unfinished, least=0),
        requests=_requests(env.get("REDISQ_API_REQUESTS", "")),
        session_idle=_number(env, "REDISQ_API_SESSION_IDLE", default.session_idle, least=1),
        session_age=_number(env, "REDISQ_API_SESSION_AGE", default.session_age, least=1),
        keep_days=_number(env, "REDISQ_API_KEEP_DAYS", default.keep_days, least=0, most=36_500),
        webhook_queue=_queue(env.get("REDISQ_API_WEBHOOK_QUEUE") or default.webhook_queue),
        webhook_allow=_networks(env.get("REDISQ_API_WEBHOOK_ALLOW", "")),
        webhook_timeout=_number(env, "REDISQ_API_WEBHOOK_TIMEOUT", default.webhook_timeout, least=1, most=100),
        webhook_retries=_retries(env.get("REDISQ_API_WEBHOOK_RETRIES", ""), default.webhook_retries),
    )


def _number(env: Mapping[str, str], name: str, default: int, least: int, most: int = 10**12 - 1) -> int:
    text = env.get(name, "").strip()
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 12 and least <= int(text) <= most):
        raise Misconfigured(f"{name} must be a whole number of at least {least}, not {text!r}")
    return int(text)


def _requests(text: str) -> tuple[int, int]:
    text = text.strip()
    match = RATE.fullmatch(text)
    if match is None and text not in ("", "0"):
        raise Misconfigured(f"REDISQ_API_REQUESTS must be a count and seconds such as 600/60, not {text!r}")
    return (int(match[1]), int(match[2])) if match else (0, 0)


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(part.strip() for part in text.split(",") if part.strip())
    for origin in origins:
        # Every call carries credentials, and those of a browser's own dialogue must not serve every page there is.
        if origin == "*":
            raise Misconfigured("REDISQ_CORS_ORIGINS must list the origins: calls with credentials are not for '*'")
        if not _ORIGIN.fullmatch(origin):
            raise Misconfigured(
                f"REDISQ_CORS_ORIGINS: {origin!r} is not an origin such as https://example.org or http://localhost:*"
            )
    return origins


def _queue(name: str) -> str:
    if not _QUEUE.fullmatch(name):
        raise Misconfigured(f"REDISQ_API_WEBHOOK_QUEUE must be 1 to 64 of A-Z a-z 0-9 _ -, not {name!r}")
    return name


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(ip_network(part.strip()) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise Misconfigured(f"REDISQ_API_WEBHOOK_ALLOW must list networks such as 10.1.0.0/16: {error}") from None


def _retries(text: str, default: tuple[int, ...]) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(_SECONDS.fullmatch(part) for part in parts):
        raise Misconfigured(f"REDISQ_API_WEBHOOK_RETRIES must list seconds such as 5,300,1800, not {text!r}")
    return tuple(map(int, parts)) or default
