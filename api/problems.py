"""Every error that the service answers: RFC 9457 `application/problem+json` with a `code` for programs."""

from typing import Annotated

import falcon
import msgspec
from msgspec import UNSET, Meta, UnsetType

_CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    500: "internal_error",
    503: "unavailable",
}


class Misfit(msgspec.Struct):
    """One place in a body where something is wrong."""

    pointer: Annotated[str, Meta(description="a JSON pointer into the body, such as #/input_param/2/width")]
    detail: str


class ProblemObject(msgspec.Struct, kw_only=True):
    """An error, after RFC 9457: `code` is for programs, `detail` for people."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str | UnsetType = UNSET
    errors: list[Misfit] | UnsetType = UNSET


class Problem(falcon.HTTPError):
    """An answer other than success. `code` is stable; `detail` is a sentence for people."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        headers: dict[str, str] | None = None,
        misfits: list[Misfit] | None = None,
    ) -> None:
        super().__init__(status, description=detail, headers=headers, code=None)
        self.name = code
        self.misfits = misfits


def bad(code: str, detail: str, pointer: str | None = None) -> Problem:
    """422: understood, and not acceptable; `pointer` says where in the body."""
    return Problem(422, code, detail, misfits=None if pointer is None else [Misfit(pointer, detail)])


def malformed(detail: str) -> Problem:
    """400: cannot be understood."""
    return Problem(400, "malformed_body", detail)


def no_such_task() -> Problem:
    """404; the same for a task that never was and for somebody else's."""
    return Problem(404, "task_not_found", "You have no task of that id.")


def unavailable(what: str, seconds: int = 2) -> Problem:
    """503: worth trying again in `seconds`."""
    return Problem(503, "unavailable", f"{what} cannot be reached at the moment.", {"Retry-After": str(seconds)})


def serialize(request: falcon.Request, response: falcon.Response, error: falcon.HTTPError) -> None:
    """Falcon's error serializer: its own errors get a code by their status."""
    status = error.status_code
    code, misfits = (error.name, error.misfits) if isinstance(error, Problem) else (_CODES.get(status, "error"), None)
    title = falcon.code_to_http_status(status).partition(" ")[2]
    body = ProblemObject(
        title=title, status=status, code=code, detail=error.description or UNSET, errors=misfits or UNSET
    )
    response.data = msgspec.json.encode(body)
    response.content_type = "application/problem+json"
    response.set_header("Cache-Control", "no-store")
