"""Taking tasks: into the database in one transaction, then straight into the queue if nothing speaks against it.

What the queue does not get here (Redis is away, or has enough to do, or others already wait) stays in the outbox, and
the relay hands it over. Either way the answer is the same 202.
"""

import redisq

from . import clock, grants, idempotency, outbox, store, view
from .bodies import Body
from .database import Database
from .forms import Order
from .idempotency import Answer
from .ids import IdMaker, moment
from .jobs import Jobs
from .problems import Problem
from .quotas import Quotas
from .routing import Router
from .store import Task
from .users import User

# For so long the process that took a POST enqueues by itself; what is still in the outbox then is the relay's.
_DIRECT = 5 * clock.SECOND


class Posting:
    """Creates tasks for users; safe to share between threads."""

    def __init__(self, database: Database, jobs: Jobs, router: Router, quotas: Quotas) -> None:
        self._database = database
        self._jobs = jobs
        self._router = router
        self._quotas = quotas
        self._ids = IdMaker()

    def create(self, user: User, order: Order, root: str, key: str | None, body: Body) -> Answer:
        """Takes an order; under a key of idempotency (not None) once. `root`: see view.task_object."""
        return self._create(user, order, root) if key is None else self._create_once(user, order, root, key, body)

    def _create(self, user: User, order: Order, root: str) -> Answer:
        """The answer shows the tasks as they are now."""
        queue, is_direct = self._plan(user, order)
        with self._database.write():
            tasks, is_direct = self._insert(user, order, queue, is_direct)
        jobs = self._hand_over(tasks) if is_direct else {}
        return _answer(order, [view.see(task, jobs.get(task.id)) for task in tasks], root)

    def _create_once(self, user: User, order: Order, root: str, key: str, body: Body) -> Answer:
        """The answer shows the tasks as accepted, also when it is given again."""
        mark = idempotency.fingerprint(body)
        try:
            queue, is_direct = self._plan(user, order)
        except Problem:  # what would be refused by now may have been taken before
            earlier = idempotency.find(self._database, user.id, key, mark)
            if earlier is None:
                raise
            return earlier
        with self._database.write():
            earlier = idempotency.find(self._database, user.id, key, mark)
            if earlier is not None:
                return earlier
            tasks, is_direct = self._insert(user, order, queue, is_direct)
            answer = _answer(order, [view.see(task, None) for task in tasks], root)
            idempotency.keep(self._database, user.id, key, mark, answer)
        if is_direct:
            self._hand_over(tasks)
        return answer

    def _plan(self, user: User, order: Order) -> tuple[str, bool]:
        """The queue, and whether Redis has room for the tasks; asked before the transaction, which must be short."""
        workers = grants.granted(self._database, user.id, user.plan)
        queue = self._router.choose(workers, user.rule, order.queue, len(order.inputs))
        size = sum(len(view.as_json(value).encode()) for value in order.inputs)
        return queue, self._jobs.takes(queue, order.delay > 0, len(order.inputs), size)

    def _insert(self, user: User, order: Order, queue: str, is_direct: bool) -> tuple[list[Task], bool]:
        self._quotas.check_unfinished(user, len(order.inputs))
        # While tasks of a user wait in the outbox of a queue, a new one waits behind them.
        if is_direct and not order.delay and outbox.has_backlog(self._database, queue, user.id):
            is_direct = False
        now = clock.now()
        due = now + round(order.delay * clock.SECOND)
        relay_at = now + _DIRECT if is_direct else max(now, due - outbox.EARLY)
        tasks = [
            Task(
                new, user.id, order.task, text, queue, "accepted", 1, moment(new), due, relay_at,
                size=len(text.encode()), on_its_way=int(is_direct), callback_url=order.callback_url,
            )
            for new, text in zip(self._ids.make(len(order.inputs)), map(view.as_json, order.inputs), strict=True)
        ]  # fmt: skip
        store.add(self._database, tasks)
        return tasks, is_direct

    def _hand_over(self, tasks: list[Task]) -> dict[str, redisq.Job]:
        jobs = self._jobs.enqueue(tasks)
        if jobs is None:
            outbox.release(self._database, tasks)
            return {}
        self._jobs.cancel_all(outbox.cancelled(self._database, tasks))
        return jobs


def _answer(order: Order, seen: list[view.Seen], root: str) -> Answer:
    if order.is_list:
        return Answer(view.as_json([view.task_object(one, root) for one in seen]), f"{root}{view.BASE}")
    return Answer(view.as_json(view.task_object(seen[0], root)), view.location(seen[0].task, root))
