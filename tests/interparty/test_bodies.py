"""Bodies say what is wrong by place and kind, and repeat nothing of what they got."""

import gc
import json

import pytest
from pydantic import ValidationError

from interparty import bodies
from interparty.carrier_messages import AssertionRequest


def fault(body: dict) -> str:
    with pytest.raises(ValidationError) as error:
        AssertionRequest.model_validate_json(json.dumps(body))
    return bodies.describe(error.value)


def test_faults_name_the_field():
    text = fault({"assertions": [{"edi_id": "c" * 32, "msisdn": "+8613800000001", "at": 1}]})
    assert "assertions.0.msisdn: string_pattern_mismatch" in text
    assert "13800000001" not in text


@pytest.mark.parametrize("name", ["8613800000001", "x" * 100, "a b"])
def test_an_unknown_fields_name_is_not_repeated(name):
    assert name not in fault({"assertions": [], name: 1})


def test_only_the_first_faults_are_named():
    assert fault({"assertions": [{}] * 50}).count("missing") == bodies.FAULTS_MAX


def test_problems_are_rfc_9457_documents():
    assert json.loads(bodies.problem_body(404, "no such AID")) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "no such AID",
    }


def test_a_problem_that_says_no_more_than_its_status_has_no_detail():
    assert "detail" not in json.loads(bodies.problem_body(404, "Not Found"))


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b'{"detail":1}', b"\xff", b"[" * 100_000])
def test_a_document_without_detail_has_none(body):
    # A collection in the depth of a parser's recursion would run into the limit itself.
    gc.disable()
    try:
        assert bodies.problem_detail(body) == ""
    finally:
        gc.enable()


def test_a_detail_is_bounded():
    assert len(bodies.problem_detail(bodies.problem_body(400, "x" * 1000))) == bodies.DETAIL_MAX
