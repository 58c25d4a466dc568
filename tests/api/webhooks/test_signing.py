"""Signatures as the library of Standard Webhooks makes and verifies them."""

from __future__ import annotations

import base64
import time

import pytest
from redisq_api.webhooks import signing
from standardwebhooks import Webhook, WebhookVerificationError

BODY = '{"type":"task.succeeded","data":{"result":"ü"}}'


def test_a_secret_is_of_256_random_bits() -> None:
    one, other = signing.new_secret(), signing.new_secret()
    assert one != other
    assert one.startswith("whsec_")
    assert len(base64.b64decode(one.removeprefix("whsec_"))) == 32


def test_the_library_verifies_it() -> None:
    new, old, foreign = (signing.new_secret() for _ in range(3))
    headers = signing.headers([new, old], "msg_1", int(time.time()), BODY)
    for secret in (new, old):
        assert Webhook(secret).verify(BODY, headers)["type"] == "task.succeeded"
    with pytest.raises(WebhookVerificationError):
        Webhook(foreign).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(BODY.replace("ü", "u"), headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(BODY, headers | {"webhook-id": "msg_2"})


def test_a_known_signature() -> None:
    """The example of the specification's libraries."""
    headers = signing.headers(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, '{"test": 2432232314}'
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
