"""Which keys of a log are believed, from what is known and what is told."""

import pytest

from evidence.checkpoint import log_id
from evidence.succession import succeed
from gm.sm2 import PrivateKey, PublicKey
from interparty.key_messages import LogKeyBody
from interparty.text import b64url_encode
from trust_client.log_chain import chain

KEYS = [PrivateKey.generate() for _ in range(4)]
PUBLIC = [key.public_key for key in KEYS]


def told(before: PrivateKey, after: PublicKey, *, by: PrivateKey | None = None) -> LogKeyBody:
    said = succeed(by or before, after)
    return LogKeyBody(
        log_id=log_id(after).hex(),
        public_key=after.to_bytes().hex(),
        predecessor=log_id(before.public_key).hex(),
        signature=b64url_encode(said.signature),
    )


FIRST = LogKeyBody(log_id=log_id(PUBLIC[0]).hex(), public_key=PUBLIC[0].to_bytes().hex())


def test_each_key_vouches_for_the_next() -> None:
    bodies = [FIRST, told(KEYS[0], PUBLIC[1]), told(KEYS[1], PUBLIC[2])]
    assert chain(PUBLIC[:1], bodies) == PUBLIC[:3]
    assert chain(PUBLIC[1:2], bodies) == PUBLIC[1:3]
    assert chain(PUBLIC[2:3], bodies) == PUBLIC[2:3]
    assert chain(PUBLIC[:1], []) == PUBLIC[:1]


def test_what_another_key_says_is_not_believed() -> None:
    assert chain(PUBLIC[:1], [told(KEYS[0], PUBLIC[1], by=KEYS[3])]) == PUBLIC[:1]
    assert chain(PUBLIC[:1], [told(KEYS[3], PUBLIC[1])]) == PUBLIC[:1]


@pytest.mark.parametrize("changed", [{"public_key": "04" + "00" * 64}, {"signature": "A" * 85 + "B"}])
def test_what_is_malformed_is_passed_over(changed: dict[str, str]) -> None:
    body = told(KEYS[0], PUBLIC[1]).model_copy(update=changed)
    assert chain(PUBLIC[:1], [body]) == PUBLIC[:1]
