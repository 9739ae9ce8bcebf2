"""The enterprise's client: what it signs, how it cuts lists, what it makes of answers."""

import hashlib

import pytest

from gm.sm2 import PrivateKey
from interparty import statements
from interparty.client import PeerUnavailable
from interparty.deposit_messages import Deposit
from interparty.messages import Cancellation, Consent, Rotation
from trust_client.enterprise import DEPOSITS_A_REQUEST, EnterpriseClient

from .conftest import AID, EDI_ID, EDI_TEXT

OTHER_AID = "888167747806152484"
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
def enterprise(peer):
    return EnterpriseClient(peer, KEY)


async def test_deposits_are_signed_over_the_list_of_consents(peer, enterprise):
    peer.answers["/v1/deposits"] = lambda message: {
        "results": [{"aid": AID, "status": "PENDING", "evidence_id": "0"}] * len(message.deposits)
    }
    results = await enterprise.deposit([Deposit(consent=CONSENT, edis=[EDI_TEXT])] * 2)
    assert [result.aid for result in results] == [AID, AID]
    (request,) = [message for _, _, message in peer.requests]
    consents = statements.consent_list([CONSENT, CONSENT])
    assert statements.verify(KEY.public_key, statements.CONSENT, consents, request.signature)


async def test_long_lists_are_cut_each_with_its_signature(peer, enterprise):
    peer.answers["/v1/deposits"] = lambda message: {"results": [{"error": "REFUSED"}] * len(message.deposits)}
    count = DEPOSITS_A_REQUEST + 1
    results = await enterprise.deposit([Deposit(consent=CONSENT, edis=[EDI_TEXT])] * count)
    assert len(results) == count
    assert [len(message.deposits) for _, _, message in peer.requests] == [DEPOSITS_A_REQUEST, 1]


async def test_fewer_results_than_deposits_are_no_answer(peer, enterprise):
    peer.answers["/v1/deposits"] = {"results": []}
    with pytest.raises(PeerUnavailable):
        await enterprise.deposit([Deposit(consent=CONSENT, edis=[EDI_TEXT])])


async def test_status_of_one_and_of_many(peer, enterprise):
    active = {"aid": AID, "status": "ACTIVE"}
    peer.answers[f"/v1/aids/{AID}"] = active
    peer.answers["/v1/aids/status"] = lambda message: {"statuses": [active] * len(message.aids)}
    assert (await enterprise.status(AID)).status == "ACTIVE"
    assert len(await enterprise.statuses([AID] * 501)) == 501
    assert [method for method, _, _ in peer.requests] == ["GET", "POST", "POST"]


async def test_each_cancellation_is_signed_on_its_own(peer, enterprise):
    peer.answers["/v1/cancellations"] = {"results": [{"status": "REVOKED"}, {"status": "UNKNOWN"}]}
    asked = [Cancellation(enterprise="ent-a", cause="USER", at=at, aid=AID) for at in (1, 2)]
    results = await enterprise.cancel(asked)
    assert [result.status for result in results] == ["REVOKED", "UNKNOWN"]
    for sent, meant in zip(peer.requests[0][2].cancellations, asked, strict=True):
        assert sent.statement == meant
        assert statements.verify(KEY.public_key, statements.CANCEL, meant, sent.signature)


async def test_each_rotation_is_signed_on_its_own(peer, enterprise):
    peer.answers["/v1/rotations"] = {
        "results": [{"status": "ACTIVE", "aid": OTHER_AID, "evidence_id": "7"}, {"status": "UNKNOWN"}]
    }
    results = await enterprise.rotate([AID, OTHER_AID], enterprise="ent-a", at_ms=5)
    assert [result.aid for result in results] == [OTHER_AID, None]
    for sent, aid in zip(peer.requests[0][2].rotations, (AID, OTHER_AID), strict=True):
        assert sent.statement == Rotation(enterprise="ent-a", aid=aid, at=5)
        assert statements.verify(KEY.public_key, statements.ROTATE, sent.statement, sent.signature)


async def test_nothing_asked_asks_nobody(peer, enterprise):
    assert await enterprise.deposit([]) == []
    assert peer.requests == []
