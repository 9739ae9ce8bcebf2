"""Every rule of a text is asked, in one order, of the whole text."""

import pytest

from gateway.policy.refusal import Cause
from gateway.policy.text_rules import TextRules
from gateway.policy.text_words import Words
from smpp.constants import DataCoding, Tag
from smpp.pdu import SubmitSm
from smpp.segmentation import split
from tests.gateway.policy.texts import number

RULES = TextRules(Words(["casino"]))


def bodies(said: str) -> list[SubmitSm]:
    return [
        SubmitSm(short_message=part.short_message, esm_class=part.esm_class, data_coding=part.data_coding)
        for part in split(said, 1)
    ]


def cause(said: str, signature: str | None = None) -> str | None:
    refusal = RULES.refusal_of(number(signature), bodies(said))
    return None if refusal is None else refusal.cause


def test_the_first_refusal_counts() -> None:
    assert cause("hello") is None
    assert cause("casino", "A") == Cause.NOT_SIGNED
    assert cause("【A】casino", "A") == Cause.SENSITIVE_WORD
    assert cause("【A】hello", "A") is None


@pytest.mark.parametrize(
    "said", ["x" * 150 + "casino" + "x" * 10, "好" * 66 + "CASINO"], ids=["gsm", "ucs-2"]
)
def test_a_long_text_is_read_across_its_parts(said: str) -> None:
    assert len(bodies(said)) > 1
    assert cause(said) == Cause.SENSITIVE_WORD


def test_a_payload_is_measured_also_where_there_are_no_words() -> None:
    body = SubmitSm(data_coding=DataCoding.UCS2, tlvs=[(Tag.MESSAGE_PAYLOAD, b"\0x" * 671)])
    refusal = TextRules().refusal_of(number(), [body])
    assert refusal is not None
    assert refusal.cause == Cause.TEXT_TOO_LONG


def test_octets_that_are_no_text_have_no_words() -> None:
    body = SubmitSm(data_coding=DataCoding.OCTET, short_message=b"casino")
    assert RULES.refusal_of(number(), [body]) is None


def test_each_rule_has_a_file_of_its_own() -> None:
    assert [rule.__module__.rpartition(".")[2] for rule in RULES.rules] == [
        "text_length",
        "text_signature",
        "text_words",
    ]


def test_the_words_may_be_replaced() -> None:
    rules = TextRules()
    assert rules.refusal_of(number(), bodies("casino")) is None
    rules.words = Words(["casino"])
    assert rules.refusal_of(number(), bodies("casino")) is not None
