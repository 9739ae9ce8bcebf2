"""A house in which the test itself is enterprise A, bound to the gateway in place of its simulated systems."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ascs.demo.layout import HOST, Layout, Person
from ascs.demo.parties import Files
from smpp.aio.client import open_bound
from smpp.aio.connection import Connection, RequestFailed
from smpp.events import Event, RequestReceived
from smpp.pdu import BindTransceiver, DeliverSm, DeliverSmResp, Pdu, SubmitSm
from smpp.session import SessionConfig
from tests.e2e.house import ENT_A, House

ANSWER_S = 10.0


class BoundHouse(House):
    """Answers every deliver_sm and keeps it."""

    def __init__(self, layout: Layout, files: Files, people: list[Person]) -> None:
        super().__init__(layout, files, people)
        self.connection: Connection
        self.delivered: list[DeliverSm] = []

    async def bind(self) -> None:
        self.connection, _ = await open_bound(
            HOST,
            self.ports.smpp,
            BindTransceiver(system_id=ENT_A.system_id.encode(), password=ENT_A.smpp_password.encode()),
            self._heard,
            SessionConfig(),
            timeout=ANSWER_S,
        )

    def _heard(self, connection: Connection, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, RequestReceived) and isinstance(event.pdu.body, DeliverSm):
                self.delivered.append(event.pdu.body)
                connection.respond(event.pdu.sequence_number, DeliverSmResp())

    async def submit_text(self, aid: str, text: bytes, registered_delivery: int = 0) -> int:
        """The command_status of one message to an AID; -1 without an answer."""
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def done(given: Pdu | RequestFailed) -> None:
            answer.set_result(-1 if isinstance(given, RequestFailed) else given.command_status)

        body = SubmitSm(
            source_addr=ENT_A.access_number.encode(),
            destination_addr=aid.encode(),
            short_message=text,
            registered_delivery=registered_delivery,
        )
        self.connection.request(body, done)
        async with asyncio.timeout(ANSWER_S):
            return await answer
