"""`redisq-api webhook`: the same as over HTTP, for an administrator."""

from __future__ import annotations

import pytest
from redisq_api import audit
from redisq_api.database import Database
from redisq_api.webhooks import keys

from tests.api.conftest import find
from tests.api.test_administration import Run, run

__all__ = ["run"]


def test_an_endpoint_from_the_beginning_to_the_end(run: Run, database: Database) -> None:
    ann = find(database, "ann").id
    made = run("webhook add ann https://hook.example/ --events task.failed --json").json
    assert made["secret"] == keys.valid(database, ann, made["id"])[0]
    assert made["events"] == ["task.failed"]
    (listed,) = run("webhook list ann --json").json
    assert listed == {name: value for name, value in made.items() if name != "secret"}
    assert run("webhook list bob --json").json == []
    assert made["id"] in run("webhook list ann").out
    secret = run(f"webhook secret ann {made['id']}").out.strip()
    assert keys.valid(database, ann, made["id"]) == [secret, made["secret"]]
    assert run("webhook secret ann").out.strip() == keys.valid(database, ann, "")[0]
    delivery = run(f"webhook test ann {made['id']} --json").json
    assert (delivery["event"], delivery["status"]) == ("webhook.test", "pending")
    assert run("webhook deliveries ann --status pending --json").json == [delivery]
    assert delivery["id"] in run("webhook deliveries ann").out
    assert run(f"webhook resend ann {delivery['id']}").out == f"{delivery['id']} will be sent\n"
    assert run(f"webhook enable ann {made['id']}").out == f"{made['id']} is enabled\n"
    assert run(f"webhook remove ann {made['id']}").out == f"removed {made['id']}\n"
    assert run("webhook list ann --json").json == []
    entries = audit.entries(database, 50, "ann")
    assert [entry.act for entry in reversed(entries)] == [
        "webhook.add", "webhook.secret", "webhook.secret", "webhook.test", "webhook.resend", "webhook.enable",
        "webhook.remove",
    ]  # fmt: skip
    assert not any(text in str(entries) for text in (made["secret"], secret))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("webhook add ann ftp://hook.example/", "not a URL for webhooks: a URL of http or https"),
        ("webhook add ann http://10.0.0.1/", "not a URL for webhooks: the address is not a public one"),
        ("webhook add ann http://a.example/ --events x", "there is no event x; there are task.succeeded"),
        ("webhook add eve http://a.example/", "there is no user eve"),
        ("webhook remove ann wh_1", "ann has no webhook wh_1"),
        ("webhook resend ann msg_1", "ann has no delivery msg_1"),
    ],
)
def test_what_cannot_be(run: Run, line: str, message: str) -> None:
    said = run(line)
    assert (said.code, said.out) == (1, "")
    assert said.err.startswith(f"redisq-api: {message}")
    assert said.err.count("\n") == 1


def test_another_users_endpoint_is_not_there(run: Run) -> None:
    made = run("webhook add ann https://hook.example/ --json").json
    assert run(f"webhook remove bob {made['id']}").err == f"redisq-api: bob has no webhook {made['id']}\n"
