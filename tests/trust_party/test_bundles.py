"""Bundles as the trust party makes them, checked by the code of those who receive them."""

import json

import pytest

from evidence.batches import LEAVES_MIN
from gm.sm2 import PrivateKey, PublicKey
from interparty import custody, key_house, statements
from interparty.evidence_messages import BUNDLE_RECORDS_MAX, Bundle, Cosignature, SignedCosignature
from interparty.key_delivery import sign
from interparty.key_messages import KeyNotice, SignedKeyNotice
from tests.trust_party.test_reports import report
from tests.trust_party.world import CARRIER, NOW, REGULATOR, RETENTION_DAYS, Party, deposit_of
from trust_client import bundle as bundles
from trust_client.bundle import Trusted
from trust_party.clock import DAY_MS
from trust_party.key_exchange import take
from trust_party.key_operations import TrustHouse


async def about(party: Party, aid: str) -> list[int]:
    return await party.store.write(lambda conn: party.evidence.about(conn, int(aid), limit=100))


async def exported(party: Party, aid: str) -> Bundle:
    made = await party.bundles.export(await about(party, aid))
    assert made is not None
    # Over the wire and back: what is checked is text.
    return bundles.read(made.model_dump_json(exclude_none=True))


def trusted(party: Party, quorum: int = 0) -> Trusted:
    people = party.people
    keys = people.carriers | people.enterprises | people.regulators
    by_party = {name: [key.public_key] for name, key in keys.items()}
    own = [key.sm2.public_key for key in party.keys.keys("sign")]
    witnesses = {name: by_party[name] for name in (CARRIER, "ent-a", REGULATOR)} if quorum else {}
    log_key = party.evidence.log.public_key
    return Trusted([log_key], witnesses, quorum, by_party | {party.settings.party: own})


async def cosign_all(party: Party) -> None:
    checkpoint = party.sequencer.newest
    assert checkpoint is not None
    people = party.people
    keys = people.carriers | people.enterprises | people.regulators
    for witness in (CARRIER, "ent-a", REGULATOR):
        statement = Cosignature.of(checkpoint, witness, NOW)
        signed = SignedCosignature(
            statement=statement, signature=statements.sign(keys[witness], statements.COSIGN, statement)
        )
        await party.witnesses.cosign(witness, party.directory.sign_keys(witness) or {}, signed, NOW)


async def test_the_life_of_an_aid_is_proved_to_whoever_has_the_public_keys(party: Party) -> None:
    aid, consent = await party.active()
    await party.reports.report(CARRIER, [report(consent.edi_ids[0])], NOW)
    signed = party.people.cancellation(party.people.carriers[CARRIER], edi_id=consent.edi_ids[0])
    await party.cancel(CARRIER, signed)
    await party.sequencer.run()
    await cosign_all(party)
    bundle = await exported(party, aid)
    assert [json.loads(each.record)["kind"] for each in bundle.records] == [
        "DEPOSIT",
        "CONFIRMATION",
        "COMMUNICATION",
        "CANCELLATION",
    ]
    found = bundles.verify(bundle, trusted(party, 3))
    assert found.complete, [each.text for each in found.findings if not each.holds]


async def test_a_rotation_is_proved_too(party: Party) -> None:
    aid, _ = await party.active()
    result = await party.rotate(aid)
    bundle = await exported(party, result.aid or "")
    report_ = bundles.verify(bundle, trusted(party))
    assert report_.holds
    assert any("be replaced by this one" in each.text for each in report_.findings)


async def test_one_consent_of_a_request_is_proved_without_the_others(party: Party) -> None:
    deposits = [deposit_of(party.people) for _ in range(5)]
    results = await party.deposit(*deposits)
    bundle = await exported(party, results[2].aid or "")
    assert bundles.verify(bundle, trusted(party)).holds
    text = bundle.model_dump_json()
    assert deposits[2].consent.nonce in text
    assert not [each for at, each in enumerate(deposits) if at != 2 and each.consent.nonce in text]


async def test_and_still_when_the_others_were_erased(party: Party) -> None:
    short, long = deposit_of(party.people), deposit_of(party.people, term_to=NOW + 90 * DAY_MS)
    results = await party.deposit(short, long)
    await party.confirm(*(party.people.confirmation(each.consent) for each in (short, long)))
    await party.sweeper.sweep(NOW + 31 * DAY_MS)
    assert await party.erasure.erase(NOW + (31 + RETENTION_DAYS) * DAY_MS) == 1
    assert bundles.verify(await exported(party, results[1].aid or ""), trusted(party)).holds
    assert await party.bundles.export(await about(party, results[0].aid or "")) is None


async def test_the_checkpoint_is_the_best_witnessed_one_and_the_newest_extends_it(party: Party) -> None:
    aid, _ = await party.active()
    await party.sequencer.run()
    await cosign_all(party)
    await party.active()
    await party.sequencer.run()
    bundle = await exported(party, aid)
    assert len(bundle.cosignatures) == 3
    assert bundle.later is not None
    assert bundle.later.checkpoint.size > bundle.checkpoint.size
    assert bundles.verify(bundle, trusted(party, 3)).complete


async def test_a_record_that_no_witness_has_seen_yet_is_proved_by_the_log_alone(party: Party) -> None:
    await party.active()
    await party.sequencer.run()
    await cosign_all(party)
    aid, _ = await party.active()
    bundle = await exported(party, aid)
    assert bundle.cosignatures == []
    assert not bundles.verify(bundle, trusted(party, 3)).holds
    assert bundles.verify(bundle, trusted(party)).holds


async def test_a_bundle_under_a_newer_key_of_the_log_is_proved_to_who_has_the_first(party: Party) -> None:
    given = trusted(party)
    before, _ = await party.active()
    house = TrustHouse(party.settings, party.keys, None)
    await key_house.rotate(house, "log", lambda: NOW)
    after, _ = await party.active()
    for aid in (before, after):
        bundle = await exported(party, aid)
        assert bundle.successions is not None
        report_ = bundles.verify(bundle, given)
        assert report_.holds
        assert "named as its successor" in report_.findings[0].text
        # A chain that is left out or altered leads nowhere.
        for told in (None, bundle.successions[:1]):
            assert not bundles.verify(bundle.model_copy(update={"successions": told}), given).holds


def delivered(party: Party, name: str, version: int, signer: PrivateKey, key: PrivateKey) -> SignedKeyNotice:
    """A party's next sign key, as it comes to the trust party."""
    notice = KeyNotice(
        party=name,
        recipient=party.settings.party,
        key="sign",
        version=version,
        algorithm="sm2",
        value=key.public_key.to_bytes().hex(),
        state="pre-active",
        at=NOW,
    )
    return sign(notice, f"{name}/sign/{version - 1}", signer)


async def test_what_was_signed_under_newer_keys_is_proved_to_who_has_the_first(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A carrier, an enterprise and a witness replaced their sign keys since."""
    given = trusted(party, 3)
    people = party.people
    for name, keys in (
        (CARRIER, people.carriers),
        ("ent-a", people.enterprises),
        (REGULATOR, people.regulators),
    ):
        newer = PrivateKey.generate()
        notice = delivered(party, name, 2, keys[name], newer)
        caller = party.directory.caller(name)
        assert caller is not None
        await party.store.write(
            lambda conn, caller=caller, notice=notice: take(
                conn, party.keys, party.evidence, party.settings.party, caller, notice, NOW
            )
        )
        monkeypatch.setitem(keys, name, newer)
    await party.store.write(
        lambda conn: conn.execute("UPDATE admission_version SET version = version + 1 WHERE id = 1")
    )
    await party.directory.refresh()
    aid, _ = await party.active()
    await party.sequencer.run()
    await cosign_all(party)
    bundle = await exported(party, aid)
    found = bundles.verify(bundle, given)
    assert found.complete, [each.text for each in found.findings if not each.holds]
    assert sum("the one you gave vouches for" in each.text for each in found.findings) == 2
    without = bundles.verify(bundle.model_copy(update={"notices": None}), given)
    assert not without.holds


async def test_a_statement_under_a_key_that_is_destroyed_is_proved(party: Party) -> None:
    """The trust party's own: nobody else has the public half."""
    given = trusted(party)
    house = TrustHouse(party.settings, party.keys, None)
    ids = [
        row["record_id"]
        for row in await party.store.read("SELECT record_id FROM key_records ORDER BY record_id")
    ]
    await key_house.rotate(house, "sign", lambda: NOW)
    latest = PublicKey.from_bytes(party.keys.current("sign").public.to_bytes())
    custodians = {name: PrivateKey.generate() for name in ("li", "wang")}
    with house.transaction() as conn:
        for name, key in custodians.items():
            custody.enrol_first(conn, name, name, key.public_key, NOW)
    order = custody.draw_up(party.settings.party, "destroy", NOW, purpose="sign", version=1)
    approvals = [custody.approve(order, name, key, NOW) for name, key in custodians.items()]
    key_house.carry_out(house, order, approvals, NOW)
    made = await party.bundles.export(ids)
    assert made is not None
    for keys in (given.parties[party.settings.party], [latest]):
        found = bundles.verify(
            made, Trusted(given.log_keys, parties={**given.parties, party.settings.party: keys})
        )
        assert [each.text for each in found.findings[2:] if not each.holds] == []


async def test_what_is_pending_is_waited_for(party: Party) -> None:
    ids = await party.store.write(lambda conn: party.evidence.append(conn, [{"kind": "TEST"}], NOW))
    bundle = await party.bundles.export(ids)
    assert bundle is not None
    assert bundle.checkpoint.size == LEAVES_MIN
    assert bundle.records[0].record == '{"kind":"TEST"}'


async def test_bounds(party: Party) -> None:
    assert await party.bundles.export([]) is None
    with pytest.raises(LookupError):
        await party.bundles.export([1_000_000])
    with pytest.raises(ValueError, match="at most"):
        await party.bundles.export(list(range(BUNDLE_RECORDS_MAX + 1)))
