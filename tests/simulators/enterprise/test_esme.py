"""The enterprise's SMPP client: what it sends, what it is told, and what it makes of receipts and replies."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from simulators.enterprise.esme import Esme, NotSubmitted, Submitted, status_name
from simulators.enterprise.settings import SmppSettings
from smpp.constants import CommandStatus, EsmClass, MessageState
from smpp.pdu import DataSm, DeliverSm, SubmitSm
from smpp.receipts import Receipt, build, receipt_tlvs
from smpp.segmentation import split
from tests.smpp.aio.centre import Centre, until

AID = "888132341582397708"
NUMBER = "1069880001"


@pytest.fixture
async def centre() -> AsyncIterator[Centre]:
    async with Centre() as made:
        yield made


@pytest.fixture
async def esme(centre: Centre) -> AsyncIterator[Esme]:
    made = Esme(SmppSettings(port=centre.port, system_id="ent-a", password="secret08"))
    await made.bind()
    yield made
    await made.unbind()


async def asked(centre: Centre, body: Any) -> int:
    """The enterprise's answer to a request of the carrier."""
    answers: list[Any] = []
    centre.bound[0].request(body, answers.append)
    await until(lambda: bool(answers))
    status: int = answers[0].command_status
    return status


@pytest.mark.parametrize(("receipt", "registered"), [(True, 1), (False, 0)])
async def test_a_text_goes_to_the_aid(esme: Esme, centre: Centre, receipt: bool, registered: int) -> None:
    sent = await esme.send(NUMBER, AID, "您好", receipt=receipt)
    [request] = centre.requests
    body = request.pdu.body
    assert isinstance(body, SubmitSm)
    assert (body.source_addr, body.destination_addr) == (NUMBER.encode(), AID.encode())
    assert body.registered_delivery == registered
    assert (sent.status, sent.message_ids) == (0, [f"id-{request.pdu.sequence_number}"])


async def test_a_long_text_has_an_id_a_part(esme: Esme) -> None:
    sent = await esme.send(NUMBER, AID, "x" * 400)
    assert sent.statuses == [0, 0, 0]
    assert len(set(sent.message_ids)) == 3


def test_the_first_refusal_is_the_texts_status() -> None:
    assert Submitted([0, 0x0B, 0x58], ["a"], 1.0).status == 0x0B
    assert Submitted([0, 0], ["a", "b"], 1.0).status == 0


async def test_without_a_bind_nothing_is_sent(esme: Esme) -> None:
    assert esme.is_bound
    await esme.unbind()
    assert not esme.is_bound
    with pytest.raises(NotSubmitted, match="not bound"):
        await esme.send(NUMBER, AID, "hi")


async def test_a_receipt_is_shown_as_it_came(esme: Esme, centre: Centre) -> None:
    day = datetime(2026, 11, 1, 10, 26, tzinfo=UTC)
    content = Receipt(b"00ab", MessageState.DELIVERED, "000", day, day, 1, 1)
    body = DeliverSm(
        source_addr=AID.encode(),
        destination_addr=NUMBER.encode(),
        esm_class=EsmClass.DELIVERY_RECEIPT,
        short_message=build(content),
        tlvs=receipt_tlvs(content),
    )
    assert await asked(centre, body) == 0
    [seen] = esme.receipts.since()
    assert (seen.message_id, seen.state, seen.source_addr) == ("00ab", "DELIVERED", AID)
    assert seen.raw.startswith("id:00ab")
    assert list(esme.replies.since()) == []


async def test_a_reply_is_shown_under_its_aid_and_whole(esme: Esme, centre: Centre) -> None:
    text = "好的，今晚去取。" * 20
    for part in split(text, 5):
        body = DeliverSm(
            source_addr=AID.encode(),
            destination_addr=NUMBER.encode(),
            esm_class=part.esm_class,
            data_coding=part.data_coding,
            short_message=part.short_message,
        )
        assert await asked(centre, body) == 0
    [reply] = esme.replies.since()
    assert (reply.source_addr, reply.destination_addr, reply.text) == (AID, NUMBER, text)
    assert reply.parts > 1


async def test_what_it_cannot_read_it_refuses_for_good(esme: Esme, centre: Centre) -> None:
    assert (
        await asked(centre, DeliverSm(esm_class=0x40, short_message=b"\xff")) == CommandStatus.ESME_RX_P_APPN
    )
    assert (
        await asked(centre, DataSm(source_addr=b"1", destination_addr=b"2")) == CommandStatus.ESME_RINVCMDID
    )


@pytest.mark.parametrize(
    ("status", "name"), [(0x0B, "ESME_RINVDSTADR"), (0x58, "ESME_RTHROTTLED"), (0x4FF, "0x000004FF")]
)
def test_a_status_has_the_specifications_name_or_its_number(status: int, name: str) -> None:
    assert status_name(status) == name
