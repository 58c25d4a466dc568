"""What an administrator does: each act is one transaction, of which the audit log is a part.

All of it holds from the user's next request on. What cannot be raises BadUser, whose message is for the administrator.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from . import audit, clock, grants, passwords, sessions, tokens, users
from .database import Conflict, Database
from .grants import BadUser, Plan, Quota
from .users import User


class Acts:
    """The acts of one administrator, under whose name they are logged."""

    def __init__(self, database: Database, actor: str) -> None:
        self.database = database
        self.actor = actor

    def add(self, name: str, password: str, workers: Sequence[str], admin: bool, plan: str | None) -> User:
        """Adds a user; see users.add."""
        with self.database.write():
            if not users.add(self.database, name, password, workers, admin, plan):
                raise BadUser(f"there is a user {name} already")
            self._note("user.add", name, workers=grants.parse(workers), admin=admin, plan=plan)
        return self.user(name)

    def user(self, name: str) -> User:
        """The user of that name."""
        user = users.find(self.database, name)
        if user is None:
            raise BadUser(f"there is no user {name}")
        return user

    def disable(self, name: str) -> User:
        """Lets nobody in under that name, with the password or a token; ends his sessions."""
        with self.database.write():
            sessions.end_all(self.database, self.user(name).id)
            return self._set(name, "user.disable", "disabled_at", clock.now())

    def enable(self, name: str) -> User:
        """Undoes `disable`; the tokens hold again."""
        return self._set(name, "user.enable", "disabled_at", None)

    def set_password(self, name: str, password: str) -> User:
        """Another password; the old one is forgotten at once, and whoever is logged in has to log in again."""
        users.check_password(password)
        stored = passwords.hashed(password)
        with self.database.write():
            sessions.end_all(self.database, self.user(name).id)
            return self._set(name, "user.password", "password", stored)

    def set_role(self, name: str, role: str) -> User:
        """One of users.ROLES."""
        return self._set(name, "user.role", "role", role, role=role)

    def set_rule(self, name: str, rule: str | None) -> User:
        """One of grants.RULES, or None for the plan's."""
        return self._set(name, "user.rule", "rule", rule, rule=rule)

    def set_plan(self, name: str, plan: str | None) -> User:
        """What the plan says, beside and behind what he is given by name; None: no plan."""
        if plan is not None:
            grants.check_plan(self.database, plan)
        try:
            return self._set(name, "user.plan", "plan", plan, plan=plan)
        except Conflict:  # it has just been removed
            raise BadUser(f"there is no plan {plan}") from None

    def set_quota(self, name: str, change: Mapping[str, int | None]) -> User:
        """Sets those of `unfinished`, `requests` and `seconds` that are in `change`: None: the plan's, 0: none."""
        with self.database.write():
            user = self.user(name)
            for column, value in change.items():
                self._set_column(user, column, value)
            self._note("user.quota", name, **change)
        return self.user(name)

    def grant(self, name: str, workers: Sequence[str]) -> User:
        """Gives workers, such as `high` or with a weight `high:3`, or changes weights."""
        wanted = grants.parse(workers)
        if not wanted:
            raise BadUser("name a queue to grant")
        with self.database.write():
            grants.grant(self.database, self.user(name).id, wanted)
            self._note("user.grant", name, workers=wanted)
        return self.user(name)

    def revoke(self, name: str, queues: Sequence[str]) -> User:
        """Takes workers that were given by name. His tasks that wait there go on."""
        with self.database.write():
            user = self.user(name)
            taken = grants.revoke(self.database, user.id, queues)
            missing = [queue for queue in queues if queue not in taken]
            if missing or not queues:
                plan = f"; those of the plan {user.plan} are the plan's" if user.plan else ""
                raise BadUser(f"{name} was given no worker on {', '.join(missing) or 'that'}{plan}")
            self._note("user.revoke", name, queues=taken)
        return self.user(name)

    def create_token(self, name: str, label: str | None, scopes: Sequence[str], expires_at: int | None) -> str:
        """A token, which is not to be seen again."""
        user = self.user(name)
        if "admin" in scopes and not user.admin:
            raise BadUser(f"{name} is no administrator, and no token makes him one")
        try:
            with self.database.write():
                token = users.create_token(self.database, user, label, scopes, expires_at)
                self._note("token.create", name, name=label, scopes=scopes, expires_at=clock.rfc3339(expires_at))
        except Conflict:
            raise BadUser(f"{name} has a token {label} already: revoke it first") from None
        return token

    def revoke_token(self, name: str, id_or_name: str | None) -> int:
        """Revokes a token by its id or name, or (None) all that the user has; answers how many."""
        with self.database.write():
            user = self.user(name)
            if id_or_name is None:
                count = tokens.revoke_all(self.database, user.id)
            else:
                count = tokens.revoke(self.database, user.id, id_or_name)
                if not count:
                    raise BadUser(f"{name} has no token {id_or_name}")
            self._note("token.revoke", name, token=id_or_name, count=count)
        return count

    def put_plan(
        self, name: str, workers: Sequence[str] | None, rule: str | None, change: Mapping[str, int | None]
    ) -> Plan:
        """Makes a plan, or changes what is given of it: workers (all of them), rule, quota. `default` is no rule."""
        with self.database.write():
            plan = grants.find_plan(self.database, name) or Plan(name, None, Quota(), {})
            if workers is not None:
                plan = replace(plan, workers=grants.parse(workers))
            if rule is not None:
                plan = replace(plan, rule=None if rule == "default" else rule)
            plan = replace(plan, quota=replace(plan.quota, **change))
            grants.put_plan(self.database, plan)
            self._note("plan.set", name, workers=plan.workers, rule=plan.rule, **asdict(plan.quota))
        return plan

    def remove_plan(self, name: str) -> None:
        """Deletes a plan that nobody has."""
        with self.database.write():
            if not grants.remove_plan(self.database, name):
                raise BadUser(f"there is no plan {name}")
            self._note("plan.remove", name)

    def _set(self, name: str, act: str, column: str, value: object, **detail: object) -> User:
        with self.database.write():
            self._set_column(self.user(name), column, value)
            self._note(act, name, **detail)
        return self.user(name)

    def _set_column(self, user: User, column: str, value: object) -> None:
        self.database.run(f"UPDATE account SET {column} = ? WHERE id = ?", value, user.id)  # noqa: S608

    def _note(self, act: str, subject: str, **detail: object) -> None:
        audit.note(self.database, self.actor, act, subject, **detail)
