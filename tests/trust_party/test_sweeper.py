from tests.trust_party.world import NOW, Party, deposit_of
from trust_party.clock import DAY_MS, HOUR_MS
from trust_party.evidence_log import leaf_indices


async def states(party: Party) -> list[int]:
    return [row[0] for row in await party.store.read("SELECT state FROM authorizations ORDER BY evidence_id")]


async def test_what_is_over_expires_with_evidence(party: Party) -> None:
    await party.active()
    await party.active(term_to=NOW + 2 * DAY_MS)
    await party.deposit(deposit_of(party.people))
    assert await party.sweeper.sweep(NOW) == 0
    assert await states(party) == [2, 2, 1]
    assert await party.sweeper.sweep(NOW + 24 * HOUR_MS) == 1
    assert await states(party) == [2, 2, 3]
    assert await party.store.read("SELECT 1 FROM confirmation_outbox") == []
    before = (await party.store.read("SELECT count(*) FROM evidence_records"))[0][0]
    assert await party.sweeper.sweep(NOW + 2 * DAY_MS) == 1
    assert await states(party) == [2, 3, 3]
    assert len(party.live) == 1
    assert (await party.store.read("SELECT count(*) FROM evidence_records"))[0][0] == before + 1


async def test_more_than_one_commit_holds_is_swept_in_one_go(party: Party) -> None:
    deposits = [deposit_of(party.people) for _ in range(520)]
    await party.deposit(*deposits)
    assert await party.sweeper.sweep(NOW + DAY_MS) == 520
    assert set(await states(party)) == {3}


async def test_a_sweep_signs_what_the_log_has_become(party: Party) -> None:
    await party.active()
    await party.sweeper.sweep(NOW)
    records = (await party.store.read("SELECT max(record_id) FROM evidence_records"))[0][0]
    newest = await party.evidence.newest(party.store)
    assert newest is not None
    assert newest.size > (await leaf_indices(party.store, [records]))[records]
