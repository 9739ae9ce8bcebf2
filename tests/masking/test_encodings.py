"""A number is found however it is written, and nothing else is."""

import random
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from masking.encodings import Hit, Numbers, carries, core_of, find, first
from masking.needles import Needle, needles

MSISDN = "8613812345678"
IMSI = "460001234567895"
IMEI = "352099001761481"
AID = "888112345678901234"
NUMBERS = Numbers([MSISDN, IMSI, IMEI])


@pytest.mark.parametrize(
    ("index", "needle"),
    [(index, needle) for index, number in enumerate((MSISDN, IMSI, IMEI)) for needle in needles(number)],
    ids=lambda value: value.encoding if isinstance(value, Needle) else str(value),
)
def test_each_encoding_is_found_wherever_it_stands(index: int, needle: Needle) -> None:
    for before, after in ((b"", b""), (b"\x01\xff\xfe", b"\xfe"), (b'{"x":"', b'"}'), (b"abc=", b"&d")):
        hits = find(before + needle.data + after, NUMBERS)
        assert index in {hit.index for hit in hits}, needle.encoding


def test_every_random_number_in_every_encoding_is_found() -> None:
    chance = random.Random(7)
    for _ in range(5):
        number = "861" + "".join(chance.choices("0123456789", k=10))
        numbers = Numbers([number])
        assert [needle.encoding for needle in needles(number) if not find(needle.data, numbers)] == []


def test_the_check_digit_of_an_imei_does_not_hide_it() -> None:
    """GSMA: as +sip.instance the last digit is written 0."""
    assert carries(b'"<urn:gsma:imei:35209900-176148-0>"', IMEI) == "ascii"


def test_what_encoding_it_was_is_told_with_its_place() -> None:
    assert find(b"From: <sip:+8613812345678@ims>", NUMBERS)[0] == Hit("ascii", 12, 0)
    assert carries(MSISDN.encode("utf-16-be"), MSISDN) == "utf-16-be"
    assert carries(b"x" * 5, MSISDN) is None


@pytest.mark.parametrize("number", [MSISDN, IMSI, IMEI])
def test_the_first_hit_is_the_first_of_all(number: str) -> None:
    numbers = Numbers([number])
    for needle in needles(number):
        assert first(needle.data, numbers) == find(needle.data, numbers)[0]
    assert first(AID.encode(), numbers) is None


def test_wrappers_within_wrappers_are_taken_off() -> None:
    import base64

    assert carries(base64.b64encode(MSISDN.encode().hex().encode()), MSISDN) == "base64 of hex of ascii"


def test_an_aid_and_other_traffic_is_no_number() -> None:
    text = (
        f"INVITE sip:{AID}@aid.example SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK776asdhds\r\n"
        "o=- 1763946123456 1 IN IP4 127.0.0.1\r\na=rtpmap:101 telephone-event/8000\r\n"
        "id:1234567890123 sub:001 dlvrd:001 submit date:2511240101 done date:2511240101 stat:DELIVRD err:000"
    )
    assert find(text.encode(), NUMBERS) == []
    assert find(random.Random(3).randbytes(20_000), NUMBERS) == []


def test_many_numbers_are_looked_for_at_once() -> None:
    many = Numbers(f"86139{index:08}" for index in range(20_000))
    data = b"a" * 1000 + b"8613900012345" + b"\x80\x00" * 500 + b"0013900019999;"
    assert {hit.index for hit in find(data, many)} == {12345, 19999}


def test_hits_are_bounded() -> None:
    assert len(find((MSISDN + " x ").encode() * 50, NUMBERS, limit=7)) == 7


@given(st.binary(max_size=400))
def test_any_bytes_are_searched(data: bytes) -> None:
    find(data, NUMBERS)


@pytest.mark.parametrize("wrong", ["", "12345", "abc", "1381234567x"])
def test_what_is_no_number_is_not_looked_for(wrong: str) -> None:
    with pytest.raises(ValueError):
        core_of(wrong)


def test_no_numbers_find_nothing() -> None:
    assert find(secrets.token_bytes(10), Numbers([])) == []
