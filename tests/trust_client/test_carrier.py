"""The carrier's client: what it signs, how it cuts lists, what it makes of answers."""

import hashlib

import pytest

from gm.sm2 import PrivateKey
from interparty import statements
from interparty.client import PeerProblem, PeerUnavailable
from interparty.hot_messages import report_text
from interparty.messages import Cancellation, Confirmation, Consent, Report, RestoreItem
from trust_client.carrier import CarrierClient

from .conftest import AID, EDI_ID, EDI_TEXT, item

KEY = PrivateKey.generate()
CONSENT = Consent(
    enterprise="ent-a",
    service="订单通知",
    channels=["sms", "voice"],
    access_numbers=["10690001"],
    hours="08:00-21:00",
    frequency="20/day",
    term_from=1795400000000,
    term_to=1795900000000,
    agreement_version="2026-11",
    agreement_sm3=hashlib.new("sm3", b"agreement").hexdigest(),
    page_version_sm3=hashlib.new("sm3", b"page").hexdigest(),
    confirmed_by="page",
    proof_sm3="ef" * 32,
    edi_ids=[EDI_ID],
    nonce="00" * 16,
    collected_at=1795450000000,
)


@pytest.fixture
def carrier(peer):
    return CarrierClient(peer, KEY)


async def test_each_cancellation_is_signed_on_its_own(peer, carrier):
    peer.answers["/v1/cancellations"] = {"results": [{"status": "REVOKED"}, {"status": "UNKNOWN"}]}
    asked = [Cancellation(enterprise="ent-a", cause="OPT_OUT", at=at, edi_id=EDI_ID) for at in (1, 2)]
    results = await carrier.cancel(asked)
    assert [result.status for result in results] == ["REVOKED", "UNKNOWN"]
    for sent, meant in zip(peer.requests[0][2].cancellations, asked, strict=True):
        assert sent.statement == meant
        assert statements.verify(KEY.public_key, statements.CANCEL, meant, sent.signature)


async def test_each_confirmation_is_signed_on_its_own(peer, carrier):
    peer.answers["/v1/confirmations"] = {"results": [{"status": "ACTIVE"}]}
    confirmed = Confirmation(
        carrier="CMCC",
        enterprise="ent-a",
        consent_sm3=statements.consent_sm3(CONSENT).hex(),
        edi_id=EDI_ID,
        method="sms-code",
        confirmed_at=1795450000000,
    )
    assert (await carrier.confirm([confirmed]))[0].status == "ACTIVE"
    sent = peer.requests[0][2].confirmations[0]
    assert statements.verify(KEY.public_key, statements.CONFIRM, confirmed, sent.signature)


async def test_a_carrier_without_a_signing_key_cannot_confirm(peer):
    with pytest.raises(ValueError):
        await CarrierClient(peer).cancel([Cancellation(enterprise="e", edi_id=EDI_ID, cause="OPT_OUT", at=1)])


async def test_verify_demands_an_answer_for_each_item(peer, carrier):
    response = await carrier.verify([item(1), item(2)])
    assert [answer.refusal.reason for answer in response.answers] == ["N10691", "N10692"]
    peer.answers["/v1/verifications"] = response.model_dump(exclude_none=True)
    with pytest.raises(PeerUnavailable):
        await carrier.verify([item(1)])


async def test_convert_gives_the_edi(peer, carrier):
    peer.answers["/v1/conversions"] = {"edi": EDI_TEXT}
    assert len(await carrier.convert(AID, "ent-a")) == 209


@pytest.mark.parametrize("answer", ["proof", "empty log"])
async def test_ping_returns_when_the_trust_party_lets_the_carrier_in(peer, carrier, answer):
    proof = {"index": 0, "size": 1, "leaf": "0" * 64, "proof": [], "root": "0" * 64}
    peer.answers["/v1/log/inclusion"] = proof if answer == "proof" else PeerProblem(404, "no such entry")
    await carrier.ping()


@pytest.mark.parametrize(
    "error", [PeerProblem(401, "unknown key"), PeerProblem(403, ""), PeerUnavailable("")]
)
async def test_ping_says_when_it_does_not(peer, carrier, error):
    peer.answers["/v1/log/inclusion"] = error
    with pytest.raises(type(error)):
        await carrier.ping()


async def test_restore_keeps_the_order(peer, carrier):
    peer.answers["/v1/restorations"] = {"answers": [{"aid": AID}, {"refusal": {"reason": "EXPIRED"}}]}
    asked = RestoreItem(edi_id=EDI_ID, enterprise="ent-a", access_number="10690001")
    known, refused = await carrier.restore([asked, asked])
    assert known.aid == AID
    assert refused.refusal.reason == "EXPIRED"


async def test_reports_of_any_number_are_counted(peer, carrier):
    peer.answers["/v1/reports"] = lambda message: {"accepted": len(message.reports)}
    report = Report(
        report_id="r-1",
        edi_id=EDI_ID,
        enterprise="ent-a",
        channel="sms",
        access_number="10690001",
        direction="mt",
        result="DELIVRD",
        started_at=1,
        ended_at=2,
    )
    assert await carrier.report([report] * 1001) == 1001
    assert [len(message.reports) for _, _, message in peer.requests] == [500, 500, 1]


async def test_nothing_asked_asks_nobody(peer, carrier):
    assert await carrier.restore([]) == []
    assert peer.requests == []


async def test_reports_are_sent_as_text_too(peer, carrier):
    peer.answers["/v1/reports"] = lambda message: {"accepted": len(message.reports)}
    text = report_text(
        report_id="r-1",
        edi_id=bytes.fromhex(EDI_ID),
        enterprise="ent-a",
        channel="sms",
        access_number="10690001",
        direction="mt",
        result="DELIVRD",
        started_at=1,
        ended_at=2,
    )
    assert await carrier.report_texts([text] * 501) == 501
    assert peer.requests[1][2].reports[0].result == "DELIVRD"
    peer.answers["/v1/reports"] = {"taken": 1}
    with pytest.raises(PeerUnavailable):
        await carrier.report_texts([text])
