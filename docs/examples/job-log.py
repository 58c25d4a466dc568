"""The log of a job: what it says, and what the code that it calls logs, to be read from outside."""

import logging

import playground

import redisq

app = redisq.RedisQ()
log = logging.getLogger("shop")
log.setLevel(logging.INFO)
log.addHandler(redisq.JobLogHandler())


def pack(thing):
    log.info("packed %s", thing)  # as code logs that knows nothing of jobs


@app.task
def ship(order, things):
    redisq.current_job().log(f"order {order}: {len(things)} things")
    for thing in things:
        pack(thing)


if __name__ == "__main__":
    pack("nothing")  # outside of a job: in no job's log
    with playground.worker():
        job = ship.enqueue(7, ["apples", "pears"])
        job.wait(timeout=30)
        for entry in job.logs():
            print(entry.attempt, entry.text)
        print(job.created_at < job.logs()[0].time)
