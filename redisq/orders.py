"""Orders to workers from afar. A supervisor reads them where it reads which jobs are to stop: see worker/orders.py."""

from __future__ import annotations

from collections.abc import Iterable

from . import keys
from .connection import evalsha
from .errors import WorkerNotFound
from .scripts import ORDER
from .settings import Settings
from .survey import Survey

#: No job's id begins with a `!`.
STOP = "!stop"
RECYCLE = "!recycle"


def give(settings: Settings, queues: Iterable[str], worker: str, order: str) -> None:
    """To a process that is registered with one of these queues; WorkerNotFound, ServerUnavailable."""
    found = next((info for info in Survey(settings).workers(queues, jobs=1) if info.name == worker), None)
    if found is None:
        raise WorkerNotFound(f"no worker {worker!r:.200}")
    if found.version is None:
        raise WorkerNotFound(f"{worker!r:.200} has no supervisor that reads orders: it claims through the library")
    base = keys.queue_base(settings.namespace, found.queues[0])
    (known,) = settings.server.call([evalsha(ORDER, [base], (worker, order))], settings.patience)
    if not known:
        raise WorkerNotFound(f"the worker {worker!r:.200} has just ended")
