"""Enqueueing when a transaction of SQLAlchemy is committed, and not when it is rolled back."""

from functools import partial

import playground
from sqlalchemy import create_engine, event
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

import redisq

app = redisq.RedisQ()
new_session = sessionmaker(create_engine("sqlite://"))


class Base(DeclarativeBase): ...


class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]


@event.listens_for(new_session, "after_commit")
def committed(session):
    if not session.in_nested_transaction():  # the end of a savepoint is none of the transaction
        for enqueue in session.info.pop("jobs", ()):
            enqueue()


@event.listens_for(new_session, "after_transaction_end")
def ended(session, transaction):
    if transaction.parent is None:
        session.info.pop("jobs", None)


@app.task
def welcome(user_id): ...


def sign_up(session, name):
    user = User(name=name)
    session.add(user)
    session.flush()
    session.info.setdefault("jobs", []).append(partial(welcome.enqueue, user.id))
    print("within:", app.queue("default").counts()["queued"])


if __name__ == "__main__":
    Base.metadata.create_all(new_session.kw["bind"])
    with new_session.begin() as session:
        with session.begin_nested():
            sign_up(session, "ann")
        print("savepoint:", app.queue("default").counts()["queued"])
    print("committed:", app.queue("default").counts()["queued"])
    session = new_session()
    sign_up(session, "bob")
    session.rollback()
    sign_up(session, "eve")
    session.close()
    session.commit()
    print("rolled back:", app.queue("default").counts()["queued"])
