"""A log's keys follow each other, each by the word of the one before."""

import dataclasses

from evidence.succession import follow, succeed
from gm.sm2 import PrivateKey

A, B, C = (PrivateKey.generate() for _ in range(3))


def test_the_chain_leads_from_a_known_key_to_the_current_one() -> None:
    said = [succeed(B, C.public_key), succeed(A, B.public_key)]
    assert follow(A.public_key, said) == [A.public_key, B.public_key, C.public_key]
    assert follow(B.public_key, said) == [B.public_key, C.public_key]
    assert follow(C.public_key, said) == [C.public_key]


def test_a_stranger_names_no_successor() -> None:
    forged = dataclasses.replace(succeed(C, B.public_key), log_id=succeed(A, B.public_key).log_id)
    assert follow(A.public_key, [forged]) == [A.public_key]


def test_a_word_for_one_key_is_none_for_another() -> None:
    moved = dataclasses.replace(succeed(A, B.public_key), successor=C.public_key)
    assert follow(A.public_key, [moved]) == [A.public_key]


def test_a_ring_ends() -> None:
    assert follow(A.public_key, [succeed(A, B.public_key), succeed(B, A.public_key)]) == [
        A.public_key,
        B.public_key,
    ]
