"""/admin/jobs/{id}: one job, whoever it belongs to."""

import falcon

import redisq

from ...database import Database
from ..guard import open_to
from ..site import Site
from ..tasks import pretty
from .acting import Operator
from .queues import as_json


class Jobs:
    """/admin/jobs/{id} and its /retry, /cancel, /delete"""

    def __init__(self, site: Site, database: Database, app: redisq.RedisQ) -> None:
        self._site = site
        self._database = database
        self._app = app

    @open_to("viewer")
    def on_get(self, request: falcon.Request, response: falcon.Response, job_id: str) -> None:
        """All about it."""
        job = self._find(job_id)
        parts = {"Payload": job.payload} if job.args is None else {"Arguments": job.args, "Named arguments": job.kwargs}
        if job.status == "succeeded":
            parts = {"Result": job.result}
        self._site.show(
            request, response, "admin-job.html",
            job=job, log=job.logs(), holder=self._holder(job),
            values=[(name, pretty(as_json(value))) for name, value in parts.items() if value not in ({}, None)],
        )  # fmt: skip

    on_head = on_get

    @open_to("operator")
    def on_post_retry(self, request: falcon.Request, response: falcon.Response, job_id: str) -> None:
        """Queues a dead letter again."""
        self._act(request, job_id, "retry", "failed", "The job runs again.")

    @open_to("operator")
    def on_post_cancel(self, request: falcon.Request, response: falcon.Response, job_id: str) -> None:
        """Ends it before it runs, or asks it to stop."""
        self._act(request, job_id, "cancel", "queued scheduled running", "The job is cancelled, or stops when it can.")

    @open_to("operator")
    def on_post_delete(self, request: falcon.Request, response: falcon.Response, job_id: str) -> None:
        """Forgets one that has ended."""
        self._act(request, job_id, "delete", "failed succeeded cancelled", "The job is deleted.")

    def _act(self, request: falcon.Request, job_id: str, act: str, statuses: str, text: str) -> None:
        job = self._find(job_id)
        page = f"/admin/jobs/{job_id}"
        if job.status not in statuses.split():
            raise self._site.done(request, page, f"The job is {job.status} by now.", "bad")
        try:
            Operator(self._database, request).act(f"job.{act}", job.id, getattr(job, act), task=job.task)
        except (redisq.JobNotFound, redisq.JobRunning) as error:
            raise self._site.done(request, page, f"That was too late: {error}.", "bad") from None
        after = f"/admin/queues/{job.queue}?status={job.status}" if act == "delete" else page
        raise self._site.done(request, after, text)

    def _find(self, job_id: str) -> redisq.Job:
        try:
            return self._app.job(job_id)
        except (redisq.JobNotFound, redisq.InvalidName):
            raise falcon.HTTPNotFound(
                description="There is no such job any more: one that has ended is kept for a while only."
            ) from None

    def _holder(self, job: redisq.Job) -> tuple[redisq.WorkerInfo, redisq.HeldJob] | None:
        """The worker that runs it."""
        if job.status != "running":
            return None
        workers = self._app.queue(job.queue).workers()
        return next(((one, held) for one in workers for held in one.jobs if held.id == job.id), None)
