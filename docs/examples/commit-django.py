"""Enqueueing when a transaction of Django is committed, and not when it is rolled back."""

from functools import partial

import django
import playground
from django.conf import settings
from django.db import connection, models, transaction

import redisq

settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})
django.setup()

app = redisq.RedisQ()


class User(models.Model):
    name = models.CharField(max_length=100)

    class Meta:
        app_label = "shop"


@app.task
def welcome(user_id): ...


def sign_up(name):
    user = User.objects.create(name=name)
    transaction.on_commit(partial(welcome.enqueue, user.id))
    print("within:", app.queue("default").counts()["queued"])


if __name__ == "__main__":
    with connection.schema_editor() as editor:
        editor.create_model(User)
    with transaction.atomic():
        sign_up("ann")
    print("committed:", app.queue("default").counts()["queued"])
    try:
        with transaction.atomic():
            sign_up("bob")
            raise RuntimeError("changed our mind")
    except RuntimeError:
        print("rolled back:", app.queue("default").counts()["queued"])
