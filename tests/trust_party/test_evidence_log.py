import json

import pytest

from evidence import merkle
from tests.trust_party.world import CARRIER, NOW, Party
from trust_party.clock import DAY_MS
from trust_party.evidence_log import consistency, inclusion, leaf_indices, leaves


async def test_the_life_of_an_authorization_is_on_record_leaf_by_leaf(party: Party) -> None:
    first = await party.store.write(party.evidence.next_id)
    aid, consent = await party.active()
    other, _ = await party.active()
    signed = party.people.cancellation(party.people.carriers[CARRIER], edi_id=consent.edi_ids[0])
    await party.cancel(CARRIER, signed)
    await party.sweeper.sweep(NOW + 31 * DAY_MS)
    records = []
    for index in range(first, first + 6):
        opened = await party.store.write(lambda conn, at=index: party.evidence.open(conn, at))  # type: ignore[misc]
        records.append(json.loads(opened.record))
    assert [(record["kind"], record["aid"]) for record in records] == [
        ("DEPOSIT", aid),
        ("CONFIRMATION", aid),
        ("DEPOSIT", other),
        ("CONFIRMATION", other),
        ("CANCELLATION", aid),
        ("EXPIRY", other),
    ]
    assert records[0]["consent"] == consent.fields()
    assert records[4]["signature"] == signed.signature


async def test_the_next_id_is_the_one_that_the_next_record_gets(party: Party) -> None:
    def op(conn: object) -> tuple[int, list[int]]:
        first = party.evidence.next_id(conn)  # type: ignore[arg-type]
        return first, party.evidence.append(conn, [{"kind": "TEST"}] * 3, NOW)  # type: ignore[arg-type]

    before = await party.store.write(party.evidence.next_id)
    for expected in (before, before + 3):
        first, ids = await party.store.write(op)
        assert first == expected
        assert ids == [expected, expected + 1, expected + 2]


async def test_an_inclusion_proof_names_only_a_checkpoint_of_its_own_size(party: Party) -> None:
    await party.store.write(lambda conn: party.evidence.append(conn, [{"kind": "TEST"}] * 40, NOW))
    await party.sequencer.run()
    head = party.sequencer.newest
    assert head is not None
    assert head == await party.evidence.newest(party.store)
    exact = await inclusion(party.store, 0, head, head.size)
    smaller = await inclusion(party.store, 0, head, 32)
    assert exact.checkpoint == head
    assert smaller.checkpoint is None
    for index, size in ((head.size, head.size), (0, head.size + 1), (32, 32)):
        with pytest.raises(ValueError, match="outside"):
            await inclusion(party.store, index, head, size)
    for first, second in ((0, 32), (32, head.size + 1), (64, 32)):
        with pytest.raises(ValueError, match="outside"):
            await consistency(party.store, first, second, head)


async def test_a_pending_record_has_no_leaf_yet(party: Party) -> None:
    ids = await party.store.write(lambda conn: party.evidence.append(conn, [{"kind": "TEST"}] * 2, NOW))
    assert await leaf_indices(party.store, ids) == {}
    await party.sequencer.run()
    assert sorted(await leaf_indices(party.store, ids)) == ids
    assert await leaf_indices(party.store, []) == {}


async def test_leaves_are_given_up_to_the_newest_checkpoint(party: Party) -> None:
    await party.store.write(lambda conn: party.evidence.append(conn, [{"kind": "TEST"}] * 40, NOW))
    await party.sequencer.run()
    head = party.sequencer.newest
    assert head is not None
    whole = await leaves(party.store, 0, 10_000, head)
    assert len(whole) == head.size
    assert merkle.root(whole).hex() == head.root
    assert await leaves(party.store, 5, 7, head) == whole[5:12]
    assert await leaves(party.store, head.size, 1, head) == []
    assert await leaves(party.store, 0, 0, head) == []
