"""Where a delivery may go: URLs of http and https, whose host is on the public Internet or in a network of the setting.

One expression both checks a URL and takes it apart, so that no two parsers can disagree about its host. It knows names
and IPv4 addresses in four decimal parts; other spellings of numbers, users, passwords and fragments do not fit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated

from msgspec import Meta

Network = IPv4Network | IPv6Network

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_LAST_LABEL = r"[A-Za-z](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = rf"(?:{_OCTET}\.){{3}}{_OCTET}|(?:{_LABEL}\.)*{_LAST_LABEL}\.?"
_PORT = r"[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]"
_PATH = r"[/?][!-\"$-~]*"
PATTERN = rf"^([Hh][Tt][Tt][Pp][Ss]?)://({_HOST})(?::({_PORT}))?({_PATH})?$"
MAX_LENGTH = 2048

#: The type of a URL that a user gives.
URL = Annotated[str, Meta(max_length=MAX_LENGTH, pattern=PATTERN)]

# The special-purpose registry of IANA; and a public address at which a cloud serves its own machines.
_REFUSED: tuple[Network, ...] = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4", "168.63.129.16/32",
        "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
    )
)  # fmt: skip
# All other addresses of IPv6 are private, or IPv4 in disguise: mapped, compatible, translated.
_PUBLIC_IPV6 = IPv6Network("2000::/3")


class BadURL(ValueError):
    """A URL to which nothing is delivered; the message says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart. `path`: with the query, as it stands in a request."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """For the header Host."""
        is_usual = self.port == (443 if self.scheme == "https" else 80)
        return self.host if is_usual else f"{self.host}:{self.port}"


def parse(url: str) -> Target:
    """Takes a URL apart, or raises BadURL."""
    match = re.fullmatch(PATTERN, url) if len(url) <= MAX_LENGTH and not url.endswith("\n") else None
    if match is None:
        raise BadURL("a URL of http or https with a host name, without a user and a fragment")
    scheme, host, port, path = match[1].lower(), match[2].lower(), match[3], match[4] or "/"
    return Target(scheme, host, int(port or (443 if scheme == "https" else 80)), path if path[0] == "/" else f"/{path}")


class Reach:
    """The addresses that may be called."""

    def __init__(self, allowed: Sequence[Network] = ()) -> None:
        """`allowed`: networks beside the public Internet."""
        self._allowed = tuple(allowed)

    def has(self, address: str) -> bool:
        """Whether an IP address, as a resolver gives it, may be called."""
        ip = ip_address(address.partition("%")[0])
        if any(ip in network for network in self._allowed):
            return True
        return (ip.version == 4 or ip in _PUBLIC_IPV6) and not any(ip in network for network in _REFUSED)

    def check(self, url: str) -> Target:
        """Takes a URL apart; raises BadURL also for an address in it that may not be called.

        What a name resolves to is not asked: that is another answer at every delivery.
        """
        target = parse(url)
        if target.host.replace(".", "").isdigit() and not self.has(target.host):
            raise BadURL("the address is not a public one")
        return target


#: The public Internet alone.
PUBLIC = Reach()
