"""The user data header: lengths that must agree, elements in order (3GPP TS 23.040, 9.2.3.24)."""

import pytest

from smpp.udh import USER_DATA_OCTETS, Iei, UdhError, build_udh, parse_udh


def test_what_was_built_is_read_back_and_the_text_begins_after_it() -> None:
    elements = [(Iei.CONCATENATED_8, b"\x07\x02\x01"), (0x70, b""), (Iei.CONCATENATED_8, b"\x01\x01\x01")]
    header = build_udh(elements)
    assert parse_udh(header + b"text") == (elements, len(header))


def test_octets_are_those_of_the_specification() -> None:
    assert build_udh([(Iei.CONCATENATED_8, b"\x07\x02\x01")]) == bytes.fromhex("050003070201")


def test_a_header_may_be_empty() -> None:
    assert parse_udh(b"\x00text") == ([], 1)


@pytest.mark.parametrize("data", [b"", b"\x05\x00\x03", b"\x01\x00", b"\x03\x00\x05\x01"])
def test_lengths_that_do_not_agree_are_an_error(data: bytes) -> None:
    with pytest.raises(UdhError):
        parse_udh(data)


def test_a_header_longer_than_a_message_is_not_built() -> None:
    with pytest.raises(UdhError):
        build_udh([(0x70, bytes(USER_DATA_OCTETS))])
