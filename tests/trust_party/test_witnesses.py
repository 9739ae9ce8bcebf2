"""Which checkpoint witnesses are to cosign, and what is kept of what they signed."""

import pytest

from gm.sm2 import PrivateKey
from interparty import statements
from interparty.evidence_messages import COSIGNATURES_MAX, Cosignature, SignedCosignature
from interparty.messages import CheckpointBody
from tests.trust_party.world import CARRIER, NOW, REGULATOR, Party
from trust_party import witnesses as module
from trust_party.witnesses import UNCOSIGNED_MS, CosignatureRefused, ForgottenCheckpoint, Witnesses


async def grown(party: Party) -> CheckpointBody:
    await party.store.write(lambda conn: party.evidence.append(conn, [{"kind": "TEST"}], NOW))
    await party.sequencer.run()
    assert party.sequencer.newest is not None
    return party.sequencer.newest


def key_of(party: Party, witness: str) -> PrivateKey:
    people = party.people
    return (people.carriers | people.enterprises | people.regulators)[witness]


def signed_by(
    party: Party,
    witness: str,
    checkpoint: CheckpointBody,
    key: PrivateKey | None = None,
    **changed: object,
) -> SignedCosignature:
    statement = Cosignature.of(checkpoint, witness, NOW).model_copy(update=changed)
    signature = statements.sign(key or key_of(party, witness), statements.COSIGN, statement)
    return SignedCosignature(statement=statement, signature=signature)


async def cosigned(
    party: Party, witness: str, checkpoint: CheckpointBody, key: PrivateKey | None = None, **changed: object
) -> None:
    signed = signed_by(party, witness, checkpoint, key, **changed)
    await party.witnesses.cosign(witness, party.directory.sign_keys(witness) or {}, signed, NOW)


async def test_cosignatures_of_carrier_enterprise_and_regulator_meet_on_one_checkpoint(party: Party) -> None:
    candidate = await grown(party)
    for witness in (CARRIER, "ent-a", REGULATOR):
        assert party.witnesses.candidate(NOW) == candidate
        await cosigned(party, witness, candidate)
        await grown(party)
    best = await party.witnesses.best(0, 3)
    assert best is not None
    assert best.checkpoint == candidate
    assert [each.statement.witness for each in best.cosignatures] == sorted((CARRIER, "ent-a", REGULATOR))
    for each in best.cosignatures:
        key = key_of(party, each.statement.witness).public_key
        assert statements.verify(key, statements.COSIGN, each.statement, each.signature)


async def test_the_candidate_changes_after_its_time(party: Party) -> None:
    assert party.witnesses.candidate(NOW) is None
    first = await grown(party)
    assert party.witnesses.candidate(NOW) == first
    second = await grown(party)
    assert party.witnesses.candidate(NOW + 4999) == first
    assert party.witnesses.candidate(NOW + 5000) == second
    # A clock that was set back keeps no checkpoint for ever.
    third = await grown(party)
    assert party.witnesses.candidate(NOW) == third


async def test_cosigning_again_changes_nothing(party: Party) -> None:
    checkpoint = await grown(party)
    await cosigned(party, CARRIER, checkpoint)
    await cosigned(party, CARRIER, checkpoint, at=NOW + 1)
    [one] = (await party.witnesses.witnessed(checkpoint)).cosignatures
    assert one.statement.at == NOW


async def test_what_is_no_cosignature_of_the_caller_on_this_log_is_refused(party: Party) -> None:
    checkpoint = await grown(party)
    for changed, why in (
        ({"log_id": "00" * 32}, "no such checkpoint"),
        ({"at": NOW + 3_600_000}, "future"),
        ({"root": "00" * 32}, "no such checkpoint"),
        ({"size": checkpoint.size + 1}, "no such checkpoint"),
        ({"time_ms": checkpoint.time_ms + 1}, "no such checkpoint"),
    ):
        with pytest.raises(CosignatureRefused, match=why):
            await cosigned(party, CARRIER, checkpoint, **changed)
    with pytest.raises(CosignatureRefused, match="does not verify"):
        await cosigned(party, CARRIER, checkpoint, PrivateKey.generate())
    with pytest.raises(CosignatureRefused, match="another witness's"):
        await party.witnesses.cosign("ent-a", {}, signed_by(party, CARRIER, checkpoint), NOW)
    assert (await party.witnesses.witnessed(checkpoint)).cosignatures == []


async def test_no_more_cosignatures_are_kept_of_one_checkpoint_than_anyone_reads(party: Party) -> None:
    checkpoint = await grown(party)
    rows = [(1, f"w-{number}", NOW, "A" * 86) for number in range(COSIGNATURES_MAX)]
    insert = (
        "INSERT INTO evidence_cosignatures (checkpoint_id, witness, signed_at, signature) VALUES (?,?,?,?)"
    )
    await party.store.write(lambda conn: conn.executemany(insert, rows).rowcount)
    with pytest.raises(CosignatureRefused, match="already"):
        await cosigned(party, CARRIER, checkpoint)


async def test_the_best_is_the_most_witnessed_that_is_large_enough(party: Party) -> None:
    assert await party.witnesses.best(0) is None
    first, second, third = [await grown(party) for _ in range(3)]
    await cosigned(party, CARRIER, first)
    await cosigned(party, "ent-a", first)
    await cosigned(party, CARRIER, second)
    best, larger = await party.witnesses.best(0), await party.witnesses.best(first.size + 1)
    assert best is not None
    assert larger is not None
    assert (best.checkpoint, larger.checkpoint) == (first, second)
    assert await party.witnesses.best(third.size) is None
    assert await party.witnesses.best(0, 3) is None


async def test_when_each_witness_signed_last_is_known_after_a_restart(party: Party) -> None:
    await cosigned(party, CARRIER, await grown(party))
    assert party.witnesses.cosigned_at == {CARRIER: NOW}
    again = Witnesses(party.store, party.evidence, party.sequencer, 5000)
    await again.load()
    assert again.cosigned_at == {CARRIER: NOW}


async def test_each_witness_is_seen_by_its_newest_view(party: Party) -> None:
    first, second = await grown(party), await grown(party)
    await cosigned(party, CARRIER, first)
    await cosigned(party, CARRIER, second)
    await cosigned(party, REGULATOR, first)
    views = (await party.witnesses.views()).views
    assert {each.cosignatures[0].statement.witness: each.checkpoint for each in views} == {
        CARRIER: second,
        REGULATOR: first,
    }


async def kept(party: Party) -> list[int]:
    rows = await party.store.read("SELECT size FROM evidence_checkpoints ORDER BY checkpoint_id")
    return [row["size"] for row in rows]


@pytest.mark.parametrize("at_once", [1, 2, 1000])
async def test_checkpoints_that_nobody_cosigned_are_forgotten_after_their_time(
    party: Party, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(module, "PRUNED_AT_ONCE", at_once)
    first, second, third, newest = [await grown(party) for _ in range(4)]
    await cosigned(party, CARRIER, second)
    assert await party.witnesses.prune(NOW + UNCOSIGNED_MS) == 0
    assert await party.witnesses.prune(NOW + UNCOSIGNED_MS + 1) == 2
    assert await kept(party) == [second.size, newest.size]
    # The newest stays, however old, until there is another.
    after = await grown(party)
    assert await party.witnesses.prune(NOW + UNCOSIGNED_MS + 1) == 1
    assert await kept(party) == [second.size, after.size]
    assert await party.witnesses.prune(NOW + UNCOSIGNED_MS + 1) == 0
    best = await party.witnesses.best(first.size)
    assert best is not None
    assert best.checkpoint == second
    assert (await party.witnesses.witnessed(third)).cosignatures == []


async def test_a_cosignature_on_a_forgotten_checkpoint_is_no_denial(party: Party) -> None:
    first, _ = await grown(party), await grown(party)
    late = NOW + UNCOSIGNED_MS + 1
    await party.witnesses.prune(late)
    signed = signed_by(party, CARRIER, first)
    keys = party.directory.sign_keys(CARRIER) or {}
    with pytest.raises(ForgottenCheckpoint):
        await party.witnesses.cosign(CARRIER, keys, signed, late)
