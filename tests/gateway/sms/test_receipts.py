"""Receipts from the SMSC: to the message they name, before or after its response, answered after the commit."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from foundation.store import StoreBusy, StoreUnavailable
from gateway.sms.upstream_ids import Dialect
from gateway.store.domain import Domain
from gateway.store.ids import text_of
from gateway.store.messages import State
from smpp.codec import decode
from smpp.constants import CommandStatus, EsmClass
from smpp.pdu import DataSm, DataSmResp, DeliverSm, DeliverSmResp, Pdu, SubmitSmResp
from smpp.receipts import MessageState, parse
from tests.gateway.carrier import AID, MSISDN, NUMBER, Clock, rows, settled
from tests.gateway.sms.desk import Desk, SmscSide

DELIVERED = MessageState.DELIVERED


@pytest.fixture
def desk(people: Domain, clock: Clock) -> Desk:
    return Desk(people, clock)


async def test_a_receipt_after_its_response(desk: Desk) -> None:
    message_id = await desk.accepted(registered_delivery=1)
    await desk.taken(b"7")
    assert await desk.receipt() == (5, 0, DeliverSmResp())
    assert desk.told() == [(message_id, DELIVERED)]
    assert [delivery.account for delivery in desk.deliveries] == ["sms-a"]
    assert await rows(desk.domain, "message") == []
    assert desk.trust_rows


async def test_a_receipt_before_its_response(desk: Desk) -> None:
    message_id = await desk.accepted(registered_delivery=1)
    assert await desk.receipt() == (5, 0, DeliverSmResp())
    assert (await desk.state(message_id), desk.deliveries) == (State.QUEUED, [])
    await desk.taken(b"7")
    assert desk.told() == [(message_id, DELIVERED)]
    assert await rows(desk.domain, "message") == []
    assert await rows(desk.domain, "parked_receipt") == []


async def test_receipt_and_response_in_one_commit(desk: Desk) -> None:
    message_id = await desk.accepted(registered_delivery=1)
    desk.receive()
    desk.smsc.answer(b"7")
    await settled(desk.domain)
    assert desk.told() == [(message_id, DELIVERED)]


async def test_a_receipt_after_a_restart(desk: Desk, clock: Clock) -> None:
    """Nothing that finds the message is in memory."""
    message_id = await desk.accepted(registered_delivery=1)
    await desk.taken(b"7")
    again = Desk(Domain(desk.domain.store, desk.domain.vault, now_ms=clock), clock)
    await again.receipt()
    assert again.told() == [(message_id, DELIVERED)]


async def test_a_parked_receipt_survives_a_restart(desk: Desk, clock: Clock) -> None:
    """The message is sent again, as its response was lost, and the SMSC knows it under the same id."""
    message_id = await desk.accepted(registered_delivery=1)
    await desk.receipt()
    again = Desk(Domain(desk.domain.store, desk.domain.vault, now_ms=clock), clock)
    stored = await again.message(message_id)
    assert stored is not None
    again.dispatcher.answered("smsc", stored.row, response(b"7"))
    await settled(again.domain)
    assert again.told() == [(message_id, DELIVERED)]


async def test_an_intermediate_receipt_does_not_hide_the_final_one_behind_it(desk: Desk) -> None:
    """Both came before the response."""
    message_id = await desk.accepted(registered_delivery=1)
    await desk.receipt(state=MessageState.ENROUTE)
    await desk.receipt(state=DELIVERED)
    await desk.taken(b"7")
    assert desk.told() == [(message_id, DELIVERED)]


async def test_an_intermediate_receipt_ends_nothing(desk: Desk) -> None:
    message_id = await desk.accepted(registered_delivery=1)
    await desk.taken(b"7")
    assert (await desk.receipt(state=MessageState.ACCEPTED))[1] == 0
    assert (await desk.state(message_id), desk.deliveries) == (State.ACCEPTED, [])


async def test_who_asked_for_intermediate_notices_gets_them(desk: Desk) -> None:
    message_id = await desk.accepted(registered_delivery=0x11)
    await desk.taken(b"7")
    await desk.receipt(state=MessageState.ENROUTE)
    await desk.receipt(state=DELIVERED)
    assert desk.told() == [(message_id, MessageState.ENROUTE), (message_id, DELIVERED)]
    classes = [decode(each.frame).body.esm_class for each in desk.deliveries]  # type: ignore[attr-defined]
    assert classes == [EsmClass.INTERMEDIATE_NOTIFICATION, EsmClass.DELIVERY_RECEIPT]
    assert desk.smsc.bodies()[0].registered_delivery == 0x11


async def test_intermediate_notices_may_be_asked_for_alone(desk: Desk) -> None:
    message_id = await desk.accepted(registered_delivery=0x10)
    await desk.taken(b"7")
    await desk.receipt(state=MessageState.ENROUTE)
    await desk.receipt(state=DELIVERED)
    assert desk.told() == [(message_id, MessageState.ENROUTE)]
    assert [row["result"] for row in await rows(desk.domain, "cdr")] == ["DELIVERED"]


async def test_a_receipt_twice_is_told_once(desk: Desk) -> None:
    message_id = await desk.accepted(registered_delivery=1)
    await desk.taken(b"7")
    await desk.receipt()
    assert (await desk.receipt(state=MessageState.UNDELIVERABLE))[1] == 0
    assert desk.told() == [(message_id, DELIVERED)]
    assert [row["result"] for row in await rows(desk.domain, "cdr")] == ["DELIVERED"]


async def test_a_receipt_twice_in_one_commit_is_told_once(desk: Desk) -> None:
    message_id = await desk.accepted(registered_delivery=1)
    await desk.taken(b"7")
    for sequence in (5, 6):
        desk.receive(sequence_number=sequence)
    assert [(await desk.link.answer())[0] for _ in range(2)] == [5, 6]
    assert desk.told() == [(message_id, DELIVERED)]
    assert len(await rows(desk.domain, "cdr")) == 1


# --- how SMSCs write ids ----------------------------------------------------------------------------

WRITTEN = [
    ("same", b"00AB", b"00AB", True),
    ("same", b"00AB", b"ab", False),
    ("padded", b"00AB", b"ab", True),
    ("hex-to-decimal", b"1f", b"31", True),
    ("hex-to-decimal", b"1f", b"0000000031", True),
    ("decimal-to-hex", b"31", b"1F", True),
    ("any", b"00AB", b"ab", True),
    ("any", b"1f", b"31", True),
    ("any", b"31", b"1F", True),
    ("any", b"221067780", b"0221067780", True),
]
"""Dialect, the response's id, the receipt's, and whether they are one."""


@pytest.mark.parametrize(("dialect", "response", "receipt", "is_one"), WRITTEN)
@pytest.mark.parametrize("is_first", [False, True], ids=["after the response", "before it"])
async def test_ids_that_an_smsc_writes_in_two_ways(
    people: Domain,
    clock: Clock,
    dialect: Dialect,
    response: bytes,
    receipt: bytes,
    is_one: bool,
    is_first: bool,
) -> None:
    desk = Desk(people, clock, dialects={"smsc": dialect})
    message_id = await desk.accepted(registered_delivery=1)
    if is_first:
        await desk.receipt(receipt)
    await desk.taken(response)
    if not is_first:
        await desk.receipt(receipt)
    assert desk.told() == ([(message_id, DELIVERED)] if is_one else [])


async def test_an_id_that_two_messages_answer_to_is_nobodys(desk: Desk) -> None:
    one, other = await desk.accepted(), await desk.accepted()
    await desk.taken(b"00ab")
    await desk.taken(b"0ab")
    await desk.receipt(b"ab")
    assert [await desk.state(one), await desk.state(other)] == [State.ACCEPTED] * 2


async def test_the_id_that_reads_the_same_decides(desk: Desk) -> None:
    one, other = await desk.accepted(registered_delivery=1), await desk.accepted(registered_delivery=1)
    await desk.taken(b"00ab")
    await desk.taken(b"0ab")
    await desk.receipt(b"00ab")
    assert desk.told() == [(one, DELIVERED)]
    assert await desk.state(other) is State.ACCEPTED


async def test_a_parked_receipt_that_was_claimed_is_not_kept_under_its_other_readings(desk: Desk) -> None:
    """The receipt 31 may mean 31, 0x31 or 31 in hex. Once it has its message, no later one may find it."""
    message_id = await desk.accepted(registered_delivery=1)
    await desk.receipt(b"31")
    await desk.taken(b"31")
    assert desk.told() == [(message_id, DELIVERED)]
    assert await rows(desk.domain, "parked_receipt") == []
    later = await desk.accepted(registered_delivery=1)
    await desk.taken(b"49")  # 31 as hex
    assert await desk.state(later) is State.ACCEPTED


@pytest.mark.parametrize("is_first", [False, True], ids=["after the response", "before it"])
async def test_a_receipt_may_come_over_another_bind_of_the_smsc(desk: Desk, is_first: bool) -> None:
    """Ids are the SMSC's, not the bind's; the answer goes to the bind that brought the receipt."""
    message_id = await desk.accepted(registered_delivery=1)
    first, other = desk.link, SmscSide()
    if not is_first:
        await desk.taken(b"7")
    desk.link = other
    assert await desk.receipt() == (5, 0, DeliverSmResp())
    if is_first:
        await desk.taken(b"7")
    assert desk.told() == [(message_id, DELIVERED)]
    assert (first.answers, other.answers) == ([], [])


async def test_each_bind_gets_the_answers_to_what_it_brought(desk: Desk) -> None:
    """Also when one commit has receipts of both."""
    links = SmscSide(), SmscSide()
    for sequence, link in enumerate(links, start=5):
        desk.receive(sequence_number=sequence, link=link)
    await settled(desk.domain)
    assert [link.answers for link in links] == [[(5, 0, DeliverSmResp())], [(6, 0, DeliverSmResp())]]


async def test_a_parked_receipt_that_two_messages_answer_to_is_nobodys(desk: Desk) -> None:
    """Both responses come in one commit, after the receipt."""
    one, other = await desk.accepted(registered_delivery=1), await desk.accepted(registered_delivery=1)
    await desk.receipt(b"ab")
    desk.smsc.answer(b"00ab")
    desk.smsc.answer(b"0ab")
    assert [await desk.state(one), await desk.state(other)] == [State.ACCEPTED] * 2
    assert desk.told() == []


async def test_the_same_id_from_another_smsc_is_another_message(desk: Desk) -> None:
    message_id = await desk.accepted()
    await desk.taken(b"7")
    await desk.receipt(smsc="another")
    assert await desk.state(message_id) is State.ACCEPTED


async def test_an_id_that_the_smsc_uses_again_means_the_newest(desk: Desk) -> None:
    first, second = await desk.accepted(registered_delivery=1), await desk.accepted(registered_delivery=1)
    await desk.taken(b"7")
    await desk.taken(b"7")
    await desk.receipt(b"7")
    assert desk.told() == [(second, DELIVERED)]
    assert await desk.state(first) is State.ACCEPTED


async def test_a_receipt_without_an_id_names_nobody(desk: Desk) -> None:
    message_id = await desk.accepted()
    await desk.taken(b"7")
    assert (await desk.receipt(b""))[1] == 0
    assert await desk.state(message_id) is State.ACCEPTED
    assert await rows(desk.domain, "parked_receipt") == []


# --- what the enterprise sees -----------------------------------------------------------------------


async def test_the_enterprises_receipt_names_the_aid_and_the_gateways_own_id(desk: Desk) -> None:
    message_id = await desk.accepted(registered_delivery=1)
    await desk.taken(b"7")
    await desk.receipt(error="005")
    body = decode(desk.deliveries[0].frame).body
    assert isinstance(body, DeliverSm)
    assert (body.source_addr, body.destination_addr) == (AID.encode(), NUMBER.encode())
    told = parse(body)
    assert told is not None
    assert (told.message_id, told.state, told.error) == (text_of(message_id).encode(), DELIVERED, "005")
    assert MSISDN.encode() not in desk.deliveries[0].frame


@pytest.mark.parametrize(
    ("asked", "state", "is_told"),
    [
        (0, DELIVERED, False),
        (1, DELIVERED, True),
        (2, DELIVERED, False),
        (2, MessageState.UNDELIVERABLE, True),
        (3, DELIVERED, True),
        (3, MessageState.UNDELIVERABLE, False),
    ],
)
async def test_registered_delivery(desk: Desk, asked: int, state: MessageState, is_told: bool) -> None:
    message_id = await desk.accepted(registered_delivery=asked)
    await desk.taken(b"7")
    await desk.receipt(state=state)
    assert desk.told() == ([(message_id, state)] if is_told else [])
    assert [row["result"] for row in await rows(desk.domain, "cdr")] == [state.name]


async def test_a_data_sm_is_answered_as_one(desk: Desk) -> None:
    assert await desk.receipt(body=DataSm()) == (5, 0, DataSmResp())


# --- when the store does not take it ----------------------------------------------------------------


@pytest.mark.parametrize("error", [StoreBusy("full"), StoreUnavailable("disk")])
async def test_a_receipt_that_could_not_be_stored_is_asked_for_again(
    people: Domain, clock: Clock, error: Exception
) -> None:
    def refuse(stage: Any, item: Any) -> None:
        raise error

    store: Any = SimpleNamespace(put_all=refuse, on_undone=lambda forget: None)
    desk = Desk(replace(people, store=store), clock)
    desk.receive()
    assert desk.link.answers == [(5, CommandStatus.ESME_RX_T_APPN, None)]


async def test_a_receipt_whose_commit_failed_is_asked_for_again(people: Domain, clock: Clock) -> None:
    def fail(stage: Any, items: Any) -> None:
        stage.done(items, None, StoreUnavailable("not committed"))

    store: Any = SimpleNamespace(put_all=fail, on_undone=lambda forget: None)
    desk = Desk(replace(people, store=store), clock)
    desk.receive()
    assert desk.link.answers == [(5, CommandStatus.ESME_RX_T_APPN, None)]


def response(upstream_id: bytes) -> Pdu:
    return Pdu(SubmitSmResp(message_id=upstream_id), 1)
