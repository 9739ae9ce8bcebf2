"""The SMSC as an ESME and a handset see it, over loopback."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from simulators.smsc.app import Smsc
from simulators.smsc.delays import Delay
from simulators.smsc.outcomes import Outcome
from simulators.smsc.settings import Account, SmscSettings
from smpp import receipts
from smpp.aio.client import BindRefusedError, Client
from smpp.aio.connection import Connection
from smpp.constants import CommandStatus, MessageState, Tag
from smpp.events import Event, RequestReceived
from smpp.pdu import (
    AlertNotification,
    BindTransceiver,
    CancelSm,
    DeliverSm,
    DeliverSmResp,
    Pdu,
    QuerySm,
    QuerySmResp,
    ReplaceSm,
    SubmitSm,
    SubmitSmResp,
    tlv,
)
from smpp.session import SessionConfig

ACCESS_NUMBER = b"10690001"
HANDSET = b"8613800000001"


def settings_in(folder: Path, **changed: Any) -> SmscSettings:
    return SmscSettings(
        port=0,
        data_dir=folder,
        log_dir=folder,
        retry_seconds=0.05,
        accounts=[
            Account(system_id="esme", password="secret", routes=("1069",), binds_max=2),
            Account(system_id="other", password="secret", routes=("10691",)),
            Account(system_id="radio", password="secret", kind="handsets"),
        ],
        **changed,
    )


class Peer:
    """A bound client that answers each deliver_sm with the status it is told and keeps it."""

    def __init__(
        self,
        system_id: str,
        password: str = "secret",
        config: SessionConfig | None = None,
        interface_version: int = 0x34,
    ) -> None:
        self.status: int = CommandStatus.ESME_ROK
        self.delivered: asyncio.Queue[DeliverSm] = asyncio.Queue()
        self.alerts: asyncio.Queue[AlertNotification] = asyncio.Queue()
        bind = BindTransceiver(
            system_id=system_id.encode(), password=password.encode(), interface_version=interface_version
        )
        self.client = Client(bind, self._on_events, config)

    def _on_events(self, connection: Connection, events: list[Event]) -> None:
        for event in events:
            if not isinstance(event, RequestReceived):
                continue
            if isinstance(event.pdu.body, AlertNotification):
                self.alerts.put_nowait(event.pdu.body)
            elif isinstance(event.pdu.body, DeliverSm):
                self.delivered.put_nowait(event.pdu.body)
                if self.status == CommandStatus.ESME_ROK:
                    connection.respond(event.pdu.sequence_number, DeliverSmResp())
                else:
                    connection.reject(event.pdu, self.status)

    async def alert(self) -> AlertNotification:
        return await asyncio.wait_for(self.alerts.get(), 5)

    async def submit(self, **fields: Any) -> Pdu:
        return await self.client.call(SubmitSm(**fields))

    async def next(self) -> DeliverSm:
        return await asyncio.wait_for(self.delivered.get(), 5)


class Field:
    """An SMSC with its peers; `bind` adds one."""

    def __init__(self, smsc: Smsc) -> None:
        self.smsc = smsc
        self.peers: list[Peer] = []

    async def bind(self, system_id: str, password: str = "secret") -> Peer:
        peer = Peer(system_id, password)
        await peer.client.connect("127.0.0.1", self.smsc.port)
        self.peers.append(peer)
        return peer

    async def close(self) -> None:
        for peer in self.peers:
            await peer.client.close()
        await self.smsc.stop()


@pytest.fixture
async def field(tmp_path: Path) -> AsyncIterator[Field]:
    field = Field(await Smsc.start(settings_in(tmp_path)))
    yield field
    await field.close()


def message_id(answer: Pdu) -> bytes:
    assert answer.command_status == CommandStatus.ESME_ROK
    assert isinstance(answer.body, SubmitSmResp)
    return answer.body.message_id


async def send(esme: Peer, **changed: Any) -> bytes:
    fields = {
        "source_addr": ACCESS_NUMBER,
        "destination_addr": HANDSET,
        "registered_delivery": 1,
        "short_message": b"hello",
        **changed,
    }
    return message_id(await esme.submit(**fields))


async def test_an_mt_reaches_the_handset_as_it_was_and_its_receipt_the_esme(field: Field) -> None:
    esme, radio = await field.bind("esme"), await field.bind("radio")
    identifier = await send(
        esme,
        esm_class=0x43,
        data_coding=8,
        short_message=b"\x05\x00\x03\x01\x01\x01\x4f\x60",
        dest_addr_ton=1,
    )
    delivered = await radio.next()
    assert delivered.source_addr == ACCESS_NUMBER
    assert (delivered.destination_addr, delivered.dest_addr_ton) == (HANDSET, 1)
    assert delivered.short_message == b"\x05\x00\x03\x01\x01\x01\x4f\x60"
    assert (delivered.esm_class, delivered.data_coding) == (0x40, 8)
    receipt = await esme.next()
    assert (receipt.source_addr, receipt.destination_addr) == (HANDSET, ACCESS_NUMBER)
    told = receipts.parse(receipt)
    assert told is not None
    assert (told.message_id, told.state) == (identifier, MessageState.DELIVERED)
    assert tlv(receipt, Tag.RECEIPTED_MESSAGE_ID) is not None
    assert tlv(receipt, Tag.MESSAGE_STATE) == bytes([MessageState.DELIVERED])


async def test_what_the_handset_refuses_for_good_is_undeliverable(field: Field) -> None:
    esme, radio = await field.bind("esme"), await field.bind("radio")
    radio.status = CommandStatus.ESME_RX_P_APPN
    await send(esme)
    told = receipts.parse(await esme.next())
    assert told is not None
    assert told.state == MessageState.UNDELIVERABLE


async def test_a_temporary_failure_is_tried_again(field: Field) -> None:
    esme, radio = await field.bind("esme"), await field.bind("radio")
    radio.status = CommandStatus.ESME_RX_T_APPN
    await send(esme)
    await radio.next()
    radio.status = CommandStatus.ESME_ROK
    told = receipts.parse(await esme.next())
    assert told is not None
    assert told.state == MessageState.DELIVERED


@pytest.mark.parametrize(("registered_delivery", "receipts_expected"), [(0, 0), (1, 1), (2, 0), (3, 1)])
async def test_a_receipt_comes_only_if_it_was_asked_for(
    field: Field, registered_delivery: int, receipts_expected: int
) -> None:
    esme, radio = await field.bind("esme"), await field.bind("radio")
    await send(esme, registered_delivery=registered_delivery)
    await radio.next()
    await send(esme)
    await esme.next()
    await asyncio.wait_for(radio.next(), 5)
    if receipts_expected:
        await esme.next()
    assert esme.delivered.empty()


async def test_a_message_waits_for_the_handset_and_its_receipt_for_the_esme(field: Field) -> None:
    esme = await field.bind("esme")
    await send(esme)
    await esme.client.close()
    radio = await field.bind("radio")
    await radio.next()
    assert receipts.parse(await (await field.bind("esme")).next()) is not None


async def test_a_restart_goes_on_where_the_store_says(tmp_path: Path) -> None:
    field = Field(await Smsc.start(settings_in(tmp_path)))
    first = await send(await field.bind("esme"))
    await field.close()
    field = Field(await Smsc.start(settings_in(tmp_path)))
    try:
        assert field.smsc.center.open_messages == 1
        radio, esme = await field.bind("radio"), await field.bind("esme")
        assert (await radio.next()).short_message == b"hello"
        told = receipts.parse(await esme.next())
        assert told is not None
        assert told.message_id == first
        assert await send(esme) != first
    finally:
        await field.close()


async def test_an_mo_goes_to_the_esme_with_the_longest_route(field: Field) -> None:
    esme, other, radio = await field.bind("esme"), await field.bind("other"), await field.bind("radio")
    message_id(await radio.submit(source_addr=HANDSET, destination_addr=b"10691123", short_message=b"TD"))
    delivered = await other.next()
    assert (delivered.source_addr, delivered.destination_addr) == (HANDSET, b"10691123")
    assert delivered.short_message == b"TD"
    message_id(await radio.submit(source_addr=HANDSET, destination_addr=b"10690001", short_message=b"hi"))
    assert (await esme.next()).short_message == b"hi"


async def test_an_mo_to_a_number_without_owner_is_refused(field: Field) -> None:
    radio = await field.bind("radio")
    answer = await radio.submit(source_addr=HANDSET, destination_addr=b"95588", short_message=b"TD")
    assert answer.command_status == CommandStatus.ESME_RINVDSTADR


async def test_an_mo_that_the_esme_did_not_take_is_offered_again(field: Field) -> None:
    esme, radio = await field.bind("esme"), await field.bind("radio")
    esme.status = CommandStatus.ESME_RSYSERR
    message_id(await radio.submit(source_addr=HANDSET, destination_addr=ACCESS_NUMBER, short_message=b"hi"))
    await esme.next()
    esme.status = CommandStatus.ESME_ROK
    assert (await esme.next()).short_message == b"hi"


@pytest.mark.parametrize(("system_id", "password"), [("esme", "wrong"), ("nobody", "secret"), ("nobody", "")])
async def test_a_bind_with_wrong_credentials_fails(field: Field, system_id: str, password: str) -> None:
    with pytest.raises(BindRefusedError) as refused:
        await field.bind(system_id, password)
    assert refused.value.status == CommandStatus.ESME_RBINDFAIL


async def test_binds_over_the_limit_are_refused_until_one_is_gone(field: Field) -> None:
    first, _second = await field.bind("esme"), await field.bind("esme")
    with pytest.raises(BindRefusedError) as refused:
        await field.bind("esme")
    assert refused.value.status == CommandStatus.ESME_RALYBND
    await first.client.close()
    await field.bind("esme")


async def test_query_cancel_and_replace_act_on_what_waits(field: Field) -> None:
    esme = await field.bind("esme")
    identifier = await send(esme, registered_delivery=0)
    answer = await esme.client.call(QuerySm(message_id=identifier, source_addr=ACCESS_NUMBER))
    assert isinstance(answer.body, QuerySmResp)
    assert answer.body.message_state == MessageState.ENROUTE
    replaced = await esme.client.call(
        ReplaceSm(message_id=identifier, source_addr=ACCESS_NUMBER, short_message=b"better")
    )
    assert replaced.command_status == CommandStatus.ESME_ROK
    radio = await field.bind("radio")
    assert (await radio.next()).short_message == b"better"
    await radio.client.close()

    second = await send(esme)
    foreign = await esme.client.call(
        CancelSm(message_id=second, source_addr=b"10699999", destination_addr=HANDSET)
    )
    assert foreign.command_status == CommandStatus.ESME_RCANCELFAIL
    cancelled = await esme.client.call(
        CancelSm(message_id=second, source_addr=ACCESS_NUMBER, destination_addr=HANDSET)
    )
    assert cancelled.command_status == CommandStatus.ESME_ROK
    told = receipts.parse(await esme.next())
    assert told is not None
    assert told.state == MessageState.DELETED
    answer = await esme.client.call(QuerySm(message_id=second, source_addr=ACCESS_NUMBER))
    assert isinstance(answer.body, QuerySmResp)
    assert answer.body.message_state == MessageState.DELETED
    unknown = await esme.client.call(QuerySm(message_id=b"999", source_addr=ACCESS_NUMBER))
    assert unknown.command_status == CommandStatus.ESME_RQUERYFAIL


async def test_a_message_expires_when_its_validity_ends(field: Field) -> None:
    esme = await field.bind("esme")
    await send(esme, validity_period=b"000000000001000R")
    told = receipts.parse(await esme.next())
    assert told is not None
    assert told.state == MessageState.EXPIRED


async def test_outcomes_are_drawn_and_ids_written_in_the_dialect(tmp_path: Path) -> None:
    outcomes = (Outcome(result="undeliverable", error=11, delivery_delay=Delay(ms=1)),)
    settings = settings_in(tmp_path, outcomes=outcomes, dialect="leading-zeros")
    field = Field(await Smsc.start(settings))
    try:
        esme = await field.bind("esme")
        assert await send(esme) == b"00000001"
        told = receipts.parse(await esme.next())
        assert told is not None
        assert (told.message_id, told.state, told.error) == (
            b"0000000001",
            MessageState.UNDELIVERABLE,
            "011",
        )
    finally:
        await field.close()


async def test_a_drawn_refusal_is_the_submit_response(tmp_path: Path) -> None:
    field = Field(await Smsc.start(settings_in(tmp_path, outcomes=(Outcome(result="refuse", status=0x58),))))
    try:
        answer = await (await field.bind("esme")).submit(
            source_addr=ACCESS_NUMBER, destination_addr=HANDSET, short_message=b"x"
        )
        assert answer.command_status == CommandStatus.ESME_RTHROTTLED
    finally:
        await field.close()
