"""What other parties may ask of the carrier: confirm deposits, answer queries by number (trust party), assert a session
(network)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from foundation.store import StoreBusy, StoreUnavailable
from gateway.carrier_api.number_queries import NumberQueries
from gateway.confirm.confirmations import Confirmations
from gateway.settings import GatewaySettings
from interparty.bodies import answer, read
from interparty.messages import Accepted, AssertionRequest, ConfirmationRequests
from interparty.query_messages import CarrierNumberQuery

T = TypeVar("T")
R = TypeVar("R")


def carrier_api(settings: GatewaySettings, confirmations: Confirmations, queries: NumberQueries) -> Starlette:
    """The routes, to be served by interparty.server: what arrives here is authentic, who may ask what is not yet."""

    async def confirmation_requests(request: Request) -> Response:
        if request.state.party != settings.trust.id:
            raise HTTPException(403, "only the trust party asks for confirmations")
        message = await read(request, ConfirmationRequests)
        return answer(Accepted(accepted=await _stored(confirmations.take, message.requests)), 202)

    async def assertions(request: Request) -> Response:
        if request.state.party not in settings.confirm.network_peers:
            raise HTTPException(403, "only a configured network peer asserts sessions")
        message = await read(request, AssertionRequest)
        return answer(
            Accepted(accepted=await _stored(confirmations.assert_sessions, message.assertions)), 202
        )

    async def number_queries(request: Request) -> Response:
        if request.state.party != settings.trust.id:
            raise HTTPException(403, "only the trust party passes on queries by number")
        asked = await read(request, CarrierNumberQuery)
        return answer(await _stored(queries.answer, asked))

    async def health(_: Request) -> Response:
        return JSONResponse({"status": "ok"})

    return Starlette(
        routes=[
            Route("/v1/confirmation-requests", confirmation_requests, methods=["POST"]),
            Route("/v1/assertions", assertions, methods=["POST"]),
            Route("/v1/number-queries", number_queries, methods=["POST"]),
            Route("/health", health),
        ]
    )


async def _stored(take: Callable[[T], Awaitable[R]], items: T) -> R:
    try:
        return await take(items)
    except (StoreBusy, StoreUnavailable) as error:
        raise HTTPException(503, "not now") from error
