"""Messages go over whichever SMSC link is bound and has room, in turn, in the number form that it wants."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.records import metrics
from gateway.settings import SmscSettings
from gateway.sms.links import SmscLinks
from smpp.aio.connection import Connection
from smpp.events import Event, RequestReceived
from smpp.pdu import DeliverSm, DeliverSmResp, SubmitSm
from tests.gateway.carrier import MSISDN, submit_frame, until
from tests.smpp.aio.centre import Centre


class Carrier:
    """Links to some SMSCs, and what the gateway hears from them."""

    def __init__(self, *settings: SmscSettings) -> None:
        self.requests: list[tuple[str, Connection, RequestReceived]] = []
        self.room = 0
        self.answers: list[tuple[str, Any]] = []
        self.links = SmscLinks(settings, self._heard, self._has_room)

    def _heard(self, link: str, connection: Connection, event: Event) -> None:
        if isinstance(event, RequestReceived):
            self.requests.append((link, connection, event))

    def _has_room(self) -> None:
        self.room += 1

    def send(self) -> bool:
        return self.links.send(submit_frame(), lambda link, answer: self.answers.append((link, answer)))


def smsc(name: str, centre: Centre, **fields: Any) -> SmscSettings:
    return SmscSettings(name=name, port=centre.port, system_id="gateway", password="secret08", **fields)


@pytest.fixture
async def centres() -> AsyncIterator[tuple[Centre, Centre]]:
    async with Centre() as first, Centre() as second:
        yield first, second


@pytest.fixture
async def carrier(centres: tuple[Centre, Centre]) -> AsyncIterator[Carrier]:
    first, second = centres
    made = Carrier(smsc("a", first, window=2), smsc("b", second, window=2, msisdn_ton=0, msisdn_npi=0))
    made.links.start()
    await until(lambda: made.room == 2)
    yield made
    await made.links.stop()


def submits(centre: Centre) -> list[SubmitSm]:
    return [each.pdu.body for each in centre.requests if isinstance(each.pdu.body, SubmitSm)]


async def test_links_take_turns(carrier: Carrier, centres: tuple[Centre, Centre]) -> None:
    for _ in range(4):
        assert carrier.send()
    await until(lambda: len(carrier.answers) == 4)
    assert sorted(link for link, _ in carrier.answers) == ["a", "a", "b", "b"]
    assert [len(submits(centre)) for centre in centres] == [2, 2]


async def test_each_smsc_gets_the_number_in_its_form(
    carrier: Carrier, centres: tuple[Centre, Centre]
) -> None:
    carrier.send()
    carrier.send()
    await until(lambda: len(carrier.answers) == 2)
    forms = []
    for centre in centres:
        [body] = submits(centre)
        assert body.destination_addr == MSISDN.encode()
        forms.append((body.dest_addr_ton, body.dest_addr_npi))
    assert forms == [(1, 1), (0, 0)]


async def test_a_full_window_leaves_the_message_to_the_other_link_and_then_to_nobody(
    carrier: Carrier, centres: tuple[Centre, Centre]
) -> None:
    for centre in centres:
        centre.silent = True
    assert [carrier.send() for _ in range(4)] == [True] * 4
    assert not carrier.links.has_room()
    assert not carrier.send()
    await until(lambda: all(len(centre.requests) == 2 for centre in centres))
    for centre in centres:
        for event in centre.requests:
            centre.answer(centre.bound[0], event)
    await until(carrier.links.has_room)
    assert carrier.send()
    await until(lambda: len(carrier.answers) == 5 or any(len(centre.requests) == 3 for centre in centres))
    for centre in centres:
        for event in centre.requests[2:]:
            centre.answer(centre.bound[0], event)


async def test_without_a_bound_link_nothing_is_taken() -> None:
    async with Centre() as centre:
        port = centre.port
    carrier = Carrier(SmscSettings(name="gone", port=port, system_id="gateway", password="secret08"))
    carrier.links.start()
    link = carrier.links.peers[0].link
    await until(lambda: link.failures > 0)
    assert not carrier.links.has_room()
    assert not carrier.send()
    assert metrics.REGISTRY.get_sample_value("ascs_smsc_link_up", {"link": "gone"}) == 0
    await carrier.links.stop()


async def test_room_is_announced_when_a_link_is_bound(carrier: Carrier) -> None:
    assert carrier.links.has_room()
    for name in ("a", "b"):
        assert metrics.REGISTRY.get_sample_value("ascs_smsc_link_up", {"link": name}) == 1
    await carrier.links.stop()
    for name in ("a", "b"):
        assert metrics.REGISTRY.get_sample_value("ascs_smsc_link_up", {"link": name}) == 0


async def test_what_an_smsc_asks_is_told_with_its_name(
    carrier: Carrier, centres: tuple[Centre, Centre]
) -> None:
    answered: list[Any] = []
    [connection] = centres[1].bound
    connection.request(DeliverSm(short_message=b"TD"), answered.append)
    await until(lambda: bool(carrier.requests))
    [(link, back, event)] = carrier.requests
    assert link == "b"
    assert isinstance(event.pdu.body, DeliverSm)
    back.respond(event.pdu.sequence_number, DeliverSmResp())
    await until(lambda: bool(answered))
    assert answered[0].command_status == 0
