"""A query by number: opens at its carrier alone, in one form alone, and always has one size."""

import json
from pathlib import Path
from typing import Any

import pytest

from gm.sm2 import PrivateKey
from interparty import number_query
from interparty.number_query import QueryError
from interparty.query_messages import ANSWER_IDS, FOUND_TEXT, SEALED_QUERY_TEXT, NumberQuestion
from interparty.text import b64url_decode, b64url_encode

KEY, ANSWER_KEY = PrivateKey.generate(), PrivateKey.generate()
VECTOR = json.loads((Path(__file__).parent / "data" / "number_query.json").read_text())


def question(**changed: Any) -> NumberQuestion:
    fields: dict[str, Any] = {
        "number": "8613800000001",
        "enterprise": "ent-a",
        "period_from": 1,
        "period_to": 2,
        "case": "case-1",
        "requester": "regulator",
        "carrier": "CMCC",
        "nonce": "ab" * 16,
        "answer_key": ANSWER_KEY.public_key.to_bytes().hex(),
    }
    return NumberQuestion.model_validate(fields | changed)


def sealed_bytes(plain: bytes, head: bytes = b"ASQ1CMCC\x00\x00\x00\x01") -> str:
    return b64url_encode(head + KEY.public_key.encrypt(plain))


def test_the_vector_of_another_implementation() -> None:
    key = PrivateKey.from_bytes(bytes.fromhex(VECTOR["private_key"]))
    asked = NumberQuestion.model_validate(VECTOR["question"])
    assert number_query.plaintext(asked).hex() == VECTOR["plaintext"]
    assert number_query.key_version(VECTOR["sealed"]) == VECTOR["key_version"]
    assert number_query.sealed_sm3(VECTOR["sealed"]) == VECTOR["sealed_sm3"]
    assert number_query.question_sm3(asked) == VECTOR["question_sm3"]
    assert number_query.open_query(key, VECTOR["sealed"], "CMCC") == asked
    secret = PrivateKey.from_bytes(bytes.fromhex(VECTOR["answer_private_key"]))
    assert secret.public_key.to_bytes().hex() == asked.answer_key
    assert number_query.open_found(secret, VECTOR["found_sealed"]) == VECTOR["found"]


def test_the_carrier_reads_what_was_asked_and_its_size_tells_nothing() -> None:
    short = question(number="12345", case="c", enterprise="e", requester="r")
    long = question(number="1" * 15, case="c" * 64, enterprise="e" * 64, requester="r" * 64)
    for asked in (short, long, question(period_from=2**53 - 2, period_to=2**53 - 1)):
        sealed = number_query.seal(KEY.public_key, 7, asked)
        assert len(sealed) == SEALED_QUERY_TEXT
        assert number_query.key_version(sealed) == 7
        assert number_query.open_query(KEY, sealed, "CMCC") == asked
    assert len(b64url_decode(sealed)) == number_query.LENGTH == 748


def test_two_seals_of_one_question_have_nothing_in_common() -> None:
    first, second = (number_query.seal(KEY.public_key, 1, question()) for _ in range(2))
    assert number_query.sealed_sm3(first) != number_query.sealed_sm3(second)


def test_nobody_else_opens_it() -> None:
    sealed = number_query.seal(KEY.public_key, 1, question())
    with pytest.raises(QueryError):
        number_query.open_query(PrivateKey.generate(), sealed, "CMCC")
    with pytest.raises(QueryError):
        number_query.open_query(KEY, sealed, "CUCC")


@pytest.mark.parametrize(
    "sealed",
    [
        "",
        "A" * SEALED_QUERY_TEXT,
        sealed_bytes(number_query.plaintext(question()), b"ASQ1CUCC\x00\x00\x00\x01"),
        sealed_bytes(number_query.plaintext(question()), b"ASQ2CMCC\x00\x00\x00\x01"),
        sealed_bytes(number_query.plaintext(question(carrier="CUCC"))),
        sealed_bytes(number_query.plaintext(question())[:-1] + b"\x01"),
        sealed_bytes(bytes(640)),
        sealed_bytes(b"\x00\x02{}".ljust(640, b"\0")),
        sealed_bytes(b"\xff\xff".ljust(640, b"1")),
        sealed_bytes(number_query.plaintext(question())[:-1]),
    ],
)
def test_any_other_form_does_not_open(sealed: str) -> None:
    with pytest.raises(QueryError):
        number_query.open_query(KEY, sealed, "CMCC")


def test_another_carriers_id_cannot_be_sealed_to() -> None:
    with pytest.raises(ValueError, match="4 ASCII"):
        number_query.seal(KEY.public_key, 1, question(carrier="CM"))


def test_what_was_found_has_one_size_and_opens_for_the_asker_alone() -> None:
    key = question().answer_key
    for count in (0, 1, ANSWER_IDS):
        ids = [n.to_bytes(16, "big") for n in range(count)]
        sealed = number_query.seal_found(key, ids)
        assert len(sealed) == FOUND_TEXT
        assert number_query.open_found(ANSWER_KEY, sealed) == [each.hex() for each in ids]
        with pytest.raises(QueryError):
            number_query.open_found(KEY, sealed)
    assert len(b64url_decode(sealed)) == number_query.FOUND_LENGTH == 2146


@pytest.mark.parametrize(
    "plain",
    [b"", bytes(2049), bytes(2051), b"\0\1" + bytes(16) + b"\1" + bytes(2031), b"\0\x81" + bytes(2048)],
)
def test_a_list_in_any_other_form_is_none(plain: bytes) -> None:
    with pytest.raises(QueryError):
        number_query.open_found(ANSWER_KEY, b64url_encode(ANSWER_KEY.public_key.encrypt(plain or b"x")))
