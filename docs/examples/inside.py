"""Inside a job: which one it is, how far it has come, and what it enqueues with its own success."""

import playground

import redisq

app = redisq.RedisQ()


@app.task
def notify(report):
    return f"mailed {report}"


@app.task
def build(report, pages):
    job = redisq.current_job()
    for page in range(pages):
        job.set_progress(page + 1, pages)
    follow_up = job.enqueue(notify, report)  # made when this job has succeeded, and only then
    return {"attempt": job.attempt, "follow_up": follow_up.id}


if __name__ == "__main__":
    with playground.worker():
        job = build.options(job_id="q3").enqueue("q3.pdf", 4)
        result = job.wait(timeout=30)
        print("attempt", result["attempt"], "of", job.refresh().id)
        print(job.refresh().progress)
        print(app.job(result["follow_up"]).wait(timeout=30))
    try:
        redisq.current_job()
    except redisq.NoCurrentJob as error:
        print("NoCurrentJob:", error)
