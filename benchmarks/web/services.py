"""What is compared: each service's programs, its users' ways to log in, and the settings that matter, in words.

All do the same work, and all databases are SQLite in WAL mode with synchronous=NORMAL: a commit outlives the process,
but not a power cut. Redis keeps nothing on disk. Where nothing else is said, settings are the library's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

#: Who has 10,000 tasks that have ended, and workers on the queues high and default.
NAME, PASSWORD = "bench", "correct horse battery staple"

Command = tuple[str, ...]

_GUNICORN = (
    "gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "2", "--threads", "4", "--log-level", "warning",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Service:
    """A service. Of its commands, the first word is a program of its environment; {port} is where it is to listen.

    `seed` is run first: it makes the database and what is in it, and prints a line of JSON, `token` and `task`, an id.
    It and the others are told the place of the database by $BENCH_DATABASE and $BENCH_DATABASE_URL, and Redis by
    $BENCH_REDIS_URL. `environment` holds what else they are to find, where the same names in braces may stand.
    """

    name: str
    packages: tuple[str, ...]
    note: str
    serve: tuple[Command, ...]
    seed: Command = ("python", "seed.py", NAME, PASSWORD)
    work: tuple[Command, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    scheme: str = "Bearer"
    slash: str = ""
    can_wait: bool = False


FLOOR = Service(
    name="floor",
    packages=("falcon", "gunicorn"),
    note="bare Falcon with constant answers: no login, no database, no Redis",
    seed=("python", "-c", "print('{{\"token\": \"\", \"task\": 1}}')"),
    serve=((*_GUNICORN, "app:app"),),
)

REDISQ = Service(
    name="redisq",
    packages=("redisq-jobs", "falcon", "gunicorn", "peewee", "argon2-cffi", "redis"),
    note="argon2id, a right password remembered for minutes; the relay counts as service; one worker process",
    serve=((*_GUNICORN, "--config", "python:redisq_api.server"), ("redisq-api", "relay")),
    work=(("redisq-worker", "--queues", "high,default"),),
    environment={"REDISQ_URL": "{redis_url}", "REDISQ_DATABASE": "{database_url}?synchronous=normal"},
    can_wait=True,
)

DRF_RQ = Service(
    name="drf_rq",
    packages=("django", "djangorestframework", "django-rq", "rq", "redis", "gunicorn"),
    note="PBKDF2 on every request, DRF's tokens; one rqworker, which forks for every job",
    serve=((*_GUNICORN, "django.core.wsgi:get_wsgi_application()"),),
    work=(("python", "-m", "django", "rqworker", "high", "default", "--verbosity", "0"),),
    environment={"DJANGO_SETTINGS_MODULE": "settings"},
    scheme="Token",
    slash="/",
)

FASTAPI_ARQ = Service(
    name="fastapi_arq",
    packages=("fastapi", "uvicorn", "sqlalchemy", "aiosqlite", "argon2-cffi", "arq", "redis"),
    note="argon2id on every request; uvicorn, 2 workers; an arq worker for each queue",
    serve=(("uvicorn", "app:app", "--port", "{port}", "--workers", "2", "--log-level", "warning", "--no-access-log"),),
    work=tuple(("arq", f"worker.{name}", "--custom-log-dict", "worker.QUIET") for name in ("High", "Default")),
)

FLASK_CELERY = Service(
    name="flask_celery",
    packages=("flask", "flask-sqlalchemy", "sqlalchemy", "celery", "redis", "gunicorn"),
    note="scrypt on every request; Celery with a prefork pool of 2",
    serve=((*_GUNICORN, "app:app"),),
    work=(
        (
            "celery", "--app", "app.celery", "worker", "--queues", "high,default", "--concurrency", "2",
            "--loglevel", "WARNING",
        ),
    ),
)  # fmt: skip

SERVICES = (FLOOR, REDISQ, DRF_RQ, FASTAPI_ARQ, FLASK_CELERY)
