"""redisq: reliable job queues on Redis lists."""

from .app import RedisQ
from .codec import JSON, Codec
from .consuming import ClaimableQueue as Queue
from .cron import CronEntry
from .current import CurrentJob, current_job
from .delivery import Delivery
from .enqueueing import EnqueueCall
from .errors import (
    AppNotFound,
    CronNotFound,
    DurabilityUnsupported,
    EmbeddedServerError,
    EnqueueUnknown,
    FeedFull,
    GiveUp,
    InvalidName,
    InvalidOption,
    InvalidURL,
    JobCancelled,
    JobFailed,
    JobNotFound,
    JobRunning,
    LeaseLost,
    NoCurrentJob,
    NotDurable,
    NotSerializable,
    PayloadTooLarge,
    RedisQError,
    Retry,
    ServerRefused,
    ServerUnavailable,
    SoftTimeout,
    TaskNameTaken,
    UnknownTask,
    WaitTimeout,
)
from .feed import Feed
from .finding import load_app
from .handler import JobLogHandler
from .job import Job
from .logline import LogEntry
from .middleware import Middleware
from .retry import Backoff
from .settings import Retention
from .survey import HeldJob, WorkerInfo
from .task import Task
from .waiting import as_completed, as_completed_async, wait, wait_async

__version__ = "0.1.0"

__all__ = [
    "JSON",
    "AppNotFound",
    "Backoff",
    "Codec",
    "CronEntry",
    "CronNotFound",
    "CurrentJob",
    "Delivery",
    "DurabilityUnsupported",
    "EmbeddedServerError",
    "EnqueueCall",
    "EnqueueUnknown",
    "Feed",
    "FeedFull",
    "GiveUp",
    "HeldJob",
    "InvalidName",
    "InvalidOption",
    "InvalidURL",
    "Job",
    "JobCancelled",
    "JobFailed",
    "JobLogHandler",
    "JobNotFound",
    "JobRunning",
    "LeaseLost",
    "LogEntry",
    "Middleware",
    "NoCurrentJob",
    "NotDurable",
    "NotSerializable",
    "PayloadTooLarge",
    "Queue",
    "RedisQ",
    "RedisQError",
    "Retention",
    "Retry",
    "ServerRefused",
    "ServerUnavailable",
    "SoftTimeout",
    "Task",
    "TaskNameTaken",
    "UnknownTask",
    "WaitTimeout",
    "WorkerInfo",
    "as_completed",
    "as_completed_async",
    "current_job",
    "load_app",
    "wait",
    "wait_async",
]
