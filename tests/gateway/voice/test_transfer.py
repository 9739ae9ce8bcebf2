"""REFER: an enterprise puts a person through to another, by AID, authorized anew; the two talk and know nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.settings import AidSettings, MediaSettings, RtpengineSettings
from gateway.store import edis
from masking.encodings import Numbers, find
from sip.call import Call
from sip.events import (
    CallAnswered,
    CallCancelled,
    CallEnded,
    CallEstablished,
    IncomingCall,
    ModificationReceived,
    ReferProgress,
    ResponseReceived,
)
from sip.headers import NameAddr
from sip.media.endpoint import RtpEndpoint
from sip.media.relay_client import RelayClient
from sip.sdp import parse_sdp
from sip.uri import SipUri, parse_uri
from tests.gateway.voice.conftest import (
    AID,
    AID_BLOCKED,
    AID_REFUSED,
    DOMAIN,
    EDI_ID,
    MSISDN,
    NOW_MS,
    NUMBER,
    World,
    answer,
    grant,
    offer,
    until,
)
from tests.gateway.voice.test_service import START, listen_to
from tests.rtpengine import rtpengine_daemon

OTHER_AID = "888100000000000009"
OTHER_MSISDN = "8613800000002"
OTHER_EDI = bytes.fromhex("22112233445566778899aabbccddeeff")


@pytest.fixture
async def house(world: World) -> World:
    """A world with a second person whom the enterprise may call, and a phone that transfers."""
    vault = world.domain.vault

    def op(conn) -> None:
        index = vault.msisdn_index(conn, OTHER_MSISDN)
        sealed = vault.seal_msisdn(OTHER_MSISDN)
        identifier = vault.identifier_index(conn, 2, "460001234567891")
        row = edis.EdiRow(
            OTHER_EDI, "ent-b", index, sealed, 2, identifier, 20261101, b"\0" * 32, 1_793_499_999_000
        )
        edis.insert(conn, row)
        conn.execute("UPDATE edi SET enterprise_id = 'ent-a' WHERE edi_id = ?", (OTHER_EDI,))
        conn.execute("DELETE FROM block")

    await world.domain.store.write(op)
    world.verifier.answers[OTHER_AID] = grant(OTHER_EDI)
    await world.equip("phone", allow=("INVITE", "ACK", "BYE", "CANCEL", "NOTIFY", "UPDATE"))
    return world


def refer(world: World, call: Call, target: str) -> None:
    call.refer(NameAddr(parse_uri(target)), world.phone.now())


async def referred(world: World, target: str) -> ResponseReceived:
    out, _ = await world.talk()
    refer(world, out, target)
    return await world.phone.next(ResponseReceived)


async def ringing(world: World) -> tuple[Call, Call, Call]:
    """The enterprise's call, the first person's, and the second person's that rings."""
    out, first = await world.talk()
    refer(world, out, f"sip:{OTHER_AID}@{DOMAIN}")
    assert (await world.phone.next(ResponseReceived)).response.status == 202
    assert (await world.phone.next(ReferProgress)).status == 100
    arrived = await world.core.next(IncomingCall)
    arrived.call.ring(world.core.now())
    assert (await world.phone.next(ReferProgress)).status == 180
    return out, first, arrived.call


async def joined(world: World) -> tuple[Call, Call]:
    """The two persons who talk."""
    _, first, second = await ringing(world)
    second.answer(answer(second.request.body, 43000), world.core.now())
    progress = await world.phone.next(ReferProgress)
    assert (progress.status, progress.over) == (200, True)
    assert (await world.phone.next(CallEnded)).cause == "bye"
    change = await world.core.next(ModificationReceived)
    assert change.call is first
    change.call.accept_modification(answer(change.request.body, 44000), world.core.now())
    await until(lambda: world.relay.remotes["a"][-1].rtp_port == 44000)
    return first, second


async def test_the_two_persons_talk_and_the_enterprise_leaves(house: World) -> None:
    first, second = await joined(house)
    request = second.request
    assert request.uri.user == "+" + OTHER_MSISDN
    # Neither is told of the other.
    assert find(request.to_bytes(), Numbers([MSISDN])) == []
    # Both sides of the second call's media are in the core's network.
    assert house.relay.networks == [("a", "b"), ("b", "b")]
    assert house.relay.remotes["b"][-1].rtp_port == 43000
    first.hangup(house.core.now())
    await house.core.next(CallEnded)
    cdrs = await house.closed(2)
    assert [(row["aid"], row["result"]) for row in cdrs] == [(AID, "ANSWERED"), (OTHER_AID, "ANSWERED")]
    assert all(row["answered_at"] for row in cdrs)
    assert find(bytes(house.phone.received), Numbers([MSISDN, OTHER_MSISDN])) == []


async def test_the_second_may_hang_up_too_and_changes_cross(house: World) -> None:
    first, second = await joined(house)
    second.reinvite(offer(43002, "sendonly"), house.core.now())
    change = await house.core.next(ModificationReceived)
    assert change.call is first
    assert parse_sdp(change.request.body).direction(parse_sdp(change.request.body).media[0]) == "sendonly"
    change.call.accept_modification(answer(change.request.body, 44002), house.core.now())
    await until(lambda: house.relay.remotes["a"][-1].rtp_port == 44002)
    second.hangup(house.core.now())
    await house.core.next(CallEnded)
    assert await house.results(2) == ["ANSWERED", "ANSWERED"]


async def test_who_is_on_hold_is_offered_to_the_other_both_ways(house: World) -> None:
    out, first = await house.talk()
    out.reinvite(offer(40002, "sendonly"), house.phone.now())
    change = await house.core.next(ModificationReceived)
    change.call.accept_modification(answer(change.request.body, 41002), house.core.now())
    refer(house, out, f"sip:{OTHER_AID}@{DOMAIN}")
    arrived = await house.core.next(IncomingCall)
    described = parse_sdp(arrived.request.body)
    assert described.direction(described.media[0]) == "sendrecv"
    first.hangup(house.core.now())


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("tel:+8613900000000", 404),
        ("sip:+8613900000000@192.0.2.1", 404),
        (f"sip:{OTHER_AID}@elsewhere.example", 404),
        (f"sip:{AID_REFUSED}@{DOMAIN}", 404),
        (f"sip:{AID_BLOCKED}@{DOMAIN}", 404),
        (f"sip:{OTHER_AID}@{DOMAIN}?Replaces=x%3Bto-tag%3D1%3Bfrom-tag%3D2", 403),
        (f"sip:{OTHER_AID}@{DOMAIN};method=BYE", 403),
    ],
)
async def test_only_an_aid_that_may_be_called_is_a_target(house: World, target: str, status: int) -> None:
    house.verifier.answers.pop(AID_BLOCKED, None)
    assert (await referred(house, target)).response.status == status
    assert house.service.calls_up == 1
    assert not any(isinstance(event, IncomingCall) for event in house.core.seen())


async def test_over_the_limits_it_may_be_tried_again(house: World) -> None:
    await house.restart(aid=AidSettings(calls_max=1))
    refused = await referred(house, f"sip:{AID}@{DOMAIN}")
    assert (refused.response.status, refused.response.get("Retry-After")) == (503, "2")


async def test_the_cores_side_may_not_put_through(house: World) -> None:
    _, first = await house.talk()
    first.refer(NameAddr(SipUri(OTHER_AID, DOMAIN)), house.core.now())
    assert (await house.core.next(ResponseReceived)).response.status == 405


async def test_who_does_not_come_leaves_the_first_call_as_it_was(house: World) -> None:
    out, first, second = await ringing(house)
    second.reject(486, house.core.now())
    progress = await house.phone.next(ReferProgress)
    assert (progress.status, progress.over) == (486, True)
    assert house.service.calls_up == 1
    out.hangup(house.phone.now())
    await house.core.next(CallEnded)
    assert sorted(await house.results(2)) == ["ANSWERED", "BUSY"]
    assert first.over


async def test_an_enterprise_that_hangs_up_at_once_leaves_the_first_waiting(house: World) -> None:
    out, first, second = await ringing(house)
    out.hangup(house.phone.now())
    second.answer(answer(second.request.body), house.core.now())
    change = await house.core.next(ModificationReceived)
    assert change.call is first
    change.call.accept_modification(answer(change.request.body), house.core.now())
    first.hangup(house.core.now())
    assert await house.results(2) == ["ANSWERED", "ANSWERED"]


async def test_and_if_the_other_does_not_come_the_first_is_released(house: World) -> None:
    out, first, second = await ringing(house)
    out.hangup(house.phone.now())
    second.reject(480, house.core.now())
    ended = await house.core.next(CallEnded)
    assert ended.call is first
    assert sorted(await house.results(2)) == ["ANSWERED", "NO_ANSWER"]


async def test_when_the_first_hangs_up_nobody_is_called_any_more(house: World) -> None:
    _, first, second = await ringing(house)
    first.hangup(house.core.now())
    assert (await house.core.next(CallCancelled)).call is second
    assert sorted(await house.results(2)) == ["ANSWERED", "CANCELLED"]


async def test_it_does_not_ring_for_ever_and_ends_when_it_is_revoked(house: World) -> None:
    house.set_number(ring_s=0.2)
    out, _, second = await ringing(house)
    assert (await house.core.next(CallCancelled)).call is second
    assert (await house.phone.next(ReferProgress)).status == 480
    house.set_number(ring_s=None)
    refer(house, out, f"sip:{OTHER_AID}@{DOMAIN}")
    third = await house.core.next(IncomingCall)
    third.call.ring(house.core.now())
    house.service.revoked([OTHER_EDI])
    await house.core.next(CallCancelled)
    out.hangup(house.phone.now())
    assert sorted(await house.results(3)) == ["ANSWERED", "NO_ANSWER", "REVOKED"]


async def test_a_first_person_who_does_not_take_the_change_ends_it(house: World) -> None:
    _, first, second = await ringing(house)
    second.answer(answer(second.request.body), house.core.now())
    change = await house.core.next(ModificationReceived)
    assert change.call is first
    change.call.reject_modification(488, house.core.now())
    assert await house.results(2) == ["ANSWERED", "FAILED"]


async def test_after_a_crash_both_persons_are_released(house: World) -> None:
    first, second = await joined(house)
    endpoints = house.service._bridges.endpoints
    for endpoint in endpoints.values():
        endpoint.agent.calls.clear()
        endpoint.close()
    house.service._bridges._bridges.clear()
    await house.service.stop()
    house.service = house.make_service()
    await house.service.start()
    ended = {(await house.core.next(CallEnded)).call, (await house.core.next(CallEnded)).call}
    assert ended == {first, second}
    assert sorted(await house.results(2)) == ["ANSWERED", "INTERRUPTED"]


async def audio_goes_between_the_two(world: World) -> None:
    first_audio, second_audio = await RtpEndpoint.open(), await RtpEndpoint.open()
    out = world.call()
    first = (await world.core.next(IncomingCall)).call
    first.answer(answer(first.request.body, first_audio.rtp_port), world.core.now())
    await world.phone.next(CallAnswered)
    refer(world, out, f"sip:{OTHER_AID}@{DOMAIN}")
    second = (await world.core.next(IncomingCall)).call
    listen_to(second_audio, second.request.body)
    second.answer(answer(second.request.body, second_audio.rtp_port), world.core.now())
    change = await world.core.next(ModificationReceived)
    listen_to(first_audio, change.request.body)
    change.call.accept_modification(answer(change.request.body, first_audio.rtp_port), world.core.now())
    await until(lambda: min(each.stats.rtp_received for each in (first_audio, second_audio)) > 5)
    first_audio.send_digits("42")
    await until(lambda: second_audio.digits == "42")
    second.hangup(world.core.now())
    await first_audio.close()
    await second_audio.close()
    heard = json.loads((await world.closed(2))[1]["media"])
    assert min(heard[side]["packets"] for side in ("enterprise", "core")) > 5


async def test_the_two_hear_each_other_through_the_relay(
    house: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.service.stop()
    monkeypatch.setattr(RelayClient, "start", START)
    house.service = house.make_service()
    await house.service.start()
    await audio_goes_between_the_two(house)


@pytest.mark.peer("rtpengine")
async def test_the_two_hear_each_other_through_rtpengine(house: World, tmp_path: Path) -> None:
    with rtpengine_daemon(tmp_path) as port:
        await house.restart(media=MediaSettings(kind="rtpengine", rtpengine=RtpengineSettings(port=port)))
        await audio_goes_between_the_two(house)
        await house.service.stop()


async def test_who_called_back_may_be_put_through_too(house: World) -> None:
    index = await house.domain.store.write(lambda conn: house.domain.vault.msisdn_index(conn, MSISDN))
    await house.domain.store.write(lambda conn: edis.touch_contacts(conn, [(index, NUMBER, EDI_ID, NOW_MS)]))
    assert await house.register() == 200
    back = house.call_back()
    taken = (await house.phone.next(IncomingCall)).call
    taken.answer(answer(taken.request.body), house.phone.now())
    await house.core.next(CallAnswered)
    await house.phone.next(CallEstablished)
    refer(house, taken, f"sip:{OTHER_AID}@{DOMAIN}")
    second = (await house.core.next(IncomingCall)).call
    second.answer(answer(second.request.body), house.core.now())
    change = await house.core.next(ModificationReceived)
    assert change.call is back
    change.call.accept_modification(answer(change.request.body), house.core.now())
    back.hangup(house.core.now())
    cdrs = await house.closed(2)
    assert [(row["kind"], row["result"]) for row in cdrs] == [("callback", "ANSWERED"), ("call", "ANSWERED")]


async def test_what_is_revoked_while_a_transfer_is_asked_for_is_refused(house: World) -> None:
    out, _ = await house.talk()
    house.verifier.held = []
    refer(house, out, f"sip:{OTHER_AID}@{DOMAIN}")
    await until(lambda: bool(house.verifier.held))
    house.service.revoked([OTHER_EDI])
    house.verifier.held[0]()
    assert (await house.phone.next(ResponseReceived)).response.status == 404
    out.hangup(house.phone.now())
    assert sorted(await house.results(2)) == ["ANSWERED", "REVOKED"]
