"""Many calls, of which only a few hundred are in memory at a time; cut off, and sent again."""

import playground

import redisq

app = redisq.RedisQ()
acknowledged = 0


@app.task
def welcome(user_id): ...


def calls(users):
    for user_id in users:
        yield (user_id,), {}, {"job_id": f"welcome-{user_id}"}


def users_until_the_database_is_away():
    yield from range(700)
    raise ConnectionError("the database is away")


def progress(done):
    global acknowledged
    acknowledged = done


if __name__ == "__main__":
    try:
        welcome.enqueue_bulk(calls(users_until_the_database_is_away()), progress)
    except ConnectionError as error:
        print(f"{error}, {acknowledged} are enqueued")

    print(welcome.enqueue_bulk(calls(range(1000)), progress), "enqueued")  # from the beginning: no job comes twice
    print(app.queue("default").counts()["queued"], "jobs")
