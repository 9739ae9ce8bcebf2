import json

from foundation import audit
from tests.trust_party.world import CARRIER, OTHER_CARRIER, REGULATOR, Party, deposit_of


async def test_an_enterprise_cancels_its_own_aid(party: Party) -> None:
    aid, _ = await party.active()
    key = party.people.enterprises["ent-a"]
    results = await party.cancel("ent-a", party.people.cancellation(key, aid=aid))
    assert [one.status for one in results] == ["REVOKED"]
    assert await party.reason(aid) == "REVOKED"
    assert len(party.live) == 0


async def test_an_opt_out_comes_through_the_carrier_by_edi_id(party: Party) -> None:
    aid, consent = await party.active()
    key = party.people.carriers[CARRIER]
    statement = party.people.cancellation(key, edi_id=consent.edi_ids[0], cause="OPT_OUT")
    assert (await party.cancel(CARRIER, statement))[0].status == "REVOKED"
    assert await party.reason(aid) == "REVOKED"


async def test_cancelling_again_changes_nothing(party: Party) -> None:
    aid, _ = await party.active()
    signed = party.people.cancellation(party.people.enterprises["ent-a"], aid=aid)
    assert [one.status for one in await party.cancel("ent-a", signed, signed)] == ["REVOKED", "REVOKED"]
    assert [one.status for one in await party.cancel("ent-a", signed)] == ["REVOKED"]
    assert len(await party.store.read("SELECT 1 FROM audit WHERE event = 'authorization.cancel'")) == 1


async def test_nobody_cancels_what_is_not_theirs(party: Party) -> None:
    aid, consent = await party.active()
    people = party.people
    stranger, other = people.enterprises["ent-b"], people.carriers[OTHER_CARRIER]
    for caller, signed in (
        ("ent-b", people.cancellation(stranger, aid=aid)),
        ("ent-b", people.cancellation(stranger, aid=aid, enterprise="ent-b")),
        (OTHER_CARRIER, people.cancellation(other, edi_id=consent.edi_ids[0])),
        (OTHER_CARRIER, people.cancellation(other, aid=aid)),
        ("ent-a", people.cancellation(stranger, aid=aid)),
        ("ent-a", people.cancellation(people.enterprises["ent-a"], aid="888100000000000005")),
    ):
        assert (await party.cancel(caller, signed))[0].status == "UNKNOWN"
    assert await party.reason(aid) == ""


async def test_trust_party_and_regulator_order_any_to_end(party: Party) -> None:
    people = party.people
    for caller, key, cause in (
        ("ttp", party.keys.current("sign").sm2, "TRUST_PARTY"),
        (REGULATOR, people.regulators[REGULATOR], "REGULATOR"),
    ):
        aid, _ = await party.active()
        # Named by the EDI as well as by the AID.
        other, other_consent = await party.active()
        for signed in (
            people.cancellation(key, aid=aid, cause=cause, order="2026-17"),
            people.cancellation(key, edi_id=other_consent.edi_ids[0], cause=cause, order="2026-17"),
        ):
            assert (await party.cancel(caller, signed))[0].status == "REVOKED"
        assert [await party.reason(each) for each in (aid, other)] == ["REVOKED", "REVOKED"]
    details = await party.store.read("SELECT actor, detail FROM audit WHERE event = 'authorization.cancel'")
    assert [row["actor"] for row in details] == ["ttp", "ttp", REGULATOR, REGULATOR]
    assert all(json.loads(row["detail"])["order"] == "2026-17" for row in details)


async def test_nobody_speaks_for_another(party: Party) -> None:
    aid, consent = await party.active()
    people = party.people
    own = party.keys.current("sign").sm2
    for caller, key, cause in (
        ("ent-a", people.enterprises["ent-a"], "REGULATOR"),
        ("ent-a", people.enterprises["ent-a"], "OPT_OUT"),
        (CARRIER, people.carriers[CARRIER], "TRUST_PARTY"),
        (REGULATOR, people.regulators[REGULATOR], "USER"),
        (REGULATOR, own, "REGULATOR"),
        ("ttp", own, "REGULATOR"),
    ):
        order = "1" if cause in ("REGULATOR", "TRUST_PARTY") else None
        signed = people.cancellation(key, edi_id=consent.edi_ids[0], cause=cause, order=order)
        assert (await party.cancel(caller, signed))[0].status == "UNKNOWN"
    assert await party.reason(aid) == ""


async def test_a_deposit_can_be_cancelled_before_it_is_confirmed(party: Party) -> None:
    deposit = deposit_of(party.people)
    aid = (await party.deposit(deposit))[0].aid
    signed = party.people.cancellation(party.people.enterprises["ent-a"], aid=aid)
    assert (await party.cancel("ent-a", signed))[0].status == "REVOKED"
    assert await party.store.read("SELECT 1 FROM confirmation_outbox") == []


async def test_admissions_and_cancellations_are_on_an_audit_chain_that_holds(party: Party) -> None:
    aid, _ = await party.active()
    await party.cancel("ent-a", party.people.cancellation(party.people.enterprises["ent-a"], aid=aid))
    rows = await party.store.read("SELECT event FROM audit ORDER BY sequence")
    assert [row["event"] for row in rows if not row["event"].startswith("key.")] == [
        "enterprise.admit",
        "enterprise.admit",
        "carrier.admit",
        "carrier.admit",
        "regulator.admit",
        "authorization.cancel",
    ]
    assert await party.store.write(audit.verify) is None
