import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from evidence.merkle import leaf_hash, root
from foundation.store import Store, StoreUnavailable
from gm.sm2 import PublicKey
from interparty import edi as edis
from interparty import statements
from interparty.hot_messages import asked_question
from interparty.messages import ConversionRequest
from tests.trust_party.world import (
    ACCESS_NUMBER,
    CARRIER,
    NOW,
    OTHER_CARRIER,
    Party,
    deposit_of,
    item,
)
from trust_party import verification
from trust_party.clock import DAY_MS, HOUR_MS
from trust_party.verification import LiveIndex, Verification


async def test_a_grant_carries_the_edi_and_the_terms_of_the_consent(party: Party) -> None:
    aid, consent = await party.active()
    grant = (await party.verify(item(aid))).answers[0].grant
    assert grant is not None
    assert edis.edi_id(edis.from_text(grant.edi)).hex() == grant.edi_id == consent.edi_ids[0]
    assert grant.consent.hours == consent.hours
    assert grant.consent.frequency == consent.frequency
    assert grant.consent.access_numbers == [ACCESS_NUMBER]
    assert grant.consent.not_after == consent.term_to


async def test_what_the_aid_is_decides_first(party: Party) -> None:
    aid, consent = await party.active()
    assert await party.reason("888100000000000005") == "UNKNOWN_AID"
    assert await party.reason(aid, enterprise="ent-b") == "NOT_OWNER"
    assert await party.reason(aid, carrier=OTHER_CARRIER) == "OTHER_CARRIER"
    assert await party.reason(aid, access_number="106900002") == "ACCESS_NUMBER"
    assert await party.reason(aid, now=consent.term_to - 1) == ""
    assert await party.reason(aid, now=consent.term_to) == "EXPIRED"


async def test_the_consents_channels_and_term(party: Party) -> None:
    aid, _ = await party.active(channels=["sms"], term_from=NOW + DAY_MS)
    assert await party.reason(aid) == "NOT_YET"
    assert await party.reason(aid, now=NOW + DAY_MS) == ""
    assert await party.reason(aid, now=NOW + DAY_MS, channel="voice") == "CHANNEL"


async def test_a_deposit_that_nobody_confirmed_expires(party: Party) -> None:
    result = (await party.deposit(deposit_of(party.people)))[0]
    assert result.aid is not None
    assert await party.reason(result.aid, now=NOW + 24 * HOUR_MS - 1) == "PENDING"
    assert await party.reason(result.aid, now=NOW + 24 * HOUR_MS) == "EXPIRED"


async def test_a_refusal_reads_one_authorization_whatever_its_cause(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How long it takes does not tell an AID that was never issued from one that is not to be contacted."""
    pending = (await party.deposit(deposit_of(party.people)))[0].aid
    assert pending is not None
    aid, consent = await party.active()
    read: list[int] = []

    async def counted(store: Store, sql: str, params: Sequence[Any] = ()) -> Any:
        rows = await plain(store, sql, params)
        read.append(len(rows))
        return rows

    plain = Store.read
    monkeypatch.setattr(Store, "read", counted)
    assert await party.reason(aid, enterprise="ent-b") == "NOT_OWNER"
    assert await party.reason(pending) == "PENDING"
    assert await party.reason(aid, now=consent.term_to) == "EXPIRED"
    for unknown in ("888100000000000005", "888199999999999990", "100000000000000000", "999999999999999999"):
        assert await party.reason(unknown) == "UNKNOWN_AID"
    assert read == [1] * 7


async def test_a_batch_is_answered_in_order_whatever_is_in_it(party: Party) -> None:
    first, _ = await party.active()
    second, _ = await party.active()
    answers = (
        await party.verify(
            item(first),
            item("888100000000000005"),
            item(second),
            item(first, enterprise="ent-b"),
            item(first),
        )
    ).answers
    assert [bool(answer.grant) for answer in answers] == [True, False, True, False, True]
    assert answers[0] == answers[4]


async def test_the_batch_is_signed_over_the_root_of_its_answers(party: Party) -> None:
    aid, _ = await party.active()
    offered = {"content_digest": "ef" * 32, "template_id": "tpl-1", "template_digest": "ab" * 32}
    items = [
        item(aid, **offered),
        item(aid),
        item(aid, content_digest="ef" * 32),
        item(aid, enterprise="ent-b", **offered),
        item("888100000000000005"),
    ]
    response = await party.verify(*items)
    entries = [
        statements.batch_entry(one, answer) for one, answer in zip(items, response.answers, strict=True)
    ]
    head = response.batch
    assert head.root == root([leaf_hash(entry) for entry in entries]).hex()
    assert (head.count, head.at) == (5, NOW)
    key = PublicKey.from_pem((party.settings.public_folder / "sign-1.pem").read_bytes())
    signed = {"root": head.root, "count": head.count, "at": head.at}
    assert statements.verify(key, statements.BATCH, signed, head.signature)


async def test_a_grant_needs_no_read_of_the_store_and_every_refusal_takes_one(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    aid, _ = await party.active()
    pending = (await party.deposit(deposit_of(party.people)))[0].aid or ""
    reads = 0
    read = party.store.read

    async def counting(*args: object) -> object:
        nonlocal reads
        reads += 1
        return await read(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(party.store, "read", counting)
    assert await party.reason(aid) == ""
    assert reads == 0
    for refused in (item("888100000000000005"), item(pending), item(aid, enterprise="ent-b")):
        before = reads
        await party.verify(refused)
        assert reads == before + 1
    before = reads
    await party.verify(item(aid), *[item(pending)] * 200, item("888100000000000005"))
    assert reads == before + 1


async def test_past_its_cap_the_index_leaves_the_answer_to_the_store(party: Party) -> None:
    aid, _ = await party.active()
    small = LiveIndex(1)
    await party.active()
    await small.load(party.store)
    assert len(small) == 1
    for index in (LiveIndex(0), small):
        answer = await Verification(party.store, index, party.keys, party.directory, party.guesses).verify(
            CARRIER, [asked_question(item(aid))], NOW
        )
        assert b'"grant"' in answer


async def test_a_cancellation_reaches_memory_even_when_its_caller_went_away(party: Party) -> None:
    aid, _ = await party.active()
    key = party.people.enterprises["ent-a"]
    task = asyncio.create_task(party.cancel("ent-a", party.people.cancellation(key, aid=aid)))
    while party.store.backlog == 0:  # noqa: ASYNC110 (nothing tells of it)
        await asyncio.sleep(0)
    task.cancel()
    await party.store.write(lambda conn: None)
    assert await party.reason(aid) == "REVOKED"
    assert len(party.live) == 0


async def test_a_question_that_was_granted_is_decided_anew_when_anything_changed(party: Party) -> None:
    aid, consent = await party.active(term_from=NOW + HOUR_MS)
    later = NOW + HOUR_MS
    for _ in range(2):
        assert await party.reason(aid, now=later) == ""
    assert await party.reason(aid, now=NOW) == "NOT_YET"
    assert await party.reason(aid, now=consent.term_to) == "EXPIRED"
    assert await party.reason(aid, now=later, carrier=OTHER_CARRIER) == "OTHER_CARRIER"
    assert await party.reason(aid, now=later, channel="voice") == ""
    assert await party.reason(aid, now=later, access_number="106900002") == "ACCESS_NUMBER"
    key = party.people.enterprises["ent-a"]
    await party.cancel("ent-a", party.people.cancellation(key, aid=aid))
    assert await party.reason(aid, now=later) == "REVOKED"


async def test_questions_kept_are_bounded(party: Party, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "KNOWN_MAX", 2)
    for _ in range(4):
        aid, _consent = await party.active()
        # One contact, whatever is to be said.
        for number in range(3):
            assert await party.reason(aid, content_digest=f"{number:064x}") == ""
        assert len(party.verification._known) <= 2


async def test_nothing_is_granted_once_the_store_has_failed(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    aid, _ = await party.active()
    monkeypatch.setattr(party.store, "_failure", "disk")
    with pytest.raises(StoreUnavailable):
        await party.verify(item(aid))
    monkeypatch.undo()


async def test_conversion_is_for_the_carrier_to_which_the_edi_is_sealed(party: Party) -> None:
    aid, consent = await party.active()
    asked = ConversionRequest(aid=aid, enterprise="ent-a")
    text = await party.verification.convert(CARRIER, asked, NOW)
    assert text is not None
    assert edis.edi_id(edis.from_text(text)).hex() == consent.edi_ids[0]
    assert await party.verification.convert(OTHER_CARRIER, asked, NOW) is None
    stranger = ConversionRequest(aid=aid, enterprise="ent-b")
    assert await party.verification.convert(CARRIER, stranger, NOW) is None
    unknown = ConversionRequest(aid="888100000000000005", enterprise="ent-a")
    assert await party.verification.convert(CARRIER, unknown, NOW) is None
