"""User data headers and long messages (23.040, 9.2.3.24; SMPP 3.4, 5.3.2.22 to 24)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smpp.constants import EsmClass, Tag
from smpp.pdu import DataSm, DeliverSm, SubmitSm
from smpp.segmentation import (
    PartInfo,
    Scheme,
    UdhError,
    build_udh,
    parse_udh,
    part_info,
    payload_of,
    split,
    split_octets,
    user_data,
)
from smpp.text import decode_text

element = st.tuples(st.integers(0, 255), st.binary(max_size=20))


@given(st.lists(element, max_size=4), st.binary(max_size=20))
def test_headers_round_trip(elements: list[tuple[int, bytes]], payload: bytes) -> None:
    header = build_udh(elements)
    assert parse_udh(header + payload) == (elements, len(header))


@given(st.binary(max_size=160))
def test_any_octets_never_crash_it(data: bytes) -> None:
    try:
        _, taken = parse_udh(data)
    except UdhError:
        pass
    else:
        assert taken <= len(data)


def test_a_header_longer_than_its_message_is_refused() -> None:
    for data in (b"", b"\x05\x00\x03", b"\x03\x00\x03\x01", b"\x01\x00"):
        with pytest.raises(UdhError):
            parse_udh(data)
    with pytest.raises(UdhError):
        build_udh([(1, b"x" * 139)])


def test_short_text_is_one_part_without_header() -> None:
    (part,) = split("a" * 160, 1)
    assert (part.esm_class, part.data_coding, len(part.short_message)) == (0, 0, 160)
    (part,) = split("你" * 70, 1)
    assert (part.esm_class, part.data_coding, len(part.short_message)) == (0, 8, 140)


@given(st.text(st.sampled_from("ab€[你👍\n"), max_size=600), st.integers(0, 70_000))
def test_parts_join_to_the_text(text: str, reference: int) -> None:
    parts = split(text, reference)
    if len(parts) == 1:
        assert decode_text(parts[0].data_coding, parts[0].short_message) == text
        return
    joined = ""
    for number, part in enumerate(parts, start=1):
        body = SubmitSm(
            esm_class=part.esm_class, data_coding=part.data_coding, short_message=part.short_message
        )
        assert part_info(body) == PartInfo(reference % 256, len(parts), number)
        header, payload = user_data(body)
        assert len(part.short_message) <= (160 if part.data_coding == 0 else 140)
        joined += decode_text(part.data_coding, payload, header)  # each part can be read alone
    assert joined == text
    assert all(part.esm_class == EsmClass.UDHI for part in parts)


def test_binary_is_cut_anywhere_and_255_parts_are_the_most() -> None:
    assert [len(part.short_message) for part in split_octets(b"x" * 300, 1, 4)] == [140, 140, 38]
    with pytest.raises(ValueError):
        split("a" * 153 * 256, 1)


def test_concatenation_with_a_16_bit_reference() -> None:
    udh = build_udh([(0x08, b"\x12\x34\x03\x02")])
    assert part_info(DeliverSm(esm_class=0x40, short_message=udh + b"x")) == PartInfo(0x1234, 3, 2)


def test_sar_tlvs() -> None:
    tlvs = [
        (int(Tag.SAR_MSG_REF_NUM), b"\x01\x02"),
        (int(Tag.SAR_TOTAL_SEGMENTS), b"\x02"),
        (int(Tag.SAR_SEGMENT_SEQNUM), b"\x01"),
    ]
    assert part_info(SubmitSm(tlvs=tlvs)) == PartInfo(0x0102, 2, 1)
    assert part_info(SubmitSm(tlvs=tlvs[:2])) is None


@pytest.mark.parametrize("element", [b"\x07\x02\x00", b"\x07\x02\x03", b"\x07\x00\x00", b"\x07\x02"])
def test_9_2_3_24_1_an_impossible_element_is_ignored(element: bytes) -> None:
    assert part_info(SubmitSm(esm_class=0x40, short_message=build_udh([(0, element)]) + b"x")) is None


def test_the_payload_is_in_one_place_or_the_other() -> None:
    tlvs = [(int(Tag.MESSAGE_PAYLOAD), b"long")]
    assert payload_of(SubmitSm(short_message=b"short", tlvs=tlvs)) == b"long"
    assert payload_of(SubmitSm(short_message=b"short", tlvs=[(Tag.MESSAGE_PAYLOAD, b"")])) == b"short"
    assert payload_of(SubmitSm(tlvs=tlvs)) == b"long"
    assert payload_of(DataSm(tlvs=tlvs)) == b"long"
    assert payload_of(DataSm()) == b""


@pytest.mark.parametrize(("scheme", "room"), [(Scheme.UDH_8, 153), (Scheme.UDH_16, 152), (Scheme.SAR, 160)])
@given(text=st.text(st.sampled_from("ab€["), max_size=500), reference=st.integers(0, 70_000))
@settings(max_examples=40, derandomize=True)
def test_every_scheme_joins_to_the_text(scheme: Scheme, room: int, text: str, reference: int) -> None:
    parts = split(text, reference, scheme=scheme)
    joined = ""
    for number, part in enumerate(parts, start=1):
        body = SubmitSm(esm_class=part.esm_class, short_message=part.short_message, tlvs=list(part.tlvs))
        width = 256 if scheme is Scheme.UDH_8 else 65536
        expected = PartInfo(reference % width, len(parts), number) if len(parts) > 1 else None
        assert part_info(body) == expected
        header, payload = user_data(body)
        assert len(payload) <= (room if expected else 160)
        joined += decode_text(0, payload, header)
    assert joined == text


def test_a_national_shift_is_told_in_every_part() -> None:
    text = "ışıklı " * 60
    for locking, room in ((0, 149), (1, 146)):
        parts = split(text, 9, locking=locking, single=1)
        read = ""
        for part in parts:
            header, payload = user_data(SubmitSm(esm_class=part.esm_class, short_message=part.short_message))
            assert dict(header)[0x24] == b"\x01"
            assert (0x25 in dict(header)) is bool(locking)
            assert len(payload) <= room
            read += decode_text(part.data_coding, payload, header)
        assert read == text
    (short,) = split("ış", 9, single=1)
    assert short.short_message == b"\x03\x24\x01\x01" + b"\x1b\x69\x1b\x73"


def test_a_header_may_not_take_all_the_room() -> None:
    with pytest.raises(UdhError):
        split_octets(b"x" * 200, 1, 4, elements=[(0x05, b"y" * 129)])
