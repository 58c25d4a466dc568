"""Limits: at most two at once, over all workers; and one at a time for each user."""

import time

import playground

import redisq

app = redisq.RedisQ()


@app.task(concurrency=2)
def convert(number):
    time.sleep(0.2)


@app.task(concurrency=1, key=lambda user, number: user)
def export(user, number):
    time.sleep(0.05)
    return f"{user} {number}"


def most_at_once(jobs):
    spans = [(job.started_at, job.finished_at) for job in map(redisq.Job.refresh, jobs)]
    return max(sum(begin <= other < end for begin, end in spans) for other, _ in spans)


if __name__ == "__main__":
    jobs = convert.enqueue_many([((number,), {}) for number in range(6)])
    exports = [export.enqueue(user, number) for number in range(2) for user in ("ada", "bob")]
    with playground.worker("--processes", "4"):
        for job in jobs:
            job.wait(timeout=30)
        print([job.wait(timeout=30) for job in exports])
    print(most_at_once(jobs) <= 2)
