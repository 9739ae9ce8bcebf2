"""Answers are read as the models read them, and equal ones once."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from interparty.client import PeerUnavailable
from interparty.verify_messages import VerifyResponse
from trust_client import answers as module
from trust_client.answers import AnswerReader, Grant, Refused

from .conftest import EDI_ID, grant, refusal

HEAD = {"root": "0" * 64, "count": 1, "at": 0, "signature": "A" * 86}


def body_of(*answers: dict, **changed) -> bytes:
    return json.dumps({"answers": list(answers), "batch": HEAD | changed}, separators=(",", ":")).encode()


def usual(**changed) -> dict:
    """A grant with its fields in the order in which they are usually sent."""
    terms = grant()["grant"]["consent"] | changed
    names = ("access_numbers", "frequency", "hours", "not_after")
    return {"grant": grant()["grant"] | {"consent": {name: terms[name] for name in names}}}


def read(body: bytes):
    return AnswerReader().read(body, len(json.loads(body)["answers"]))


@pytest.fixture
def no_model(monkeypatch):
    monkeypatch.setattr(VerifyResponse, "model_validate_json", None)


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    "numbers", [[], ["10690001"], ["10690001", "10690002"], [f"1069{n:04}" for n in range(20)]]
)
def test_a_grant_in_the_usual_form_is_read_without_the_model(numbers):
    (outcome,) = read(body_of(usual(access_numbers=numbers)))
    assert isinstance(outcome, Grant)
    assert outcome.access_numbers == tuple(numbers)
    assert (outcome.hours, outcome.frequency, outcome.not_after_ms) == (
        "08:00-21:00",
        "20/day",
        1795500000000,
    )
    assert outcome.edi_id.hex() == EDI_ID


@pytest.mark.usefixtures("no_model")
def test_an_answer_that_comes_again_is_the_same_object():
    reader = AnswerReader()
    first = reader.read(body_of(usual(), refusal("REVOKED"), usual()), 3)
    again = reader.read(body_of(usual(), usual(not_after=7)), 2)
    assert first[0] is first[2] is again[0]
    assert first[1] == Refused("REVOKED")
    assert again[1].not_after_ms == 7


@pytest.mark.usefixtures("no_model")
def test_what_is_kept_is_bounded(monkeypatch):
    monkeypatch.setattr(module, "OUTCOMES_MAX", 3)
    monkeypatch.setattr(module, "TERMS_MAX", 3)
    reader = AnswerReader()
    for number in range(1, 12):
        (outcome,) = reader.read(body_of(usual(frequency=f"{number}/day", not_after=number)), 1)
        assert outcome.frequency == f"{number}/day"
        assert max(len(reader._outcomes), len(reader._terms)) <= 3


def test_another_form_of_the_same_answers_means_the_same():
    answers = [usual(), refusal("REVOKED"), usual(access_numbers=[])]
    body = body_of(*answers)
    assert read(json.dumps(json.loads(body), indent=1).encode()) == read(body)
    # Fields in another order.
    assert read(body_of(grant())) == read(body_of(usual()))


@pytest.mark.parametrize(
    "body",
    [
        body_of(usual(hours="8:00-21:00")),
        body_of(usual(access_numbers=["12"])),
        body_of(usual(access_numbers=["123"] * 21)),
        body_of(usual(frequency="0/day")),
        body_of(usual(not_after=-1)),
        body_of(usual(not_after=2**53)),
        body_of(usual(not_after="1")),
        body_of(usual() | refusal("REVOKED")),
        body_of({}),
        body_of(refusal("revoked")),
        body_of(usual(), count="1"),
        body_of(usual(), root="0" * 63),
        body_of(usual(), more=1),
        body_of(usual()).replace(b'"},{', b'"} ,{') + b"}",
        b'{"answers":[{}]}',
        b'{"answers":[{"grant":1}],"batch":',
    ],
)
def test_what_the_model_refuses_is_no_answer(body):
    with pytest.raises(ValidationError):
        VerifyResponse.model_validate_json(body)
    with pytest.raises(PeerUnavailable):
        AnswerReader().read(body, 1)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_as_many_answers_as_questions(count):
    with pytest.raises(PeerUnavailable):
        AnswerReader().read(body_of(usual(), usual()), count)


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_response_spoiled_anywhere_is_read_as_the_model_reads_it(data):
    body = body_of(usual(), refusal("REVOKED"), usual(not_after=1))
    at = data.draw(st.integers(0, len(body) - 1))
    put = data.draw(
        st.sampled_from([b"", b'"', b"}", b"{", b",", b"]", b"0", b"a", b" ", body[at : at + 20] * 2])
    )
    body = body[:at] + put + body[at + 1 :]
    try:
        expected = module._by_model(body)
    except PeerUnavailable:
        with pytest.raises(PeerUnavailable):
            AnswerReader().read(body, 3)
        return
    if len(expected) == 3:
        assert AnswerReader().read(body, 3) == expected
