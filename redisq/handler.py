"""From the `logging` module to the log of the job that runs."""

from __future__ import annotations

import logging

from .current import running


class JobLogHandler(logging.Handler):
    """A handler that adds each record to the log of the job in whose code it arises; others are left alone, and so is
    what this library logs itself. `logging.getLogger().addHandler(redisq.JobLogHandler())`, with a level and a
    formatter if wanted. A thread that a job starts does not belong to it unless it runs in a copy of its context.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Never raises: what goes wrong is logging's to tell (``logging.raiseExceptions``)."""
        job = running()
        if job is None or record.name.partition(".")[0] == "redisq":
            return
        try:
            job.log(self.format(record))
        except Exception:
            self.handleError(record)
