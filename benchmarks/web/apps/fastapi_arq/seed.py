"""NAME PASSWORD: the database with a user and 10,000 tasks that have ended; prints a token and the last task."""

import asyncio
import json
import secrets
import sys

from app import HASHER, digest
from models import Base, Grant, Session, Task, Token, User, engine, now


async def main(name, password):
    token = secrets.token_urlsafe(32)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with Session() as db:
        db.add(User(id=1, name=name, password=HASHER.hash(password)))
        await db.flush()
        db.add(Token(digest=digest(token), user_id=1))
        db.add_all(Grant(user_id=1, queue=queue) for queue in ("high", "default"))
        ended = {"queue": "default", "status": "succeeded", "result": "TASK", "started_at": now(), "finished_at": now()}
        tasks = [Task(owner_id=1, input_param=f"task {number}", **ended) for number in range(10_000)]
        db.add_all(tasks)
        await db.commit()
    await engine.dispose()
    print(json.dumps({"token": token, "task": tasks[-1].id}))


asyncio.run(main(*sys.argv[1:]))
