"""A service, a relay and a worker of webhooks in this process, each moved by the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import ip_network
from typing import Any

import msgspec
import pytest
from redisq_api import migrations
from redisq_api.database import Database
from redisq_api.relay import Relay
from redisq_api.settings import Settings
from redisq_api.webhooks import TASK, transport
from redisq_api.webhooks.addresses import Reach
from redisq_api.webhooks.courier import Courier

import redisq
from tests.api.conftest import Client
from tests.api.webhooks.receivers import Receiver, receiver

LOOPBACK = (ip_network("127.0.0.0/8"),)


@pytest.fixture
def there() -> Iterator[Receiver]:
    """A receiver that answers 204."""
    with receiver() as it:
        yield it


@pytest.fixture
def client(make_client: Callable[..., Client], redis_url: str) -> Client:
    """Ann's client of a service whose Redis is there, and which lets webhooks go to loopback."""
    return make_client("ann", redis_url, webhook_allow=LOOPBACK)


@pytest.fixture
def relay(database: Database, app: redisq.RedisQ) -> Relay:
    """A relay that a test moves by hand, and which tries a delivery three times."""
    config = Settings(webhook_retries=(60, 3600))
    return Relay(database, app, 1000, courier=Courier(database, app, migrations.feed_of(database), config))


def deliver(app: redisq.RedisQ, timeout: float = 5.0) -> dict[str, Any]:
    """Makes one attempt, as a worker would; answers the arguments of its job."""
    delivery = app.queue("webhooks").claim(timeout=timeout)
    assert delivery is not None
    job = delivery.job
    assert job.task == TASK
    assert job.args is not None
    url, headers, body = job.args
    delivery.ack(msgspec.to_builtins(transport.post(url, headers, body, Reach(LOOPBACK), 5.0)))
    return {"id": job.id, "url": url, "headers": headers, "body": body}
