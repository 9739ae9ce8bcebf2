"""What a data_coding says (3.4, 5.2.19; 3GPP TS 23.038, 4): alphabet, message class, message waiting."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from smpp.constants import DataCoding

GSM: Final = "gsm"
BINARY: Final = "binary"
UCS2: Final = "utf-16-be"

_CODECS: Final[dict[int, str]] = {
    DataCoding.DEFAULT: GSM,
    DataCoding.ASCII: "ascii",
    DataCoding.OCTET_UNSPECIFIED: BINARY,
    DataCoding.LATIN_1: "latin-1",
    DataCoding.OCTET: BINARY,
    DataCoding.JIS: "shift_jis",
    DataCoding.CYRILLIC: "iso8859-5",
    DataCoding.HEBREW: "iso8859-8",
    DataCoding.UCS2: UCS2,
    DataCoding.ISO_2022_JP: "iso2022-jp",
    DataCoding.EXTENDED_KANJI_JIS: "euc_jp",
    DataCoding.KS_C_5601: "euc_kr",
}
_ALPHABETS: Final = (GSM, BINARY, UCS2, GSM)
"""23.038, 4: bits 3 and 2 of the general groups; 11 is reserved and read as the default alphabet."""


class Waiting(IntEnum):
    """23.038, 4, groups 1100 to 1110, bits 1 and 0: what waits for the subscriber."""

    VOICEMAIL = 0
    FAX = 1
    EMAIL = 2
    OTHER = 3


@dataclass(frozen=True, slots=True)
class Meaning:
    """One data_coding taken apart."""

    charset: str
    """"gsm", "binary", or the name of a Python codec."""
    message_class: int | None = None
    """0 is shown at once and not kept, 1 to 3 say where it is kept; None says nothing."""
    waiting: Waiting | None = None
    """What the message waiting indication is of; None when this is none."""
    active: bool = False
    """Whether the indication is to be set, not cleared."""
    discard: bool = False
    """The text may be thrown away: only the indication counts."""


def _meaning(data_coding: int) -> Meaning:
    if data_coding < 0x10:
        # SMPP's own values. One that it reserves is read as the default alphabet.
        return Meaning(_CODECS.get(data_coding, GSM))
    group = data_coding >> 4
    if group < 0x8:
        # 00xx general and 01xx marked for automatic deletion, as peers pass them on from the radio side
        # (0x10, 0x18: shown at once). Bit 5: compressed, which nobody here can read. Bit 4: bits 1 and 0
        # are a class.
        charset = BINARY if data_coding & 0x20 else _ALPHABETS[data_coding >> 2 & 3]
        return Meaning(charset, data_coding & 3 if data_coding & 0x10 else None)
    if group < 0xC:
        return Meaning(GSM)  # 1000 to 1011 are reserved
    if group == 0xF:
        return Meaning(BINARY if data_coding & 0x04 else GSM, data_coding & 3)
    return Meaning(
        UCS2 if group == 0xE else GSM,
        waiting=Waiting(data_coding & 3),
        active=bool(data_coding & 0x08),
        discard=group == 0xC,
    )


_MEANINGS: Final = tuple(_meaning(data_coding) for data_coding in range(256))


def meaning_of(data_coding: int) -> Meaning:
    """What a data_coding of 0 to 255 says."""
    return _MEANINGS[data_coding]


def charset_of(data_coding: int) -> str:
    """ "gsm", "binary", or the name of a Python codec."""
    return _MEANINGS[data_coding].charset
