"""An app with an entry for every second; each job appends its id and its token to the file $HISTORY."""

from __future__ import annotations

import os

from redisq import RedisQ, current_job

app = RedisQ()


@app.every(1.0, catch_up="all")
@app.task("beat")
def beat() -> None:
    history = os.open(os.environ["HISTORY"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    job = current_job()
    os.write(history, f"beat {job.id} {job.token}\n".encode())
    os.close(history)
