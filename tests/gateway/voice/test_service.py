"""The whole voice path with the relay in its own process: audio and digits go through, both ways."""

import asyncio
import json
import os
from pathlib import Path

import pytest

from gateway.settings import MediaSettings, RtpengineSettings
from masking.encodings import Numbers, find
from sip.aio.endpoint import Listener, SipEndpoint
from sip.digest import Credentials
from sip.events import CallAnswered, CallEnded, CallFailed, Event, IncomingCall, ResponseReceived
from sip.flow import Flow
from sip.headers import NameAddr
from sip.media.endpoint import RtpEndpoint
from sip.media.relay_client import RelayClient
from sip.media.rtpengine import RtpengineClient
from sip.sdp import make_offer, media_address, parse_sdp
from sip.uri import SipUri
from tests.gateway.voice.conftest import (
    AID,
    DOMAIN,
    MSISDN,
    NUMBER,
    PASSWORD,
    World,
    answer,
    offer,
    until,
)
from tests.rtpengine import rtpengine_daemon

START = RelayClient.start


@pytest.fixture
async def relayed(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The world with the real relay."""
    await world.service.stop()
    monkeypatch.setattr(RelayClient, "start", START)
    world.service = world.make_service()
    await world.service.start()
    return world


def listen_to(endpoint: RtpEndpoint, body: bytes) -> None:
    session = parse_sdp(body)
    assert session.audio is not None
    endpoint.set_remote(*media_address(session, session.audio))
    endpoint.start()


async def audio_and_digits_go_through(world: World, host: str = "127.0.0.1") -> None:
    """`host`: where the enterprise's phone has its audio."""
    tapped = bytearray()
    phone = await RtpEndpoint.open(host, tap_rtp=tapped.extend, tap_rtcp=tapped.extend)
    handset = await RtpEndpoint.open(cname=f"+{MSISDN}")
    out = world.call(body=make_offer(host, phone.rtp_port, session_id=7).to_bytes())
    arrived = await world.core.next(IncomingCall)
    listen_to(handset, arrived.request.body)
    arrived.call.answer(answer(arrived.request.body, handset.rtp_port), world.core.now())
    listen_to(phone, (await world.phone.next(CallAnswered)).response.body)
    phone.send_digits("42")
    await until(lambda: handset.digits == "42" and phone.stats.rtp_received > 5)
    out.hangup(world.phone.now())
    await world.core.next(CallEnded)
    await phone.close()
    await handset.close()
    (cdr,) = await world.closed()
    assert cdr["octets"] > 1000
    heard = json.loads(cdr["media"])
    assert heard["enterprise"]["packets"] > 5
    assert heard["core"]["octets"] > 500
    assert find(bytes(tapped), Numbers([MSISDN])) == []


async def test_audio_and_digits_go_through_the_relay(relayed: World) -> None:
    await audio_and_digits_go_through(relayed)


async def test_audio_goes_between_ipv6_and_ipv4(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await world.service.stop()
    monkeypatch.setattr(RelayClient, "start", START)
    media = MediaSettings(host="::1", core_host="127.0.0.1")
    world.settings = world.settings.model_copy(update={"media": media})
    world.service = world.make_service()
    await world.service.start()
    await audio_and_digits_go_through(world, "::1")


@pytest.mark.parametrize("profile", ["RTP/SAVP", "RTP/SAVPF", "UDP/TLS/RTP/SAVPF", "RTP/AVPF"])
async def test_an_offer_of_srtp_alone_is_488(world: World, profile: str) -> None:
    world.call(body=offer().replace(b"RTP/AVP", profile.encode()))
    assert (await world.phone.next(CallFailed)).status == 488


async def test_beside_srtp_plain_rtp_is_taken_and_no_key_crosses(world: World) -> None:
    plain = offer()
    secured = b"m=audio 40100 RTP/SAVP 0\r\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2VjcmV0\r\n"
    world.call(body=plain.replace(b"m=audio", secured + b"m=audio"))
    arrived = await world.core.next(IncomingCall)
    media = parse_sdp(arrived.request.body).media
    assert [(each.protocol, bool(each.port)) for each in media] == [("RTP/SAVP", False), ("RTP/AVP", True)]
    assert b"crypto" not in arrived.request.body


@pytest.mark.peer("rtpengine")
async def test_audio_and_digits_go_through_rtpengine(world: World, tmp_path: Path) -> None:
    await world.service.stop()
    with rtpengine_daemon(tmp_path) as port:
        media = MediaSettings(kind="rtpengine", rtpengine=RtpengineSettings(port=port))
        world.settings = world.settings.model_copy(update={"media": media})
        world.service = world.make_service()
        await world.service.start()
        try:
            assert isinstance(world.service._relay, RtpengineClient)
            await audio_and_digits_go_through(world)
        finally:
            await world.service.stop()


async def test_the_relays_log_goes_through_the_number_filters_format(relayed: World) -> None:
    lines = (relayed.logs / "relay.log").read_text().splitlines()
    assert {"time", "level", "file", "line", "message"} <= json.loads(lines[0]).keys()


async def test_a_relay_that_dies_is_replaced(relayed: World) -> None:
    world = relayed
    await world.talk()
    relay = world.service._relay
    assert isinstance(relay, RelayClient)
    os.kill(relay.pid, 9)
    await world.phone.next(CallEnded)
    await world.core.next(CallEnded)
    await until(lambda: world.service.media_running and world.service._relay is not relay)
    assert [row["result"] for row in await world.closed()] == ["MEDIA_LOST"]
    await world.talk()


async def test_an_enterprise_may_call_over_tcp(world: World) -> None:
    """Its own leg is TCP; the core's stays what it is."""
    events: asyncio.Queue[Event] = asyncio.Queue()
    phone = await SipEndpoint.open([Listener("TCP", "127.0.0.1", 0)], events.put_nowait)
    target = SipUri(AID, DOMAIN)
    call = phone.agent.invite(
        target,
        to=NameAddr(target),
        from_=NameAddr(SipUri(NUMBER, DOMAIN)),
        flow=Flow("TCP", *world.service._bridges.endpoints["a"].local_of("TCP")),
        now=phone.now(),
        body=offer(),
        credentials=Credentials("pbx-a", PASSWORD),
    )
    arrived = await world.core.next(IncomingCall)
    assert arrived.flow.transport == "UDP"
    arrived.call.answer(answer(arrived.request.body), world.core.now())
    async with asyncio.timeout(10):
        while not isinstance(event := await events.get(), CallAnswered):
            pass
    assert event.response.contacts[0].uri.param("transport") == "tcp"
    call.hangup(phone.now())
    await world.core.next(CallEnded)
    phone.close()


async def test_the_name_that_a_host_was_configured_by_is_the_gateways_own(world: World) -> None:
    world.call(uri=SipUri(AID, "127.0.0.1"))
    await world.core.next(IncomingCall)


async def test_who_probes_a_gateway_that_takes_no_calls_is_told(world: World) -> None:
    """RFC 3261 11.2: OPTIONS is answered as an INVITE would be."""
    uri = SipUri(None, DOMAIN)

    async def probed() -> int:
        to = NameAddr(uri)
        world.phone.agent.send_request(
            "OPTIONS", uri, to=to, from_=to, flow=world.gateway, now=world.phone.now()
        )
        return (await world.phone.next(ResponseReceived)).response.status

    assert await probed() == 200
    world.relay.running = False
    assert await probed() == 503
    world.call()
    assert (await world.phone.next(CallFailed)).status == 503
    world.relay.running = True
    assert await probed() == 200
