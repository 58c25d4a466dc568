"""Everything that redisq raises.

RedisQError
├── ServerRefused            the server answered with an error: nothing was changed
├── ServerUnavailable        the server could not be reached: nothing was sent, or sending it again is safe
├── EnqueueUnknown           sent, and no answer came: enqueue again under `job_id` to find out
├── DurabilityUnsupported    the server cannot give the durability that was asked for: nothing was enqueued
├── NotDurable               enqueued under `job_id`, but not known to be as safe as was asked for
├── QueueFull                as many jobs wait in the queue as may: nothing was enqueued
├── FeedFull                 the feed that the job names has too many unread entries: nothing was enqueued
├── InvalidName              (ValueError) a queue, feed or task name, or a job id, that cannot be one
├── InvalidOption            (ValueError) an option with a value that makes no sense
├── InvalidURL               (ValueError) a server's URL that cannot be understood
├── NotSerializable          (TypeError) arguments or a result that JSON cannot hold
├── PayloadTooLarge          (ValueError) arguments or a result above the size limit
├── TaskNameTaken            (ValueError) two functions registered under one name
├── UnknownTask              (LookupError) no task of that name is registered
├── AppNotFound              `--app` or $REDISQ_APP leads to no RedisQ object
├── NoCurrentJob             `current_job()` outside of a running job
├── JobNotFound              (LookupError) no such job, or its result has expired
├── JobRunning               the job runs: it can not be deleted now
├── WorkerNotFound           (LookupError) no such worker, or none that can be told anything
├── CronNotFound             (LookupError) no entry of the timetable has this name
├── WorkflowNotFound         (LookupError) no such workflow, or it is forgotten
├── JobFailed                waited for a job that failed
├── JobCancelled             waited for a job that was cancelled
├── WaitTimeout              (TimeoutError) waited for a job that takes longer
├── LeaseLost                the delivery is no longer ours: the job runs, or ran, elsewhere
├── Retry                    raised by a job: try me again
├── GiveUp                   raised by a job: trying again would not help
├── SoftTimeout              raised inside of a job that runs longer than its `soft_timeout`
└── EmbeddedServerError      the embedded server is not installed, or does not start
"""


class RedisQError(Exception):
    """The base of all of them."""


class ServerRefused(RedisQError):
    """The server answered with an error; `__cause__` is redis-py's own. Nothing was changed."""


class ServerUnavailable(RedisQError):
    """The server could not be reached, or is loading its data; `__cause__` is redis-py's own."""


class EnqueueUnknown(RedisQError):
    """A reply was lost and trying again did not clear it up.

    `job_id` (without the queue's prefix) can be passed again as it is: if the job exists, no second one is made.
    `job_ids` are all ids of the call whose outcome is unknown, in order.
    """

    def __init__(self, message: str, job_ids: tuple[str, ...]) -> None:
        super().__init__(message)
        self.job_ids = job_ids
        self.job_id = job_ids[0]


class DurabilityUnsupported(RedisQError):
    """The server cannot give the durability that was asked for. Nothing was enqueued."""


class NotDurable(RedisQError):
    """Enqueued, but not known to be as safe as was asked for. `job_id` and `job_ids` as in EnqueueUnknown."""

    def __init__(self, message: str, job_ids: tuple[str, ...]) -> None:
        super().__init__(message)
        self.job_ids = job_ids
        self.job_id = job_ids[0]


class QueueFull(RedisQError):
    """As many jobs wait in the queue as the call's `max_length` lets wait. The job was not enqueued.

    Of a bulk, those before it have been: sending it again under the same ids does no harm.
    """


class FeedFull(RedisQError):
    """The feed that a job names has too many entries that nobody has read. The job was not enqueued.

    Of a bulk, others may have been: sending it again under the same ids does no harm.
    """


class InvalidName(RedisQError, ValueError):
    """A queue, feed or task name, or a job id, with characters or a length that it cannot have."""


class InvalidOption(RedisQError, ValueError):
    """An option that does not exist, or has a value that makes no sense."""


class InvalidURL(RedisQError, ValueError):
    """A server's URL that cannot be understood."""


class NotSerializable(RedisQError, TypeError):
    """Arguments or a result that JSON cannot hold."""


class PayloadTooLarge(RedisQError, ValueError):
    """Arguments or a result above the size limit."""


class TaskNameTaken(RedisQError, ValueError):
    """Two functions registered under one name."""


class UnknownTask(RedisQError, LookupError):
    """No task of that name is registered with this app."""


class AppNotFound(RedisQError):
    """The given place holds no RedisQ object, or cannot be imported."""


class NoCurrentJob(RedisQError):
    """`current_job()` was called outside of a running job."""


class JobNotFound(RedisQError, LookupError):
    """No such job: it never was, it was deleted, or its result has expired."""


class JobRunning(RedisQError):
    """The job runs: it cannot be deleted now."""


class WorkflowNotFound(RedisQError, LookupError):
    """No such workflow: it never was, or it is forgotten, as its jobs are."""


class WorkerNotFound(RedisQError, LookupError):
    """No such worker process: it has ended, or what has this name claims through the library, and obeys nobody."""


class CronNotFound(RedisQError, LookupError):
    """No entry of the timetable has this name: no worker that knows it has run yet, or it was forgotten."""


class JobFailed(RedisQError):
    """The job failed for good; the message is its error."""


class JobCancelled(RedisQError):
    """The job was cancelled."""


class WaitTimeout(RedisQError, TimeoutError):
    """The job did not end in the time given; it goes on."""


class LeaseLost(RedisQError):
    """The delivery is no longer ours: it was settled, given back, or taken over after the lease had ended."""


class Retry(RedisQError):
    """Raised by a job that wants to be tried again `in_` seconds (None: by its backoff).

    It is a failed attempt like others, with a delay of its own: counted, and a dead letter if it was the last one.
    """

    def __init__(self, in_: float | None = None, reason: str = "") -> None:
        if in_ is not None and not (isinstance(in_, int | float) and 0 <= in_ <= 1e9):
            raise InvalidOption(f"in_: seconds from 0 on, not {in_!r}")
        super().__init__(reason)
        self.in_ = in_
        self.reason = reason


class GiveUp(RedisQError):
    """Raised by a job that trying again would not help: it is a dead letter at once, whatever attempts are left."""


class SoftTimeout(RedisQError):
    """Raised inside of a job that runs longer than its `soft_timeout`: it may clean up, and return or let it go up."""


class EmbeddedServerError(RedisQError):
    """The embedded server is not installed, or does not start."""
