"""The workers' settings: arq has a process for each queue."""

from models import REDIS, Session, Task, now

QUIET = {"version": 1, "disable_existing_loggers": False, "loggers": {"arq": {"level": "WARNING"}}}


async def run(_context, task_id):
    async with Session() as db:
        task = await db.get(Task, task_id)
        task.status, task.started_at = "running", now()
        await db.commit()
        task.status, task.finished_at, task.result = "succeeded", now(), task.input_param.upper()
        await db.commit()


class High:
    functions = [run]  # noqa: RUF012
    redis_settings = REDIS
    queue_name = "high"


class Default:
    functions = [run]  # noqa: RUF012
    redis_settings = REDIS
    queue_name = "default"
