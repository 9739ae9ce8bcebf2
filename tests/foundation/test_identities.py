"""Names of parties and of their keys."""

import pytest

from foundation.identities import (
    IdentityError,
    KeyId,
    check_party_id,
    parse_key_id,
    party_of_urn,
    party_urn,
)


def test_key_ids_name_party_key_and_version() -> None:
    assert parse_key_id("ent-a/sign/1") == KeyId("ent-a", "sign", 1)
    assert str(KeyId("CMCC", "api", 12)) == "CMCC/api/12"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ent-a",
        "ent-a/sign",
        "ent-a/sign/0",
        "ent-a/sign/01",
        "ent-a/sign/4294967296",
        "/sign/1",
        "a/b/1/2",
        "ent a/sign/1",
        "ent-a/sign/1\n",
        "ent-a/sign/１",
    ],
)
def test_other_texts_do_not_name_a_key(text: str) -> None:
    with pytest.raises(IdentityError):
        parse_key_id(text)


@pytest.mark.parametrize("text", ["", ".", "-a", "a" * 65, "a/b", "ä", "a\n"])
def test_texts_that_do_not_name_a_party(text: str) -> None:
    with pytest.raises(IdentityError):
        check_party_id(text)
    with pytest.raises(IdentityError):
        party_of_urn("urn:ascs:party:" + text)


def test_urns() -> None:
    assert party_of_urn(party_urn("ent-a")) == "ent-a"
    with pytest.raises(IdentityError):
        party_of_urn("urn:other:ent-a")
