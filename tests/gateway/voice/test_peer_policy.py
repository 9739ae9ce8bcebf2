"""PRACK, preconditions and late offers, as they are spoken with each peer."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.settings import CoreSettings, VoiceSettings
from gateway.store import edis
from gateway.voice.peer_policy import PeerPolicy, judge, policy_of_peer, reservation_of, with_preconditions
from sip.events import (
    CallAnswered,
    CallEstablished,
    CallFailed,
    CallProgress,
    IncomingCall,
    ModificationAnswered,
    ModificationFailed,
    ModificationReceived,
    ProvisionalAcknowledged,
)
from sip.headers import NameAddr
from sip.message import Request, make_response
from sip.sdp import SDP_TYPE, parse_sdp
from sip.uri import SipUri
from tests.gateway.voice.conftest import EDI_ID, MSISDN, NOW_MS, NUMBER, World, answer, offer

PRACK = {"reliable_provisional": "supported"}
SPOKEN = {**PRACK, "supported": ("precondition",)}
AWAITED = (
    b"a=curr:qos local none\r\na=curr:qos remote none\r\n"
    b"a=des:qos mandatory local sendrecv\r\na=des:qos none remote sendrecv\r\n"
)
MET = AWAITED.replace(b"local none", b"local sendrecv")
REQUIRED = [("Require", "precondition")]


def invite(body: bytes = b"", **headers: str) -> Request:
    uri = SipUri("x", "192.0.2.1")
    items = [(name.title(), value) for name, value in headers.items()]
    return Request("INVITE", uri, [("Content-Type", SDP_TYPE), *items], body)


@pytest.mark.parametrize(
    ("mode", "answers", "request_", "status"),
    [
        ("supported", False, invite(), None),
        ("no", False, invite(supported="100rel"), None),
        ("no", False, invite(require="100rel"), 420),
        ("required", False, invite(), 421),
        ("required", False, invite(supported="100rel"), None),
        ("supported", False, invite(require="precondition"), 420),
        ("supported", False, invite(offer() + AWAITED, supported="precondition"), None),
        ("supported", True, invite(offer() + AWAITED, require="precondition", supported="100rel"), None),
        ("supported", True, invite(offer() + AWAITED, require="precondition"), 580),
        ("no", True, invite(offer() + AWAITED, require="precondition", supported="100rel"), 580),
        ("no", True, invite(offer() + MET, require="precondition"), None),
        ("no", True, invite(b"no description", require="precondition"), None),
    ],
)
def test_what_a_call_may_require(mode: str, answers: bool, request_: Request, status: int | None) -> None:
    refused = judge(request_, PeerPolicy(mode, answers))
    assert (None if refused is None else refused.status) == status
    if refused is not None and status == 580:
        assert b"a=des:qos failure" in refused.body


def test_a_peer_of_the_core_has_its_own_or_what_holds_for_all() -> None:
    settings = VoiceSettings(reliable_provisional="no")
    assert policy_of_peer(CoreSettings(), settings) == PeerPolicy("no", False)
    own = CoreSettings(reliable_provisional="required", preconditions="answer")
    assert policy_of_peer(own, settings) == PeerPolicy("required", True)


def test_the_answer_says_that_nothing_need_be_reserved_here() -> None:
    body = with_preconditions(answer(offer() + MET), offer() + MET)
    attributes = parse_sdp(body).media[0].attributes
    assert ("curr", "qos remote sendrecv") in attributes
    assert ("curr", "qos local sendrecv") in attributes
    assert [reservation_of(offer() + lines) for lines in (b"", MET, AWAITED)] == ["none", "met", "awaited"]


class TestReliability:
    async def test_each_trunk_has_its_own(self, world: World) -> None:
        world.set_trunk(reliable_provisional="no")
        world.call(headers=[("Require", "100rel")])
        failed = await world.phone.next(CallFailed)
        assert (failed.status, failed.response.get("Unsupported")) == (420, "100rel")
        world.set_trunk(reliable_provisional="required")
        world.call()
        failed = await world.phone.next(CallFailed)
        assert (failed.status, failed.response.require) == (421, ["100rel"])

    @pytest.mark.parametrize("mode", ["no", "supported", "required"])
    async def test_each_peer_of_the_core_has_its_own(self, world: World, mode: str) -> None:
        peer = world.settings.core[0].model_copy(update={"reliable_provisional": mode})
        await world.restart(core=(peer,))
        world.call()
        if mode == "required":
            # This core does not know it, and says so.
            assert (await world.phone.next(CallFailed)).status == 480
            return
        request = (await world.core.next(IncomingCall)).request
        assert ("100rel" in request.supported) == (mode == "supported")

    async def test_early_media_is_acknowledged_on_each_leg_for_itself(self, world: World) -> None:
        await world.equip("core", **PRACK)
        await world.restart(early_media="relay")
        world.call()
        arrived = await world.core.next(IncomingCall)
        arrived.call.ring(world.core.now(), 183, body=answer(arrived.request.body))
        await world.core.next(ProvisionalAcknowledged)
        progress = await world.phone.next(CallProgress)
        assert (progress.reliable, progress.response.status) == (False, 183)
        arrived.call.answer(b"", world.core.now())
        answered = await world.phone.next(CallAnswered)
        assert answered.response.body == progress.response.body


class TestLateOffers:
    async def test_the_callee_is_not_asked_for_reliable_responses(self, world: World) -> None:
        """Its offer would come in one, and nobody could answer it before the answer."""
        await world.equip("core", **PRACK)
        world.call(body=b"")
        request = (await world.core.next(IncomingCall)).request
        assert "100rel" not in (*request.supported, *request.require)

    async def test_where_both_sides_must_the_offer_crosses_early(self, world: World) -> None:
        required = {"reliable_provisional": "required"}
        await world.equip("phone", **required)
        await world.equip("core", **required)
        await world.restart(**required)
        out = world.call(body=b"")
        arrived = await world.core.next(IncomingCall)
        arrived.call.ring(world.core.now(), 183, body=offer(41000))
        progress = await world.phone.next(CallProgress)
        assert progress.prack_due
        assert parse_sdp(progress.response.body).media[0].port == 20000
        out.prack(answer(progress.response.body, 40000), world.phone.now())
        prack = (await world.core.next(ProvisionalAcknowledged)).request
        assert parse_sdp(prack.body).media[0].port == 20002
        assert [world.relay.remotes[side][-1].rtp_port for side in ("a", "b")] == [40000, 41000]
        arrived.call.answer(b"", world.core.now())
        answered = await world.phone.next(CallAnswered)
        assert answered.response.body == b""
        await world.core.next(CallEstablished)
        out.hangup(world.phone.now())
        assert await world.results() == ["ANSWERED"]


@pytest.fixture
async def contacted(world: World) -> World:
    """A core that speaks preconditions and PRACK, to which it is answered; its subscriber was contacted before."""
    index = await world.domain.store.write(lambda conn: world.domain.vault.msisdn_index(conn, MSISDN))
    await world.domain.store.write(lambda conn: edis.touch_contacts(conn, [(index, NUMBER, EDI_ID, NOW_MS)]))
    await world.equip("core", **SPOKEN)
    await answering(world)
    return world


async def answering(world: World, preconditions: str = "answer", **settings: Any) -> None:
    peer = world.settings.core[0].model_copy(update={"preconditions": preconditions})
    await world.restart(core=(peer,), **settings)
    assert await world.register() == 200


class TestPreconditions:
    """RFC 3312, of the core's calls; a trunk's are treated alike."""

    async def test_declined_they_may_not_be_required(self, contacted: World) -> None:
        await answering(contacted, "decline")
        contacted.call_back(headers=REQUIRED, body=offer() + MET)
        failed = await contacted.core.next(CallFailed)
        assert (failed.status, failed.response.get("Unsupported")) == (420, "precondition")

    async def test_declined_they_are_passed_over_where_they_need_not_be_met(self, contacted: World) -> None:
        await answering(contacted, "decline")
        contacted.call_back(body=offer() + AWAITED)
        arrived = await contacted.phone.next(IncomingCall)
        assert b"qos" not in arrived.request.body
        arrived.call.answer(answer(arrived.request.body), contacted.phone.now())
        assert b"qos" not in (await contacted.core.next(CallAnswered)).response.body

    async def test_met_they_are_answered_with_the_call(self, contacted: World) -> None:
        contacted.call_back(headers=REQUIRED, body=offer() + MET)
        arrived = await contacted.phone.next(IncomingCall)
        assert b"qos" not in arrived.request.body
        arrived.call.answer(answer(arrived.request.body), contacted.phone.now())
        answered = await contacted.core.next(CallAnswered)
        assert b"a=curr:qos local sendrecv" in answered.response.body

    async def test_nobody_is_alerted_until_they_are_met(self, contacted: World) -> None:
        world = contacted
        back = world.call_back(headers=REQUIRED, body=offer(41000) + AWAITED)
        progress = await world.core.next(CallProgress)
        assert (progress.response.status, progress.reliable) == (183, True)
        assert "precondition" in progress.response.require
        assert b"a=conf:qos remote sendrecv" in progress.response.body
        assert parse_sdp(progress.response.body).media[0].port == 20002
        assert not any(isinstance(event, IncomingCall) for event in world.phone.seen())
        back.update(offer(41002) + AWAITED, world.core.now())
        await world.core.next(ModificationAnswered)
        assert not any(isinstance(event, IncomingCall) for event in world.phone.seen())
        back.update(offer(41004) + MET, world.core.now())
        updated = await world.core.next(ModificationAnswered)
        assert b"a=curr:qos local sendrecv" in updated.response.body
        arrived = await world.phone.next(IncomingCall)
        assert world.relay.remotes["b"][-1].rtp_port == 41004
        arrived.call.ring(world.phone.now())
        assert (await world.core.next(CallProgress)).response.status == 180
        arrived.call.answer(answer(arrived.request.body, 40000), world.phone.now())
        answered = await world.core.next(CallAnswered)
        # RFC 3264 5: offer and answer have passed already.
        assert answered.response.body == b""
        assert world.relay.remotes["a"][-1].rtp_port == 40000
        back.hangup(world.core.now())
        assert await world.results() == ["ANSWERED"]

    async def test_who_never_meets_them_is_given_up_when_it_rang_long_enough(self, contacted: World) -> None:
        await answering(contacted, ring_s=0.3)
        contacted.call_back(headers=REQUIRED, body=offer() + AWAITED)
        assert (await contacted.core.next(CallFailed)).status == 480
        assert await contacted.results() == ["NO_ANSWER"]

    async def test_what_the_enterprise_answers_otherwise_is_offered_anew(self, contacted: World) -> None:
        """Both formats were answered; the enterprise takes one."""
        world = contacted
        back = world.call_back(headers=REQUIRED, body=offer() + AWAITED)
        await world.core.next(CallProgress)
        back.update(offer() + MET, world.core.now())
        arrived = await world.phone.next(IncomingCall)
        narrow = answer(arrived.request.body).replace(b"RTP/AVP 0 8 101", b"RTP/AVP 8 101")
        arrived.call.answer(narrow.replace(b"a=rtpmap:0 PCMU/8000\r\n", b""), world.phone.now())
        await world.core.next(CallAnswered)
        change = await world.core.next(ModificationReceived)
        assert b"RTP/AVP 8 101" in change.request.body
        change.call.accept_modification(answer(change.request.body, 41006), world.core.now())
        back.hangup(world.core.now())
        assert await world.results() == ["ANSWERED"]


class TestUpdates:
    """RFC 3311, before the answer."""

    async def test_the_called_side_is_answered_here(self, world: World) -> None:
        await world.equip("core", **PRACK)
        world.call()
        arrived = await world.core.next(IncomingCall)
        arrived.call.ring(world.core.now(), 183, body=answer(arrived.request.body, 41000))
        await world.core.next(ProvisionalAcknowledged)
        assert arrived.call.update(offer(41002), world.core.now())
        updated = await world.core.next(ModificationAnswered)
        assert parse_sdp(updated.response.body).media[0].port == 20002
        arrived.call.answer(b"", world.core.now())
        await world.phone.next(CallAnswered)
        assert world.relay.remotes["b"][-1].rtp_port == 41002

    async def test_with_a_format_that_the_caller_did_not_offer_it_is_488(self, world: World) -> None:
        await world.equip("core", **PRACK)
        world.call(body=offer().replace(b"0 8 101", b"8 101").replace(b"a=rtpmap:0 PCMU/8000\r\n", b""))
        arrived = await world.core.next(IncomingCall)
        arrived.call.ring(world.core.now(), 183, body=answer(arrived.request.body, 41000))
        await world.core.next(ProvisionalAcknowledged)
        arrived.call.update(offer().replace(b"0 8 101", b"0"), world.core.now())
        assert (await world.core.next(ModificationFailed)).status == 488


async def test_of_two_branches_the_one_that_answers_is_heard(world: World) -> None:
    """Each described itself as it rang; the 2xx of the first has no description any more (RFC 3261 13.2.1)."""
    world.call()
    arrived = await world.core.next(IncomingCall)
    invite_server = arrived.call.invite
    other = answer(arrived.request.body, 42000)
    arrived.call.ring(world.core.now(), 183, body=answer(arrived.request.body, 41000))
    to = NameAddr(arrived.request.to.uri).with_tag("another-branch")
    response = make_response(arrived.request, 183, headers=[("Contact", "<sip:y@127.0.0.1>")], body=other)
    response.set("To", to)
    response.add("Content-Type", SDP_TYPE)
    world.core.agent.layer.respond(invite_server, response, world.core.now())
    arrived.call.answer(b"", world.core.now())
    await world.phone.next(CallAnswered)
    assert world.relay.remotes["b"][-1].rtp_port == 41000
