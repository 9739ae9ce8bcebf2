"""A subscriber calls an access number: the enterprise sees the AID; each refusal is answered as documented."""

import pytest

from foundation.store import StoreBusy
from gateway.store import edis
from gateway.voice.callback import asserted_msisdn
from interparty.client import PeerUnavailable
from masking.encodings import Numbers, find
from sip.events import CallAnswered, CallEnded, CallFailed, CallProgress, IncomingCall
from sip.message import Request
from sip.uri import SipUri
from tests.gateway.voice.conftest import (
    AID,
    DOMAIN,
    EDI_BLOCKED,
    EDI_ID,
    MSISDN,
    NOW_MS,
    NUMBER,
    OTHERS_NUMBER,
    Party,
    World,
    answer,
)


@pytest.fixture
async def contacted(world: World) -> World:
    """A world in which the subscriber was contacted before, and the enterprise's phone is registered."""
    index = await world.domain.store.write(lambda conn: world.domain.vault.msisdn_index(conn, MSISDN))
    await world.domain.store.write(lambda conn: edis.touch_contacts(conn, [(index, NUMBER, EDI_ID, NOW_MS)]))
    assert await world.register() == 200
    return world


async def test_the_enterprise_sees_the_aid_and_nothing_else_of_the_caller(contacted: World) -> None:
    world = contacted
    back = world.call_back(headers=[("P-Access-Network-Info", "3GPP-E-UTRAN"), ("Subject", MSISDN)])
    arrived = await world.phone.next(IncomingCall)
    assert str(arrived.request.from_.uri) == f"sip:{AID}@{DOMAIN}"
    assert arrived.request.from_.display is None
    assert arrived.request.to.uri.user == NUMBER
    assert isinstance(arrived.request.uri, SipUri)
    assert arrived.request.uri.user == "line1"
    assert arrived.request.get("P-Asserted-Identity") is None
    arrived.call.ring(world.phone.now())
    assert (await world.core.next(CallProgress)).response.status == 180
    arrived.call.answer(answer(arrived.request.body), world.phone.now())
    await world.core.next(CallAnswered)
    back.hangup(world.core.now())
    await world.phone.next(CallEnded)
    (cdr,) = await world.closed()
    assert (cdr["kind"], cdr["aid"], cdr["result"]) == ("callback", AID, "ANSWERED")
    assert find(bytes(world.phone.received), Numbers([MSISDN])) == []


async def test_after_a_call_the_subscriber_can_call_back(world: World) -> None:
    out, _ = await world.talk()
    out.hangup(world.phone.now())
    await world.closed()
    assert await world.register() == 200
    world.call_back()
    assert (await world.phone.next(IncomingCall)).request.from_.uri.user == AID


async def test_only_the_core_may_bring_callers(contacted: World) -> None:
    stranger = await Party.open()
    contacted.call_back(party=stranger)
    assert (await stranger.next(CallFailed)).status == 403
    stranger.endpoint.close()


@pytest.mark.parametrize(
    ("msisdn", "number", "headers", "status", "cause"),
    [
        (None, NUMBER, [], 433, "IDENTITY_WITHHELD"),
        (MSISDN, NUMBER, [("Privacy", "id")], 433, "IDENTITY_WITHHELD"),
        (MSISDN, "1069999999", [], 404, "UNKNOWN_ACCESS_NUMBER"),
        (MSISDN, "1069000300", [], 404, "UNKNOWN_ACCESS_NUMBER"),
        ("8613800000077", NUMBER, [], 404, "NO_CONTACT"),
        (MSISDN, OTHERS_NUMBER, [], 480, "ENTERPRISE_UNREACHABLE"),
    ],
)
async def test_refusals_have_a_documented_answer(
    contacted: World, msisdn: str | None, number: str, headers: list, status: int, cause: str
) -> None:
    contacted.call_back(msisdn, number, headers=headers)
    assert (await contacted.core.next(CallFailed)).status == status
    assert await contacted.refusals() == [cause]


async def test_a_person_who_opted_out_is_refused(contacted: World) -> None:
    index = await contacted.domain.store.write(
        lambda conn: contacted.domain.vault.msisdn_index(conn, "8613800000002")
    )
    await contacted.domain.store.write(
        lambda conn: edis.touch_contacts(conn, [(index, NUMBER, EDI_BLOCKED, NOW_MS)])
    )
    contacted.call_back("8613800000002")
    assert (await contacted.core.next(CallFailed)).status == 404
    assert await contacted.refusals() == ["OPTED_OUT"]


async def test_a_refused_restore_is_not_found(contacted: World) -> None:
    contacted.trust.refusal = "EXPIRED"
    contacted.call_back()
    assert (await contacted.core.next(CallFailed)).status == 404
    assert await contacted.refusals() == ["EXPIRED"]


async def test_without_the_trust_party_there_is_a_time_to_try_again(contacted: World) -> None:
    contacted.trust.error = PeerUnavailable("no answer")
    contacted.call_back()
    failed = await contacted.core.next(CallFailed)
    assert failed.response is not None
    assert (failed.status, failed.response.get("Retry-After")) == (503, "2")
    assert await contacted.refusals() == ["TRUST_UNAVAILABLE"]


async def test_without_the_store_there_is_a_time_to_try_again(
    contacted: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> None:
        raise StoreBusy

    monkeypatch.setattr(contacted.domain.store, "submit", busy)
    contacted.call_back()
    assert (await contacted.core.next(CallFailed)).status == 503
    monkeypatch.undo()


@pytest.mark.parametrize(("theirs", "shown"), [(486, 486), (302, 480), (407, 480), (603, 603), (503, 500)])
async def test_the_enterprises_refusal_reaches_the_caller(contacted: World, theirs: int, shown: int) -> None:
    contacted.call_back()
    arrived = await contacted.phone.next(IncomingCall)
    arrived.call.reject(theirs, contacted.phone.now())
    assert (await contacted.core.next(CallFailed)).status == shown
    assert len(await contacted.closed()) == 1


@pytest.mark.parametrize(
    ("headers", "msisdn"),
    [
        ([("P-Asserted-Identity", "<sip:+8613800000001@ims>")], MSISDN),
        ([("P-Asserted-Identity", "<tel:+86-138-0000-0001>")], MSISDN),
        ([("P-Asserted-Identity", "<sip:13800000001@ims;user=phone>")], MSISDN),
        (
            [("P-Asserted-Identity", "<sip:zhang@ims>"), ("P-Asserted-Identity", "<tel:+8613800000001>")],
            MSISDN,
        ),
        ([("P-Asserted-Identity", "<sip:zhang@ims>")], None),
        ([("P-Asserted-Identity", "<sip:+8613800000001@ims>"), ("Privacy", "none")], MSISDN),
        ([("P-Asserted-Identity", "<sip:+8613800000001@ims>"), ("Privacy", "user;id")], None),
        ([("From", "<sip:+8613800000001@ims>")], None),
    ],
)
def test_the_caller_is_whom_the_core_asserts(headers: list, msisdn: str | None) -> None:
    assert asserted_msisdn(Request("INVITE", SipUri(NUMBER, "here"), headers), "86") == msisdn
