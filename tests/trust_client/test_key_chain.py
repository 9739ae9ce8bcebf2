"""Which of a party's sign keys are believed, from what is known and what is told."""

import pytest

from gm.sm2 import PrivateKey, PublicKey
from interparty.key_delivery import sign
from interparty.key_messages import KeyName, KeyNotice, SignedKeyNotice
from trust_client.key_chain import chain, chains

KEYS = [PrivateKey.generate() for _ in range(4)]
PUBLIC = [key.public_key for key in KEYS]


def told(
    version: int, key: PublicKey, by: int, signer: PrivateKey, party: str = "CMCC", name: KeyName = "sign"
) -> SignedKeyNotice:
    notice = KeyNotice(
        party=party,
        recipient="ttp",
        key=name,
        version=version,
        algorithm="sm2",
        value=key.to_bytes().hex(),
        state="pre-active",
        at=1_000,
    )
    return sign(notice, f"CMCC/sign/{by}", signer)


SECOND = told(2, PUBLIC[1], 1, KEYS[0])
THIRD = told(3, PUBLIC[2], 2, KEYS[1])


def test_each_key_vouches_for_the_next() -> None:
    assert chain("CMCC", PUBLIC[:1], [SECOND, THIRD]) == PUBLIC[:3]
    assert chain("CMCC", PUBLIC[1:2], [SECOND, THIRD]) == PUBLIC[1:3]
    assert chain("CMCC", PUBLIC[2:3], [SECOND, THIRD]) == PUBLIC[2:3]
    assert chain("CMCC", PUBLIC[:1], []) == PUBLIC[:1]


def test_several_known_keys_come_without_their_names() -> None:
    assert chain("CMCC", [PUBLIC[3], PUBLIC[1]], [THIRD]) == [PUBLIC[3], PUBLIC[1], PUBLIC[2]]


def test_a_later_key_may_name_one_that_was_before_it() -> None:
    """What is left of a key that was destroyed: nobody else has its public half."""
    assert chain("CMCC", PUBLIC[1:2], [SECOND, told(1, PUBLIC[0], 2, KEYS[1])]) == [PUBLIC[1], PUBLIC[0]]


@pytest.mark.parametrize(
    "notice",
    [
        told(2, PUBLIC[1], 1, KEYS[3]),
        told(2, PUBLIC[1], 1, KEYS[0], party="ent-a"),
        SECOND.model_copy(update={"signature": THIRD.signature}),
        SECOND.model_copy(
            update={"statement": SECOND.statement.model_copy(update={"value": "04" + "00" * 64})}
        ),
    ],
    ids=["under another key", "another party's", "another signature", "altered"],
)
def test_what_no_known_key_says_is_not_believed(notice: SignedKeyNotice) -> None:
    assert chain("CMCC", PUBLIC[:1], [notice, THIRD]) == PUBLIC[:1]


def test_a_key_for_another_purpose_signs_nothing() -> None:
    other = told(2, PUBLIC[1], 1, KEYS[0], name="envelope")
    assert chain("CMCC", PUBLIC[:1], [other, THIRD]) == PUBLIC[:1]


def test_one_party_vouches_for_no_other() -> None:
    known = {"CMCC": PUBLIC[:1], "ent-a": PUBLIC[:1]}
    assert chains(known, [SECOND]) == {"CMCC": PUBLIC[:2], "ent-a": PUBLIC[:1]}
