"""The app of offered.py, for a service that lets one name be tried with a wrong password more often.

Schemathesis tries it on every path, and takes the 429 that comes then for a path that asks for no password.
"""

from __future__ import annotations

from redisq_api import auth
from redisq_api.limits import Rate

from tests.api.offered import app

__all__ = ["app"]

auth._PER_ACCOUNT = auth._PER_ADDRESS = Rate(10_000, 60)
