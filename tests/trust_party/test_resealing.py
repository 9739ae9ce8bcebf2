"""After resealing, an earlier data key can be destroyed: everything opens, and no copy from before does."""

import pytest

import foundation.resealing
from evidence import batches
from foundation.resealing import sealed_under
from foundation.seal import DATA_PURPOSE, INDEX_PURPOSE, Sealer
from gm.errors import KeyStoreError
from gm.sm3 import sm3
from interparty import key_house
from interparty.deposit_messages import Deposit
from interparty.key_house import HouseError
from tests.trust_party.world import NOW, Party, deposit_of
from trust_party.data_keys import DataKeys
from trust_party.deposits import AGREEMENT_AAD
from trust_party.key_operations import TrustHouse
from trust_party.keys import open_store
from trust_party.resealing import COLUMNS, indexed_under, reseal


async def sealed(party: Party, sql: str) -> bytes:
    return bytes((await party.store.read(sql))[0][0])


async def test_everything_opens_after_the_earlier_key_is_destroyed(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foundation.resealing, "ROWS_MAX", 2)
    aids = [(await party.active())[0] for _ in range(3)]
    await party.store.write(lambda conn: party.evidence.append(conn, [{"kind": "TEST"}], NOW))
    await party.sequencer.run()
    text, digest = b"the agreement", sm3(b"the agreement")
    kept = party.sealer.seal(text, AGREEMENT_AAD + digest)
    insert = "INSERT INTO agreements (sm3, text_sealed) VALUES (?, ?)"
    await party.store.write(lambda conn: conn.execute(insert, (digest, kept)).rowcount)
    old = await sealed(party, "SELECT sealed FROM data_keys ORDER BY id LIMIT 1")
    others = (await party.store.read("SELECT COUNT(*) FROM evidence_records WHERE subject IS NULL"))[0][0]
    leaves = await party.store.read("SELECT COUNT(*) FROM evidence_batches")
    party.keys.add(DATA_PURPOSE, "sm4")

    assert reseal(party.settings) == {
        "data_keys.sealed": 3,
        "agreements.text_sealed": 1,
        "evidence_records.sealed": others,
        "evidence_batches.padding_sealed": leaves[0][0],
        "nonces": 0,
    }
    assert not any(reseal(party.settings).values())
    assert await party.store.write(lambda conn: sealed_under(conn, COLUMNS, 1)) == 0
    party.keys.set_state(DATA_PURPOSE, 1, "destroyed")

    fresh = DataKeys(Sealer(party.keys))
    found = await party.store.write(lambda conn: fresh.of_aids(conn, [int(aid) for aid in aids]))
    assert len(found) == 3
    count = (await party.store.read("SELECT COUNT(*) FROM evidence_records"))[0][0]
    for at in range(count):
        await party.store.write(lambda conn, at=at: party.evidence.open(conn, at))  # type: ignore[misc]
    batch = (await party.store.read("SELECT first_leaf, leaves, padding_sealed FROM evidence_batches"))[0]
    padding = batches.padding_leaves(batch[0], batch[1], bytes(batch[2]), sealer=party.sealer)
    assert len(padding(0)) == 32
    kept = await sealed(party, "SELECT text_sealed FROM agreements")
    assert party.sealer.open(kept, AGREEMENT_AAD + digest) == text
    # What a backup from before holds is lost with the key.
    with pytest.raises(KeyStoreError):
        fresh.opened(old)


async def test_a_data_key_that_still_seals_something_is_not_destroyed(party: Party) -> None:
    await party.active()
    party.keys.add(DATA_PURPOSE, "sm4")
    house = TrustHouse(party.settings, party.keys, None)
    first = party.keys.get(DATA_PURPOSE, 1)
    with pytest.raises(HouseError, match="ascs trust reseal"):
        await party.store.write(lambda conn: house.destroying(conn, first))
    reseal(party.settings)
    await party.store.write(lambda conn: house.destroying(conn, first))


async def again(party: Party, deposit: Deposit) -> str | None:
    (result,) = await party.deposit(deposit)
    return result.aid


async def test_a_nonce_is_known_again_before_during_and_after_indexing_anew(
    party: Party, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foundation.resealing, "ROWS_MAX", 2)
    deposits = [deposit_of(party.people) for _ in range(5)]
    aids = [await again(party, each) for each in deposits]
    old = aids[0] or ""
    await party.confirm(party.people.confirmation(deposits[0].consent))
    aids[0] = (await party.rotate(old)).aid
    # In another process: this one has not seen the key when it is asked.
    await key_house.rotate(TrustHouse(party.settings, open_store(party.settings), None), "index", lambda: NOW)
    assert reseal(party.settings)["nonces"] == 5
    assert [await again(party, each) for each in deposits] == aids
    new = deposit_of(party.people)
    aid = await again(party, new)
    assert await party.store.write(lambda conn: [indexed_under(conn, each) for each in (1, 2)]) == [0, 6]
    party.keys.add(INDEX_PURPOSE, "hmac-sm3")
    assert [await again(party, each) for each in (*deposits, new)] == [*aids, aid]


async def test_an_index_key_by_which_something_is_found_is_not_destroyed(party: Party) -> None:
    deposit = deposit_of(party.people)
    aid = await again(party, deposit)
    party.keys.add(INDEX_PURPOSE, "hmac-sm3")
    house = TrustHouse(party.settings, party.keys, None)
    first = party.keys.get(INDEX_PURPOSE, 1)
    with pytest.raises(HouseError, match="1 nonces are indexed under index/1: ascs trust reseal"):
        await party.store.write(lambda conn: house.destroying(conn, first))
    assert reseal(party.settings)["nonces"] == 1
    assert reseal(party.settings)["nonces"] == 0
    await party.store.write(lambda conn: house.destroying(conn, first))
    party.keys.set_state(INDEX_PURPOSE, 1, "destroyed")
    assert await again(party, deposit) == aid
