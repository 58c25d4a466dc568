"""/admin/queues/{name}/bulk: the same done to all jobs that a filter chooses, in portions.

Each POST does what it can in about a second, and answers with a form for the next, which says where to go on: no thread
is held for longer, whoever closes the page stops it, and it also works without a script.
"""

import time
from dataclasses import dataclass

import falcon

import redisq

from ...database import Database
from ...problems import bad
from ..guard import open_to, text
from ..site import Site, number
from . import filters
from .acting import Operator
from .queues import queue_of

_SECONDS = 1.0
_DONE = {"retry": "retried", "cancel": "cancelled", "delete": "deleted"}


@dataclass(slots=True)
class Progress:
    """How far it is. `statuses`: of jobs that are still to be looked through; `cursor`: where, among the first of them;
    `total`: entries there are to be seen, 0 if nobody knows; `entry`: its number in the audit log.
    """

    statuses: list[str]
    cursor: str | None
    seen: int
    done: int
    total: int
    entry: int | None


class Bulk:
    """/admin/queues/{name}/bulk"""

    def __init__(self, site: Site, database: Database, app: redisq.RedisQ) -> None:
        self._site = site
        self._database = database
        self._app = app

    @open_to("operator")
    def on_post(self, request: falcon.Request, response: falcon.Response, name: str) -> None:
        """Does a portion."""
        queue, act = queue_of(self._app, name), text(request, "act")
        given = {field: text(request, field) for field in filters.NAMES}
        progress = _progress(request)
        if any(act not in filters.ACTS.get(status, ()) for status in progress.statuses):
            raise bad("bad_act", "That cannot be done to such jobs.")
        chosen_by = [filters.read(status, given) for status in progress.statuses]
        first = text(request, "status").split()
        is_first = progress.entry is None
        if is_first:
            counts = queue.counts()
            progress.total = sum(counts.get(status, 0) for status in progress.statuses)
        detail = {"status": first, **{field: value for field, value in given.items() if value}}
        operator = Operator(self._database, request)
        progress.entry = operator.count(progress.entry, f"jobs.{act}", name, 0, **detail)
        done = progress.done
        try:
            _go_on(queue, act, chosen_by, progress)
        except redisq.InvalidOption as error:
            raise bad("bad_progress", f"{error}") from None
        finally:
            operator.count(progress.entry, f"jobs.{act}", name, progress.done - done, **detail)
        said = f"{number(progress.done)} {'job' if progress.done == 1 else 'jobs'} {_DONE[act]}."
        back = {"status": first[0], **given}
        if is_first and not progress.statuses:
            raise self._site.done(request, f"/admin/queues/{name}?status={first[0]}", said)
        self._site.show(
            request, response, "admin-bulk.html",
            queue=name, act=act, first=" ".join(first), given=given, progress=progress, said=said, back=back,
        )  # fmt: skip


def _go_on(queue: redisq.Queue, act: str, chosen_by: list[redisq.Filter], progress: Progress) -> None:
    """Until nothing is left, or the time is over."""
    until = time.monotonic() + _SECONDS
    for one in chosen_by:
        for portion in queue.act(act, one, progress.cursor):
            progress.done += portion.done
            progress.seen += portion.seen
            progress.cursor = portion.cursor
            if time.monotonic() > until:
                return
        progress.statuses.remove(one.status)
        progress.cursor = None


def _progress(request: falcon.Request) -> Progress:
    numbers = {}
    for field in ("seen", "done", "total", "entry"):
        sent = text(request, field)
        if sent and not (sent.isascii() and sent.isdigit() and len(sent) < 16):
            raise bad("bad_progress", f"{field}: a whole number.")
        numbers[field] = int(sent or 0)
    left = text(request, "left") if numbers["entry"] else text(request, "status")
    if not text(request, "status").split():
        raise bad("bad_filter", "Say of which status the jobs are.")
    entry = numbers.pop("entry") or None
    return Progress(left.split(), text(request, "cursor") or None, entry=entry, **numbers)
