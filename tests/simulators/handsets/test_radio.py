"""The fleet's radio side: one bind for all phones, and a plain word when a message cannot be sent."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from simulators.handsets.fleet import Fleet, Handset
from simulators.handsets.radio import TEXT_MAX, NotSent, Radio
from simulators.handsets.settings import RadioSettings
from simulators.handsets.subscribers import generate
from smpp.constants import CommandStatus
from smpp.pdu import DataSm, DeliverSm, SubmitSm
from tests.smpp.aio.centre import Centre, until

PHONES = generate(2)
NUMBER = "1069880001"


@pytest.fixture
async def centre() -> AsyncIterator[Centre]:
    async with Centre() as made:
        yield made


@pytest.fixture
def fleet() -> Fleet:
    return Fleet(PHONES)


@pytest.fixture
def phone(fleet: Fleet) -> Handset:
    found = fleet.find(PHONES[0].msisdn)
    assert found is not None
    return found


@pytest.fixture
async def radio(centre: Centre, fleet: Fleet) -> AsyncIterator[Radio]:
    made = Radio(RadioSettings(port=centre.port, system_id="radio", password="secret08"), fleet)
    made.start()
    await made.wait_bound(5)
    yield made
    await made.stop()


async def asked(centre: Centre, body: Any) -> int:
    """The fleet's answer to a request of the SMSC."""
    answers: list[Any] = []
    centre.bound[0].request(body, answers.append)
    await until(lambda: bool(answers))
    status: int = answers[0].command_status
    return status


async def test_a_phones_message_goes_out_under_its_own_number(
    radio: Radio, centre: Centre, phone: Handset
) -> None:
    [message_id] = await radio.send(phone, NUMBER, "TD")
    [request] = centre.requests
    body = request.pdu.body
    assert isinstance(body, SubmitSm)
    assert body.source_addr.decode().lstrip("+") == PHONES[0].msisdn
    assert (body.destination_addr, message_id) == (NUMBER.encode(), f"id-{request.pdu.sequence_number}")


async def test_a_long_text_goes_in_parts(radio: Radio, centre: Centre, phone: Handset) -> None:
    assert len(await radio.send(phone, NUMBER, "x" * 200)) == len(centre.requests) == 2


@pytest.mark.parametrize("text", ["", "x" * (TEXT_MAX + 1)])
async def test_a_text_that_no_phone_sends_is_not_sent(
    radio: Radio, centre: Centre, phone: Handset, text: str
) -> None:
    with pytest.raises(NotSent, match="characters"):
        await radio.send(phone, NUMBER, text)
    assert centre.requests == []


async def test_a_message_reaches_the_phone_it_is_for(radio: Radio, centre: Centre, phone: Handset) -> None:
    to = PHONES[0].msisdn.encode()
    assert await asked(centre, DeliverSm(destination_addr=to, short_message=b"hello")) == 0
    assert [message.text for message in phone.inbox.journal.since()] == ["hello"]


async def test_a_number_that_nobody_has_is_a_permanent_failure(radio: Radio, centre: Centre) -> None:
    body = DeliverSm(destination_addr=b"8613999999999", short_message=b"hello")
    assert await asked(centre, body) == CommandStatus.ESME_RX_P_APPN


async def test_a_phone_answers_nothing_else(radio: Radio, centre: Centre) -> None:
    assert await asked(centre, DataSm(source_addr=b"1", destination_addr=b"2")) != 0


async def test_without_a_bind_nothing_is_sent(fleet: Fleet, phone: Handset) -> None:
    radio = Radio(RadioSettings(port=1, system_id="radio", password="secret08"), fleet)
    assert not radio.is_bound
    with pytest.raises(NotSent, match="not bound"):
        await radio.send(phone, NUMBER, "TD")
