"""Tasks over REST with FastAPI, SQLAlchemy and arq."""

import hashlib
import random
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from arq import create_pool
from fastapi import Depends, FastAPI, Form, HTTPException, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials, HTTPBasic, HTTPBasicCredentials, HTTPBearer
from models import REDIS, Grant, Session, Task, Token, User
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select

HASHER = PasswordHasher()
NO_PASSWORD = HASHER.hash("")
basic, bearer = HTTPBasic(auto_error=False), HTTPBearer(auto_error=False)


@asynccontextmanager
async def lifespan(app):
    app.state.arq = await create_pool(REDIS)
    yield
    await app.state.arq.aclose()


app = FastAPI(lifespan=lifespan)


class Shown(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: int
    input_param: str
    queue: str
    status: str
    result: str | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


def digest(token):
    return hashlib.sha256(token.encode()).hexdigest()


def matches(stored, password):
    try:
        return HASHER.verify(stored, password)
    except VerificationError:
        return False


async def session():
    async with Session() as db:
        yield db


Database = Annotated[Session, Depends(session)]


async def log_in(
    db: Database,
    password: Annotated[HTTPBasicCredentials | None, Depends(basic)],
    token: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
):
    user = None
    if password:
        user = await db.scalar(select(User).filter_by(name=password.username))
        if not await run_in_threadpool(matches, user.password if user else NO_PASSWORD, password.password):
            user = None
    elif token:
        user = await db.scalar(select(User).join(Token).where(Token.digest == digest(token.credentials)))
    if user is None:
        raise HTTPException(401)
    return user


Me = Annotated[User, Depends(log_in)]


async def find(task_id: int, me: Me, db: Database):
    task = await db.scalar(select(Task).filter_by(id=task_id, owner_id=me.id))
    if task is None:
        raise HTTPException(404)
    return task


Mine = Annotated[Task, Depends(find)]


@app.post("/api/v1/task", status_code=202)
async def create(
    request: Request,
    me: Me,
    db: Database,
    one: Annotated[str | None, Form(alias="input_param")] = None,
    many: Annotated[list[str] | None, Form(alias="input_param[]")] = None,
) -> Shown | list[Shown]:
    inputs = many or ([one] if one else [])
    if not inputs:
        raise HTTPException(422)
    queue = random.choice((await db.scalars(select(Grant.queue).filter_by(user_id=me.id))).all())
    tasks = [Task(owner_id=me.id, input_param=value, queue=queue) for value in inputs]
    db.add_all(tasks)
    await db.commit()
    for task in tasks:
        await request.app.state.arq.enqueue_job("run", task.id, _queue_name=queue)
    return tasks if many else tasks[0]


@app.get("/api/v1/task")
async def newest(me: Me, db: Database, limit: int = 20) -> list[Shown]:
    return (await db.scalars(select(Task).filter_by(owner_id=me.id).order_by(Task.id.desc()).limit(limit))).all()


@app.get("/api/v1/task/{task_id}/status")
async def status(task: Mine):
    return {"id": task.id, "status": task.status}


@app.get("/api/v1/task/{task_id}/result")
async def result(task: Mine, response: Response):
    response.status_code = 200 if task.finished_at else 202
    return {"id": task.id, "status": task.status, "result": task.result}
