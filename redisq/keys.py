"""Every Redis key: its name, its type, what it holds, and whether it is a place of jobs.

All keys of a queue begin with its *base*, `redisq:{high}:`. The braces make the queue's name the hash tag, so that in a
cluster one script finds all keys of a queue on one node. A feed is a small queue in the slot of the queue that it
belongs to: its base is `redisq:{high}:feed:billing:`, and under it stand the same keys.

========================  ======  ==============================================================  =====
below the base            type    holds                                                           place
========================  ======  ==============================================================  =====
pending                   LIST    ids; LPUSH in, taken from the right                              yes
claimed:<worker>          LIST    ids that this worker holds, the newest on the left              yes
scheduled                 ZSET    id -> when due, ms (delays and retries)                         yes
suspects                  LIST    ids that only a worker which holds nothing else may take        yes
dead                      ZSET    id -> when it failed for good, ms (dead letters)                yes
job:<id>                  HASH    the job, see job.py; a TTL once it has ended
log:<id>                  LIST    what the job logged, the newest on the right; lives as the job
workers                   ZSET    registered worker -> end of its lease, ms
calls                     HASH    worker -> "number of last claim:lease, ms:mark of expiry, ms"
ended                     LIST    ids of succeeded and cancelled jobs, the newest on the left
forward                   LIST    follow-ups and news of ends on their way to another queue
wake                      LIST    one token while there may be something to claim
state                     HASH    paused, limits (JSON), kept (last housekeeping, ms), epoch
slots:<key>               SET     ids of jobs that run, of which only so many may
starts:<key>              LIST    when the last of so many in a time started, ms; short-lived
turn:<key>                ZSET    id -> when enqueued, ms: scheduled since a limit is reached
unique:<key>              STRING  id of the only job that may have this key
after:<id>                HASH    for which parents a job waits, and how they ended; next.lua
next:<id>                 LIST    full ids of the jobs that wait for this one
flow:<id>                 STRING  a workflow: ids of its jobs (JSON); a TTL once one has ended
cron                      HASH    the timetable, a few fields per entry, see cron.py
control:<worker>          LIST    jobs that this worker is to stop, and orders; short-lived
facts:<worker>            STRING  its memory, version and such (JSON); a TTL as its lease
done:<id>                 LIST    wakes those who wait for this job, if any do; short-lived
done:@<mailbox>           LIST    ids of ended jobs for one who waits for many; short-lived
feed:<name>:…                     the base of a feed
broken-<seconds>:<key>    any     what the doctor has set aside, since it was of a wrong type
========================  ======  ==============================================================  =====

One key stands outside: `redisq:queues`, a SET of the names of all queues. No script touches it.

The scripts name keys as `KEY.pending`; scripts.py puts the names below in their place, so each is spelled once.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .errors import InvalidName

NAMES = {
    "pending": "pending",
    "claimed": "claimed:",
    "scheduled": "scheduled",
    "suspects": "suspects",
    "dead": "dead",
    "job": "job:",
    "log": "log:",
    "workers": "workers",
    "calls": "calls",
    "ended": "ended",
    "forward": "forward",
    "wake": "wake",
    "state": "state",
    "slots": "slots:",
    "starts": "starts:",
    "turn": "turn:",
    "unique": "unique:",
    "after": "after:",
    "next": "next:",
    "flow": "flow:",
    "cron": "cron",
    "control": "control:",
    "facts": "facts:",
    "done": "done:",
    "feed": "feed:",
    "broken": "broken-",
}

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_JOB_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}")


def is_name(name: str) -> bool:
    """Whether it can be the name of a queue, feed or namespace."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None


def check_name(name: str, what: str = "queue") -> str:
    """The name of a queue, feed or namespace, if it can be one; InvalidName otherwise."""
    if not is_name(name):
        raise InvalidName(f"not a {what} name: {name!r:.80} (1 to 64 of A-Z a-z 0-9 _ -)")
    return name


def check_job_id(job_id: str) -> str:
    """A job id as a caller gives it, without its queue's name; InvalidName if it cannot be one."""
    if not isinstance(job_id, str) or not _JOB_ID.fullmatch(job_id):
        raise InvalidName(f"not a job id: {job_id!r:.160} (1 to 128 of A-Z a-z 0-9 _ . : -)")
    return job_id


def check_task(name: str) -> str:
    """The name of a task, if it can be one; InvalidName otherwise."""
    if not isinstance(name, str) or not 0 < len(name) <= 256 or not name.isprintable():
        raise InvalidName(f"not a task name: {name!r:.80} (1 to 256 printable characters)")
    return name


class FullId(NamedTuple):
    """A job id that names its queue: `high.0192`. A partition, should queues ever have them, goes before the dot:
    `high~3.0192`.
    """

    queue: str
    local: str

    @classmethod
    def parse(cls, text: str) -> FullId:
        """Split at the first dot, which no queue name contains; InvalidName if it is not of that form."""
        queue, dot, local = text.partition(".") if isinstance(text, str) else ("", "", "")
        if not dot:
            raise InvalidName(f"not a full job id: {text!r:.200} (QUEUE.ID)")
        return cls(check_name(queue), check_job_id(local))

    def __str__(self) -> str:
        return f"{self.queue}.{self.local}"


def queue_base(namespace: str, queue: str) -> str:
    """What all keys of a queue begin with."""
    return f"{namespace}:{{{queue}}}:"


def feed_base(base: str, feed: str) -> str:
    """What all keys of a queue's feed begin with."""
    return f"{base}{NAMES['feed']}{feed}:"


def queues(namespace: str) -> str:
    """The SET of the names of all queues."""
    return f"{namespace}:queues"
