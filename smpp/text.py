"""Text of a short message and back, by data_coding (3.4, 5.2.19; 3GPP TS 23.038, 4).

data_coding 0 is the message centre's default alphabet; as peers do, it is taken to be the GSM default
alphabet with one septet an octet.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from smpp.constants import DataCoding
from smpp.gsm import decode_gsm as decode_gsm
from smpp.gsm import encode_gsm as encode_gsm
from smpp.gsm import is_gsm as is_gsm
from smpp.gsm import pack7 as pack7
from smpp.gsm import unpack7 as unpack7

IEI_SINGLE_SHIFT: Final = 0x24
IEI_LOCKING_SHIFT: Final = 0x25

_CODECS: Final[dict[int, str]] = {
    DataCoding.ASCII: "ascii",
    DataCoding.LATIN_1: "latin-1",
    DataCoding.JIS: "shift_jis",
    DataCoding.CYRILLIC: "iso8859-5",
    DataCoding.HEBREW: "iso8859-8",
    DataCoding.UCS2: "utf-16-be",
    DataCoding.ISO_2022_JP: "iso2022-jp",
    DataCoding.EXTENDED_KANJI_JIS: "euc_jp",
    DataCoding.KS_C_5601: "euc_kr",
}
_GSM: Final = "gsm"
_BINARY: Final = "binary"


def encode_text(text: str) -> tuple[int, bytes]:
    """(data_coding, octets): GSM default alphabet when all characters are in it, else UTF-16BE under UCS2."""
    if is_gsm(text):
        return DataCoding.DEFAULT.value, encode_gsm(text)
    return DataCoding.UCS2.value, text.encode("utf-16-be", "replace")


def encode_text_as(text: str, data_coding: int) -> bytes:
    """Octets under that data_coding. Raises UnicodeEncodeError, or ValueError for a binary coding."""
    charset = charset_of(data_coding)
    if charset == _GSM:
        return encode_gsm(text)
    if charset == _BINARY:
        raise ValueError("a binary data_coding carries no text")
    return text.encode(charset)


def charset_of(data_coding: int) -> str:
    """ "gsm", "binary", or the name of a Python codec. A reserved value is read as the default alphabet, as
    23.038, 4 has it."""
    if data_coding in _CODECS:
        return _CODECS[data_coding]
    if data_coding in (DataCoding.OCTET_UNSPECIFIED, DataCoding.OCTET):
        return _BINARY
    # 23.038, 4: 1110 is message waiting in UCS2, 1111 data coding by bit 2, the rest of 11xx the default.
    group = data_coding >> 4
    if group == 0xE:
        return "utf-16-be"
    if group == 0xF:
        return _BINARY if data_coding & 0x04 else _GSM
    return _GSM


def decode_text(data_coding: int, data: bytes, udh: Iterable[tuple[int, bytes]] | None = None) -> str:
    """The text of `data` (without its user data header); "" for a binary coding.

    `udh` are the header's elements: the national language shifts in them (IEI 24 and 25) apply. Never raises:
    what cannot be read becomes U+FFFD.
    """
    charset = charset_of(data_coding)
    if charset == _BINARY:
        return ""
    if charset != _GSM:
        return data.decode(charset, "replace")
    shifts = {iei: value[0] for iei, value in udh or () if value}
    return decode_gsm(data, locking=shifts.get(IEI_LOCKING_SHIFT, 0), single=shifts.get(IEI_SINGLE_SHIFT, 0))
