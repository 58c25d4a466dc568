"""Taking tasks: into the database in one transaction, then straight into the queue if nothing speaks against it.

What the queue does not get here (Redis is away, or has enough to do, or others already wait) stays in the outbox, and
the relay hands it over. Either way the answer is the same 202.
"""

import random

import redisq

from . import clock, idempotency, outbox, store, users, view
from .bodies import Body
from .database import Database
from .forms import Order
from .idempotency import Answer
from .ids import IdMaker, moment
from .jobs import Jobs
from .problems import Problem
from .store import Task
from .users import User

# For so long the process that took a POST enqueues by itself; what is still in the outbox then is the relay's.
_DIRECT = 5 * clock.SECOND
# A delayed task that found no room in Redis is handed over so long before it is due.
_EARLY = 60 * clock.SECOND


class Posting:
    """Creates tasks for users; safe to share between threads."""

    def __init__(self, database: Database, jobs: Jobs) -> None:
        self._database = database
        self._jobs = jobs
        self._ids = IdMaker()

    def create(self, user: User, order: Order) -> Answer:
        """Takes an order; the answer shows its tasks as they are now."""
        queue, is_direct = self._plan(user, order)
        with self._database.write():
            tasks, is_direct = self._insert(user, order, queue, is_direct)
        jobs = self._hand_over(tasks) if is_direct else {}
        return _answer(order, [view.see(task, jobs.get(task.id)) for task in tasks])

    def create_once(self, user: User, order: Order, key: str, body: Body) -> Answer:
        """Takes an order unless it was taken before under this key; the answer shows its tasks as accepted."""
        mark = idempotency.fingerprint(body)
        queue, is_direct = self._plan(user, order)
        with self._database.write():
            earlier = idempotency.find(self._database, user.id, key, mark)
            if earlier is not None:
                return earlier
            tasks, is_direct = self._insert(user, order, queue, is_direct)
            answer = _answer(order, [view.see(task, None) for task in tasks])
            idempotency.keep(self._database, user.id, key, mark, answer)
        if is_direct:
            self._hand_over(tasks)
        return answer

    def _plan(self, user: User, order: Order) -> tuple[str, bool]:
        """The queue, and whether Redis has room for the tasks; asked before the transaction, which must be short."""
        granted = users.queues(self._database, user)
        if order.queue is not None and order.queue not in granted:
            raise Problem(403, "queue_not_granted", "You have no worker on that queue.")
        if not granted:
            raise Problem(403, "no_worker", "You have no worker; ask the administrator for one.")
        queue = order.queue or random.choice(granted)
        place = "scheduled" if order.delay else "queued"
        return queue, self._jobs.takes(queue, place, len(order.inputs))

    def _insert(self, user: User, order: Order, queue: str, is_direct: bool) -> tuple[list[Task], bool]:
        # Nobody overtakes: while tasks wait in the outbox of a queue, a new one waits behind them.
        if is_direct and not order.delay and outbox.has_backlog(self._database, queue):
            is_direct = False
        now = clock.now()
        due = now + round(order.delay * clock.SECOND)
        relay_at = now + _DIRECT if is_direct else max(now, due - _EARLY)
        tasks = [
            Task(new, user.id, order.task, view.as_json(value), queue, "accepted", 1, moment(new), due, relay_at)
            for new, value in zip(self._ids.make(len(order.inputs)), order.inputs, strict=True)
        ]
        store.add(self._database, tasks)
        return tasks, is_direct

    def _hand_over(self, tasks: list[Task]) -> dict[str, redisq.Job]:
        jobs = self._jobs.enqueue(tasks)
        if jobs is None:
            outbox.release(self._database, tasks)
            return {}
        self._jobs.cancel_all(outbox.cancelled(self._database, tasks))
        return jobs


def _answer(order: Order, seen: list[view.Seen]) -> Answer:
    if order.is_list:
        return Answer(view.as_json([view.task_object(one) for one in seen]), view.BASE)
    return Answer(view.as_json(view.task_object(seen[0])), view.location(seen[0].task))
