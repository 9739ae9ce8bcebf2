"""The EDI as docs/formats.md describes it, against vectors made by other code."""

import datetime
import json
from pathlib import Path

import pytest

from gm.sm2 import PrivateKey, PublicKey
from gm.sm3 import sm3
from interparty import edi
from interparty.edi import EdiError, EdiHeader, IdType

VECTORS = json.loads((Path(__file__).parent / "data" / "edi.json").read_text())
KEY = PrivateKey.from_bytes(bytes.fromhex(VECTORS["carrier_private_key"]))
PUBLIC = PublicKey.from_bytes(bytes.fromhex(VECTORS["carrier_public_key"]))
NONCE = bytes(range(16))
SEALED = {
    "id_type": IdType.IMSI,
    "identifier": "460001234567890",
    "enterprise": "ent-a",
    "consent_nonce": NONCE,
    "as_of": 20261123,
    "carrier": "CMCC",
    "carrier_key_id": "K001",
}


def sealed_plaintext(plaintext: bytes, header: bytes | None = None) -> bytes:
    """An EDI around a plaintext of our choice, as a hostile sealer would make it."""
    return (header or edi.seal(PUBLIC, **SEALED)[:17]) + PUBLIC.encrypt(plaintext)


def identifier_text(case: dict) -> str:
    """A carrier network identifier is opaque bytes, in the program as hex; the others are text."""
    if case["id_type"] == IdType.CARRIER_NETWORK:
        return case["identifier"]
    return bytes.fromhex(case["identifier"]).decode()


def good_plaintext() -> bytes:
    return KEY.decrypt(edi.seal(PUBLIC, **SEALED)[17:])


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: str(case["id_type"]))
def test_vectors_open(case):
    sealed = bytes.fromhex(case["edi"])
    identifier = edi.open_edi(
        KEY, sealed, enterprise=case["enterprise"], consent_nonce=bytes.fromhex(case["consent_nonce"])
    )
    assert identifier == identifier_text(case)
    assert edi.edi_id(sealed).hex() == case["edi_id"]
    header = EdiHeader.parse(sealed)
    assert header == EdiHeader(
        IdType(case["id_type"]), case["carrier"], case["carrier_key_id"], case["as_of"]
    )
    assert header.to_bytes() == sealed[:17]


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: str(case["id_type"]))
def test_sealing_makes_the_plaintext_of_the_vectors(case):
    sealed = edi.seal(
        PUBLIC,
        id_type=IdType(case["id_type"]),
        identifier=identifier_text(case),
        enterprise=case["enterprise"],
        consent_nonce=bytes.fromhex(case["consent_nonce"]),
        as_of=case["as_of"],
        carrier=case["carrier"],
        carrier_key_id=case["carrier_key_id"],
    )
    assert len(sealed) == edi.LENGTH
    assert sealed[:17] == bytes.fromhex(case["edi"])[:17]
    assert KEY.decrypt(sealed[17:]).hex() == case["plaintext"]


def test_two_edis_of_one_identifier_have_nothing_in_common_but_the_header():
    one, other = edi.seal(PUBLIC, **SEALED), edi.seal(PUBLIC, **SEALED)
    assert one[17:49] != other[17:49]
    assert edi.edi_id(one) != edi.edi_id(other)


def test_edi_id_is_half_of_sm3():
    sealed = edi.seal(PUBLIC, **SEALED)
    assert edi.edi_id(sealed) == sm3(sealed)[:16]


def test_text_form_is_base64url_without_padding():
    sealed = edi.seal(PUBLIC, **SEALED)
    text = edi.to_text(sealed)
    assert len(text) == 279
    assert "=" not in text
    assert edi.from_text(text) == sealed


@pytest.mark.parametrize("change", ["short", "padded", "alphabet", "stray bits"])
def test_other_text_forms_are_refused(change):
    text = edi.to_text(edi.seal(PUBLIC, **SEALED))
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    changed = {
        "short": text[:-4],
        "padded": text + "=",
        "alphabet": "+" + text[1:],
        "stray bits": text[:-1] + last[last.index(text[-1]) | 1],
    }[change]
    with pytest.raises(EdiError):
        edi.from_text(changed)


@pytest.mark.parametrize(
    ("what", "at", "value"),
    [
        ("magic", 0, b"EDI2"),
        ("id type not known", 4, b"\x00"),
        ("id type not the sealed one", 4, b"\x01"),
        ("as-of date not the sealed one", 13, (20261122).to_bytes(4, "big")),
        ("as-of no date", 13, (20261300).to_bytes(4, "big")),
        ("carrier not printable", 5, b"\x00"),
        ("point off the curve", 17, bytes(32)),
        ("C3", 17 + 64, bytes(32)),
        ("C2", 17 + 96, bytes(96)),
    ],
)
def test_an_altered_edi_does_not_open(what, at, value):
    sealed = bytearray(edi.seal(PUBLIC, **SEALED))
    sealed[at : at + len(value)] = value
    with pytest.raises(EdiError, match=r"^EDI does not open$"):
        edi.open_edi(KEY, bytes(sealed), enterprise="ent-a", consent_nonce=NONCE)


@pytest.mark.parametrize(
    ("at", "value"),
    [
        (0, b"\x02"),
        (1, b"\x01"),
        (2, b"\x0e"),
        (2, b"\x10"),
        (2, b"\xff"),
        (3 + 15, b"0"),
        (43, bytes(16)),
        (59, bytes(16)),
        (75, bytes(4)),
        (95, b"\x01"),
        (3, b"a"),
    ],
    ids=[
        "version", "id type", "id too short", "id with a zero", "length beyond the field", "id padding",
        "enterprise", "nonce", "as-of date", "padding", "IMSI with a letter",
    ],
)  # fmt: skip
def test_a_plaintext_that_is_not_as_specified_does_not_open(at, value):
    plaintext = bytearray(good_plaintext())
    plaintext[at : at + len(value)] = value
    with pytest.raises(EdiError, match=r"^EDI does not open$"):
        edi.open_edi(KEY, sealed_plaintext(bytes(plaintext)), enterprise="ent-a", consent_nonce=NONCE)


def test_another_enterprise_nonce_key_or_length_does_not_open():
    sealed = edi.seal(PUBLIC, **SEALED)
    for key, whole, enterprise, nonce in (
        (KEY, sealed, "ent-b", NONCE),
        (KEY, sealed, "ent-a", bytes(16)),
        (PrivateKey.generate(), sealed, "ent-a", NONCE),
        (KEY, sealed[:-1], "ent-a", NONCE),
        (KEY, sealed + b"\x00", "ent-a", NONCE),
        (KEY, b"", "ent-a", NONCE),
    ):
        with pytest.raises(EdiError, match=r"^EDI does not open$"):
            edi.open_edi(key, whole, enterprise=enterprise, consent_nonce=nonce)


@pytest.mark.parametrize(
    "change",
    [
        {"identifier": "46000123456789"},
        {"identifier": "46000123456789a"},
        {"id_type": IdType.OAID, "identifier": "x" * 41},
        {"id_type": IdType.OAID, "identifier": ""},
        {"id_type": IdType.ZHUOXIN, "identifier": "卓"},
        {"id_type": IdType.CARRIER_NETWORK, "identifier": "00FF"},
        {"id_type": IdType.CARRIER_NETWORK, "identifier": "no hex"},
        {"id_type": 7},
        {"consent_nonce": bytes(15)},
        {"as_of": 20260230},
        {"carrier": "CMC"},
        {"carrier": "CMCCX"},
        {"carrier_key_id": "K 01"},
    ],
    ids=str,
)
def test_sealing_refuses_fields_out_of_range(change):
    with pytest.raises(ValueError):
        edi.seal(PUBLIC, **(SEALED | change))


def test_the_date_is_that_of_shanghai():
    before_midnight = datetime.datetime(2026, 11, 23, 15, 59, 59, tzinfo=datetime.UTC)
    assert edi.date_in_shanghai(int(before_midnight.timestamp() * 1000)) == 20261123
    assert edi.date_in_shanghai(int(before_midnight.timestamp() * 1000) + 1000) == 20261124
