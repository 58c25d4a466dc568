"""Retries and dead letters."""

import playground

import redisq

app = redisq.RedisQ()


@app.task(max_attempts=3, backoff=0.1, give_up_on=(ValueError,))
def fetch(url, works_from):
    attempt = redisq.current_job().attempt
    if url.endswith(".invalid"):
        raise ValueError(f"no such host: {url}")
    if attempt < works_from:
        raise ConnectionError(f"{url} at attempt {attempt}")
    return f"{url} at attempt {attempt}"


@app.task(max_attempts=5)
def charge(customer):
    attempt = redisq.current_job().attempt
    if customer == "closed":
        raise redisq.GiveUp("the account is closed")
    if attempt == 1:
        raise redisq.Retry(in_=0.2, reason="the bank is busy")
    return f"charged {customer} at attempt {attempt}"


def failure(job):
    try:
        job.wait(timeout=30)
    except redisq.JobFailed as error:
        return f"{error} ({len(job.refresh().history)} attempts)"


if __name__ == "__main__":
    queue = app.queue("default")
    with playground.worker():
        print(fetch.enqueue("a.example", works_from=3).wait(timeout=30))
        job = fetch.enqueue("b.example", works_from=5)
        print("JobFailed:", failure(job))
        print("JobFailed:", failure(fetch.enqueue("c.invalid", works_from=1)))
        print("JobFailed:", failure(fetch.options(backoff=[0.1, 0.2, 0.3]).enqueue("d.example", works_from=5)))

        print(charge.enqueue("ada").wait(timeout=30))
        print("JobFailed:", failure(charge.enqueue("closed")))

        for attempt in job.refresh().history:
            print(attempt["attempt"], attempt["error"])
        print(job.refresh().traceback.splitlines()[-1])

        print(queue.counts())
        print(job.retry().status)  # all its attempts before it again
        print("JobFailed again:", failure(job))

    for letter in queue.jobs(status="failed"):
        letter.delete()
    print(queue.counts())
