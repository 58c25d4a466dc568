"""Enqueueing when a transaction of peewee is committed, and not when it is rolled back."""

from functools import partial

import peewee
import playground

import redisq

app = redisq.RedisQ()
db = peewee.SqliteDatabase(":memory:")


class User(peewee.Model):
    name = peewee.CharField()

    class Meta:
        database = db


@app.task
def welcome(user_id): ...


def sign_up(name):
    user = User.create(name=name)
    db.after_commit(partial(welcome.enqueue, user.id))
    print("within:", app.queue("default").counts()["queued"])


if __name__ == "__main__":
    db.create_tables([User])
    with db.atomic():
        sign_up("ann")
    print("committed:", app.queue("default").counts()["queued"])
    try:
        with db.atomic():
            sign_up("bob")
            raise RuntimeError("changed our mind")
    except RuntimeError:
        print("rolled back:", app.queue("default").counts()["queued"])
