"""At the end of retention nothing is left of a consent but leaves that prove nothing and the digits of its AIDs."""

import sqlite3
from typing import Any

import pytest

from evidence.log import ErasedError
from evidence.merkle import verify_consistency, verify_inclusion
from gm.sm2 import PublicKey
from interparty import statements
from interparty.messages import CheckpointBody, InclusionBody
from interparty.text import b64url_decode
from tests.trust_party.test_reports import report
from tests.trust_party.world import CARRIER, NOW, RETENTION_DAYS, Party, deposit_of
from trust_party.aids import derive_free
from trust_party.clock import DAY_MS
from trust_party.erasure import ERASE_CONSENTS
from trust_party.evidence_log import consistency, inclusions
from trust_party.keys import LOG

END = NOW + 30 * DAY_MS
"""Of every consent's term here."""
DUE = END + RETENTION_DAYS * DAY_MS + DAY_MS


async def expired(party: Party, count: int = 1) -> list[str]:
    aids = [(await party.active())[0] for _ in range(count)]
    await party.sweeper.sweep(END)
    return aids


def file_bytes(party: Party) -> bytes:
    """All that is in the database's files."""
    database = party.settings.database
    return b"".join(
        path.read_bytes() for path in database.parent.iterdir() if path.name.startswith(database.name)
    )


async def everything_of(party: Party, aid: str) -> list[bytes]:
    """What is kept of an AID, each as it lies in the database."""
    blobs: list[bytes] = []
    for sql in (
        "SELECT consent_sm3, consent_sealed, nonce_index, confirmed_edi_id FROM authorizations WHERE aid = ?",
        "SELECT k.sealed FROM data_keys k JOIN authorizations a ON a.data_key_id = k.id WHERE a.aid = ?",
        "SELECT edi, edi_id FROM edis WHERE aid = ?",
        "SELECT sealed FROM evidence_records WHERE subject = ?",
        "SELECT b.consents, b.signature FROM deposit_batches b JOIN authorizations a ON a.batch_id = b.id"
        " WHERE a.aid = ?",
        "SELECT c.report_id FROM communications c JOIN evidence_records e ON e.record_id = c.evidence_id"
        " WHERE e.subject = ?",
    ):
        for row in await party.store.read(sql, (int(aid),)):
            blobs += [value if isinstance(value, bytes) else str(value).encode() for value in row]
    return blobs


async def test_nothing_of_it_is_left_in_the_files_and_the_rest_is_untouched(party: Party) -> None:
    aid, consent = await party.active(agreement_sm3="11" * 32)
    kept, kept_consent = await party.active(term_to=NOW + 60 * DAY_MS)
    for report_id, of in (("report-of-the-erased", consent), ("report-of-the-kept", kept_consent)):
        await party.reports.report(CARRIER, [report(of.edi_ids[0], report_id)], NOW)
    await party.sweeper.sweep(END)
    kept_blobs, blobs = await everything_of(party, kept), await everything_of(party, aid)
    assert len(blobs) == 14  # 4 of the consent, its key, 2 of its EDI, 4 records, 2 of the list, a report
    before = file_bytes(party)
    assert all(blob in before for blob in (*blobs, *kept_blobs))

    assert await party.erasure.erase(DUE) == 1

    after = file_bytes(party)
    assert not [blob for blob in blobs if blob in after]
    assert all(blob in after for blob in kept_blobs)
    with sqlite3.connect(party.settings.database) as conn:
        conn.execute("VACUUM")
    assert not [blob for blob in blobs if blob in file_bytes(party)]
    assert [row[0] for row in await party.store.read("SELECT aid FROM tombstones")] == [int(aid)]


async def test_the_log_still_verifies_and_its_records_are_gone(party: Party) -> None:
    [aid] = await expired(party)
    key = party.keys.current(LOG).sm2.public_key
    ids = await party.store.write(lambda conn: party.evidence.about(conn, int(aid), limit=10))
    proofs = await party.sequencer.proofs(ids)
    head = proofs[0].checkpoint
    assert head is not None
    assert len(ids) == 3

    assert await party.erasure.erase(DUE) == 1

    for at, proof in zip(ids, proofs, strict=True):
        with pytest.raises(ErasedError):
            await party.store.write(_open(party, at))
        [again] = await inclusions(party.store, [proof.index], head)
        assert again == proof
        assert _verifies(again, head, key)
    await party.sequencer.run()
    later = party.sequencer.newest
    assert later is not None
    proved = await consistency(party.store, head.size, later.size, later)
    roots = bytes.fromhex(head.root), bytes.fromhex(later.root)
    nodes = [bytes.fromhex(node) for node in proved.proof]
    assert verify_consistency(head.size, later.size, *roots, nodes)


async def test_the_aid_is_never_issued_again(party: Party) -> None:
    deposit = deposit_of(party.people)
    aid = int((await party.deposit(deposit))[0].aid or 0)
    await party.sweeper.sweep(END)
    assert await party.erasure.erase(DUE) == 1
    consent, digest = deposit.consent, statements.consent_sm3(deposit.consent)
    derived = await party.store.write(
        lambda conn: derive_free(conn, party.keys, consent, digest, party.settings.aid_prefix)
    )
    assert derived.attempt == 1
    assert derived.aid != aid


@pytest.mark.parametrize("early_ms", [DAY_MS, 2 * DAY_MS])
async def test_nothing_is_erased_before_its_retention_ends(party: Party, early_ms: int) -> None:
    await expired(party)
    assert await party.erasure.erase(DUE - early_ms) == (1 if early_ms == DAY_MS else 0)


async def test_a_consent_with_an_aid_that_is_still_in_use_stays_whole(party: Party) -> None:
    aid, _ = await party.active(term_to=NOW + 300 * DAY_MS)
    assert (await party.rotate(aid)).status == "ACTIVE"
    assert await party.erasure.erase(DUE) == 0
    await party.sweeper.sweep(NOW + 300 * DAY_MS)
    assert await party.erasure.erase(NOW + (300 + RETENTION_DAYS) * DAY_MS) == 1
    assert len(await party.store.read("SELECT aid FROM tombstones")) == 2


async def test_an_erasure_is_audited_and_is_evidence(party: Party) -> None:
    await expired(party, ERASE_CONSENTS + 1)
    assert await party.erasure.erase(DUE) == ERASE_CONSENTS + 1
    rows = await party.store.read("SELECT actor, detail FROM audit WHERE event = 'evidence.erase'")
    assert [(row["actor"], row["detail"]) for row in rows] == [
        ("ttp", f'{{"consents":{count},"records":{3 * count},"retention_days":{RETENTION_DAYS}}}')
        for count in (ERASE_CONSENTS, 1)
    ]
    entry = (await party.store.read("SELECT MAX(record_id) FROM evidence_records"))[0][0]
    assert b'"kind":"ERASURE"' in (await party.store.write(_open(party, entry))).record


async def test_what_was_signed_serves_the_others_of_its_request(party: Party) -> None:
    short, long = deposit_of(party.people), deposit_of(party.people, term_to=NOW + 90 * DAY_MS)
    await party.deposit(short, long)
    await party.confirm(*(party.people.confirmation(each.consent) for each in (short, long)))
    await party.sweeper.sweep(END)
    assert await party.erasure.erase(DUE) == 1
    assert len(await party.store.read("SELECT 1 FROM deposit_batches")) == 1
    await party.sweeper.sweep(NOW + 90 * DAY_MS)
    assert await party.erasure.erase(NOW + (90 + RETENTION_DAYS) * DAY_MS) == 1
    assert await party.store.read("SELECT 1 FROM deposit_batches") == []


async def test_the_carriers_revocations_keep_their_numbers_and_name_nobody(party: Party) -> None:
    aid, _ = await party.active()
    await party.cancel("ent-a", party.people.cancellation(party.people.enterprises["ent-a"], aid=aid))
    assert await party.erasure.erase(DUE) == 1
    await party.feed.load()
    [revoked] = (await party.feed.after(CARRIER, party.feed.epoch, 0)).revoked
    assert (revoked.statement.sequence, revoked.statement.enterprise) == (1, "erased")
    assert revoked.statement.edi_id == "00" * 16


def _open(party: Party, at: int) -> Any:
    return lambda conn: party.evidence.open(conn, at)


def _verifies(proof: InclusionBody, head: CheckpointBody, key: PublicKey) -> bool:
    nodes = [bytes.fromhex(node) for node in proof.proof]
    signed = b"ASCS-STH1\0" + bytes.fromhex(head.log_id) + head.size.to_bytes(8, "big")
    signed += head.time_ms.to_bytes(8, "big") + bytes.fromhex(head.root)
    return key.verify(signed, b64url_decode(head.signature)) and verify_inclusion(
        proof.index, proof.size, bytes.fromhex(proof.leaf), nodes, bytes.fromhex(head.root)
    )


async def test_a_log_that_others_hold_is_emptied_at_the_next_round(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[bool] = []

    async def held() -> bool:
        tried.append(True)
        return len(tried) > 1

    monkeypatch.setattr(party.store, "truncate_log", held)
    await expired(party)
    assert await party.erasure.erase(DUE) == 1
    for _ in range(2):
        assert await party.erasure.erase(DUE) == 0
    assert len(tried) == 2
