"""The URLs of servers: which forms there are, what is wrong with one, and how to show one without its passwords.

redis://[[user]:password@]host[:port][/db]                          one server; rediss:// over TLS
unix://[[user]:password@]/path/to/socket[?db=n]                     one server on this machine
embedded:///directory                                               one that redisq runs itself
redis+sentinel://[[user]:password@]host[:port],…/service[/db]       the primary that sentinels name
redis+cluster://[[user]:password@]host[:port],…                     a cluster, of which some nodes are named

The login is that of the data servers; sentinels that want one get it by `?sentinel_username=…&sentinel_password=…`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from .errors import InvalidURL

SCHEMES = ("redis", "rediss", "unix", "embedded", "redis+sentinel", "redis+cluster")

SENTINEL_PORT = 26379
CLUSTER_PORT = 6379

_HOST = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[^\[\]:/@\s]+))(?::(?P<port>\d+))?")
_SECRET = re.compile(r"((?:^|[?&])[a-z_]*password=)[^&#]*")


class Nodes(NamedTuple):
    """A URL that names several nodes. `login`: as it stands in the URL, with its @. `service`: of a sentinel's URL."""

    addresses: tuple[str, ...]
    login: str
    service: str
    database: int
    options: Mapping[str, str]

    def data_url(self, address: str) -> str:
        """The URL of a data server at this address."""
        plain = {name: value for name, value in self.options.items() if not name.startswith("sentinel_")}
        return urlunsplit(("redis", self.login + address, f"/{self.database}", urlencode(plain), ""))

    def sentinel_url(self, address: str) -> str:
        """The URL of a sentinel at this address."""
        theirs = {n.removeprefix("sentinel_"): v for n, v in self.options.items() if n.startswith("sentinel_")}
        return urlunsplit(("redis", address, "", urlencode(theirs), ""))


def redact(url: str) -> str:
    """The URL without its passwords, for logs and messages."""
    parts = urlsplit(url)
    login, at, where = parts.netloc.rpartition("@")
    if ":" in login:
        login = f"{login.partition(':')[0]}:***"
    shown = urlunsplit(parts._replace(netloc=f"{login}{at}{where}", query=_SECRET.sub(r"\1***", parts.query)))
    return shown if parts.netloc or "://" not in url else shown.replace(":", "://", 1)  # urlunsplit drops an empty host


def check_url(url: str) -> str:
    """The URL, if its form is right, InvalidURL otherwise; opens nothing."""
    try:
        parts = urlsplit(url)
        scheme = parts.scheme
        if scheme not in ("redis+sentinel", "redis+cluster"):
            _ = parts.port
    except ValueError as error:
        raise InvalidURL(f"not a server's URL: {error}") from None
    if scheme not in SCHEMES:
        raise InvalidURL(f"not a server's URL: {redact(url)!r} ({', '.join(f'{name}://' for name in SCHEMES)})")
    if scheme == "redis+sentinel":
        sentinel_nodes(url)
    elif scheme == "redis+cluster":
        cluster_nodes(url)
    elif scheme == "embedded" and (parts.netloc or not parts.path.strip("/")):
        raise InvalidURL(f"no directory is named: {redact(url)!r} (embedded:///DIRECTORY)")
    elif scheme in ("redis", "rediss") and not re.fullmatch(r"/?\d{0,4}", parts.path):
        raise InvalidURL(f"not the number of a database: {parts.path[1:]!r} in {redact(url)!r}")
    return url


def sentinel_nodes(url: str) -> Nodes:
    """What a redis+sentinel:// URL says; InvalidURL."""
    form = "redis+sentinel://HOST:PORT,HOST:PORT/SERVICE[/DB]"
    service, _, database = unquote(urlsplit(url).path).removeprefix("/").partition("/")
    if not service:
        raise InvalidURL(f"no service is named: {redact(url)!r} ({form})")
    if not re.fullmatch(r"\d{0,4}", database):
        raise InvalidURL(f"not the number of a database: {database!r} in {redact(url)!r} ({form})")
    return _nodes(url, form, SENTINEL_PORT)._replace(service=service, database=int(database or 0))


def cluster_nodes(url: str) -> Nodes:
    """What a redis+cluster:// URL says; InvalidURL."""
    form = "redis+cluster://HOST:PORT,HOST:PORT"
    if urlsplit(url).path not in ("", "/", "/0"):
        raise InvalidURL(f"a cluster has no databases but 0: {redact(url)!r} ({form})")
    return _nodes(url, form, CLUSTER_PORT)


def _nodes(url: str, form: str, default_port: int) -> Nodes:
    parts = urlsplit(url)
    login, at, hosts = parts.netloc.rpartition("@")
    addresses = []
    for host in hosts.split(","):
        match = _HOST.fullmatch(host)
        port = int(match["port"] or default_port) if match else 0
        if match is None or not 0 < port < 65536:
            raise InvalidURL(f"not HOST:PORT: {host!r} in {redact(url)!r} ({form})")
        addresses.append(address(match["v6"] or match["name"], port))
    return Nodes(tuple(addresses), login + at, "", 0, dict(parse_qsl(parts.query)))


def address(host: str, port: int) -> str:
    """HOST:PORT, as it stands in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
