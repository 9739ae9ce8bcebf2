"""What one party offers another over signed HTTP, as data: one table serves, checks and describes.

A party's routes are a tuple of operations (`interparty.trust_routes`, `interparty.carrier_routes`). Its application
is made from that table and one handler for each (`application`), its OpenAPI document from the same table and the same
models (`interparty.openapi`), so that neither can say what the other does not do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import MappingProxyType
from typing import Any, Final, Generic, Literal, TypeVar

from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from foundation.store import StoreBusy, StoreUnavailable
from interparty import bodies
from interparty.messages import HealthBody, Message

Role = Literal["enterprise", "carrier", "regulator", "trust party", "network peer"]
ALL_ROLES: Final[tuple[Role, ...]] = ("enterprise", "carrier", "regulator", "trust party", "network peer")

Q = TypeVar("Q", bound=Message)
A = TypeVar("A", bound=Message)
Run = Callable[[str, Request], Awaitable[Response]]


class Nothing(Message):
    """No parameters."""


@dataclass(frozen=True, slots=True)
class Operation(Generic[Q, A]):
    """One route: who may ask what of it, and what comes back."""

    id: str
    """Unique name, lowerCamelCase."""
    method: Literal["GET", "POST"]
    path: str
    """Under the party's URL; {name} is a parameter, and a field of `asks`."""
    callers: tuple[Role, ...]
    """Roles that may ask; empty: whoever has a certificate of the common authority."""
    asks: type[Q]
    """The body of a POST; the parameters in path and query of a GET."""
    answers: type[A]
    summary: str
    description: str
    """What it does, with units, order and what is signed, for one who has nothing else to go by."""
    repeats: str
    """What asking again does: whoever lost an answer must know."""
    status: int = HTTPStatus.OK
    refusals: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
    """Statuses that mean something of their own here, with their causes."""
    signed: bool = True
    """False: the certificate is enough."""


HEALTH: Final = Operation(
    id="health",
    method="GET",
    path="/health",
    callers=(),
    asks=Nothing,
    answers=HealthBody,
    summary="Whether it can work",
    description="Needs a certificate of the common authority and no signature; the answer is not signed either.",
    repeats="Reads only; ask again at any time.",
    signed=False,
)
"""What every party has."""


@dataclass(frozen=True, slots=True)
class Stream:
    """A WebSocket (interparty.stream) that a party offers."""

    id: str
    path: str
    callers: tuple[Role, ...]
    summary: str
    description: str
    sends: tuple[type[Message], ...]
    """Messages from the one who opened it."""
    receives: tuple[type[Message], ...]
    """Messages to that one."""


@dataclass(frozen=True, slots=True)
class Bound:
    """An operation with what carries it out."""

    operation: Operation[Any, Any]
    run: Run


def bind(operation: Operation[Q, A], handler: Callable[[str, Q], Awaitable[A]]) -> Bound:
    """`handler` gets the asking party's id and the message, and gives the answer. It may raise HTTPException."""

    async def run(party: str, request: Request) -> Response:
        if operation.method == "GET":
            asked = _parameters(operation, request)
        else:
            asked = await bodies.read(request, operation.asks)
        return bodies.answer(await handler(party, asked), operation.status)

    return Bound(operation, run)


def bind_bytes(operation: Operation[Any, Any], handler: Callable[[str, bytes], Awaitable[bytes]]) -> Bound:
    """For what comes by the ten thousand: `handler` gets and gives JSON that is equal to what the models would read
    and write. It raises ValidationError for a body that is not the message."""

    async def run(party: str, request: Request) -> Response:
        bodies.check_content_type(request)
        try:
            answer = await handler(party, await request.body())
        except ValidationError as error:
            raise bodies.fault(error) from None
        return Response(answer, operation.status, media_type=bodies.JSON)

    return Bound(operation, run)


def application(
    table: Collection[Operation[Any, Any]],
    bound: Iterable[Bound],
    roles: Callable[[str], Collection[Role]],
) -> Starlette:
    """The ASGI application of a table; to be served by interparty.server alone.

    `roles` says what a party is to this one, nothing if it was not admitted. Raises ValueError unless each
    operation of the table, and no other, has its handler.
    """
    handlers = {each.operation.id: each for each in bound}
    if handlers.keys() != {operation.id for operation in table}:
        unlike = handlers.keys() ^ {operation.id for operation in table}
        raise ValueError(f"operations without handler, or handlers without operation: {sorted(unlike)}")
    app = Starlette(
        routes=[_route(handlers[operation.id], roles) for operation in table],
        exception_handlers={StoreBusy: _unavailable, StoreUnavailable: _unavailable},
    )
    # A signature is over the path that was asked for: none is answered for another.
    app.router.redirect_slashes = False
    return app


def _route(bound: Bound, roles: Callable[[str], Collection[Role]]) -> Route:
    operation = bound.operation

    async def endpoint(request: Request) -> Response:
        party = request.state.party if operation.signed else ""
        if operation.callers and not set(operation.callers) & set(roles(party)):
            raise HTTPException(HTTPStatus.FORBIDDEN, f"this route is for {_plural(operation.callers)}")
        return await bound.run(party, request)

    route = Route(operation.path, endpoint, methods=[operation.method])
    route.methods = {operation.method}  # Starlette adds HEAD to GET; what has no body cannot be checked here
    return route


def _plural(roles: tuple[Role, ...]) -> str:
    if set(roles) >= {"enterprise", "carrier"}:
        return "admitted parties"
    return " and ".join("the trust party" if role == "trust party" else f"{role}s" for role in roles)


def _parameters(operation: Operation[Q, Any], request: Request) -> Q:
    given: dict[str, str] = dict(request.path_params)
    for name, value in request.query_params.multi_items():
        if name in given:
            raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "a parameter came twice")
        given[name] = value
    try:
        return operation.asks.model_validate(given)
    except ValidationError as error:
        raise bodies.fault(error, "parameters are not those of this route") from None


async def _unavailable(_request: Request, _error: Exception) -> Response:
    return bodies.problem(HTTPStatus.SERVICE_UNAVAILABLE, "the store takes nothing now", retry_after=1)
