"""One module per peer: how a job is sent, and the app that the peer's own worker command loads.

A module has `send(job, *args)`, which returns when the server has acknowledged the job, and where the library can do
it `bulk(job, calls)`, `call(job, *args)` (the result) and `connected()` (an asynchronous context around all of these).
They are plain functions or coroutine functions. `job` names a function of `jobs.py`.
"""

from __future__ import annotations

import json
import os
from typing import Any

#: As the driver says in the environment, to the producer and to the worker alike.
PORT = int(os.environ.get("PEERS_PORT", "0"))
URL = f"redis://127.0.0.1:{PORT}/0"

QUEUES = os.environ.get("PEERS_QUEUES", "urgent,bench").split(",")

_options: dict[str, Any] = json.loads(os.environ.get("PEERS_OPTIONS", "{}"))


def option(name: str, default: Any = None) -> Any:
    """What the variant that runs says of this, see variants.py."""
    return _options.get(name, default)
