from interparty.messages import RestoreItem
from tests.trust_party.world import ACCESS_NUMBER, CARRIER, NOW, OTHER_CARRIER, Party, deposit_of


async def outcome(
    party: Party, edi_id: str, *, carrier: str = CARRIER, now: int = NOW, **changed: str
) -> str:
    """The AID, or the reason of the refusal."""
    fields = {"edi_id": edi_id, "enterprise": "ent-a", "access_number": ACCESS_NUMBER}
    item = RestoreItem.model_validate(fields | changed)
    answer = (await party.restoration.restore(carrier, [item], now))[0]
    return answer.aid or (answer.refusal.reason if answer.refusal else "")


async def test_an_edi_id_leads_back_to_the_aid(party: Party) -> None:
    aid, consent = await party.active()
    assert await outcome(party, consent.edi_ids[0]) == aid


async def test_refusals_are_precise(party: Party) -> None:
    aid, consent = await party.active()
    edi_id = consent.edi_ids[0]
    pending = deposit_of(party.people)
    await party.deposit(pending)
    assert await outcome(party, "00" * 16) == "UNKNOWN_EDI"
    assert await outcome(party, edi_id, enterprise="ent-b") == "NOT_OWNER"
    assert await outcome(party, edi_id, access_number="106900002") == "ACCESS_NUMBER"
    assert await outcome(party, edi_id, carrier=OTHER_CARRIER) == "OTHER_CARRIER"
    assert await outcome(party, pending.consent.edi_ids[0]) == "PENDING"
    assert await outcome(party, edi_id, now=consent.term_to) == "EXPIRED"
    await party.cancel("ent-a", party.people.cancellation(party.people.enterprises["ent-a"], aid=aid))
    assert await outcome(party, edi_id) == "REVOKED"


async def test_many_are_answered_in_order(party: Party) -> None:
    pairs = [await party.active() for _ in range(3)]
    items = [
        RestoreItem(edi_id=consent.edi_ids[0], enterprise="ent-a", access_number=ACCESS_NUMBER)
        for _, consent in reversed(pairs)
    ]
    answers = await party.restoration.restore(CARRIER, items, NOW)
    assert [answer.aid for answer in answers] == [aid for aid, _ in reversed(pairs)]
