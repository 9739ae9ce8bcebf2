"""An enterprise calls an AID: what the core sees, what the enterprise sees, what is refused and how."""

import pytest

from gateway.voice.call_record import Direction
from masking.encodings import Numbers, find
from sip.digest import Credentials
from sip.events import CallAnswered, CallEnded, CallFailed, CallProgress, IncomingCall
from sip.uri import SipUri, TelUri
from tests.gateway.voice.conftest import (
    AID,
    AID_BLOCKED,
    AID_REFUSED,
    AID_UNRESOLVED,
    DOMAIN,
    MSISDN,
    NUMBER,
    OTHERS_NUMBER,
    World,
    answer,
    until,
)
from trust_client.verifier import Unavailable


async def test_the_subscriber_is_called_by_number_from_the_access_number(world: World) -> None:
    world.call(headers=[("P-Preferred-Identity", "<sip:+8613999999999@pbx>"), ("X-Tag", "7")])
    arrived = await world.core.next(IncomingCall)
    uri = arrived.request.uri
    assert isinstance(uri, SipUri)
    assert (uri.user, uri.param("user")) == ("+" + MSISDN, "phone")
    assert arrived.request.from_.uri.user == NUMBER
    assert [address.uri.user for address in arrived.request.addresses("P-Asserted-Identity")] == [NUMBER]
    assert arrived.request.get("P-Preferred-Identity") is None
    assert arrived.request.get("X-Tag") is None


async def test_ringing_answer_and_bye_reach_the_other_leg(world: World) -> None:
    out = world.call()
    arrived = await world.core.next(IncomingCall)
    arrived.call.ring(world.core.now())
    assert (await world.phone.next(CallProgress)).response.status == 180
    arrived.call.answer(answer(arrived.request.body), world.core.now())
    answered = await world.phone.next(CallAnswered)
    assert b"m=audio 20000 " in answered.response.body
    assert b"m=audio 20002 " in arrived.request.body
    out.hangup(world.phone.now())
    assert (await world.core.next(CallEnded)).cause == "bye"
    (cdr,) = await world.closed()
    assert (cdr["kind"], cdr["result"], cdr["octets"]) == (Direction.CALL, "ANSWERED", 16_000)
    assert cdr["answered_at"] is not None
    assert cdr["aid"] == AID


async def test_the_called_side_hangs_up(world: World) -> None:
    _, called = await world.talk()
    called.hangup(world.core.now(), headers=[("Reason", f'Q.850;cause=16;text="{MSISDN}"')])
    ended = await world.phone.next(CallEnded)
    assert ended.request is not None
    assert ended.request.get("Reason") == "Q.850;cause=16"
    assert [row["result"] for row in await world.closed()] == ["ANSWERED"]


async def test_the_legs_share_nothing_that_ties_them_together(world: World) -> None:
    out, called = await world.talk()
    theirs, ours = called.request, out.request
    assert theirs.call_id != ours.call_id
    assert theirs.from_.tag != ours.from_.tag
    assert theirs.top_via.branch != ours.top_via.branch
    assert b"o=- 7 1 " not in theirs.body


async def test_no_byte_to_the_enterprise_carries_the_number(world: World) -> None:
    out = world.call()
    arrived = await world.core.next(IncomingCall)
    leaks = [
        ("P-Asserted-Identity", f'"Zhang San" <sip:+{MSISDN}@core.invalid>'),
        ("Contact", f"<sip:+{MSISDN}@10.0.0.1>"),
        ("Warning", f'399 core "{MSISDN}"'),
        ("History-Info", f"<sip:+{MSISDN}@core>;index=1"),
        ("X-Number", MSISDN),
    ]
    arrived.call.contact_user = "+" + MSISDN
    arrived.call.ring(world.core.now(), 183, body=answer(arrived.request.body), headers=leaks[2:])
    body = answer(arrived.request.body).replace(b"s=-", f"s={MSISDN}".encode())
    body = body.replace(b"o=- ", f"o={MSISDN} ".encode()) + f"a=X-nr:{MSISDN}\r\n".encode()
    arrived.call.answer(body, world.core.now(), headers=leaks[2:])
    await world.phone.next(CallAnswered)
    out.hangup(world.phone.now())
    await world.closed()
    assert len(world.phone.received) > 1000
    assert find(bytes(world.phone.received), Numbers([MSISDN])) == []
    assert find(bytes(world.core.received), Numbers([MSISDN])) != []


async def test_early_media_of_the_core_is_withheld_and_ringing_told_instead(world: World) -> None:
    world.call()
    arrived = await world.core.next(IncomingCall)
    assert world.relay.created[0][1] is False
    arrived.call.ring(world.core.now(), 183, body=answer(arrived.request.body))
    progress = (await world.phone.next(CallProgress)).response
    assert (progress.status, progress.body) == (180, b"")
    arrived.call.answer(answer(arrived.request.body), world.core.now())
    await world.phone.next(CallAnswered)
    assert world.relay.gates == [("b", True)]


async def test_the_invite_goes_out_only_after_the_commit(world: World) -> None:
    world.call()
    await world.core.next(IncomingCall)
    (row,) = await world.rows("call")
    assert (row["aid"], row["access_number"], row["answered_at"]) == (AID, NUMBER, None)
    assert MSISDN.encode() not in row["sealed"]


@pytest.mark.parametrize(
    ("aid", "cause"),
    [
        (AID_REFUSED, "REVOKED"),
        (AID_BLOCKED, "OPTED_OUT"),
        (AID_UNRESOLVED, "EDI_UNKNOWN"),
        ("888100000000000009", "UNKNOWN"),
    ],
)
async def test_each_refusal_of_an_aid_looks_the_same_and_its_cause_is_on_record(
    world: World, aid: str, cause: str
) -> None:
    world.call(aid)
    failed = await world.phone.next(CallFailed)
    assert failed.response is not None
    assert (failed.status, failed.response.reason) == (404, "Not Found")
    echoed = {"Via", "From", "To", "Call-ID", "CSeq"}
    assert {name for name, _ in failed.response.items()} == echoed
    assert await world.refusals() == [cause]
    assert world.verifier.asked[0].channel == "voice"
    assert not await world.rows("cdr")


async def test_a_refusal_waits_for_the_trust_partys_answer(world: World) -> None:
    world.verifier.held = []
    world.call(AID_BLOCKED)
    await until(lambda: bool(world.verifier.held))
    assert not any(isinstance(event, CallFailed) for event in world.phone.seen())
    assert not await world.rows("refusal")
    world.verifier.held.pop()()
    assert (await world.phone.next(CallFailed)).status == 404


async def test_without_the_trust_party_there_is_a_time_to_try_again(world: World) -> None:
    world.verifier.answers[AID] = Unavailable("no answer in time")
    world.call()
    failed = await world.phone.next(CallFailed)
    assert failed.response is not None
    assert (failed.status, failed.response.get("Retry-After")) == (503, "2")


async def test_another_enterprises_access_number_is_forbidden(world: World) -> None:
    world.call(from_user=OTHERS_NUMBER)
    assert (await world.phone.next(CallFailed)).status == 403
    assert world.verifier.asked == []


async def test_an_unknown_from_shows_the_trunks_default_number(world: World) -> None:
    world.call(from_user="reception")
    assert (await world.core.next(IncomingCall)).request.from_.uri.user == NUMBER


async def test_wrong_password_and_unknown_user_get_one_answer(world: World) -> None:
    answers = []
    for credentials in (Credentials("pbx-a", "wrong"), Credentials("nobody", "anything")):
        world.call(credentials=credentials)
        failed = await world.phone.next(CallFailed)
        assert failed.response is not None
        answers.append((failed.status, failed.response.reason, [name for name, _ in failed.response.items()]))
    assert answers[0] == answers[1]
    assert answers[0][0] == 403


async def test_without_credentials_the_challenge_offers_sha256_first(world: World) -> None:
    world.call(credentials=None)
    failed = await world.phone.next(CallFailed)
    assert failed.response is not None
    assert failed.status == 401
    challenges = failed.response.get_all("WWW-Authenticate")
    assert ["algorithm=SHA-256" in challenges[0], "algorithm=MD5" in challenges[1]] == [True, True]


@pytest.mark.parametrize(
    "uri",
    [
        SipUri(AID, DOMAIN.upper()),
        SipUri(AID, "127.0.0.1", params=(("user", "phone"),)),
        TelUri(AID, (("phone-context", DOMAIN),)),
    ],
)
async def test_an_aid_is_dialled_by_domain_address_or_tel_uri(world: World, uri: SipUri | TelUri) -> None:
    world.call(uri=uri)
    await world.core.next(IncomingCall)
    assert world.verifier.asked[0].aid == AID


@pytest.mark.parametrize(
    "uri", [SipUri(AID, "elsewhere.invalid"), SipUri("+8613800000001", DOMAIN), SipUri(None, DOMAIN)]
)
async def test_what_is_no_aid_is_not_found(world: World, uri: SipUri) -> None:
    world.call(uri=uri)
    assert (await world.phone.next(CallFailed)).status == 404
    assert world.verifier.asked == []


async def test_a_body_that_is_no_description_is_refused(world: World) -> None:
    world.call(body=b"v=0\r\nnonsense")
    assert (await world.phone.next(CallFailed)).status == 400
    world.call(
        body=b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video 9 RTP/AVP 96\r\n"
    )
    assert (await world.phone.next(CallFailed)).status == 488


@pytest.mark.parametrize(
    ("status", "shown", "result"),
    [(486, 486, "BUSY"), (603, 603, "REJECTED"), (410, 404, "UNREACHABLE"), (302, 480, "FAILED")],
)
async def test_the_cores_refusal_is_told_in_the_standards_words(
    world: World, status: int, shown: int, result: str
) -> None:
    world.call()
    arrived = await world.core.next(IncomingCall)
    arrived.call.reject(status, world.core.now(), reason=f"No {MSISDN}")
    failed = await world.phone.next(CallFailed)
    assert failed.status == shown
    assert [row["result"] for row in await world.closed()] == [result]
    assert find(bytes(world.phone.received), Numbers([MSISDN])) == []


async def test_a_call_counts_towards_the_consents_frequency(world: World) -> None:
    for _ in range(2):
        world.call()
        arrived = await world.core.next(IncomingCall)
        arrived.call.reject(486, world.core.now())
        await world.phone.next(CallFailed)
    rows = await world.domain.store.read("SELECT window_count FROM contact_window")
    assert [row[0] for row in rows] == [2]


@pytest.mark.parametrize(("value", "left"), [(None, "69"), (5, "4"), (255, "70")])
async def test_hops_are_counted_across_the_legs(world: World, value: int | None, left: str) -> None:
    """Two gateways that point at each other would call for ever."""
    world.call(headers=[] if value is None else [("Max-Forwards", value)])
    assert (await world.core.next(IncomingCall)).request.get("Max-Forwards") == left


async def test_with_no_hop_left_it_is_483(world: World) -> None:
    world.call(headers=[("Max-Forwards", 0)])
    assert (await world.phone.next(CallFailed)).status == 483


@pytest.mark.parametrize("wish", ["id", "user", "header;id", "critical;id"])
async def test_who_withholds_its_number_is_asserted_to_the_core_alone(world: World, wish: str) -> None:
    """RFC 3323 4.1, RFC 3325 9.3."""
    world.call(headers=[("Privacy", wish)])
    request = (await world.core.next(IncomingCall)).request
    assert request.get("Privacy") == "id"
    assert str(request.from_.uri) == "sip:anonymous@anonymous.invalid"
    assert request.addresses("P-Asserted-Identity")[0].uri.user == NUMBER


async def test_an_enterprises_claims_of_who_it_is_are_not_believed(world: World) -> None:
    claims = [("P-Asserted-Identity", "<sip:+8613900000000@x>"), ("P-Preferred-Identity", "<sip:1@x>")]
    world.call(headers=[*claims, ("Remote-Party-ID", "<sip:2@x>"), ("Privacy", "none")])
    request = (await world.core.next(IncomingCall)).request
    assert [address.uri.user for address in request.addresses("P-Asserted-Identity")] == [NUMBER]
    assert request.get("P-Preferred-Identity") is None
    assert request.get("Remote-Party-ID") is None
    assert request.from_.uri.user == NUMBER
