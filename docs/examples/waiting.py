"""Waiting for many jobs: for all, for the first, and for each as it ends."""

import playground

import redisq

app = redisq.RedisQ()


@app.task
def square(number):
    return number * number


if __name__ == "__main__":
    jobs = square.enqueue_many([((number,), {}) for number in range(5)])
    jobs.append(square.options(max_attempts=1).enqueue("x"))
    print(len(redisq.wait(jobs, timeout=0)), "have ended before there is a worker")

    with playground.worker():
        print(len(redisq.wait(jobs, first=True)) > 0, "once one has ended")
        for job in redisq.as_completed(jobs, timeout=30.0):
            if job.status == "failed":
                print("failed:", job.error)
        print([job.result for job in redisq.wait(jobs)])
