"""What other parties may ask of the carrier: handlers for the operations of interparty.carrier_routes."""

from __future__ import annotations

from collections.abc import Collection

from starlette.applications import Starlette

from gateway.carrier_api.number_queries import NumberQueries
from gateway.confirm.confirmations import Confirmations
from gateway.settings import GatewaySettings
from interparty import carrier_routes
from interparty.messages import Accepted, AssertionRequest, ConfirmationRequests, HealthBody
from interparty.operations import HEALTH, Nothing, Role, application, bind
from interparty.query_messages import CarrierNumberQuery, CarrierNumberReply


def carrier_api(settings: GatewaySettings, confirmations: Confirmations, queries: NumberQueries) -> Starlette:
    """The routes, to be served by interparty.server: what arrives here is authentic, who may ask what is not yet."""

    def roles(party: str) -> Collection[Role]:
        roles: list[Role] = []
        if party == settings.trust.id:
            roles.append("trust party")
        if party in settings.confirm.network_peers:
            roles.append("network peer")
        return roles

    async def confirmation_requests(_party: str, asked: ConfirmationRequests) -> Accepted:
        return Accepted(accepted=await confirmations.take(asked.requests))

    async def assertions(_party: str, asked: AssertionRequest) -> Accepted:
        return Accepted(accepted=await confirmations.assert_sessions(asked.assertions))

    async def number_queries(_party: str, asked: CarrierNumberQuery) -> CarrierNumberReply:
        return await queries.answer(asked)

    async def health(_party: str, _asked: Nothing) -> HealthBody:
        return HealthBody(status="ok")

    return application(
        carrier_routes.OPERATIONS,
        (
            bind(carrier_routes.CONFIRMATION_REQUESTS, confirmation_requests),
            bind(carrier_routes.ASSERTIONS, assertions),
            bind(carrier_routes.NUMBER_QUERIES, number_queries),
            bind(HEALTH, health),
        ),
        roles,
    )
