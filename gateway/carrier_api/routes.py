"""What other parties may ask of the carrier: handlers for the operations of interparty.carrier_routes."""

from __future__ import annotations

from collections.abc import Collection
from http import HTTPStatus

from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from gateway.carrier_api.number_queries import NumberQueries
from gateway.confirm.confirmations import Confirmations
from gateway.key_exchange import KeyExchange
from gateway.settings import GatewaySettings
from interparty import carrier_routes
from interparty.carrier_messages import AssertionRequest, ConfirmationRequests
from interparty.key_delivery import DeliveryError
from interparty.key_messages import KeyDelivery, KeyReceipt, PublicKeys
from interparty.messages import Accepted, HealthBody
from interparty.operations import HEALTH, Nothing, Role, application, bind
from interparty.query_messages import CarrierNumberQuery, CarrierNumberReply


def carrier_api(
    settings: GatewaySettings, confirmations: Confirmations, queries: NumberQueries, key_exchange: KeyExchange
) -> Starlette:
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

    async def keys(_party: str, _asked: Nothing) -> PublicKeys:
        return await key_exchange.public()

    async def deliver_key(party: str, asked: KeyDelivery) -> KeyReceipt:
        try:
            return await key_exchange.take(party, asked)
        except DeliveryError as refused:
            raise HTTPException(HTTPStatus.CONFLICT, str(refused)) from None

    async def health(_party: str, _asked: Nothing) -> HealthBody:
        return HealthBody(status="ok")

    return application(
        carrier_routes.OPERATIONS,
        (
            bind(carrier_routes.CONFIRMATION_REQUESTS, confirmation_requests),
            bind(carrier_routes.ASSERTIONS, assertions),
            bind(carrier_routes.NUMBER_QUERIES, number_queries),
            bind(carrier_routes.KEYS, keys),
            bind(carrier_routes.DELIVER_KEY, deliver_key),
            bind(HEALTH, health),
        ),
        roles,
    )
