"""A fleet as a script drives it: over its HTTP API, with a real SMSC behind it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import Response

from gm.sm2 import PrivateKey
from interparty.bodies import answer
from interparty.carrier_messages import AssertionRequest
from interparty.edi import edi_id, from_text, open_edi
from interparty.messages import Accepted
from simulators.handsets.app import RunningFleet
from simulators.handsets.client import HandsetClient
from simulators.handsets.settings import AppSettings, FleetSettings, RadioSettings, SipSettings
from simulators.handsets.subscribers import generate
from simulators.http_client import ApiError
from simulators.smsc.app import Smsc
from smpp.aio.client import Client
from smpp.aio.connection import Connection
from smpp.events import Event, RequestReceived
from smpp.pdu import BindTransceiver, DeliverSm, DeliverSmResp, SubmitSm
from smpp.segmentation import split
from tests.simulators import parties
from tests.simulators.smsc.test_app import settings_in

FIRST = generate(1)[0]
NONCE = "000102030405060708090a0b0c0d0e0f"


@dataclass
class World:
    fleet: RunningFleet
    handsets: HandsetClient
    esme: Client
    replies: list[DeliverSm]
    carrier_key: PrivateKey
    assertions: list[AssertionRequest]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    smsc = await Smsc.start(settings_in(tmp_path / "smsc"))
    carrier_key = PrivateKey.generate()
    (tmp_path / "edi.pem").write_bytes(carrier_key.public_key.to_pem())
    assertions: list[AssertionRequest] = []

    async def asserted(request: Request) -> Response:
        message = AssertionRequest.model_validate_json(await request.body())
        assertions.append(message)
        return answer(Accepted(accepted=len(message.assertions)), 202)

    carrier = await parties.start(tmp_path, "CMCC", "network", {"/v1/assertions": asserted}, use_hmac=True)
    fleet = await RunningFleet.start(
        FleetSettings(
            count=3,
            api_port=0,
            radio=RadioSettings(port=smsc.port, system_id="radio", password="secret"),
            sip=SipSettings(port=0),
            app=AppSettings(carrier="CMCC", carrier_key_id="0001", carrier_public_key=tmp_path / "edi.pem"),
            network=carrier.link,
            log_dir=tmp_path,
        )
    )
    replies: list[DeliverSm] = []

    def on_events(connection: Connection, events: list[Event]) -> None:
        for event in events:
            if isinstance(event, RequestReceived) and isinstance(event.pdu.body, DeliverSm):
                replies.append(event.pdu.body)
                connection.respond(event.pdu.sequence_number, DeliverSmResp())

    esme = Client(BindTransceiver(system_id=b"esme", password=b"secret"), on_events)
    await esme.connect("127.0.0.1", smsc.port)
    await fleet.radio.wait_bound(5)
    async with HandsetClient(f"http://127.0.0.1:{fleet.api.port}") as handsets:
        yield World(fleet, handsets, esme, replies, carrier_key, assertions)
    await esme.close()
    await fleet.stop()
    await carrier.running.stop()
    await smsc.stop()


async def send(world: World, text: str, to: str = FIRST.msisdn) -> None:
    for part in split(text, 7):
        await world.esme.call(
            SubmitSm(
                source_addr=b"10690001",
                destination_addr=to.encode(),
                esm_class=part.esm_class,
                data_coding=part.data_coding,
                short_message=part.short_message,
            )
        )


async def test_the_fleet_says_who_is_in_it(world: World) -> None:
    assert await world.handsets.health() == {"ready": True, "handsets": 3, "bound": True}
    listed = await world.handsets.handsets()
    assert [one["msisdn"] for one in listed] == [one.msisdn for one in generate(3)]
    assert (listed[0]["imsi"], listed[0]["imei"]) == (FIRST.imsi, FIRST.imei)
    assert len(await world.handsets.handsets(limit=1, offset=2)) == 1


async def test_a_text_is_shown_on_the_handset_it_was_sent_to(world: World) -> None:
    await send(world, "您的快递已到")
    [message] = await world.handsets.inbox(FIRST.msisdn, wait=5)
    assert (message["sender"], message["text"], message["parts"]) == ("10690001", "您的快递已到", 1)
    assert await world.handsets.inbox(generate(2)[1].msisdn) == []


async def test_a_long_text_is_shown_whole(world: World) -> None:
    text = "长短信" * 60
    await send(world, text)
    [message] = await world.handsets.inbox(FIRST.msisdn, wait=5)
    assert message["text"] == text
    assert message["parts"] > 1


async def test_a_reply_goes_to_whoever_wrote_last(world: World) -> None:
    await send(world, "hello")
    await world.handsets.inbox(FIRST.msisdn, wait=5)
    sent = await world.handsets.reply(FIRST.msisdn, "TD")
    assert (sent["to"], len(sent["message_ids"])) == ("10690001", 1)
    await world.esme.call(SubmitSm(source_addr=b"1", destination_addr=b"2", short_message=b"x"))
    [reply] = world.replies
    assert (reply.source_addr, reply.destination_addr) == (FIRST.msisdn.encode(), b"10690001")
    assert reply.short_message == b"TD"


async def test_a_reply_that_the_smsc_refuses_is_told(world: World) -> None:
    with pytest.raises(ApiError, match="0x0000000B") as refused:
        await world.handsets.reply(FIRST.msisdn, "TD", to="95588")
    assert refused.value.status == 502
    with pytest.raises(ApiError, match="nobody has written"):
        await world.handsets.reply(FIRST.msisdn, "TD")


async def test_the_app_seals_the_identifier_to_the_carrier_alone(world: World) -> None:
    for id_type, identifier in (("IMSI", FIRST.imsi), ("IMEI", FIRST.imei)):
        edi = from_text(await world.handsets.seal(FIRST.msisdn, "ent-a", NONCE, id_type))
        opened = open_edi(world.carrier_key, edi, enterprise="ent-a", consent_nonce=bytes.fromhex(NONCE))
        assert opened == identifier
    with pytest.raises(ApiError, match="id_type"):
        await world.handsets.seal(FIRST.msisdn, "ent-a", NONCE, "OAID")
    with pytest.raises(ApiError, match="nonce"):
        await world.handsets.seal(FIRST.msisdn, "ent-a", "xy")


async def test_many_are_sealed_and_asserted_in_batches(world: World) -> None:
    people = generate(3)
    items = [{"msisdn": one.msisdn, "enterprise": "ent-a", "nonce": NONCE} for one in people]
    edis = await world.handsets.seal_batch(items)
    assert len(set(edis)) == 3
    asserted = [
        {"msisdn": one.msisdn, "edi_id": edi_id(from_text(edi)).hex(), "at": 1_790_000_000_000}
        for one, edi in zip(people, edis, strict=True)
    ]
    assert await world.handsets.assert_batch(asserted) == 3
    [message] = world.assertions
    assert [one.msisdn for one in message.assertions] == [one.msisdn for one in people]


async def test_behaviour_is_set_and_shown(world: World) -> None:
    assert (await world.handsets.behave(FIRST.msisdn, busy=True))["busy"] is True
    assert (await world.handsets.behave(FIRST.msisdn, never=True))["answer_after"] is None
    shown = await world.handsets.behave(FIRST.msisdn, answer_after=2)
    assert (shown["busy"], shown["answer_after"]) == (False, 2)
    with pytest.raises(ApiError, match="answer_after"):
        await world.handsets.behave(FIRST.msisdn, answer_after=-1)


async def test_what_cannot_be_done_is_refused(world: World) -> None:
    with pytest.raises(ApiError, match="no handset") as missing:
        await world.handsets.inbox("999")
    assert missing.value.status == 404
    with pytest.raises(ApiError) as idle:
        await world.handsets.hangup(FIRST.msisdn)
    assert idle.value.status == 409
