"""What is planted to prove the search: every needle holds the number, in an encoding of its own."""

import base64

import pytest

from masking.needles import needles

MSISDN = "8613812345678"
IMSI = "460001234567895"


@pytest.mark.parametrize("number", [MSISDN, IMSI])
def test_names_and_bytes_are_different_from_one_another(number: str) -> None:
    planted = needles(number)
    names = [needle.encoding for needle in planted]
    assert len(names) == len(set(names)) > 60
    assert all(needle.data for needle in planted)


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("ascii as it is", b"8613812345678"),
        ("ascii national", b"13812345678"),
        ("ascii 0086", b"008613812345678"),
        ("ascii reversed", b"8765432183168"),
        ("ucs-2 be as it is", MSISDN.encode("utf-16-be")),
        ("chinese utf-8", "八六一三八一二三四五六七八".encode()),
        ("bcd swapped at nibble 0, filler f", bytes.fromhex("6831183254 76f8".replace(" ", ""))),
        ("u64 be", int(MSISDN).to_bytes(8)),
        ("base64 of ascii at octet 0", base64.b64encode(b"8613812345678z")),
        ("percent", b"%38%36%31%33%38%31%32%33%34%35%36%37%38"),
    ],
)  # fmt: skip
def test_an_encoding_is_what_it_is_called(encoding: str, data: bytes) -> None:
    assert {needle.encoding: needle.data for needle in needles(MSISDN)}[encoding] == data


def test_only_a_telephone_number_has_national_forms() -> None:
    assert not [needle for needle in needles(IMSI) if needle.encoding.endswith(("national", "+86"))]


@pytest.mark.parametrize("text", ["", "abc", "12"])
def test_what_is_no_number_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):
        needles(text)
