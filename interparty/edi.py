"""The encrypted device identifier (EDI): an identifier sealed to one carrier for one consent.

209 bytes: a clear header of 17 and an SM2 ciphertext over 96 bytes that bind identifier, enterprise,
consent nonce and as-of date. SM2 is randomised, so two EDIs of one person have nothing in common.
See docs/formats.md, "EDI".
"""

import datetime
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self

from gm.errors import GmError
from gm.sm2 import PrivateKey, PublicKey
from gm.sm3 import sm3
from interparty.text import b64url_decode, b64url_encode

LENGTH: Final = 209
HEADER_BYTES: Final = 17
ID_BYTES_MAX: Final = 40
NONCE_BYTES: Final = 16
EDI_ID_BYTES: Final = 16

_MAGIC: Final = b"EDI1"
_HEADER: Final = struct.Struct(">4sB4s4sI")
_PLAINTEXT: Final = struct.Struct(">BBB40s16s16sI17s")
_PLAINTEXT_VERSION: Final = 1
_SHANGHAI: Final = datetime.timezone(datetime.timedelta(hours=8))


class EdiError(Exception):
    """An EDI that is malformed or does not open. The text is the same whatever the cause."""

    def __init__(self) -> None:
        super().__init__("EDI does not open")


class IdType(IntEnum):
    """What kind of identifier is sealed (T/ISC 0049, 6.1.1.3)."""

    IMEI = 1
    IMSI = 2
    OAID = 3
    IDFA = 4
    ZHUOXIN = 5
    CARRIER_NETWORK = 6


DIGITS_OF: Final = {IdType.IMEI: 15, IdType.IMSI: 15}
"""Identifier types that are decimal, with their length."""


@dataclass(frozen=True, slots=True)
class EdiHeader:
    """What everyone may read of an EDI: for which carrier and key, of what type and as-of date.

    It is not authenticated by itself: opening compares it with what is sealed inside.
    """

    id_type: IdType
    carrier: str
    """Carrier id, 4 ASCII characters."""
    carrier_key_id: str
    """Which of the carrier's EDI keys it is sealed to, 4 ASCII characters."""
    as_of: int
    """The day on which the identifier was read, YYYYMMDD in Asia/Shanghai."""

    @classmethod
    def parse(cls, edi: bytes) -> Self:
        """Read the header of a whole EDI. Raises EdiError unless length and every field are right."""
        if len(edi) != LENGTH:
            raise EdiError
        magic, id_type, carrier, key_id, as_of = _HEADER.unpack_from(edi)
        if magic != _MAGIC or not is_date(as_of) or not (_printable(carrier) and _printable(key_id)):
            raise EdiError
        try:
            return cls(IdType(id_type), carrier.decode("ascii"), key_id.decode("ascii"), as_of)
        except ValueError:
            raise EdiError from None

    def to_bytes(self) -> bytes:
        """The 17 header bytes."""
        return _HEADER.pack(
            _MAGIC,
            self.id_type,
            self.carrier.encode("ascii"),
            self.carrier_key_id.encode("ascii"),
            self.as_of,
        )


def _printable(field: bytes) -> bool:
    return all(0x21 <= byte <= 0x7E for byte in field)


def is_date(yyyymmdd: int) -> bool:
    """Whether the integer names a day of the calendar as YYYYMMDD."""
    try:
        datetime.date(yyyymmdd // 10000, yyyymmdd // 100 % 100, yyyymmdd % 100)
    except ValueError:
        return False
    return yyyymmdd >= 1000_01_01


def date_in_shanghai(at_ms: int) -> int:
    """The YYYYMMDD date in Asia/Shanghai (UTC+8, no daylight saving) of a time in ms since the epoch."""
    day = datetime.datetime.fromtimestamp(at_ms / 1000, _SHANGHAI)
    return day.year * 10000 + day.month * 100 + day.day


def _sealed_fields(identifier: bytes, id_type: int, enterprise: str, nonce: bytes, as_of: int) -> bytes:
    return _PLAINTEXT.pack(
        _PLAINTEXT_VERSION,
        id_type,
        len(identifier),
        identifier,
        sm3(enterprise.encode())[:16],
        nonce,
        as_of,
        b"",
    )


def _identifier_fits(id_type: IdType, identifier: bytes) -> bool:
    digits = DIGITS_OF.get(id_type)
    if digits is not None:
        return len(identifier) == digits and identifier.isdigit()
    if id_type is IdType.CARRIER_NETWORK:  # opaque bytes, whatever the carrier's network made
        return 0 < len(identifier) <= ID_BYTES_MAX
    return 0 < len(identifier) <= ID_BYTES_MAX and _printable(identifier)


def _identifier_bytes(id_type: IdType, identifier: str) -> bytes:
    if id_type is IdType.CARRIER_NETWORK:
        raw = bytes.fromhex(identifier)
        if raw.hex() != identifier:
            raise ValueError("not lower-case hex")
        return raw
    return identifier.encode("ascii")


def seal(
    public_key: PublicKey,
    *,
    id_type: IdType,
    identifier: str,
    enterprise: str,
    consent_nonce: bytes,
    as_of: int,
    carrier: str,
    carrier_key_id: str,
) -> bytes:
    """Seal `identifier` to the carrier's EDI key, where the identifier is collected. Returns 209 bytes.

    `identifier` is 15 digits for IMEI and IMSI, the lower-case hex of 1 to 40 bytes for a carrier network
    identifier, else 1 to 40 printable ASCII characters; `consent_nonce` is the consent's 16
    bytes; `as_of` is today in Asia/Shanghai as YYYYMMDD; `carrier` and `carrier_key_id` are 4 printable
    ASCII characters. Raises ValueError for anything else.
    """
    try:
        id_type = IdType(id_type)
        clear = _identifier_bytes(id_type, identifier)
        header = EdiHeader(id_type, carrier, carrier_key_id, as_of).to_bytes()
    except (ValueError, struct.error):
        raise ValueError("EDI field out of range") from None
    names = header[5:13]
    if not _identifier_fits(id_type, clear) or len(carrier) != 4 or len(carrier_key_id) != 4:
        raise ValueError("EDI field out of range")
    if not _printable(names) or len(consent_nonce) != NONCE_BYTES or not is_date(as_of):
        raise ValueError("EDI field out of range")
    return header + public_key.encrypt(_sealed_fields(clear, id_type, enterprise, consent_nonce, as_of))


def open_edi(private_key: PrivateKey, edi: bytes, *, enterprise: str, consent_nonce: bytes) -> str:
    """Open an EDI inside the carrier and return the identifier, in the form that `seal` takes.

    Raises EdiError, the same for all causes: point off the curve, C3 that does not match, another
    version, padding that is not zero, or id type, as-of date, enterprise or nonce that differ from the
    header or the deposit.
    """
    header = EdiHeader.parse(edi)
    try:
        opened = private_key.decrypt(edi[HEADER_BYTES:])
    except GmError:
        raise EdiError from None
    if len(opened) != _PLAINTEXT.size or len(consent_nonce) != NONCE_BYTES:
        raise EdiError
    identifier = opened[3 : 3 + min(opened[2], ID_BYTES_MAX)]
    # Building what the plaintext must be and comparing all of it leaves no field unchecked.
    if opened != _sealed_fields(identifier, header.id_type, enterprise, consent_nonce, header.as_of):
        raise EdiError
    if not _identifier_fits(header.id_type, identifier):
        raise EdiError
    return identifier.hex() if header.id_type is IdType.CARRIER_NETWORK else identifier.decode("ascii")


def edi_id(edi: bytes) -> bytes:
    """The 16 bytes under which results of a communication go back to the trust party: SM3(EDI)[:16]."""
    return sm3(edi)[:EDI_ID_BYTES]


def to_text(edi: bytes) -> str:
    """The wire text of an EDI: base64url without padding, 279 characters."""
    return b64url_encode(edi)


def from_text(text: str) -> bytes:
    """The EDI of a wire text. Raises EdiError unless it is canonical and 209 bytes long."""
    try:
        edi = b64url_decode(text)
    except ValueError:
        raise EdiError from None
    if len(edi) != LENGTH:
        raise EdiError
    return edi
