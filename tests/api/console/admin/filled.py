"""Queues with jobs that others have filled with what they liked."""

from __future__ import annotations

import redisq

NASTY = "<img src=x onerror=alert(1)>'\"</textarea></pre><script>alert(2)</script>{{ 7*7 }}"


def fail(app: redisq.RedisQ, count: int, error: str = "KeyError: {}", task: str = "work", queue: str = "low") -> None:
    """Dead letters: their errors have their numbers."""
    app.queue(queue).options(max_attempts=1).enqueue_many(task, [((n,), {}) for n in range(count)])
    for n in range(count):
        delivery = app.queue(queue).claim(timeout=5.0)
        assert delivery is not None
        delivery.nack(error.replace("{}", str(n)), retry_in=0)
