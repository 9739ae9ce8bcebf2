"""What a query for evidence must be to be one."""

from typing import Any

import pytest
from pydantic import ValidationError

from interparty.query_messages import (
    ANSWER_IDS,
    CarrierNumberReply,
    EvidenceQuery,
    NumberAnswer,
    NumberQueryRequest,
)
from tests.interparty.test_number_query import question

SIGNATURE = "A" * 86
APPROVAL = {
    "statement": {
        "sealed_sm3": "ab" * 32,
        "question_sm3": "cd" * 32,
        "case": "case-1",
        "enterprise": "ent-a",
        "period_from": 1,
        "period_to": 2,
        "approver": "li-si",
        "at": 3,
    },
    "signature": SIGNATURE,
}
PART = {"carrier": "CMCC", "sealed": "A" * 998, "approvals": [APPROVAL, APPROVAL]}
REQUEST: dict[str, Any] = {
    "case": "case-1",
    "enterprise": "ent-a",
    "period_from": 1,
    "period_to": 2,
    "queries": [PART],
}
ANSWER = {
    "carrier": "CMCC",
    "sealed_sm3": "ab" * 32,
    "edi_ids": ["00" * 16] * ANSWER_IDS,
    "found": "A" * 2862,
    "at": 1,
}


def test_a_query_names_one_consent() -> None:
    EvidenceQuery(aid="888132341582397708")
    EvidenceQuery(edi_id="00" * 16, skip=1)
    for fields in ({}, {"aid": "888132341582397708", "edi_id": "00" * 16}):
        with pytest.raises(ValidationError):
            EvidenceQuery.model_validate(fields)


def test_a_period_ends_after_it_begins() -> None:
    with pytest.raises(ValidationError):
        question(period_from=2, period_to=2)
    with pytest.raises(ValidationError):
        NumberQueryRequest.model_validate(REQUEST | {"period_from": 2})


def test_each_carrier_is_asked_once() -> None:
    NumberQueryRequest.model_validate(REQUEST)
    with pytest.raises(ValidationError):
        NumberQueryRequest.model_validate(REQUEST | {"queries": [PART, PART]})


def test_an_answer_has_one_size() -> None:
    NumberAnswer.model_validate(ANSWER)
    with pytest.raises(ValidationError):
        NumberAnswer.model_validate(ANSWER | {"edi_ids": []})
    with pytest.raises(ValidationError):
        NumberAnswer.model_validate(ANSWER | {"found": ""})


def test_a_reply_is_a_signed_answer_or_a_refusal() -> None:
    CarrierNumberReply.model_validate({"answer": ANSWER, "signature": SIGNATURE})
    CarrierNumberReply.model_validate({"refusal": "STALE"})
    for fields in ({}, {"answer": ANSWER}, {"refusal": "STALE", "signature": SIGNATURE}):
        with pytest.raises(ValidationError):
            CarrierNumberReply.model_validate(fields)
