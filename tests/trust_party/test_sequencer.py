"""When records become leaves, and what waits for it."""

import asyncio
import sqlite3

import pytest

from evidence import batches
from evidence.batches import LEAVES_MIN
from evidence.merkle import verify_inclusion
from foundation.store import StoreUnavailable
from interparty.messages import InclusionBody
from tests.trust_party.world import NOW, Party
from trust_party import sequencer
from trust_party.evidence_log import leaf_indices
from trust_party.sequencer import Sequencer


async def recorded(party: Party, count: int = 1) -> list[int]:
    return await party.store.write(lambda conn: party.evidence.append(conn, [{"kind": "TEST"}] * count, NOW))


def verifies(proof: InclusionBody) -> bool:
    nodes = [bytes.fromhex(node) for node in proof.proof]
    return verify_inclusion(
        proof.index, proof.size, bytes.fromhex(proof.leaf), nodes, bytes.fromhex(proof.root)
    )


async def test_proofs_come_in_order_under_one_signed_checkpoint(party: Party) -> None:
    ids = await recorded(party, 100)
    proofs = await party.sequencer.proofs(ids)
    assert len(proofs) == 100
    assert all(proof.checkpoint == party.sequencer.newest and verifies(proof) for proof in proofs)
    again = await party.sequencer.proofs([ids[7], ids[3]])
    assert [proof.index for proof in again] == [proofs[7].index, proofs[3].index]


async def test_no_record_needs_no_batch(party: Party) -> None:
    assert await party.sequencer.proofs([]) == []
    assert party.sequencer.newest is None


async def test_who_waits_at_once_shares_a_batch(party: Party) -> None:
    await party.sequencer.run()  # what is on record of keys and admissions
    own = Sequencer(party.store, party.evidence, 0.01, lambda: NOW)
    ids = [(await recorded(party))[0] for _ in range(20)]
    await asyncio.gather(*(own.proofs([each]) for each in ids))
    assert own.newest is not None
    assert party.sequencer.newest is not None
    assert own.newest.size == party.sequencer.newest.size + LEAVES_MIN


async def test_batches_are_some_time_apart(party: Party) -> None:
    own = Sequencer(party.store, party.evidence, 0.05, lambda: NOW)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await own.proofs(await recorded(party))
    await own.proofs(await recorded(party))
    assert loop.time() - began > 0.04
    assert own.newest is not None
    assert own.newest.size == 2 * LEAVES_MIN


async def test_what_was_committed_while_a_batch_is_made_is_in_the_next(party: Party) -> None:
    await recorded(party, 3000)
    running = asyncio.create_task(party.sequencer.run())
    await asyncio.sleep(0)
    late = await recorded(party)
    [proof] = await party.sequencer.proofs(late)
    await running
    assert verifies(proof)


async def test_a_large_backlog_is_written_piece_by_piece(party: Party) -> None:
    ids = await recorded(party, 5000)
    proofs = await party.sequencer.proofs([ids[0], ids[-1]])
    assert all(map(verifies, proofs))
    assert proofs[0].size == 8192


async def test_a_backlog_of_more_than_a_turn_takes_several(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "TURN_MAX", 64)
    monkeypatch.setattr(sequencer, "PLANS_MAX", 2)
    ids = await recorded(party, 300)
    proofs = await party.sequencer.proofs([ids[0], ids[-1]])
    assert all(map(verifies, proofs))
    assert proofs[1].index >= 256
    assert await party.sequencer.indices(ids) == {**await leaf_indices(party.store, ids)}


async def test_who_goes_away_stops_no_batch(party: Party) -> None:
    ids = await recorded(party, 3000)
    waits = asyncio.create_task(party.sequencer.proofs(ids))
    await asyncio.sleep(0)
    waits.cancel()
    await asyncio.gather(waits, return_exceptions=True)
    assert verifies((await party.sequencer.proofs([ids[0]]))[0])


async def test_a_failing_store_fails_who_waits_and_the_next_batch_goes_on(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = await recorded(party)

    async def refused(_op: object) -> None:
        raise StoreUnavailable("not now")

    with monkeypatch.context() as patch:
        patch.setattr(party.store, "write", refused)
        with pytest.raises(StoreUnavailable):
            await party.sequencer.proofs(ids)
    assert verifies((await party.sequencer.proofs(ids))[0])


async def test_a_record_that_another_process_appended_is_taken(party: Party) -> None:
    connection = sqlite3.connect(party.settings.database, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    ids = party.evidence.append(connection, [{"kind": "TEST"}], NOW)
    connection.execute("COMMIT")
    connection.close()
    assert verifies((await party.sequencer.proofs(ids))[0])
