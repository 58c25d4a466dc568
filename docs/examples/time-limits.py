"""How long a job may run, and until when it may begin."""

import asyncio
import contextlib
import time

import playground

import redisq

app = redisq.RedisQ()


@app.task(soft_timeout=0.5, timeout=10.0)
def count(seconds):
    done = 0
    try:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.01)
            done += 1
    except redisq.SoftTimeout:
        return "some of it"
    return "all of it"


@app.task(soft_timeout=0.3, max_attempts=1)
async def listen(seconds):
    try:
        await asyncio.sleep(seconds)
    finally:
        print("hung up")


@app.task(timeout=0.5, max_attempts=1)
def stubborn():
    while True:
        with contextlib.suppress(BaseException):
            time.sleep(60)


@app.task(expires=0.2)
def alarm(text):
    return text


if __name__ == "__main__":
    late = alarm.enqueue("fire")
    timely = alarm.options(expires=3600.0).enqueue("tea")
    time.sleep(0.3)  # while no worker runs
    with playground.worker():
        try:
            late.wait(timeout=30)
        except redisq.JobCancelled as error:
            print("JobCancelled:", error)
        print(timely.wait(timeout=30))
        print(count.enqueue(0.1).wait(timeout=30))
        print(count.enqueue(60).wait(timeout=30))
        for job in (listen.enqueue(60), stubborn.enqueue()):
            try:
                job.wait(timeout=30)
            except redisq.JobFailed as error:
                print("JobFailed:", error)
