"""The app of the worker that delivers: `redisq-worker --app redisq_api.webhooks.worker:app --queues webhooks`.

It is the app of $REDISQ_APP with one task more, so that it finds its queue where the service puts it: on the same
server, in the same namespace, with the same codec and keys.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

import redisq

from .. import settings
from . import TASK, transport
from .addresses import Reach

app = redisq.load_app()


@app.task(name=TASK)
def deliver(url: str, headers: dict[str, str], body: str) -> dict[str, Any]:
    """Makes one attempt; answers what came of it."""
    reach, timeout = _limits()
    outcome: dict[str, Any] = msgspec.to_builtins(transport.post(url, headers, body, reach, timeout))
    return outcome


@cache
def _limits() -> tuple[Reach, float]:
    config = settings.read()
    return Reach(config.webhook_allow), float(config.webhook_timeout)
