"""Celery."""

from __future__ import annotations

from celery import Celery

from . import URL, jobs, option

app = Celery("bench", broker=URL, backend=URL)
app.conf.update(option("conf", {}), broker_connection_retry_on_startup=True, task_default_queue="bench")
tasks = {
    function.__name__: app.task(name=function.__name__)(function)
    for function in (jobs.noop, jobs.stamp, jobs.double, jobs.nap)
}


def send(job, *args):
    return tasks[job].delay(*args)


if not app.conf.task_ignore_result:

    def call(job, *args):
        return send(job, *args).get(timeout=10)
