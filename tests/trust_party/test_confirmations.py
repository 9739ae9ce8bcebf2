import pytest

from tests.trust_party.world import CARRIER, NOW, OTHER_CARRIER, Party, deposit_of
from trust_party.clock import HOUR_MS


async def test_the_carriers_word_makes_a_pending_aid_active(party: Party) -> None:
    deposit = deposit_of(party.people)
    result = (await party.deposit(deposit))[0]
    answer = await party.confirm(party.people.confirmation(deposit.consent))
    assert [one.status for one in answer] == ["ACTIVE"]
    assert await party.reason(result.aid or "") == ""
    assert len(party.live) == 1
    assert await party.store.read("SELECT 1 FROM confirmation_outbox") == []


async def test_confirming_again_changes_nothing(party: Party) -> None:
    _, consent = await party.active()
    entries = await party.store.read("SELECT count(*) FROM evidence_records")
    answer = await party.confirm(party.people.confirmation(consent), party.people.confirmation(consent))
    assert [one.status for one in answer] == ["ACTIVE", "ACTIVE"]
    assert await party.store.read("SELECT count(*) FROM evidence_records") == entries


@pytest.mark.parametrize(
    "changed",
    [
        {"enterprise": "ent-b"},
        {"consent_sm3": "00" * 32},
        {"edi_id": "00" * 16},
        {"carrier": OTHER_CARRIER},
        {"confirmed_at": NOW + HOUR_MS},
    ],
)
async def test_a_confirmation_must_fit_the_deposit_in_every_field(
    party: Party, changed: dict[str, object]
) -> None:
    deposit = deposit_of(party.people)
    aid = (await party.deposit(deposit))[0].aid or ""
    statement = party.people.confirmation(deposit.consent).model_copy(update=changed)
    assert (await party.confirm(statement))[0].status == "UNKNOWN"
    assert await party.reason(aid) == "PENDING"


async def test_another_carrier_cannot_confirm_what_is_not_sealed_to_it(party: Party) -> None:
    deposit = deposit_of(party.people)
    aid = (await party.deposit(deposit))[0].aid or ""
    statement = party.people.confirmation(deposit.consent, carrier=OTHER_CARRIER)
    assert (await party.confirm(statement, carrier=OTHER_CARRIER))[0].status == "UNKNOWN"
    assert await party.reason(aid) == "PENDING"


async def test_a_confirmation_under_another_key_is_unknown(party: Party) -> None:
    deposit = deposit_of(party.people)
    await party.deposit(deposit)
    statement = party.people.confirmation(deposit.consent)
    forged = party.people.sign_confirmation(statement, OTHER_CARRIER)
    carrier = party.directory.carriers[CARRIER]
    assert (await party.confirmations.confirm(carrier, [forged], NOW))[0].status == "UNKNOWN"


async def test_too_late_and_after_cancellation(party: Party) -> None:
    late, cancelled = deposit_of(party.people), deposit_of(party.people)
    results = await party.deposit(late, cancelled)
    key = party.people.enterprises["ent-a"]
    await party.cancel("ent-a", party.people.cancellation(key, aid=results[1].aid))
    statements = [party.people.confirmation(one.consent) for one in (late, cancelled)]
    answers = await party.confirm(*statements, now=NOW + 24 * HOUR_MS)
    assert [one.status for one in answers] == ["EXPIRED", "REVOKED"]


async def test_the_edi_that_was_confirmed_is_the_one_that_is_granted(party: Party) -> None:
    nonce = bytes(range(16))
    edis = [party.people.seal(nonce), party.people.seal(nonce)]
    deposit = deposit_of(party.people, edis_of=edis, nonce=nonce.hex())
    await party.deposit(deposit)
    await party.confirm(party.people.confirmation(deposit.consent, edi_id=deposit.consent.edi_ids[1]))
    row = (await party.store.read("SELECT confirmed_edi_id FROM authorizations"))[0]
    assert row["confirmed_edi_id"].hex() == deposit.consent.edi_ids[1]
