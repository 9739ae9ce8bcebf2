"""Whose number an address is, and from where an account may send."""

from dataclasses import replace

from gateway.access_number import AccessNumberRow
from gateway.accounts.access_numbers import sms_number, source_of

MINE = AccessNumberRow("1069", "ent-a", "sms-a", "pbx-a")
TEXTS = AccessNumberRow("1070", "ent-a", "sms-a", None)
THEIRS = AccessNumberRow("1071", "ent-b", "sms-b", "pbx-b")


def of(*numbers: AccessNumberRow) -> dict[str, AccessNumberRow]:
    return {row.number: row for row in numbers}


def test_a_message_comes_from_a_number_of_its_own_account() -> None:
    numbers = of(MINE, THEIRS)
    assert source_of(numbers, "sms-a", "1069") == ("1069", MINE)
    assert source_of(numbers, "sms-a", "1071") is None
    assert source_of(numbers, "sms-a", "1099") is None


def test_an_empty_source_is_the_accounts_one_number() -> None:
    assert source_of(of(MINE, THEIRS), "sms-a", "") == ("1069", MINE)
    assert source_of(of(MINE, TEXTS), "sms-a", "") is None
    assert source_of(of(THEIRS), "sms-a", "") is None


def test_an_address_means_the_longest_number_that_it_begins_with() -> None:
    calls = AccessNumberRow("10698801", "ent-a", None, "pbx-a")
    short, long = replace(MINE, number="106988"), replace(THEIRS, number="10698802")
    numbers = of(short, long, calls)
    assert sms_number(numbers, "10698802") == sms_number(numbers, "1069880277") == long
    assert sms_number(numbers, "1069880") == short
    assert sms_number(numbers, "106988013") == short  # the number of calls is for no text
    assert sms_number(numbers, "10698") is None
    assert sms_number(numbers, "") is None


def test_an_enterprise_appends_as_many_digits_as_it_may() -> None:
    numbers = of(replace(MINE, extension_digits=2), replace(TEXTS, sms_account="sms-b"))
    for source in ("1069", "10691", "106912"):
        assert source_of(numbers, "sms-a", source) == (source, numbers["1069"])
    for source in ("1069123", "1069a", "1069１", "10701", "106"):
        assert source_of(numbers, "sms-a", source) is None
