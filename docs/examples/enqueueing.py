"""Enqueueing: options of one call, ids of your own, many at once, by name; and what comes back."""

import playground

import redisq

app = redisq.RedisQ()


@app.task
def resize(image, width=100):
    if width < 1:
        raise ValueError(f"width {width}")
    return f"{image} at {width}"


if __name__ == "__main__":
    first = resize.options(queue="low", job_id="cat-200").enqueue("cat", width=200)
    again = resize.options(queue="low", job_id="cat-200").enqueue("cat", width=200)
    print(first.id, first.status, first.created)
    print(again.id, again.status, again.created)

    many = resize.enqueue_many([(("dog",), {}), (("owl",), {"width": 50}), (("elk",), {}, {"job_id": "elk"})])
    print(len(many), "jobs in one round trip")

    # by name: who enqueues needs no code of the task
    wrong = app.queue("default").options(max_attempts=1).enqueue(resize.name, "bat", width=-1)

    try:
        first.wait(timeout=0.1)
    except redisq.WaitTimeout as error:
        print("WaitTimeout:", error)

    with playground.worker(queues="default,low"):
        print([job.wait(timeout=30) for job in many])
        print(first.wait(timeout=30))
        try:
            wrong.wait(timeout=30)
        except redisq.JobFailed as error:
            print("JobFailed:", error)

    job = app.job("low.cat-200")
    print(job.status, job.result, job.args)
    try:
        app.job("low.no-such-job")
    except redisq.JobNotFound as error:
        print("JobNotFound:", error)
