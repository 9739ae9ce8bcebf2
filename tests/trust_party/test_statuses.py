from tests.trust_party.world import NOW, Party, deposit_of
from trust_party.statuses import statuses


async def test_an_enterprise_sees_the_life_of_its_own_aids_alone(party: Party) -> None:
    active, consent = await party.active()
    pending = (await party.deposit(deposit_of(party.people)))[0].aid or ""
    others, _ = await party.active(enterprise="ent-b")
    asked = [active, pending, others, "888100000000000005"]
    found = await statuses(party.store, party.guesses, "ent-a", asked, NOW)
    assert [one.status for one in found] == ["ACTIVE", "PENDING", "UNKNOWN", "UNKNOWN"]
    assert [one.aid for one in found] == asked
    assert (found[0].not_before, found[0].not_after) == (consent.term_from, consent.term_to)
    # Another's AID and one that never was are told apart by nothing.
    assert found[2].fields().keys() == found[3].fields().keys() == {"aid", "status"}


async def test_expiry_counts_from_its_moment(party: Party) -> None:
    aid, consent = await party.active()
    assert (await statuses(party.store, party.guesses, "ent-a", [aid], consent.term_to))[
        0
    ].status == "EXPIRED"
