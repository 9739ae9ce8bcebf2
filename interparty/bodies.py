"""JSON bodies of routes: a request's into a message, a message into a response, a refusal into a problem.

Problems are RFC 9457 documents: type, title, status and, where there is more to say, detail. Nothing of what was
received is repeated in them: a body may hold identifiers.
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
DETAIL_MAX: Final = 200
"""Characters of a problem's detail that an asker keeps."""

M = TypeVar("M", bound=Message)
T = TypeVar("T")


async def read(request: Request, model: type[M]) -> M:
    """The request's body as a message. Raises HTTPException: 415 for another media type than JSON, 400 for what is
    no JSON, 422 for JSON that is not the message, which names the faulty fields."""
    return await read_by(request, model.model_validate_json)


async def read_by(request: Request, reader: Callable[[bytes], T]) -> T:
    """What `reader`, which raises ValidationError, makes of the request's body. Raises as `read`."""
    check_content_type(request)
    try:
        return reader(await request.body())
    except ValidationError as error:
        raise fault(error) from None


def check_content_type(request: Request) -> None:
    """Raises HTTPException 415 unless the body says that it is JSON."""
    given = request.headers.get("content-type", "")
    if given.partition(";")[0].strip().lower() != JSON:
        raise HTTPException(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"a body is {JSON}")


def fault(error: ValidationError, said: str = "body is not the message of this route") -> HTTPException:
    """The refusal of a message that is none: 400 if it is no JSON at all, else 422."""
    is_json = all(each["type"] != "json_invalid" for each in error.errors(include_url=False))
    status = HTTPStatus.UNPROCESSABLE_ENTITY if is_json else HTTPStatus.BAD_REQUEST
    return HTTPException(status, describe(error, said))


def describe(error: ValidationError, said: str = "body is not the message of this route") -> str:
    """What is wrong with a message, by place and kind, never by value."""
    faults = error.errors(include_url=False, include_context=False, include_input=False)
    named = [f"{'.'.join(_place(fault['loc']))}: {fault['type']}" for fault in faults[:FAULTS_MAX]]
    return f"{said}: " + "; ".join(named)


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


def problem(status: int, detail: str, *, retry_after: int | None = None) -> Response:
    """A refusal as a response; `retry_after` is in seconds."""
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    return Response(problem_body(status, detail), status, headers, PROBLEM_JSON)


def problem_body(status: int, detail: str = "") -> bytes:
    """The bytes of a problem document."""
    # RFC 9457, 4.2.1: with "about:blank" the title is the status's phrase.
    phrase = HTTPStatus(status).phrase
    body = {"type": "about:blank", "title": phrase, "status": int(status)}
    if detail and detail != phrase:
        body["detail"] = detail
    return json.dumps(body, ensure_ascii=False).encode()


def problem_detail(body: bytes) -> str:
    """What a problem document says of its cause, empty if there is none; at most DETAIL_MAX characters."""
    try:
        document = json.loads(body)
        said = document.get("detail", document.get("title"))
    except (ValueError, AttributeError, RecursionError):
        return ""
    return said[:DETAIL_MAX] if isinstance(said, str) else ""
