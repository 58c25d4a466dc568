"""/api/v1/token: a user's own bearer tokens.

Only a password makes one: a token that got into wrong hands cannot make others, which would outlive it. What is done
here is in the audit log, under the user's name.
"""

from typing import Annotated

import falcon
import msgspec
from msgspec import Meta, structs

from . import bodies, clock, queries, tokens
from .acts import Acts
from .database import Database
from .describe import Answer, Field, operation
from .grants import BadUser
from .problems import Problem, bad
from .responses import send_json, send_tagged_json
from .tokens import Token
from .users import DEFAULT_SCOPES, SCOPES, Scope, User

MOST = 100  # tokens of a user
_LONGEST = 10 * 366 * 86400  # seconds

_NAME = Field("name", Annotated[str, Meta(max_length=64)], "bad_name", "what to call it, once among your tokens")
_SCOPES = Field(
    "scopes", Annotated[list[Scope], Meta(min_length=1)], "bad_scopes",
    f"what it is good for, of {', '.join(SCOPES)}; {' and '.join(DEFAULT_SCOPES)}, if not given", is_list=True,
)  # fmt: skip
_EXPIRES_IN = Field(
    "expires_in", Annotated[int, Meta(ge=1, le=_LONGEST)], "bad_expires_in",
    f"seconds until it holds no more, from 1 to {_LONGEST}; for ever, if not given",
)  # fmt: skip
_FIELDS = (_NAME, _SCOPES, _EXPIRES_IN)
_Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]


class TokenObject(msgspec.Struct, kw_only=True):
    """What may be told of a token: everything but itself. `last_used_at` is to the minute."""

    id: str
    name: str | None
    scopes: tuple[str, ...]
    created_at: _Time
    expires_at: _Time | None
    last_used_at: _Time | None


class NewTokenObject(TokenObject, kw_only=True):
    """A new token, which is told this once."""

    token: str


class Tokens:
    """/api/v1/token and /api/v1/token/{id}"""

    def __init__(self, database: Database, max_body: int) -> None:
        """`max_body`: bytes."""
        self._database = database
        self._max_body = max_body

    @operation(
        "Create a token",
        text="Send your name and password: a token makes no others. The answer has the token, once.",
        fields=_FIELDS,
        answers={201: Answer("created", NewTokenObject)},
        problems={
            **bodies.PROBLEMS,
            403: ("origin_not_allowed", "password_required"),
            409: ("name_taken", "too_many_tokens"),
        },
    )
    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        """Creates one."""
        user: User = request.context.user
        if user.by_token:
            raise Problem(403, "password_required", "A token makes no others; send your name and password.")
        sent = bodies.fields(bodies.read(request, self._max_body), _FIELDS)
        name, scopes = _checked_name(sent.get("name")), tokens.in_order(sent.get("scopes", DEFAULT_SCOPES))
        if "admin" in scopes and not user.admin:
            raise bad("bad_scopes", "scopes: admin is for administrators.", "#/scopes")
        if len(tokens.of(self._database, user.name)) >= MOST:
            raise Problem(409, "too_many_tokens", f"You may have {MOST}; revoke one first.")
        expires_at = clock.now() + sent["expires_in"] * clock.SECOND if "expires_in" in sent else None
        try:
            token = _acts(self._database, user).create_token(user.name, name, scopes, expires_at)
        except BadUser as error:
            raise Problem(409, "name_taken", f"{error}.") from None
        found = next(one for one in tokens.of(self._database, user.name) if one.id == tokens.id_of(token))
        send_json(response, NewTokenObject(token=token, **structs.asdict(_object(found))), 201)

    @operation(
        "List my tokens",
        parameters=(queries.IF_NONE_MATCH,),
        answers={200: Answer("all of them, the oldest first", list[TokenObject], ("ETag",)), 304: queries.UNCHANGED},
    )
    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Lists them."""
        found = tokens.of(self._database, request.context.user.name)
        send_tagged_json(request, response, [_object(token) for token in found])

    on_head = on_get

    @operation(
        "Revoke a token",
        text="By its id or its name. It is refused from the next request on.",
        answers={204: Answer("revoked")},
        problems={403: ("origin_not_allowed",), 404: ("token_not_found",)},
    )
    def on_delete_one(self, request: falcon.Request, response: falcon.Response, token_id: str) -> None:
        """Revokes it."""
        user: User = request.context.user
        try:
            _acts(self._database, user).revoke_token(user.name, token_id)
        except BadUser:
            raise Problem(404, "token_not_found", "You have no token of that id or name.") from None
        response.status = 204


def _checked_name(name: str | None) -> str | None:
    try:
        return None if name is None else tokens.check_name(name)
    except BadUser as error:
        raise bad(_NAME.code, f"{error}.", "#/name") from None


def _acts(database: Database, user: User) -> Acts:
    return Acts(database, f"user:{user.name}")


def _object(token: Token) -> TokenObject:
    return TokenObject(
        id=token.id,
        name=token.name,
        scopes=token.scopes,
        created_at=clock.rfc3339(token.created_at) or "",
        expires_at=clock.rfc3339(token.expires_at),
        last_used_at=clock.rfc3339(token.used_at),
    )
