"""`redisq-api user`, `token`, `plan` and `audit`: the administrator's words in, acts.py, and sentences or JSON out."""

import argparse
import getpass
import os
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

from . import audit, clock, grants, migrations, settings, terminal, tokens, users
from .acts import Acts
from .database import Database
from .grants import RULES, BadUser
from .settings import Settings
from .terminal import tell, words
from .users import ROLES, User
from .webhooks import commands as webhook_commands

if TYPE_CHECKING:  # what add_subparsers() answers, which has no public name
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_COLUMNS = ("name", "role", "disabled", "plan", "workers", "rule", "quota")
_ALL = "\n".join(f"{name}: {{{name}}}" for name in _COLUMNS)
_HAS = "{name} has workers on {workers}"


def open_database(config: Settings) -> Database:
    """The database of these settings, whose schema has been checked."""
    database = Database(config.database)
    migrations.check(database)
    return database


def command(
    commands: "Commands", name: str, text: str, run: Callable[[argparse.Namespace], int]
) -> argparse.ArgumentParser:
    """Adds a command that `run` carries out."""
    parser = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    parser.set_defaults(command=run)
    return parser


def _act(
    commands: "Commands", name: str, text: str, run: Callable[[argparse.Namespace, Acts], int]
) -> argparse.ArgumentParser:
    """Adds a command that needs the database, and acts in the name of whoever runs it."""

    def opened(given: argparse.Namespace) -> int:
        given.check(given)
        with closing(open_database(settings.read())) as database:
            return run(given, Acts(database, _actor()))

    parser = command(commands, name, text, opened)
    parser.set_defaults(check=lambda given: None)
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def add_commands(commands: "Commands") -> None:
    """Adds all that an administrator needs."""
    group = commands.add_parser("user", help="manage users").add_subparsers(required=True, metavar="COMMAND")
    _add_user_add(group)
    _act(group, "list", "list all users", _list_users)
    _on_user(group, "show", "show what a user is given", _show_user)
    _on_user(group, "disable", "refuse his password and tokens from now on", _disable_user)
    _on_user(group, "enable", "accept them again", _enable_user)
    _password_option(_on_user(group, "password", "set another password", _set_password))
    grant = _on_user(group, "grant", "give workers, or change their weights", _grant)
    grant.add_argument("workers", metavar="QUEUE[:WEIGHT],…")
    _on_user(group, "revoke", "take workers", _revoke).add_argument("queues", metavar="QUEUE,…")
    rule = _on_user(group, "rule", "say which worker gets a task that names no queue", _set_rule)
    rule.add_argument("rule", choices=(*RULES, "default"), help="default: what his plan says, or random")
    role = _on_user(group, "role", "say what he may do in the console beside his own tasks", _set_role)
    role.add_argument("role", choices=ROLES, help="user: nothing; viewer: look; operator: act; admin: also on users")
    _quota_options(_on_user(group, "quota", "limit a user", _set_quota))
    plan = _on_user(group, "plan", "put a user on a plan", _set_plan)
    plan.add_argument("plan", metavar="PLAN", help="none: on no plan")
    _add_token_commands(commands)
    _add_plan_commands(commands)
    webhook_commands.add_commands(commands, _act)
    log = _act(commands, "audit", "show what administrators did, the newest first", _audit)
    log.add_argument("--of", metavar="NAME", help="only what was done to this user or plan")
    log.add_argument("--limit", type=terminal.count, default=50, metavar="N", help="(default: %(default)s)")


def _add_user_add(group: "Commands") -> None:
    add = _on_user(group, "add", "add a user", _add_user)
    _password_option(add)
    add.add_argument("--workers", metavar="QUEUE[:WEIGHT],…", help="the queues that his tasks may go to")
    add.add_argument("--plan", metavar="PLAN", help="what he is given beside them")
    add.add_argument("--admin", action="store_true", help="make the user an administrator")

    def check(given: argparse.Namespace) -> None:
        if given.workers is None and given.plan is None:
            add.error("say which --workers the user has, or a --plan that has some")

    add.set_defaults(check=check)


def _add_token_commands(commands: "Commands") -> None:
    group = commands.add_parser("token", help="manage bearer tokens").add_subparsers(required=True, metavar="COMMAND")
    create = _on_user(group, "create", "create a token for a user and print it", _create_token)
    create.add_argument("--name", dest="label", metavar="LABEL", help="to know it by")
    create.add_argument("--scopes", default="read,write", help="of read, write, admin (default: %(default)s)")
    create.add_argument("--expires-in", metavar="AGE", help="such as 12h or 30d (default: never)")
    listing = _act(group, "list", "list tokens, without the tokens themselves", _list_tokens)
    listing.add_argument("name", nargs="?", metavar="NAME", help="only his")
    revoke = _on_user(group, "revoke", "make a token worthless", _revoke_token)
    which = revoke.add_mutually_exclusive_group(required=True)
    which.add_argument("token", nargs="?", metavar="TOKEN", help="its id or name, as `token list` shows them")
    which.add_argument("--all", action="store_true", help="all that he has")


def _add_plan_commands(commands: "Commands") -> None:
    group = commands.add_parser("plan", help="manage plans").add_subparsers(required=True, metavar="COMMAND")
    put = _on_user(group, "set", "make a plan, or change it for all who have it", _put_plan, "PLAN")
    put.add_argument("--workers", metavar="QUEUE[:WEIGHT],…", help="all workers that it gives")
    put.add_argument("--rule", choices=(*RULES, "default"))
    _quota_options(put)
    _act(group, "list", "list all plans", _list_plans)
    _on_user(group, "remove", "delete a plan that nobody has", _remove_plan, "PLAN")


def _on_user(
    commands: "Commands",
    name: str,
    text: str,
    run: Callable[[argparse.Namespace, Acts], int],
    subject: str = "NAME",
) -> argparse.ArgumentParser:
    parser = _act(commands, name, text, run)
    parser.add_argument("name", metavar=subject)
    return parser


def _password_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--password-stdin", action="store_true", help="read the password from standard input")


def _quota_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--unfinished", metavar="N", help="tasks at a time; none, or default")
    parser.add_argument("--requests", metavar="N/SECONDS", help="such as 600/60; none, or default")


def _add_user(given: argparse.Namespace, acts: Acts) -> int:
    user = acts.add(given.name, terminal.password(given), words(given.workers or ""), given.admin, given.plan)
    return _tell(given, acts, user, "added user {name} with workers on {workers}")


def _list_users(given: argparse.Namespace, acts: Acts) -> int:
    found = [terminal.user_object(acts.database, user) for user in users.everyone(acts.database)]
    return terminal.table(given, found, _COLUMNS)


def _show_user(given: argparse.Namespace, acts: Acts) -> int:
    return _tell(given, acts, acts.user(given.name), _ALL)


def _disable_user(given: argparse.Namespace, acts: Acts) -> int:
    return _tell(given, acts, acts.disable(given.name), "{name} is disabled")


def _enable_user(given: argparse.Namespace, acts: Acts) -> int:
    return _tell(given, acts, acts.enable(given.name), "{name} is enabled")


def _set_password(given: argparse.Namespace, acts: Acts) -> int:
    acts.user(given.name)  # before somebody types a password for nobody
    user = acts.set_password(given.name, terminal.password(given))
    return _tell(given, acts, user, "{name} has another password")


def _grant(given: argparse.Namespace, acts: Acts) -> int:
    return _tell(given, acts, acts.grant(given.name, words(given.workers)), _HAS)


def _revoke(given: argparse.Namespace, acts: Acts) -> int:
    return _tell(given, acts, acts.revoke(given.name, words(given.queues)), _HAS)


def _set_rule(given: argparse.Namespace, acts: Acts) -> int:
    rule = None if given.rule == "default" else given.rule
    return _tell(given, acts, acts.set_rule(given.name, rule), "the rule of {name} is {rule}")


def _set_role(given: argparse.Namespace, acts: Acts) -> int:
    return _tell(given, acts, acts.set_role(given.name, given.role), "the role of {name} is {role}")


def _set_quota(given: argparse.Namespace, acts: Acts) -> int:
    change = terminal.quota_change(given)
    if not change:
        raise BadUser("say what to limit: --unfinished, --requests, or both")
    return _tell(given, acts, acts.set_quota(given.name, change), "the quota of {name} is {quota}")


def _set_plan(given: argparse.Namespace, acts: Acts) -> int:
    plan = None if given.plan == "none" else given.plan
    return _tell(given, acts, acts.set_plan(given.name, plan), "{name} has the plan {plan}")


def _create_token(given: argparse.Namespace, acts: Acts) -> int:
    label = None if given.label is None else tokens.check_name(given.label)
    scopes = tokens.parse_scopes(given.scopes)
    expires_at = None if given.expires_in is None else clock.now() + terminal.seconds(given.expires_in) * clock.SECOND
    token = acts.create_token(given.name, label, scopes, expires_at)
    about = {"token": token, "name": label, "scopes": scopes, "expires_at": clock.rfc3339(expires_at)}
    return tell(given, about, token)


def _list_tokens(given: argparse.Namespace, acts: Acts) -> int:
    if given.name is not None:
        acts.user(given.name)
    found = [terminal.token_object(token) for token in tokens.of(acts.database, given.name)]
    return terminal.table(given, found, ("id", "user", "name", "scopes", "created_at", "expires_at", "used_at"))


def _revoke_token(given: argparse.Namespace, acts: Acts) -> int:
    count = acts.revoke_token(given.name, given.token)
    return tell(given, {"revoked": count}, f"revoked {count} of {given.name}'s tokens")


def _put_plan(given: argparse.Namespace, acts: Acts) -> int:
    workers = None if given.workers is None else words(given.workers)
    plan = terminal.plan_object(acts.put_plan(given.name, workers, given.rule, terminal.quota_change(given)))
    return tell(given, plan, f"the plan {given.name} gives workers on {terminal.cell('workers', plan['workers'])}")


def _list_plans(given: argparse.Namespace, acts: Acts) -> int:
    found = [terminal.plan_object(plan) for plan in grants.plans(acts.database)]
    return terminal.table(given, found, ("name", "workers", "rule", "quota"))


def _remove_plan(given: argparse.Namespace, acts: Acts) -> int:
    acts.remove_plan(given.name)
    return tell(given, {"removed": given.name}, f"removed the plan {given.name}")


def _audit(given: argparse.Namespace, acts: Acts) -> int:
    found = [
        {"at": clock.rfc3339(e.at), "actor": e.actor, "act": e.act, "subject": e.subject, "detail": e.detail}
        for e in audit.entries(acts.database, given.limit, given.of)
    ]
    return terminal.table(given, found, ("at", "actor", "act", "subject", "detail"))


def _tell(given: argparse.Namespace, acts: Acts, user: User, sentence: str) -> int:
    return terminal.tell_user(given, acts.database, user, sentence)


def _actor() -> str:
    """Whoever is logged in at this machine, also behind sudo."""
    try:
        return f"cli:{os.environ.get('SUDO_USER') or getpass.getuser()}"
    except (OSError, KeyError):  # a container may have no name for its user
        return f"cli:{os.getuid()}"
