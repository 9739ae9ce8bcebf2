"""Every version of a party's sign keys is on record, with what named it."""

import pytest

from tests.trust_party.world import CARRIER, Party
from trust_party.sign_keys import SignKeys


@pytest.fixture
def sign_keys(party: Party) -> SignKeys:
    return SignKeys(party.store, party.keys, party.settings.party)


async def test_keys_given_at_admission_stand_for_themselves(party: Party, sign_keys: SignKeys) -> None:
    found = await sign_keys.of([CARRIER, "ent-a"])
    assert found.keys == {
        f"{CARRIER}/sign/1": party.people.carriers[CARRIER].public_key,
        "ent-a/sign/1": party.people.enterprises["ent-a"].public_key,
    }
    assert found.notices == []


async def test_the_trust_partys_own(party: Party, sign_keys: SignKeys) -> None:
    own = party.settings.party
    found = await sign_keys.of([own])
    assert found.keys == {f"{own}/sign/1": party.keys.current("sign").public}


async def test_of_nobody_and_of_a_stranger_there_are_none(sign_keys: SignKeys) -> None:
    for parties in ([], ["nobody"]):
        found = await sign_keys.of(parties)
        assert (found.keys, found.notices) == ({}, [])
