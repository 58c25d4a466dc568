"""From a URL's scheme to the kind of server that it means."""

from __future__ import annotations

from urllib.parse import urlsplit

from .cluster import Cluster
from .connection import Server
from .sentinel import Sentinel
from .urls import check_url

KINDS = {"redis+sentinel": Sentinel, "redis+cluster": Cluster}


def open_server(url: str) -> Server:
    """The server of a URL; opens no connection. InvalidURL."""
    return KINDS.get(urlsplit(check_url(url)).scheme, Server)(url)
