"""redisq: reliable job queues on Redis lists."""

from .app import RedisQ
from .call import Call
from .codec import JSON, Codec
from .consuming import ClaimableQueue as Queue
from .cron import CronEntry
from .current import CurrentJob, current_job
from .delivery import Delivery
from .enqueueing import EnqueueCall
from .errorgroups import ErrorGroup, ErrorGroups
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
    QueueFull,
    RedisQError,
    Retry,
    ServerRefused,
    ServerUnavailable,
    SoftTimeout,
    TaskNameTaken,
    UnknownTask,
    WaitTimeout,
    WorkerNotFound,
    WorkflowNotFound,
)
from .feed import Feed
from .finding import load_app
from .graph import WorkflowNode
from .handler import JobLogHandler
from .job import Job, Parent
from .logline import LogEntry
from .middleware import Middleware
from .policy import QueueLimits
from .retry import Backoff
from .search import Filter, JobPage
from .serverinfo import ServerInfo
from .settings import Retention
from .survey import HeldJob, QueueInfo, Survey, WorkerInfo
from .task import Task
from .waiting import as_completed, as_completed_async, wait, wait_async
from .workflow import Flow, Workflow, chain, group

__version__ = "0.1.0"

__all__ = [
    "JSON",
    "AppNotFound",
    "Backoff",
    "Call",
    "Codec",
    "CronEntry",
    "CronNotFound",
    "CurrentJob",
    "Delivery",
    "DurabilityUnsupported",
    "EmbeddedServerError",
    "EnqueueCall",
    "EnqueueUnknown",
    "ErrorGroup",
    "ErrorGroups",
    "Feed",
    "FeedFull",
    "Filter",
    "Flow",
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
    "JobPage",
    "JobRunning",
    "LeaseLost",
    "LogEntry",
    "Middleware",
    "NoCurrentJob",
    "NotDurable",
    "NotSerializable",
    "Parent",
    "PayloadTooLarge",
    "Queue",
    "QueueFull",
    "QueueInfo",
    "QueueLimits",
    "RedisQ",
    "RedisQError",
    "Retention",
    "Retry",
    "ServerInfo",
    "ServerRefused",
    "ServerUnavailable",
    "SoftTimeout",
    "Survey",
    "Task",
    "TaskNameTaken",
    "UnknownTask",
    "WaitTimeout",
    "WorkerInfo",
    "WorkerNotFound",
    "Workflow",
    "WorkflowNode",
    "WorkflowNotFound",
    "as_completed",
    "as_completed_async",
    "chain",
    "current_job",
    "group",
    "load_app",
    "wait",
    "wait_async",
]
