"""Cancel: a job that waits never runs, one that runs is stopped."""

import time

import playground

import redisq

app = redisq.RedisQ()


@app.task
def count(seconds):
    job = redisq.current_job()
    job.set_progress(0, seconds)
    try:
        for _ in range(seconds * 100):
            time.sleep(0.01)
    finally:
        print("cleaned up")


if __name__ == "__main__":
    waiting = count.enqueue(60)
    print(waiting.cancel().status)

    with playground.worker():
        running = count.enqueue(60)
        while running.refresh().progress is None:  # until it has begun
            time.sleep(0.01)
        asked = running.cancel()
        try:
            running.wait(timeout=30)
        except redisq.JobCancelled as error:
            print("JobCancelled:", error)
    print(asked.status, "when it was asked to stop, now", running.refresh().status)
    print(running.cancel().status, "still: what has ended stays as it is")
