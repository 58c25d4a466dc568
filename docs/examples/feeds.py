"""Feeds: being told how jobs end, at least once, whoever was away meanwhile."""

import playground

import redisq

app = redisq.RedisQ()


@app.task(max_attempts=1)
def charge(customer, cents):
    if cents > 100_000:
        raise ValueError("over the limit")
    return {"customer": customer, "charged": cents}


if __name__ == "__main__":
    charge.options(feed="billing", job_id="1").enqueue("ada", 500)
    charge.options(feed="billing", job_id="2").enqueue("bob", 5_000_000)
    charge.options(feed="billing", job_id="3").enqueue("eve", 1).cancel()
    with playground.worker("--burst") as process:
        process.wait()  # all have ended, and nobody has read the feed yet

    feed = app.feed("billing")
    ended = {}
    while (delivery := feed.claim(timeout=1.0)) is not None:
        with delivery:  # leaving the block acks: the news will not come again
            job = delivery.job
            ended[job.id] = (job.status, job.result or job.error)
    for job_id, news in sorted(ended.items()):
        print(job_id, *news)
