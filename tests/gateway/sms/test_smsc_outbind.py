"""An SMSC that connects and sends outbind is bound to at once; anyone else is cut off."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.sms_settings import OutbindSettings
from smpp.aio.connection import Connection
from smpp.constants import CommandStatus
from smpp.events import BindRequested, ConnectionMustClose, Event
from smpp.pdu import BindReceiver, BindTransceiver, DeliverSm, DeliverSmResp, Outbind
from smpp.session import SessionConfig
from tests.gateway.carrier import until
from tests.gateway.sms.smscs import Carrier, Smsc, settings

ANYWHERE = OutbindSettings(port=0)
GIVEN = {"addresses": ["127.0.0.0/8"], "system_id": "north", "password": "wakeup"}


class Caller(Smsc):
    """An SMSC that cannot be reached: it connects itself."""

    def __init__(self) -> None:
        super().__init__()
        self.connection: Connection | None = None
        self.refuses = False
        self.closed = ""

    async def call(self, port: int, outbind: Outbind | None) -> Connection:
        _, self.connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection("mc", self.on_events, SessionConfig(session_init_s=5.0)), "127.0.0.1", port
        )
        if outbind is not None:
            self.connection.request(outbind)
        return self.connection

    def on_events(self, connection: Connection, events: list[Event]) -> None:
        super().on_events(connection, events)
        for event in events:
            if isinstance(event, ConnectionMustClose):
                self.closed = event.reason

    def authenticate(self, connection: Connection) -> None:
        if self.refuses:
            connection.refuse_bind(CommandStatus.ESME_RALYBND)
        else:
            super().authenticate(connection)


async def unreachable_port() -> int:
    async with Smsc() as smsc:
        return smsc.port


def waiting(port: int, **fields: Any) -> Carrier:
    """A gateway whose next attempt to bind is a minute away."""
    given = {"backoff_min_s": 60.0, "backoff_max_s": 60.0, "outbind": GIVEN} | fields
    return Carrier(settings("north", port, **given), outbind=ANYWHERE)


RIGHT = Outbind(b"north", b"wakeup")


async def test_it_is_bound_to_at_once_and_messages_go_both_ways() -> None:
    async with waiting(await unreachable_port()) as carrier:
        caller = Caller()
        await caller.call(carrier.links.outbind_port, RIGHT)
        await carrier.bound(1)
        [request] = [event for event in caller.events if isinstance(event, BindRequested)]
        assert isinstance(request.pdu.body, BindTransceiver)
        assert request.pdu.body.system_id == b"gateway"
        link = carrier.links.peers[0]
        assert (link.state, link.can_send, link.counts.outbinds) == ("partly bound", True, 1)

        assert carrier.send()
        await carrier.answered(1)
        assert carrier.by_link() == ["north"]
        told: list[Any] = []
        caller.bound[0].request(DeliverSm(), told.append)
        await until(lambda: bool(carrier.requests))
        name, connection, pdu = carrier.requests[0]
        connection.respond(pdu.sequence_number, DeliverSmResp())
        await until(lambda: bool(told))
        assert name == "north"


async def test_for_a_pair_it_is_the_receiver() -> None:
    async with waiting(await unreachable_port(), bind="pair") as carrier:
        caller = Caller()
        await caller.call(carrier.links.outbind_port, RIGHT)
        await carrier.bound(1)
        assert isinstance(caller.bound[0].bind, BindReceiver)
        assert not carrier.links.peers[0].can_send


@pytest.mark.parametrize(
    ("outbind", "fields"),
    [
        (Outbind(b"north", b"guess"), {}),
        (Outbind(b"south", b"wakeup"), {}),
        (Outbind(b"", b""), {}),
        (RIGHT, {"outbind": GIVEN | {"addresses": ["10.0.0.1"]}}),
    ],
    ids=["password", "system_id", "empty", "address"],
)
async def test_whoever_is_not_known_is_cut_off(outbind: Outbind, fields: dict[str, Any]) -> None:
    async with waiting(await unreachable_port(), **fields) as carrier:
        caller = Caller()
        await caller.call(carrier.links.outbind_port, outbind)
        await until(lambda: bool(caller.closed))
        assert not any(isinstance(event, BindRequested) for event in caller.events)
        link = carrier.links.peers[0]
        assert (link.bound, link.counts.outbinds) == (0, 0)


async def test_whoever_says_nothing_is_cut_off() -> None:
    async with waiting(await unreachable_port(), connect_s=0.05) as carrier:
        caller = Caller()
        await caller.call(carrier.links.outbind_port, None)
        await until(lambda: bool(caller.closed))
        assert carrier.links.peers[0].counts.outbinds == 0


async def test_it_may_have_no_more_binds_than_are_configured() -> None:
    async with waiting(await unreachable_port(), binds=2) as carrier:
        callers = [Caller() for _ in range(3)]
        for caller in callers:
            await caller.call(carrier.links.outbind_port, RIGHT)
            await until(lambda caller=caller: bool(caller.bound or caller.closed))
        await carrier.bound(2)
        assert callers[2].closed


async def test_when_it_ends_its_place_is_free_again() -> None:
    async with waiting(await unreachable_port()) as carrier:
        for _ in range(2):
            caller = Caller()
            connection = await caller.call(carrier.links.outbind_port, RIGHT)
            await carrier.bound(1)
            connection.abort("cut")
            await carrier.bound(0)
        link = carrier.links.peers[0]
        await until(lambda: len(link.binds) == 1)
        assert (link.counts.outbinds, link.can_send) == (2, False)


async def test_a_refused_bind_frees_its_place_too() -> None:
    async with waiting(await unreachable_port()) as carrier:
        caller = Caller()
        caller.refuses = True
        await caller.call(carrier.links.outbind_port, RIGHT)
        await until(lambda: bool(caller.closed))
        await until(lambda: len(carrier.links.peers[0].binds) == 1)


async def test_nobody_listens_unless_an_smsc_may_send_it() -> None:
    async with waiting(await unreachable_port(), outbind=None) as carrier:
        assert carrier.links.outbind_port == 0


async def test_a_taken_address_is_an_error_at_start() -> None:
    async with Smsc() as smsc:
        carrier = Carrier(
            settings("north", smsc.port, outbind=GIVEN), outbind=OutbindSettings(port=smsc.port)
        )
        with pytest.raises(OSError):
            await carrier.links.start()
        await carrier.links.stop(drain_s=0.2)
