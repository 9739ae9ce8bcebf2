"""The fast answer never says "clean" of octets in which the whole search finds a number."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from masking.encodings import READERS, WRAPPERS, Numbers, find, first
from masking.needles import needles
from masking.screen import Screen
from masking.smpp_leg import ReceiptModel, build_receipt, guarded_fields
from smpp.constants import MessageState
from tests.masking.writings import wrapped, written

MSISDN = "8613812345678"
IMSI = "460001234567895"
IMEI = "352099001761481"
AID = "888112345678901234"
NUMBERS = (MSISDN, IMSI, IMEI)

RECEIPT = (
    b"888112345678901234\n10690001\nid:0197b2c3d4e5f607 sub:001 dlvrd:001 submit date:2511240900 "
    b"done date:2511240901 stat:DELIVRD err:000 text:\n\x000197b2c3d4e5f607\x00\n\x02"
)
INVITE = (
    f"INVITE sip:{AID}@aid.example SIP/2.0\r\nVia: SIP/2.0/TLS 192.0.2.1:5061;branch=z9hG4bK77Asdh+/ds=;rport\r\n"
    f'From: "您好" <sip:{AID}@aid.example>;tag=9fxced76sl\r\nCall-ID: 3848276298220188511%40example\r\n\r\n'
).encode()
SDP = (
    b"v=0\r\no=- 1763946123456 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    b"m=audio 40000 RTP/AVP 8 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
    b"a=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
)

mobile = st.integers(0, 10**10 - 1).map(lambda rest: f"861{rest:010}")
number = st.one_of(
    mobile,
    st.integers(0, 10**12 - 1).map(lambda rest: f"460{rest:012}"),
    st.sampled_from(NUMBERS),
    st.text("0123456789", min_size=7, max_size=20),
)
field = st.one_of(st.binary(max_size=300), st.sampled_from([RECEIPT, INVITE, SDP]))
property_test = settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])


def planted(into: bytes, what: bytes, at: int) -> bytes:
    at %= len(into) + 1
    return into[:at] + what + into[at:]


@property_test
@given(st.data(), number, field, st.integers(0, 10**6))
def test_what_the_whole_search_finds_is_suspected(
    data: st.DataObject, secret: str, into: bytes, at: int
) -> None:
    what = data.draw(wrapped(data.draw(written(secret))))
    haystack = planted(into, what, at)
    found = first(haystack, Numbers([secret]))
    if found is not None:
        assert Screen([secret]).suspects(haystack), (found, haystack)
    assert Screen([secret]).first(haystack) == found


@property_test
@given(st.data(), st.lists(number, min_size=2, max_size=3), field, st.integers(0, 10**6))
def test_one_of_several_numbers_is_suspected(
    data: st.DataObject, secrets: list[str], into: bytes, at: int
) -> None:
    haystack = planted(into, data.draw(wrapped(data.draw(written(data.draw(st.sampled_from(secrets)))))), at)
    if first(haystack, Numbers(secrets)) is not None:
        assert Screen(secrets).suspects(haystack), haystack


@pytest.mark.parametrize("secret", NUMBERS)
@pytest.mark.parametrize("into", [b"", RECEIPT, INVITE, SDP, random.Random(3).randbytes(2000)])
def test_every_needle_is_suspected_at_any_place(secret: str, into: bytes) -> None:
    chance = random.Random(len(into))
    screen, together = Screen([secret]), Screen(NUMBERS)
    for needle in needles(secret):
        haystack = planted(into, needle.data, chance.randrange(10**6))
        assert screen.suspects(haystack), needle.encoding
        assert together.suspects(haystack), needle.encoding


@property_test
@given(st.binary(max_size=2000))
def test_where_the_whole_search_finds_nothing_the_screen_finds_nothing(data: bytes) -> None:
    assert (Screen(NUMBERS).first(data) is None) == (find(data, Numbers(NUMBERS)) == [])


@pytest.mark.parametrize("field", [RECEIPT, INVITE, SDP])
def test_what_a_message_is_made_of_is_clean_at_once(field: bytes) -> None:
    assert not Screen(NUMBERS).suspects(field)


def test_receipts_are_clean_at_once() -> None:
    """None of a thousand needs the whole search: it would cost a hundred times as much."""
    chance = random.Random(5)
    for _ in range(1000):
        digits = chance.choice(("0123456789abcdef", "0123456789ABCDEF", "0123456789"))
        model = ReceiptModel(
            aid="888" + "".join(chance.choices("0123456789", k=15)),
            access_number="1069" + "".join(chance.choices("0123456789", k=6)),
            message_id="".join(chance.choices(digits, k=16)),
            state=MessageState.DELIVERED,
            submitted_at=chance.randrange(1 << 41),
            done_at=chance.randrange(1 << 41),
        )
        octets = b"\n".join(guarded_fields(build_receipt(model)).values())
        assert not Screen([f"861{chance.randrange(10**10):010}"]).suspects(octets)


@settings(deadline=None, max_examples=300)
@given(st.integers(7, 20), st.data())
def test_a_short_decimal_word_holds_no_number_in_base64(shortest: int, data: st.DataObject) -> None:
    """So dates and short codes are not decoded."""
    word = data.draw(st.text("0123456789", min_size=1, max_size=shortest - 1)).encode()
    for _, content in WRAPPERS["base64"](word, 7):
        assert b"\0" not in content
        for reader in READERS.values():
            assert list(reader(content, shortest)) == []
        for name, unwrap in WRAPPERS.items():
            insides = [inside for _, inside in unwrap(content, shortest)]
            assert name == "gsm septets" or insides == []
            assert all(list(READERS["ascii"](inside, shortest)) == [] for inside in insides)


def test_no_numbers_are_nowhere() -> None:
    assert not Screen([]).suspects(RECEIPT)
    assert Screen([]).first(RECEIPT) is None


@pytest.mark.parametrize("wrong", ["", "12345", "abc", "1381234567x"])
def test_what_is_no_number_cannot_be_looked_for(wrong: str) -> None:
    with pytest.raises(ValueError):
        Screen([wrong])
