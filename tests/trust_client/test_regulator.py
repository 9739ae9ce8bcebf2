"""A query by number, from the one who asks to what leaves the house."""

from typing import Any

import pytest
from pydantic import ValidationError

from gm.sm2 import PrivateKey
from interparty import number_query, statements
from interparty.query_messages import CarrierOutcome, NumberQueryResponse, QueryDraft
from trust_client import regulator
from trust_client.regulator import CarrierKey

NUMBER = "8613800000001"
CARRIERS = {"CMCC": PrivateKey.generate(), "CUCC": PrivateKey.generate()}
ZHANG, LI = PrivateKey.generate(), PrivateKey.generate()
AT = 1_795_500_000_000


def draft(**changed: Any) -> QueryDraft:
    fields: dict[str, Any] = {
        "requester": "miit-test",
        "number": NUMBER,
        "enterprise": "ent-a",
        "period_from": 1,
        "period_to": 2,
        "case": "case-1",
        "reason": "a complaint about texts at night",
    }
    keys = {name: CarrierKey(key.public_key, 3) for name, key in CARRIERS.items()}
    return regulator.draft(keys, **(fields | changed))


def test_each_carrier_can_open_its_own_part_alone() -> None:
    query = draft()
    assert [part.carrier for part in query.parts] == ["CMCC", "CUCC"]
    for part in query.parts:
        opened = number_query.open_query(CARRIERS[part.carrier], part.sealed, part.carrier)
        assert (opened.number, opened.enterprise, opened.case) == (NUMBER, "ent-a", "case-1")
        assert (opened.requester, opened.carrier) == ("miit-test", part.carrier)
        assert number_query.key_version(part.sealed) == 3
    with pytest.raises(number_query.QueryError):
        number_query.open_query(CARRIERS["CMCC"], query.parts[1].sealed, "CUCC")


def test_an_approver_signs_every_part_of_what_was_shown() -> None:
    query = draft()
    approved = regulator.approve(query, "zhang-san", ZHANG, AT)
    for part, signed in zip(query.parts, approved.approvals, strict=True):
        assert signed.statement.sealed_sm3 == number_query.sealed_sm3(part.sealed)
        assert (signed.statement.approver, signed.statement.at) == ("zhang-san", AT)
        opened = number_query.open_query(CARRIERS[part.carrier], part.sealed, part.carrier)
        assert signed.statement.question_sm3 == number_query.question_sm3(opened)
        assert statements.verify(ZHANG.public_key, statements.QUERY, signed.statement, signed.signature)


def test_who_is_shown_another_number_signs_another_question() -> None:
    query = draft()
    shown = query.model_copy(update={"number": "8613800000002"})
    signed = regulator.approve(shown, "zhang-san", ZHANG, AT).approvals[0]
    opened = number_query.open_query(CARRIERS["CMCC"], query.parts[0].sealed, "CMCC")
    assert signed.statement.question_sm3 != number_query.question_sm3(opened)


def test_what_carriers_found_opens_and_what_they_did_not_seal_is_nothing() -> None:
    query = draft()
    opened = number_query.open_query(CARRIERS["CMCC"], query.parts[0].sealed, "CMCC")
    found = number_query.seal_found(opened.answer_key, [bytes(16)])
    outcomes = [
        CarrierOutcome(carrier="CMCC", outcome="ANSWERED", found=found),
        CarrierOutcome(carrier="CUCC", outcome="UNAVAILABLE"),
    ]
    response = NumberQueryResponse(evidence_id=1, outcomes=outcomes, aids=[], joined=[])
    assert regulator.found_by(query, response) == {"CMCC": ["00" * 16]}
    with pytest.raises(number_query.QueryError):
        regulator.found_by(draft(), response)


def test_what_leaves_the_house_is_all_but_the_number() -> None:
    query = draft()
    files = [regulator.approve(query, name, key, AT) for name, key in (("zhang-san", ZHANG), ("li-si", LI))]
    message = regulator.request(query, files)
    assert [len(part.approvals) for part in message.queries] == [2, 2]
    text = message.model_dump_json()
    assert NUMBER not in text
    assert "a complaint" not in text
    assert NUMBER in query.model_dump_json()
    assert query.answer_secret not in text


def test_two_different_people_must_have_signed_every_part() -> None:
    query, other = draft(), draft()
    zhang, li = regulator.approve(query, "zhang-san", ZHANG, AT), regulator.approve(query, "li-si", LI, AT)
    for files in ([zhang], [zhang, zhang], [zhang, regulator.approve(other, "li-si", LI, AT)]):
        with pytest.raises(ValueError, match="2 different people"):
            regulator.request(query, files)
    assert regulator.request(query, [zhang, li])


@pytest.mark.parametrize(
    "changed", [{"number": "+8613800000001"}, {"period_to": 1}, {"enterprise": ""}, {"case": "a b"}]
)
def test_what_is_no_query_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        draft(**changed)
