"""Who is asking: HTTP Basic, a bearer token or the console's cookie, for every path under `/api/`.

Checking a password costs some 30 ms on purpose, so a password that was right is remembered for a few minutes (as a
keyed hash, in this process only), and wrong ones are counted per account and per address, by all processes together.
Tokens are looked up by their digest, cost nothing and are never counted: nobody can lock a machine out by guessing at
its owner's password. The user himself is looked up for every request: who has been disabled is refused from the next.
"""

import base64
import binascii
import hashlib
import hmac
import ipaddress
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

import falcon

from . import limits, passwords, users
from .database import Database, Unavailable
from .embedding import Authenticate, outer
from .limits import Rate
from .problems import Problem
from .users import User

_MEMORY_SECONDS = 300.0
_MEMORY_SIZE = 10_000
# Wrong passwords: so many at once, then one as each is earned. What several processes check at the same moment may
# pass beyond that, and is paid for all the same.
_PER_ACCOUNT = Rate(10, 60)
_PER_ADDRESS = Rate(100, 100)
CHALLENGE = 'Basic realm="redisq", charset="UTF-8"'


class Memory:
    """Passwords that were right a short time ago, as keyed hashes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._key = secrets.token_bytes(32)
        self._clock = clock
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, float] = OrderedDict()

    def knows(self, user: User, password: str) -> bool:
        """Whether this password was right for the user, whose stored hash is still the same."""
        with self._lock:
            return self._known.get(self._mark(user, password), 0.0) > self._clock()

    def remember(self, user: User, password: str) -> None:
        """Notes that the password was right."""
        with self._lock:
            self._known[self._mark(user, password)] = self._clock() + _MEMORY_SECONDS
            while len(self._known) > _MEMORY_SIZE:
                self._known.popitem(last=False)

    def _mark(self, user: User, password: str) -> bytes:
        # The stored hash is part of it, so that a changed password is forgotten at once.
        text = f"{user.id}\0{user.password}\0{password}".encode("utf-8", "surrogateescape")
        return hmac.digest(self._key, text, hashlib.sha256)


class Gate:
    """Finds the user behind a request's Authorization header, or else its cookie."""

    def __init__(
        self,
        database: Database,
        proxies: int = 0,
        authenticate: Authenticate | None = None,
        by_cookie: Callable[[falcon.Request], User | None] = lambda request: None,
    ) -> None:
        """`authenticate` takes the place of all that is checked here; `by_cookie` tells who is logged in on a page."""
        self._database = database
        self._authenticate = authenticate
        self._proxies = proxies
        self._by_cookie = by_cookie
        self._memory = Memory()

    def user(self, request: falcon.Request) -> User:
        """Who asks; raises the 401 or 429 that is the answer otherwise."""
        user = self.visitor(request)
        if user is None:
            raise unauthorized("Log in with HTTP Basic or a bearer token.")
        return user

    def visitor(self, request: falcon.Request) -> User | None:
        """Who asks, or None for somebody who does not say. Raises 401 or 429 for credentials that do not hold."""
        if self._authenticate is not None:
            return vouched(self._database, self._authenticate, request)
        header = request.get_header("Authorization")
        if header is None:
            return self._by_cookie(request)
        scheme, _, value = header.partition(" ")
        if scheme.lower() == "basic":
            return self.check(request, *_decode_basic(value.strip()))
        if scheme.lower() == "bearer":
            user = users.find_by_token(self._database, value.strip())
            if user is not None:
                return user
        raise unauthorized("The credentials are not valid.")

    def check(self, request: falcon.Request, name: str, password: str) -> User:
        """The user who has that password; raises 401 or 429."""
        if self._authenticate is not None:
            raise Problem(403, "login_elsewhere", "Who you are is for the app around this service to say.")
        user = users.find(self._database, name)
        if user is not None and not user.disabled and self._memory.knows(user, password):
            return user
        account = (limits.key("account", name), _PER_ACCOUNT)
        address = (limits.key("address", _network(self._address(request))), _PER_ADDRESS)
        wait = limits.wait(self._database, account, address)
        if wait > 0:
            headers = {"Retry-After": str(int(wait) + 1)}
            raise Problem(429, "too_many_attempts", "Too many wrong passwords; try again later.", headers)
        # Whether there is no such user, he is disabled or the password is wrong: it takes as long and looks the same.
        if not passwords.matches(user.password if user else None, password) or user is None or user.disabled:
            for meter, rate in (account, address):
                limits.count(self._database, meter, rate)
            raise unauthorized("The credentials are not valid.")
        self._memory.remember(self._rehashed(user, password), password)
        return user

    def _rehashed(self, user: User, password: str) -> User:
        if not passwords.is_outdated(user.password):
            return user
        stored = passwords.hashed(password)
        try:
            users.set_password_hash(self._database, user, stored)
        except Unavailable:
            return user
        return replace(user, password=stored)

    def _address(self, request: falcon.Request) -> str:
        # Each proxy appends the address it saw; what stands before those of our own proxies is anybody's claim.
        claimed = (request.get_header("X-Forwarded-For") or "").split(",")
        route = [*(part.strip() for part in claimed if part.strip()), request.remote_addr]
        return route[-1 - min(self._proxies, len(route) - 1)]


def vouched(database: Database, authenticate: Authenticate, request: falcon.Request) -> User | None:
    """The user whom the app around the service vouches for; raises 401 for one who is no user here."""
    name = authenticate(outer(request))
    if name is None:
        return None
    user = users.find(database, name)
    if user is None or user.disabled:
        raise unauthorized("You are no user of this service.")
    return user


def _network(address: str) -> str:
    """What one customer has of addresses: of IPv6, 64 bits are his own to choose from."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
    return str(found)


def unauthorized(detail: str) -> Problem:
    """401 with the challenge that makes a browser ask for name and password."""
    return Problem(401, "unauthorized", detail, {"WWW-Authenticate": CHALLENGE})


def _decode_basic(value: str) -> tuple[str, str]:
    try:
        name, colon, password = base64.b64decode(value, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        raise unauthorized("The Basic credentials cannot be decoded.") from None
    # No name has a NUL in it, and PostgreSQL would not even look one up.
    if not colon or "\0" in name:
        raise unauthorized("The Basic credentials cannot be decoded.")
    return name, password
