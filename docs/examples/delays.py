"""Delays: not before so many seconds have passed."""

import playground

import redisq

app = redisq.RedisQ()


@app.task
def remind(whom):
    return f"reminded {whom}"


if __name__ == "__main__":
    later = remind.options(delay=3600.0, job_id="call-ada").enqueue("Ada")
    soon = remind.options(delay=0.5).enqueue("Bob")
    print(later.status, soon.status, app.queue("default").counts())

    with playground.worker():
        print(soon.wait(timeout=30))
    job = soon.refresh()
    print((job.started_at - job.created_at).total_seconds() >= 0.5)

    print(later.cancel().status)
    print(app.queue("default").counts())
