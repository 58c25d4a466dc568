"""Durability: how safe a job is when its enqueue is acknowledged."""

import playground  # its server

import redisq

app = redisq.RedisQ(durability="fsync")  # for all jobs; an embedded server can give it


if __name__ == "__main__":
    job = app.queue("orders").put({"order": 1})
    print(job.status, "and on the disk")

    try:  # for one call
        app.queue("orders").options(durability="replica").put({"order": 2})
    except redisq.DurabilityUnsupported as error:
        print("DurabilityUnsupported:", error)
    app.queue("orders").options(durability=None).put({"order": 3})
    print(app.queue("orders").counts()["queued"], "jobs")
