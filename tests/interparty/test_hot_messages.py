"""What is read and written without models is exactly what the models take and give."""

import json
import re
import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from interparty import hot_messages as hot
from interparty.messages import ITEMS_MAX, Report, ReportRequest
from interparty.verify_messages import StreamAsk, VerifyItem, VerifyRequest, VerifyResponse

AID = "888132341582397708"

# Values that are right, at the edge, and wrong in every way that JSON can carry.
WRONG = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=30), st.floats(allow_nan=False), st.just([]),
    st.sampled_from(['"', "\\", 'a","channel":"sms', "\n", "\x00", "]", "},{", "１２３", "é", "-1", "1.0", ""]),
)  # fmt: skip


def digits(least: int, most: int):
    return st.text(string.digits, min_size=least, max_size=most)


def hexes(size: int):
    return st.text("0123456789abcdef", min_size=size, max_size=size)


PARTY = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True)
NUMBER = digits(3, 20)
COUNT = st.one_of(
    st.integers(0, 2**53 - 1), st.sampled_from([0, 9 * 10**15 - 1, 9 * 10**15, 2**53 - 1, 2**53, -1])
)
QUESTION = {
    "aid": digits(18, 18),
    "enterprise": PARTY,
    "channel": st.sampled_from(["sms", "voice"]),
    "access_number": NUMBER,
    "content_digest": hexes(64),
    "template_id": st.from_regex(r"[A-Za-z0-9._:-]{1,64}", fullmatch=True),
    "template_digest": hexes(64),
}
REPORT = {
    "report_id": st.from_regex(r"[A-Za-z0-9._:-]{1,64}", fullmatch=True),
    "edi_id": hexes(32),
    "enterprise": PARTY,
    "channel": st.sampled_from(["sms", "voice"]),
    "access_number": NUMBER,
    "direction": st.sampled_from(["mt", "mo", "call", "callback"]),
    "result": st.from_regex(r"[A-Z0-9_]{1,64}", fullmatch=True),
    "started_at": COUNT,
    "ended_at": COUNT,
    "content_digest": hexes(64),
}


@st.composite
def objects(draw, right: dict, *, spoil: bool = True):
    """An object of these fields; perhaps one is missing, wrong, or too many."""
    made = {name: draw(values) for name, values in right.items()}
    if draw(st.booleans()):
        del made["content_digest"]
    if "template_id" in made and draw(st.booleans()):
        del made["template_id"], made["template_digest"]
    if spoil and draw(st.integers(0, 3)) == 0:
        name = draw(st.sampled_from([*right, "unknown"]))
        if draw(st.booleans()):
            made.pop(name, None)
        else:
            made[name] = draw(WRONG)
    return made


@st.composite
def bodies(draw, name: str, right: dict):
    """The bytes of a request, in the usual form or another."""
    body = {name: draw(st.lists(objects(right), max_size=4))}
    if draw(st.integers(0, 9)) == 0:
        body["more"] = 1
    separators = draw(st.sampled_from([(",", ":"), (",", ":"), (", ", ": ")]))
    text = json.dumps(body, separators=separators, ensure_ascii=draw(st.booleans()))
    if draw(st.integers(0, 4)) == 0:
        # One place where something is cut, doubled or put in.
        at = draw(st.integers(0, len(text)))
        text = (
            text[:at]
            + draw(st.sampled_from(["", ",", "]", "}", '"', "0", " ", text[at : at + 9]]))
            + (text[at + draw(st.integers(0, 2)) :])
        )
    return text.encode()


def by_model(model, body):
    try:
        return model.model_validate_json(body)
    except ValidationError:
        return None


@given(bodies("items", QUESTION))
@settings(max_examples=150, deadline=None)
def test_questions_are_read_as_the_model_reads_them(body):
    expected = by_model(VerifyRequest, body)
    if expected is None:
        with pytest.raises(ValidationError):
            hot.read_questions(body)
        return
    assert hot.read_questions(body) == [hot.asked_question(item) for item in expected.items]


@given(
    bodies("items", QUESTION),
    st.sampled_from(["1", "0", "01", "-1", "1.0", '"1"', str(2**53 - 1), str(2**53)]),
)
@settings(max_examples=100, deadline=None)
def test_asks_on_the_stream_are_read_as_the_model_reads_them(body, number):
    payload = b'{"ask":' + number.encode() + b"," + body[1:]
    expected = by_model(StreamAsk, payload)
    if expected is None:
        with pytest.raises(ValidationError):
            hot.read_ask(payload)
        return
    assert hot.read_ask(payload) == (expected.ask, [hot.asked_question(item) for item in expected.items])


@given(bodies("reports", REPORT))
@settings(max_examples=150, deadline=None)
def test_reports_are_read_as_the_model_reads_them(body):
    expected = by_model(ReportRequest, body)
    if expected is None:
        with pytest.raises(ValidationError):
            hot.read_reports(body)
        return
    assert hot.read_reports(body) == [hot.sent_report(report) for report in expected.reports]


@given(objects(QUESTION))
@settings(max_examples=150, deadline=None)
def test_a_question_is_written_as_its_model_or_not_at_all(fields):
    if not all(isinstance(fields.get(name, ""), str) for name in QUESTION) or "unknown" in fields:
        return  # no type checker lets that through
    fields = {"aid": "", "enterprise": "", "channel": "", "access_number": ""} | fields
    question = hot.Question(**fields)
    try:
        expected = VerifyItem.model_validate(fields).model_dump_json(exclude_none=True)
    except ValidationError:
        with pytest.raises(ValueError):
            hot.question_text(question)
    else:
        assert hot.question_text(question) == expected


@given(objects(REPORT))
@settings(max_examples=150, deadline=None)
def test_a_report_is_written_as_its_model_or_not_at_all(fields):
    kinds = {name: int if name.endswith("_at") else str for name in REPORT}
    if not all(name in kinds and type(value) is kinds[name] for name, value in fields.items()):
        return
    if fields.keys() | {"content_digest"} != REPORT.keys():
        return
    octets: dict[str, Any] = dict(fields)
    for name in ("edi_id", "content_digest"):
        if name in fields:
            if not re.fullmatch("([0-9a-f]{2})*", fields[name]):
                return  # no octets
            octets[name] = bytes.fromhex(fields[name])
    try:
        expected = Report.model_validate(fields).model_dump_json(exclude_none=True)
    except ValidationError:
        with pytest.raises(ValueError):
            hot.report_text(**octets)
    else:
        assert hot.report_text(**octets) == expected


def test_what_is_written_is_read_again_in_the_usual_form(monkeypatch):
    monkeypatch.setattr(VerifyRequest, "model_validate_json", None)
    monkeypatch.setattr(ReportRequest, "model_validate_json", None)
    questions = [
        hot.Question(AID, "ent-a", "sms", "10690001"),
        hot.Question(AID, "ent-a", "voice", "10690002", "ef" * 32),
        hot.Question(AID, "ent-a", "voice", "10690002", "ef" * 32, "tpl-1", "ab" * 32),
        hot.Question(AID, "ent-a", "voice", "10690002", None, "tpl-1", "ab" * 32),
    ]
    asked = hot.read_questions(hot.questions_body([hot.question_text(one) for one in questions]))
    assert [tuple(one)[2:6] for one in asked] == [one[:4] for one in questions]
    assert [one.content_digest for one in asked] == ["", "ef" * 32, "ef" * 32, ""]
    assert [one.template_id for one in asked] == ["", "", "tpl-1", "tpl-1"]
    assert [one.template_digest for one in asked] == ["", "", "ab" * 32, "ab" * 32]
    # What decides about a contact is the same, whatever is to be said.
    assert asked[1].contact == asked[2].contact == asked[3].contact
    monkeypatch.setattr(StreamAsk, "model_validate_json", None)
    assert hot.read_ask(hot.ask_message(7, [one.text for one in asked])) == (7, asked)
    report = {
        "report_id": "mt-1", "edi_id": "00" * 16, "enterprise": "ent-a", "channel": "sms",
        "access_number": "10690001", "direction": "mt", "result": "DELIVERED", "started_at": 1, "ended_at": 2,
    }  # fmt: skip
    (sent,) = hot.read_reports(hot.reports_body([hot.report_text(**report | {"edi_id": bytes(16)})]))
    assert sent == hot.sent_report(Report.model_validate(report))


def test_more_than_the_cap_is_refused():
    text = hot.question_text(hot.Question(AID, "ent-a", "sms", "10690001"))
    assert len(hot.read_questions(hot.questions_body([text] * ITEMS_MAX))) == ITEMS_MAX
    with pytest.raises(ValidationError):
        hot.read_questions(hot.questions_body([text] * (ITEMS_MAX + 1)))
    with pytest.raises(ValidationError):
        hot.read_questions(hot.questions_body([]))


def test_tails_are_bounded(monkeypatch):
    monkeypatch.setattr(hot, "TAILS_MAX", 3)
    hot._tails.clear()
    for number in range(100, 110):
        assert str(number) in hot.question_text(hot.Question(AID, "ent-a", "sms", str(number)))
        assert len(hot._tails) <= 3


def test_pieces_are_those_of_a_response_in_the_usual_form():
    grant = {
        "edi": "R" * 279, "edi_id": "0" * 32,
        "consent": {
            "access_numbers": ["10690001", "10690002"], "frequency": "20/day", "hours": "08:00-24:00",
            "not_after": 5,
        },
    }  # fmt: skip
    answers = [{"grant": grant}, {"refusal": {"reason": "REVOKED"}}, {"grant": grant}]
    batch = {"root": "0" * 64, "count": 3, "at": 7, "signature": "A" * 86}
    body = json.dumps({"answers": answers, "batch": batch}, separators=(",", ":")).encode()
    assert VerifyResponse.model_validate_json(body)
    pieces = hot.answer_pieces(body)
    assert pieces is not None
    assert [bool(hot.GRANT.fullmatch(piece)) for piece in pieces] == [True, False, True]
    assert hot.REFUSAL.fullmatch(pieces[1])[1] == "REVOKED"
    assert hot.read_batch_head(body) == VerifyResponse.model_validate_json(body).batch
    assert hot.read_batch_head(json.dumps({"answers": answers, "batch": batch}).encode()).count == 3
    for other in (
        json.dumps({"answers": answers, "batch": batch}).encode(),
        body.replace(b"A" * 86, b"A" * 85),
        body + b" ",
        b'{"answers":[],' + body[body.index(b'"batch"') :],
        "{é}".encode(),
    ):
        assert hot.answer_pieces(other) is None
