"""Retries and dead letters."""

import playground

import redisq

app = redisq.RedisQ()


@app.task(max_attempts=3, backoff=0.1)
def fetch(url, works_from):
    attempt = redisq.current_job().attempt
    if attempt < works_from:
        raise ConnectionError(f"{url} at attempt {attempt}")
    return f"{url} at attempt {attempt}"


if __name__ == "__main__":
    queue = app.queue("default")
    with playground.worker():
        print(fetch.enqueue("a.example", works_from=3).wait(timeout=30))
        job = fetch.enqueue("b.example", works_from=5)
        try:
            job.wait(timeout=30)
        except redisq.JobFailed as error:
            print("JobFailed:", error)

        print(queue.counts())
        for letter in queue.jobs(status="failed"):
            print(letter.status, letter.args, letter.error)
            letter.retry()  # all its attempts before it again

        try:
            job.wait(timeout=30)
        except redisq.JobFailed as error:
            print("JobFailed again:", error)

    job.delete()
    print(queue.counts())
