"""Messages are strict: what is accepted equals its own dump, so that signatures hold over it."""

import json

import pytest
from pydantic import ValidationError

from interparty import messages as m

CONSENT = {
    "enterprise": "ent-a",
    "service": "订单通知",
    "channels": ["sms", "voice"],
    "access_numbers": ["10690001", "057112345678"],
    "hours": "08:00-21:00",
    "frequency": "20/day",
    "term_from": 1795400000000,
    "term_to": 1795900000000,
    "agreement_version": "2026-11",
    "agreement_sm3": "a" * 64,
    "page_version_sm3": "b" * 64,
    "confirmed_by": "page",
    "proof_sm3": "ef" * 32,
    "edi_ids": ["c" * 32],
    "nonce": "d" * 32,
    "collected_at": 1795450000000,
}


def consent(**changes) -> m.Consent:
    return m.Consent.model_validate_json(json.dumps(CONSENT | changes))


def test_a_consent_equals_its_dump():
    assert consent().fields() == CONSENT


def test_nothing_absent_appears_in_what_is_signed():
    cancelled = m.Cancellation(enterprise="ent-a", edi_id="c" * 32, cause="OPT_OUT", at=1)
    assert cancelled.fields() == {"enterprise": "ent-a", "edi_id": "c" * 32, "cause": "OPT_OUT", "at": 1}


def test_unknown_fields_are_refused():
    with pytest.raises(ValidationError):
        consent(extra=1)


@pytest.mark.parametrize("field", sorted(CONSENT))
def test_every_field_of_a_consent_is_required(field):
    with pytest.raises(ValidationError):
        m.Consent.model_validate({name: value for name, value in CONSENT.items() if name != field})


@pytest.mark.parametrize(
    "change",
    [
        {"term_from": "1795400000000"},
        {"term_from": 1795400000000.0},
        {"term_from": -1},
        {"term_to": 2**53},
        {"channels": []},
        {"channels": ["fax"]},
        {"access_numbers": ["+8610690001"]},
        {"access_numbers": ["1069"] * (m.ACCESS_NUMBERS_MAX + 1)},
        {"hours": "8:00-21:00"},
        {"hours": "24:00-24:00"},
        {"hours": "08:00-24:30"},
        {"frequency": "0/day"},
        {"frequency": "20/year"},
        {"edi_ids": []},
        {"edi_ids": ["c" * 32] * (m.EDIS_MAX + 1)},
        {"edi_ids": ["C" * 32]},
        {"nonce": "d" * 31},
        {"agreement_sm3": "g" * 64},
        {"service": ""},
        {"service": "x" * 201},
        {"enterprise": "ent a"},
        {"enterprise": "ent-a\n"},
    ],
    ids=str,
)
def test_values_out_of_bounds_or_of_another_type_are_refused(change):
    with pytest.raises(ValidationError):
        consent(**change)


@pytest.mark.parametrize("hours", ["08:00-21:00", "00:00-24:00", "21:30-06:00"])
def test_hours_may_be_all_day_and_may_pass_midnight(hours):
    assert consent(hours=hours).hours == hours


@pytest.mark.parametrize("named", [{}, {"aid": "8" * 18, "edi_id": "c" * 32}], ids=["none", "both"])
def test_a_cancellation_names_an_aid_or_an_edi_id(named):
    with pytest.raises(ValidationError):
        m.Cancellation(enterprise="ent-a", cause="USER", at=1, **named)


@pytest.mark.parametrize("answer", [{}, {"aid": "8" * 18, "refusal": {"reason": "EXPIRED"}}])
def test_a_restoration_is_either_aid_or_refusal(answer):
    with pytest.raises(ValidationError):
        m.RestoreAnswer.model_validate(answer)
