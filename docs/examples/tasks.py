"""Tasks: functions under a name, plain or async, with options for how their jobs run."""

import playground

import redisq

app = redisq.RedisQ()


@app.task
def add(a, b):
    return a + b


@app.task("mail.greet", queue="high", max_attempts=5, timeout=60.0, result_ttl=3600.0)
async def greet(name, *, loudly=False):
    return f"Hello {name}{'!' if loudly else '.'}"


if __name__ == "__main__":
    print(add(2, 3), "called here")
    print(add.name, "and", greet.name, "are the names by which a worker knows them")
    with playground.worker(queues="high,default"):
        print(add.enqueue(2, b=3).wait(timeout=30), "called by a worker")
        print(greet.enqueue("Ada", loudly=True).wait(timeout=30))
