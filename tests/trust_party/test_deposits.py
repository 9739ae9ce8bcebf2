from typing import Any

import pytest

from evidence import merkle
from gm.sm2 import PublicKey
from gm.sm3 import sm3
from interparty import statements
from interparty.aid import derive, is_aid
from interparty.text import b64url_encode
from tests.trust_party.world import (
    CARRIER,
    NOW,
    OTHER_CARRIER,
    TODAY,
    Party,
    deposit_of,
)
from trust_party.aids import AID_KEY_PURPOSE
from trust_party.clock import DAY_MS, HOUR_MS
from trust_party.deposits import SignatureRefused

NONCE = "00112233445566778899aabbccddeeff"


async def test_a_deposit_gets_an_aid_that_is_pending(party: Party) -> None:
    result = (await party.deposit(deposit_of(party.people)))[0]
    assert result.error is None
    assert result.status == "PENDING"
    assert is_aid(result.aid or "")
    assert party.deposited == [{CARRIER}]
    assert await party.reason(result.aid or "") == "PENDING"


async def test_the_aid_can_be_derived_again_from_what_is_on_record(party: Party) -> None:
    deposit = deposit_of(party.people)
    result = (await party.deposit(deposit))[0]
    row = (await party.store.read("SELECT key_epoch, attempt, consent_sm3 FROM authorizations"))[0]
    key = party.keys.get(AID_KEY_PURPOSE + "ent-a", row["key_epoch"])
    assert row["consent_sm3"] == statements.consent_sm3(deposit.consent)
    assert result.aid == derive(
        key.hmac,
        epoch=row["key_epoch"],
        attempt=row["attempt"],
        enterprise="ent-a",
        nonce=bytes.fromhex(deposit.consent.nonce),
        consent_sm3=row["consent_sm3"],
    )


async def test_an_aid_that_is_taken_is_derived_again_with_the_next_attempt(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = (await party.deposit(deposit_of(party.people)))[0]
    assert first.aid is not None
    taken = first.aid

    def colliding(*args: object, attempt: int, **kwargs: object) -> str:
        return taken if attempt < 2 else "888100000000000000"

    monkeypatch.setattr("trust_party.aids.derive", colliding)
    second = (await party.deposit(deposit_of(party.people)))[0]
    assert second.aid == "888100000000000000"
    rows = await party.store.read("SELECT attempt FROM authorizations ORDER BY evidence_id")
    assert [row["attempt"] for row in rows] == [0, 2]


async def test_the_evidence_of_each_deposit_is_in_the_signed_log(party: Party) -> None:
    results = await party.deposit(*[deposit_of(party.people) for _ in range(5)])
    log_key = PublicKey.from_pem((party.settings.public_folder / "log-1.pem").read_bytes())
    for result in results:
        proof = result.inclusion
        assert proof is not None
        assert proof.checkpoint is not None
        assert str(proof.index) == result.evidence_id
        assert proof.root == proof.checkpoint.root
        assert proof.checkpoint.log_id == sm3(log_key.spki_der()).hex()
        assert merkle.verify_inclusion(
            proof.index,
            proof.size,
            bytes.fromhex(proof.leaf),
            [bytes.fromhex(node) for node in proof.proof],
            bytes.fromhex(proof.root),
        )


async def test_a_deposit_made_again_gets_the_aid_it_got_first(party: Party) -> None:
    deposit = deposit_of(party.people)
    first, again = (await party.deposit(deposit))[0], (await party.deposit(deposit))[0]
    assert (again.aid, again.evidence_id) == (first.aid, first.evidence_id)
    assert len(await party.store.read("SELECT 1 FROM authorizations")) == 1
    assert len(await party.store.read("SELECT 1 FROM confirmation_outbox")) == 1


async def test_a_nonce_that_stood_for_another_consent_is_refused(party: Party) -> None:
    results = await party.deposit(
        deposit_of(party.people, nonce=NONCE), deposit_of(party.people, nonce=NONCE, service="Other")
    )
    assert [result.error for result in results] == [None, "NONCE_REUSED"]


async def test_an_edi_that_was_deposited_under_another_consent_is_refused(party: Party) -> None:
    edi = party.people.seal(bytes.fromhex(NONCE))
    results = await party.deposit(
        deposit_of(party.people, edis_of=[edi]), deposit_of(party.people, edis_of=[edi])
    )
    assert [result.error for result in results] == [None, "EDI_REUSED"]


async def test_one_bad_deposit_leaves_the_others_alone(party: Party) -> None:
    results = await party.deposit(
        deposit_of(party.people), deposit_of(party.people, collected_at=0), deposit_of(party.people)
    )
    assert [result.error for result in results] == [None, "STALE", None]
    assert results[0].aid != results[2].aid


async def test_a_list_that_the_enterprise_did_not_sign_is_refused_whole(party: Party) -> None:
    request = party.people.sign_deposits([deposit_of(party.people)], "ent-b")
    with pytest.raises(SignatureRefused):
        await party.deposits.deposit(
            party.directory.enterprises["ent-a"], party.directory.carriers, request, NOW
        )
    assert await party.store.read("SELECT 1 FROM authorizations") == []


async def test_a_consent_given_to_another_enterprise_is_refused(party: Party) -> None:
    deposit = deposit_of(party.people, enterprise="ent-b")
    assert (await party.deposit(deposit, enterprise="ent-a"))[0].error == "ENTERPRISE"


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"collected_at": NOW - 25 * HOUR_MS}, "STALE"),
        ({"collected_at": NOW + 120_000}, "STALE"),
        ({"collected_at": NOW + 30_000}, None),
        ({"term_from": NOW + DAY_MS, "term_to": NOW + DAY_MS}, "TERM"),
        ({"term_from": NOW - 2 * DAY_MS, "term_to": NOW}, "TERM"),
        ({"term_to": NOW + 2000 * DAY_MS}, "TERM"),
        ({"term_from": NOW + 60 * DAY_MS, "term_to": NOW + 61 * DAY_MS}, "TERM"),
        ({"edi_ids": ["00" * 16]}, "EDI_IDS"),
    ],
)
async def test_consents_out_of_bounds(party: Party, changed: dict[str, Any], error: str | None) -> None:
    assert (await party.deposit(deposit_of(party.people, **changed)))[0].error == error


@pytest.mark.parametrize(
    ("as_of", "error"),
    [(TODAY, None), (TODAY - 1, None), (TODAY - 2, "EDI_AS_OF"), (TODAY + 1, "EDI_AS_OF")],
)
async def test_an_edi_is_of_today_or_the_day_before_in_shanghai(
    party: Party, as_of: int, error: str | None
) -> None:
    edi = party.people.seal(bytes(16), as_of=as_of)
    assert (await party.deposit(deposit_of(party.people, edis_of=[edi])))[0].error == error


async def test_the_day_changes_at_midnight_in_shanghai(party: Party) -> None:
    midnight = 1_790_006_400_000  # 2026-09-22 00:00 in Asia/Shanghai
    edi = party.people.seal(bytes(16), as_of=TODAY + 1)
    deposit = deposit_of(party.people, edis_of=[edi], collected_at=midnight - HOUR_MS)
    assert (await party.deposit(deposit, now=midnight - 1))[0].error == "EDI_AS_OF"
    assert (await party.deposit(deposit, now=midnight))[0].error is None


async def test_an_edi_for_an_unknown_carrier_or_key_or_of_another_form(party: Party) -> None:
    good = party.people.seal(bytes(16))
    cases = {
        party.people.seal(bytes(16), carrier="XXXX"): "EDI_CARRIER",
        good[:9] + b"9999" + good[13:]: "EDI_CARRIER",
        b"EDI2" + good[4:]: "EDI_FORMAT",
        good[:4] + b"\x09" + good[5:]: "EDI_FORMAT",
    }
    for edi, error in cases.items():
        assert (await party.deposit(deposit_of(party.people, edis_of=[edi])))[0].error == error


async def test_each_carrier_is_asked_about_its_own_edis(party: Party) -> None:
    nonce = bytes.fromhex(NONCE)
    edis = [party.people.seal(nonce), party.people.seal(nonce, carrier=OTHER_CARRIER)]
    await party.deposit(deposit_of(party.people, edis_of=edis, nonce=NONCE))
    rows = await party.store.read("SELECT carrier FROM confirmation_outbox ORDER BY carrier")
    assert [row["carrier"] for row in rows] == [CARRIER, OTHER_CARRIER]
    assert party.deposited == [{CARRIER, OTHER_CARRIER}]


async def test_the_agreement_text_is_opened_compared_and_kept_sealed(party: Party) -> None:
    text = b"Who, what, how long." * 20
    key = PublicKey.from_pem((party.settings.public_folder / "agreement-1.pem").read_bytes())
    envelope = b64url_encode(key.encrypt(text))
    good = deposit_of(party.people, agreement_sm3=sm3(text).hex())
    other = deposit_of(party.people)
    results = await party.deposit(
        good.model_copy(update={"agreement": envelope}), other.model_copy(update={"agreement": envelope})
    )
    assert [result.error for result in results] == [None, "AGREEMENT"]
    row = (await party.store.read("SELECT sm3, text_sealed FROM agreements"))[0]
    assert text not in row["text_sealed"]
    assert party.sealer.open(row["text_sealed"], b"agreements.text|" + row["sm3"]) == text


async def test_the_proof_of_consent_is_opened_compared_and_kept_sealed(party: Party) -> None:
    proof = "2026-09-21 21:13:20 同意".encode()
    key = PublicKey.from_pem((party.settings.public_folder / "agreement-1.pem").read_bytes())
    envelope = b64url_encode(key.encrypt(proof))
    good, other = deposit_of(party.people, proof_sm3=sm3(proof).hex()), deposit_of(party.people)
    results = await party.deposit(
        good.model_copy(update={"proof": envelope}), other.model_copy(update={"proof": envelope})
    )
    assert [result.error for result in results] == [None, "PROOF"]
    (row,) = await party.store.read("SELECT aid, proof_sealed FROM authorizations")
    assert proof not in row["proof_sealed"]
    keys = await party.store.write(lambda conn: party.data_keys.of_aids(conn, [row["aid"]]))
    assert keys[row["aid"]].open(row["proof_sealed"], b"authorizations.proof|" + sm3(proof)) == proof


async def test_no_consent_lies_readable_in_the_database(party: Party) -> None:
    await party.deposit(deposit_of(party.people, service="A very particular service", nonce=NONCE))
    await party.store.write(lambda conn: None)
    folder = party.settings.data_dir
    stored = b"".join(file.read_bytes() for file in folder.glob("trust.db*"))
    assert len(stored) > 10_000
    assert b"A very particular service" not in stored
    assert NONCE.encode() not in stored
    assert bytes.fromhex(NONCE) not in stored


async def test_what_was_deposited_survives_a_restart(party: Party) -> None:
    aid, _ = await party.active()
    await party.store.close()
    again = Party(party.settings, party.people)
    await again.directory.refresh()
    await again.live.load(again.store)
    assert len(again.live) == 1
    assert await again.reason(aid) == ""
    await again.store.close()
