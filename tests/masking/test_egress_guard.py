"""The second lock: a number in a field that the gateway introduced drops that field."""

import pytest

from masking.egress_guard import Alarm, EgressGuard, Secrets
from masking.needles import needles

SECRETS = Secrets("8613812345678", imsi="460001234567895", imei="352099001761481")


def test_clean_fields_pass_without_alarm() -> None:
    guard = EgressGuard()
    assert (
        guard.check("smpp", {"source_addr": b"888112345678901234", "text": "stat:DELIVRD"}, SECRETS) == set()
    )
    assert guard.alarms == 0


def test_a_hit_names_its_field_and_raises_an_alarm_without_the_number() -> None:
    alarms: list[Alarm] = []
    guard = EgressGuard(alarms.append)
    fields = {"From": "<sip:888112345678901234@aid>", "Contact": "<sip:+8613812345678@gw>"}
    assert guard.check("sip", fields, SECRETS) == {"Contact"}
    assert alarms == [Alarm("sip", "Contact", "ascii")]
    assert guard.alarms == 1


@pytest.mark.parametrize("number", [SECRETS.msisdn, SECRETS.imsi, SECRETS.imei])
def test_every_encoding_of_every_secret_is_caught(number: str) -> None:
    for needle in needles(number):
        assert EgressGuard().check("smpp", {"field": needle.data}, SECRETS) == {"field"}, needle.encoding


def test_another_persons_number_is_not_this_transactions_secret() -> None:
    assert EgressGuard().check("sip", {"To": "<sip:+8613900000000@gw>"}, Secrets("8613812345678")) == set()
