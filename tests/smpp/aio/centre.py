"""A small message centre over loopback for the shells' tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from smpp.aio.connection import Connection
from smpp.aio.server import Server
from smpp.constants import CommandStatus
from smpp.events import BindRequested, Event, RequestReceived
from smpp.pdu import BindTransceiver, DataSm, DataSmResp, SubmitSm, SubmitSmResp
from smpp.session import SessionConfig

BIND = BindTransceiver(b"ent-a", b"secret08")


async def until(condition: Callable[[], bool], timeout: float = 5.0) -> None:
    """Lets the loop run until the condition holds. Raises TimeoutError."""
    async with asyncio.timeout(timeout):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0)


class Centre:
    """Takes the password secret08; answers each submit_sm unless `silent`."""

    def __init__(self, config: SessionConfig | None = None, **options: Any) -> None:
        self.server = Server(self.on_events, config, **options)
        self.events: list[Event] = []
        self.requests: list[RequestReceived] = []
        self.bound: list[Connection] = []
        self.silent = False

    def on_events(self, connection: Connection, events: list[Event]) -> None:
        for event in events:
            self.events.append(event)
            if isinstance(event, BindRequested):
                self.authenticate(connection)
            elif isinstance(event, RequestReceived):
                self.requests.append(event)
                if not self.silent:
                    self.answer(connection, event)

    def authenticate(self, connection: Connection) -> None:
        assert connection.bind is not None
        if connection.bind.password == b"secret08":
            connection.accept_bind(b"centre")
            self.bound.append(connection)
        else:
            connection.refuse_bind(CommandStatus.ESME_RBINDFAIL)

    def answer(self, connection: Connection, event: RequestReceived) -> None:
        number = event.pdu.sequence_number
        if isinstance(event.pdu.body, SubmitSm):
            connection.respond(number, SubmitSmResp(b"id-%d" % number))
        elif isinstance(event.pdu.body, DataSm):
            connection.respond(number, DataSmResp(b"id-%d" % number))
        else:
            connection.reject(event.pdu, CommandStatus.ESME_RINVCMDID)

    async def __aenter__(self) -> Centre:
        await self.server.start("127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.server.stop(drain_s=0.2)

    @property
    def port(self) -> int:
        return self.server.port
