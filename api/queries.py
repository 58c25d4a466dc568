"""What stands in a query string or in a Prefer header, checked."""

import re

import falcon

from .desk import MAX_WAIT
from .problems import bad
from .store import STATUSES

_DEFAULT_LIMIT, _MAX_LIMIT = 20, 100
_COUNT = re.compile(r"[0-9]{1,9}")
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{0,9})?")
_PREFER_WAIT = re.compile(r"(?:^|[,;])\s*wait\s*=\s*\"?([0-9]{1,9})\"?\s*(?=$|[,;])", re.IGNORECASE)


def limit(request: falcon.Request) -> int:
    """`?limit=`: how many tasks a page has; more than the most is the most."""
    text = _last(request, "limit")
    if text is None:
        return _DEFAULT_LIMIT
    if not _COUNT.fullmatch(text) or int(text) < 1:
        raise bad("bad_limit", f"limit is a whole number from 1 to {_MAX_LIMIT}.")
    return min(int(text), _MAX_LIMIT)


def status(request: falcon.Request) -> str | None:
    """`?status=`: the one state to list."""
    text = _last(request, "status")
    if text is not None and text not in STATUSES:
        raise bad("bad_status", f"status is one of {', '.join(STATUSES)}.")
    return text


def cursor(request: falcon.Request) -> str | None:
    """`?cursor=`: where the last page ended."""
    return _last(request, "cursor")


def wait(request: falcon.Request, response: falcon.Response) -> float:
    """`?wait=` or `Prefer: wait=`: the seconds that the client is willing to wait, 0 when it does not say."""
    text = _last(request, "wait")
    if text is not None:
        if not _SECONDS.fullmatch(text):
            raise bad("bad_wait", f"wait is a number of seconds, of which {MAX_WAIT:.0f} count.")
        return min(float(text), MAX_WAIT)
    preferred = _PREFER_WAIT.search(request.get_header("Prefer") or "")
    if preferred is None:
        return 0.0
    seconds = min(int(preferred[1]), int(MAX_WAIT))
    response.set_header("Preference-Applied", f"wait={seconds}")
    return float(seconds)


def _last(request: falcon.Request, name: str) -> str | None:
    values = request.get_param_as_list(name)
    return values[-1] if values else None
