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


@pytest.mark.parametrize("number", [SECRETS.msisdn, SECRETS.imsi, SECRETS.imei])
def test_a_message_passes_whole_only_without_a_secret(number: str) -> None:
    guard = EgressGuard()
    assert guard.passes(b"888112345678901234\n10690001\nstat:DELIVRD", SECRETS)
    for needle in needles(number):
        assert not guard.passes(b"10690001\n" + needle.data + b"\nstat:DELIVRD", SECRETS), needle.encoding
    assert guard.alarms == 0


def test_only_the_fields_with_a_hit_are_named_among_many() -> None:
    fields = {
        "a": b"888112345678901234",
        "b": b"8613812345678",
        "c": b"stat:DELIVRD",
        "d": "\uff11" * 3,
        "e": b"",
    }
    assert EgressGuard().check("smpp", fields, SECRETS) == {"b"}


def test_a_number_cut_in_two_by_fields_is_in_none() -> None:
    assert EgressGuard().check("smpp", {"a": b"8613812", "b": b"345678"}, SECRETS) == set()


def test_without_numbers_nothing_is_a_hit() -> None:
    assert EgressGuard().check("smpp", {"a": b"8613812345678"}, Secrets("")) == set()
    assert EgressGuard().passes(b"8613812345678", Secrets(""))
