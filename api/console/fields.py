"""What forms about users and plans have in common: workers, a rule and quotas, as people write them."""

import re

import falcon

from ..grants import RULES, BadUser, Quota, parse_requests
from .guard import text

_SPACES = re.compile(r"[\s,]+")


def words(request: falcon.Request, name: str) -> list[str]:
    """A field of words with spaces or commas between them."""
    return [word for word in _SPACES.split(text(request, name)) if word]


def rule(request: falcon.Request) -> str | None:
    """The rule that was chosen, None for that of the plan or the service. Raises BadUser."""
    return chosen(request, "rule", RULES) if text(request, "rule") else None


def chosen(request: falcon.Request, name: str, options: tuple[str, ...]) -> str:
    """One of the options. Raises BadUser."""
    value = text(request, name)
    if value not in options:
        raise BadUser(f"the {name} is one of {', '.join(options)}")
    return value


def quota(request: falcon.Request) -> dict[str, int | None]:
    """`unfinished`, `requests` and `seconds`; None where the field is empty, 0 for `none`. Raises BadUser."""
    unfinished, requests = text(request, "unfinished").strip(), text(request, "requests").strip()
    if unfinished and not re.fullmatch(r"none|[1-9][0-9]{0,8}", unfinished):
        raise BadUser("a quota of unfinished tasks is a count, or none")
    count: int | None
    seconds: int | None
    if requests in ("", "none"):
        count = seconds = 0 if requests else None
    else:
        count, seconds = parse_requests(requests)
    wanted = None if not unfinished else 0 if unfinished == "none" else int(unfinished)
    return {"unfinished": wanted, "requests": count, "seconds": seconds}


def shown(rule: str | None, quota: Quota) -> dict[str, str]:
    """The same as the fields of a form."""
    unfinished = "" if quota.unfinished is None else str(quota.unfinished or "none")
    requests = "" if quota.requests is None else f"{quota.requests}/{quota.seconds}" if quota.requests else "none"
    return {"rule": rule or "", "unfinished": unfinished, "requests": requests}
