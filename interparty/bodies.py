"""JSON bodies of routes: a request's into a message, a message into a response, a refusal into a problem.

Problems are RFC 9457 documents with title and status alone. Nothing of what was received is repeated in
them: a body may hold identifiers.
"""

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Final, TypeVar

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from interparty.messages import Message

JSON: Final = "application/json"
PROBLEM_JSON: Final = "application/problem+json"
FAULTS_MAX: Final = 3
"""Faulty fields that a problem names."""

M = TypeVar("M", bound=Message)
T = TypeVar("T")


async def read(request: Request, model: type[M]) -> M:
    """The request's body as a message. Raises HTTPException 400, which names the faulty fields."""
    return await read_by(request, model.model_validate_json)


async def read_by(request: Request, reader: Callable[[bytes], T]) -> T:
    """What `reader`, which raises ValidationError, makes of the request's body. Raises as `read`."""
    try:
        return reader(await request.body())
    except ValidationError as error:
        raise HTTPException(HTTPStatus.BAD_REQUEST, describe(error)) from None


def describe(error: ValidationError) -> str:
    """What is wrong with a body, by place and kind, never by value."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    named = [f"{'.'.join(_place(fault['loc']))}: {fault['type']}" for fault in faults[:FAULTS_MAX]]
    return "body is not the message of this route: " + "; ".join(named)


def _place(loc: tuple[int | str, ...]) -> list[str]:
    # An unknown field's name came from outside: only names that a message could have are repeated.
    return [
        str(part) if isinstance(part, int) or (part.isidentifier() and len(part) < 32) else "?"
        for part in loc
    ]


def answer(message: Message, status: int = 200) -> Response:
    """A message as a response; absent fields are left out."""
    body = message.model_dump_json(exclude_none=True).encode()
    return Response(body, status_code=status, media_type=JSON)


def problem_body(status: int, title: str) -> bytes:
    """The bytes of a problem document."""
    return json.dumps({"type": "about:blank", "title": title, "status": status}, ensure_ascii=False).encode()


def problem_title(body: bytes) -> str:
    """The title of a problem document, empty if there is none; at most 200 characters."""
    try:
        title = json.loads(body)["title"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return ""
    return title[:200] if isinstance(title, str) else ""
