"""What an administrator types and is shown: values of options, users and plans as JSON objects, tables for people."""

import argparse
import getpass
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import msgspec

from . import clock, grants
from .database import Database
from .grants import BadUser, Plan
from .tokens import Token
from .users import User

_NUMBER = re.compile(r"[1-9][0-9]{0,8}")
_AGE = re.compile(r"([1-9][0-9]{0,4})([smhd])")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_UNSHOWABLE = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NOTHING = "-"


def words(text: str) -> list[str]:
    """`high:3, low` as the two."""
    return [part.strip() for part in text.split(",") if part.strip()]


def seconds(text: str) -> int:
    """`90s`, `15m`, `12h` or `30d` as seconds; raises BadUser."""
    match = _AGE.fullmatch(text)
    if match is None:
        raise BadUser(f"a time is a number and s, m, h or d, such as 30d, not {text!r}")
    return int(match[1]) * _UNITS[match[2]]


def count(text: str) -> int:
    """An option that is a count, for argparse."""
    if not _NUMBER.fullmatch(text):
        raise argparse.ArgumentTypeError(f"not a count: {text!r}")
    return int(text)


def quota_change(given: argparse.Namespace) -> dict[str, int | None]:
    """The columns that --unfinished and --requests set: a value, 0 for `none`, None for `default`."""
    change: dict[str, int | None] = {}
    if given.unfinished is not None:
        change["unfinished"] = _quota(given.unfinished, "--unfinished")
    if given.requests in ("none", "default"):
        change["requests"] = change["seconds"] = _quota(given.requests, "--requests")
    elif given.requests is not None:
        change["requests"], change["seconds"] = grants.parse_requests(given.requests)
    return change


def password(given: argparse.Namespace) -> str:
    """The password for `given.name`: a line of standard input, or what is typed unseen."""
    if given.password_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if sys.stdin.isatty():
        return getpass.getpass(f"Password of {given.name}: ")
    raise BadUser("pass --password-stdin, or run this in a terminal to be asked for the password")


def user_object(database: Database, user: User) -> dict[str, Any]:
    """A user with what holds for him; null where the service's default does, 0 where nothing limits him."""
    return {
        "name": user.name,
        "role": user.role,
        "admin": user.admin,
        "disabled": user.disabled,
        "plan": user.plan,
        "workers": grants.granted(database, user.id, user.plan),
        "rule": user.rule,
        "quota": asdict(user.quota),
    }


def plan_object(plan: Plan) -> dict[str, Any]:
    """A plan."""
    return {"name": plan.name, "workers": plan.workers, "rule": plan.rule, "quota": asdict(plan.quota)}


def token_object(token: Token) -> dict[str, Any]:
    """What may be shown of a token."""
    return {
        "id": token.id,
        "user": token.owner,
        "name": token.name,
        "scopes": token.scopes,
        "created_at": clock.rfc3339(token.created_at),
        "expires_at": clock.rfc3339(token.expires_at),
        "used_at": clock.rfc3339(token.used_at),
    }


def tell(given: argparse.Namespace, value: object, sentence: str) -> int:
    """Prints the value with --json, and otherwise the sentence. The exit code: 0."""
    print(msgspec.json.encode(value).decode() if given.json else sentence)
    return 0


def tell_user(given: argparse.Namespace, database: Database, user: User, sentence: str) -> int:
    """Prints a user: as JSON, or in a sentence with the names of his properties in braces."""
    value = user_object(database, user)
    return tell(given, value, sentence.format(**{name: cell(name, part) for name, part in value.items()}))


def table(given: argparse.Namespace, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> int:
    """Prints the rows: as a JSON list, or one line for each below their names. The exit code: 0."""
    lines = [list(columns), *([cell(name, row[name]) for name in columns] for row in rows)]
    widths = [max(len(line[n]) for line in lines) for n in range(len(columns))]
    padded = ([part.ljust(width) for part, width in zip(line, widths, strict=True)] for line in lines)
    return tell(given, rows, "\n".join("  ".join(line).rstrip() for line in padded))


def cell(name: str, value: Any) -> str:
    """A value as people read it."""
    if value is None or value == {} or value == ():
        return "random" if name == "rule" else _NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "quota":
        return _quota_text(value)
    if name == "workers":
        return ",".join(queue if weight == 1 else f"{queue}:{weight}" for queue, weight in value.items())
    if isinstance(value, dict):
        return " ".join(f"{key}={cell(key, part)}" for key, part in value.items())
    if isinstance(value, list | tuple):
        return ",".join(str(part) for part in value)
    return _UNSHOWABLE.sub("?", str(value))


def _quota(text: str, option: str) -> int | None:
    if text == "default":
        return None
    if text != "none" and not _NUMBER.fullmatch(text):
        raise BadUser(f"{option} is a count, none, or default, not {text!r}")
    return 0 if text == "none" else int(text)


def _quota_text(quota: Mapping[str, int | None]) -> str:
    parts = []
    if quota["unfinished"] is not None:
        parts.append(f"{quota['unfinished'] or 'any'} unfinished")
    if quota["requests"] is not None:
        parts.append(f"{quota['requests']}/{quota['seconds']} requests" if quota["requests"] else "any requests")
    return ", ".join(parts) or _NOTHING
