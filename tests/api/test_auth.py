"""Logging in: what is checked, remembered, counted and never told."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from typing import Any

import falcon.testing
import pytest
from redisq_api import clock, passwords, users
from redisq_api.acts import Acts
from redisq_api.auth import Gate, Memory
from redisq_api.database import Database
from redisq_api.problems import Problem
from redisq_api.users import User

from tests.api.conftest import PASSWORDS, basic


@pytest.fixture
def gate(database: Database) -> Gate:
    return Gate(database)


def user(gate: Gate, header: str | None, **options: Any) -> User:
    headers = options.pop("headers", {}) | ({"Authorization": header} if header is not None else {})
    return gate.user(falcon.testing.create_req(headers=headers, **options))


def refused(gate: Gate, header: str | None, **options: Any) -> Problem:
    with pytest.raises(Problem) as raised:
        user(gate, header, **options)
    return raised.value


def test_name_and_password(gate: Gate, ann: User, bob: User) -> None:
    assert user(gate, basic("ann", PASSWORDS["ann"])) == ann
    assert user(gate, basic("bob", PASSWORDS["bob"])) == bob
    assert refused(gate, basic("ann", PASSWORDS["bob"])).status_code == 401


def test_a_token(gate: Gate, database: Database, ann: User) -> None:
    token = users.create_token(database, ann)
    assert user(gate, f"Bearer {token}") == ann
    assert user(gate, f"bearer  {token}") == ann


@pytest.mark.parametrize(
    "header",
    [None, "", "Basic", "Basic !", "Basic YW5u", "Basic /w==", "Basic " + "x" * 5000, "Bearer", "Bearer x", "Digest a",
     basic("ann\0", "x"), basic("", ""), "Bearer \xff", basic("nobody", "x"), basic("ann", "x" * 5000)],
)  # fmt: skip
def test_anything_else_is_a_401_that_asks_for_a_password(gate: Gate, header: str | None) -> None:
    told = refused(gate, header)
    assert (told.status_code, told.name) == (401, "unauthorized")
    assert told.headers == {"WWW-Authenticate": 'Basic realm="redisq", charset="UTF-8"'}


def test_an_unknown_user_and_a_wrong_password_look_the_same(gate: Gate) -> None:
    unknown, wrong = refused(gate, basic("nobody", "x")), refused(gate, basic("ann", "x"))
    assert (unknown.description, unknown.headers) == (wrong.description, wrong.headers)


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The stored hashes that passwords were checked against, in order."""
    seen: list[str | None] = []
    matches = passwords.matches

    def spy(stored: str | None, password: str) -> bool:
        seen.append(stored)
        return matches(stored, password)

    monkeypatch.setattr(passwords, "matches", spy)
    return seen


def test_a_right_password_is_hashed_once(gate: Gate, ann: User, verified: list[str | None]) -> None:
    for _ in range(5):
        assert user(gate, basic("ann", PASSWORDS["ann"])) == ann
    assert verified == [ann.password]


def test_an_unknown_user_costs_a_hash_too(gate: Gate, verified: list[str | None]) -> None:
    refused(gate, basic("nobody", "x"))
    assert verified == [None]


def test_a_changed_password_is_forgotten_at_once(gate: Gate, database: Database, ann: User) -> None:
    assert user(gate, basic("ann", PASSWORDS["ann"])) == ann
    users.set_password_hash(database, ann, passwords.hashed("another"))
    assert refused(gate, basic("ann", PASSWORDS["ann"])).status_code == 401
    assert user(gate, basic("ann", "another")).name == "ann"


def test_a_hash_of_old_parameters_is_made_anew(gate: Gate, database: Database, ann: User) -> None:
    old = passwords.PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORDS["ann"])
    users.set_password_hash(database, ann, old)
    assert user(gate, basic("ann", PASSWORDS["ann"])).name == "ann"
    stored = users.find(database, "ann")
    assert stored is not None
    assert stored.password != old
    assert not passwords.is_outdated(stored.password)


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service's clock stands still: no guess is earned while the test counts them, however slow the machine is."""
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now)


@pytest.mark.usefixtures("still")
def test_guessing_is_stopped_per_account(gate: Gate, database: Database, ann: User, verified: list[str | None]) -> None:
    token = users.create_token(database, ann)
    codes = [refused(gate, basic("ann", f"guess {n}"), remote_addr=f"10.0.0.{n}").status_code for n in range(20)]
    assert codes == [401] * 10 + [429] * 10
    assert len(verified) == 10
    told = refused(gate, basic("ann", PASSWORDS["ann"]))
    assert told.name == "too_many_attempts"
    assert int((told.headers or {})["Retry-After"]) > 0
    assert user(gate, f"Bearer {token}") == ann


def test_who_is_logged_in_is_not_locked_out_by_others(gate: Gate, ann: User) -> None:
    assert user(gate, basic("ann", PASSWORDS["ann"])) == ann
    for n in range(11):
        refused(gate, basic("ann", f"guess {n}"))
    assert user(gate, basic("ann", PASSWORDS["ann"])) == ann


@pytest.mark.usefixtures("still")
def test_guessing_is_stopped_per_address(gate: Gate, monkeypatch: pytest.MonkeyPatch, bob: User) -> None:
    monkeypatch.setattr(passwords, "matches", lambda stored, password: password == PASSWORDS["bob"])
    codes = [refused(gate, basic(f"name{n}", "x"), remote_addr="10.9.9.9").status_code for n in range(101)]
    assert codes == [401] * 100 + [429]
    assert refused(gate, basic("bob", PASSWORDS["bob"]), remote_addr="10.9.9.9").status_code == 429
    assert user(gate, basic("bob", PASSWORDS["bob"]), remote_addr="10.1.1.1") == bob


@pytest.mark.usefixtures("still")
def test_the_address_is_the_one_that_our_own_proxy_saw(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "matches", lambda stored, password: False)
    behind_one = Gate(database, proxies=1)
    for n in range(100):
        headers = {"X-Forwarded-For": f"1.1.1.{n}, 10.9.9.9"}
        assert refused(behind_one, basic(f"name{n}", "x"), headers=headers).status_code == 401
    headers = {"X-Forwarded-For": "2.2.2.2, 10.9.9.9"}
    assert refused(behind_one, basic("other", "x"), headers=headers).status_code == 429
    headers = {"X-Forwarded-For": "10.9.9.9, 3.3.3.3"}
    assert refused(behind_one, basic("other", "x"), headers=headers).status_code == 401


@pytest.mark.usefixtures("still")
def test_nobody_chooses_his_own_address(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "matches", lambda stored, password: False)
    gate, claims = Gate(database), [f"1.1.1.{n}, 2001:db8:{n:x}::1" for n in range(101)]
    told = [
        refused(gate, basic(f"name{n}", "x"), remote_addr="10.9.9.9", headers={"X-Forwarded-For": claim})
        for n, claim in enumerate(claims)
    ]
    assert [one.status_code for one in told] == [401] * 100 + [429]


def test_guesses_are_counted_by_all_processes_together(database_url: str, database: Database, ann: User) -> None:
    with ExitStack() as stack:
        gates = [Gate(stack.enter_context(closing(Database(database_url)))) for _ in range(4)]
        told = [refused(gates[n % 4], basic("ann", f"guess {n}"), remote_addr=f"10.0.0.{n}") for n in range(14)]
        assert [one.status_code for one in told] == [401] * 10 + [429] * 4
        for gate in gates:
            assert refused(gate, basic("ann", PASSWORDS["ann"])).status_code == 429


@pytest.mark.usefixtures("still")
def test_an_unknown_name_is_stopped_like_one_that_is_known(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "matches", lambda stored, password: False)
    told = {
        name: [refused(gate, basic(name, "x"), remote_addr=f"10.{n}.0.{m}") for m in range(12)]
        for n, name in enumerate(("ann", "nobody", "x" * 5000))
    }
    codes = [[one.status_code for one in found] for found in told.values()]
    assert codes == [[401] * 10 + [429] * 2] * 3
    assert len({one.description for found in told.values() for one in found[:10]}) == 1


def test_a_disabled_user_is_a_wrong_password(gate: Gate, database: Database, verified: list[str | None]) -> None:
    assert user(gate, basic("ann", PASSWORDS["ann"])).name == "ann"
    Acts(database, "test").disable("ann")
    disabled, wrong = refused(gate, basic("ann", PASSWORDS["ann"])), refused(gate, basic("bob", "x"))
    assert (disabled.description, disabled.headers) == (wrong.description, wrong.headers)
    assert len(verified) == 3


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        (["2001:db8::1", "2001:db8::2", "2001:db8:0:0:ffff::"], 1),
        (["2001:db8::1", "2001:db8:0:1::1"], 2),
        (["10.0.0.1", "::ffff:10.0.0.1"], 1),
        (["10.0.0.1", "10.0.0.2"], 2),
        (["unknown", "", "x" * 5000], 3),
    ],
)
def test_an_address_is_what_one_customer_has(
    database: Database, monkeypatch: pytest.MonkeyPatch, addresses: list[str], expected: int
) -> None:
    monkeypatch.setattr(passwords, "matches", lambda stored, password: False)
    gate = Gate(database)
    for address in addresses:
        refused(gate, basic("nobody", "x"), remote_addr=address)
    rows = database.all("SELECT name FROM meter WHERE name LIKE ?", "address:%")
    assert len(rows) == expected


def test_guesses_are_forgiven_with_time(
    gate: Gate, database: Database, monkeypatch: pytest.MonkeyPatch, ann: User
) -> None:
    for n in range(10):
        refused(gate, basic("ann", f"guess {n}"))
    told = refused(gate, basic("ann", PASSWORDS["ann"]))
    wait = int((told.headers or {})["Retry-After"])
    assert (told.status_code, 1 <= wait <= 7) == (429, True)
    now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: now + wait * clock.SECOND)
    assert user(gate, basic("ann", PASSWORDS["ann"])) == ann


def seconds_of_refusal(gate: Gate, name: str) -> float:
    """The CPU time of this thread, which a password costs; the least of several, so that noise does not count."""
    found = []
    for n in range(5):
        started = time.thread_time()
        refused(gate, basic(name, f"wrong {n}"))
        found.append(time.thread_time() - started)
    return min(found)


def differs(gate: Gate) -> bool:
    """Whether somebody with a watch learns which names there are."""
    known, unknown = seconds_of_refusal(gate, "ann"), seconds_of_refusal(gate, "nobody")
    return not 0.25 < known / unknown < 4.0  # without a hash it is fifty times as fast


def test_an_unknown_name_takes_as_long_as_a_wrong_password(gate: Gate) -> None:
    assert not differs(gate)


def test_the_watch_would_notice(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    matches = passwords.matches
    monkeypatch.setattr(passwords, "matches", lambda stored, password: stored is not None and matches(stored, password))
    assert differs(gate)


def test_nobodys_hash_has_the_parameters_of_everybody_elses() -> None:
    assert not passwords.is_outdated(passwords._NOBODYS)
    assert not passwords.matches(None, "")
    assert not passwords.matches(passwords._NOBODYS, "nobody has this password")


def test_memory_fades(ann: User) -> None:
    now = 1000.0
    memory = Memory(clock=lambda: now)
    memory.remember(ann, "x")
    assert memory.knows(ann, "x")
    assert not memory.knows(ann, "y")
    assert "x" not in memory._known
    now += 301
    assert not memory.knows(ann, "x")


def test_the_parameters_are_those_agreed_on() -> None:
    assert "$argon2id$" in passwords.hashed("x")
    assert "m=19456,t=2,p=1" in passwords.hashed("x")
    assert not passwords.matches("not a hash", "x")
