"""WakaQ."""

from __future__ import annotations

from wakaq import WakaQ

from . import PORT, QUEUES, jobs, option

wakaq = WakaQ(
    queues=QUEUES, host="127.0.0.1", port=PORT, concurrency=option("concurrency", 1), worker_log_level=30
)


@wakaq.task
def noop():
    jobs.noop()


@wakaq.task
def stamp(sent):
    jobs.stamp(sent)


@wakaq.task
def nap(number):
    jobs.nap(number)


tasks = {"noop": noop, "stamp": stamp, "nap": nap}


def send(job, *args):
    return tasks[job].delay(*args, queue="bench")
