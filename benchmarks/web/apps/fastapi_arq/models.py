"""The tables of the service and of its workers."""

import os
from datetime import UTC, datetime

from arq.connections import RedisSettings
from sqlalchemy import ForeignKey, Index, event
from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

REDIS = RedisSettings.from_dsn(os.environ["BENCH_REDIS_URL"])
engine = create_async_engine(os.environ["BENCH_DATABASE_URL"].replace("sqlite:", "sqlite+aiosqlite:"))
Session = async_sessionmaker(engine, expire_on_commit=False)


@event.listens_for(engine.sync_engine, "connect")
def set_up(connection, _record):
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def now():
    return datetime.now(UTC)


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    password: Mapped[str]


class Token(Base):
    __tablename__ = "token"
    digest: Mapped[str] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"))


class Grant(Base):
    __tablename__ = "grant"
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id"), primary_key=True)
    queue: Mapped[str] = mapped_column(primary_key=True)


class Task(Base):
    __tablename__ = "task"
    __table_args__ = (Index("task_of_owner", "owner_id", "id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("user.id"))
    input_param: Mapped[str]
    queue: Mapped[str]
    status: Mapped[str] = mapped_column(default="queued")
    result: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(default=now)
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
