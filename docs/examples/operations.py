"""Looking at a queue, and stopping it."""

import playground  # its server

import redisq

app = redisq.RedisQ()
queue = app.queue("reports")

if __name__ == "__main__":
    for number in range(1, 4):
        queue.options(job_id=f"r{number}").put({"report": number})
    queue.options(job_id="r4", delay=60.0).put({"report": 4})

    print(app.queue_names())
    print(queue.counts())
    print([job.id for job in queue.jobs(status="queued")], "newest first")

    queue.pause()  # nothing is claimed from now on, what runs goes on
    print(queue.claim(timeout=0.1), "while it is paused")
    queue.resume()
    with queue.claim() as delivery:
        print(delivery.job.id)

    print(queue.purge(), "cancelled")
    print(queue.counts())
    print([(job.id, job.status) for job in queue.jobs() if job.status != "cancelled"])
