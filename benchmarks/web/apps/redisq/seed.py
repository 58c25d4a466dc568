"""NAME PASSWORD: the database with a user and 10,000 tasks that have ended; prints a token and the last task."""

import json
import os
import sys

from redisq_api import clock, database, ids, migrations, store, users

name, password = sys.argv[1:]
base = database.Database(os.environ["REDISQ_DATABASE"])
migrations.apply(base)
users.add(base, name, password, ["high", "default"])
user = users.find(base, name)
assert user
now = clock.now()
tasks = [
    store.Task(
        id=made, account_id=user.id, task="describe", input_param=f'"task {number}"', queue="default",
        state="succeeded", attempt=1, created_at=now, due_at=now, relay_at=now, started_at=now, finished_at=now,
        result='{"characters": 9}',
    )
    for number, made in enumerate(ids.IdMaker().make(10_000))
]  # fmt: skip
with base.write():
    store.add(base, tasks)
print(json.dumps({"token": users.create_token(base, user), "task": tasks[-1].id}))
