"""One key a consent: what it seals opens while it is there."""

import pytest

from gm.errors import DecryptError
from tests.trust_party.world import Party, deposit_of
from trust_party import data_keys
from trust_party.data_keys import DataKeys


async def test_what_a_key_seals_opens_with_its_sealed_form(party: Party) -> None:
    key, sealed = party.data_keys.make()
    secret = key.seal(b"consent", b"where")
    assert b"consent" not in secret
    assert party.data_keys.opened(sealed).open(secret, b"where") == b"consent"
    assert DataKeys(party.sealer).opened(sealed).open(secret, b"where") == b"consent"
    with pytest.raises(DecryptError):
        key.open(secret, b"elsewhere")
    with pytest.raises(DecryptError):
        party.data_keys.make()[0].open(secret, b"where")


async def test_each_consent_has_a_key_of_its_own(party: Party) -> None:
    results = await party.deposit(deposit_of(party.people), deposit_of(party.people))
    aids = [int(result.aid or 0) for result in results]
    keys = await party.store.write(lambda conn: party.data_keys.of_aids(conn, [*aids, 888]))
    assert set(keys) == set(aids)
    with pytest.raises(DecryptError):
        keys[aids[0]].open(keys[aids[1]].seal(b"a", b""), b"")


async def test_a_destroyed_key_is_no_longer_found(party: Party) -> None:
    aid, _ = await party.active()
    key_id = (await party.store.read("SELECT data_key_id FROM authorizations"))[0][0]
    await party.store.write(lambda conn: data_keys.destroy(conn, key_id))
    assert await party.store.write(lambda conn: party.data_keys.of_aids(conn, [int(aid)])) == {}
