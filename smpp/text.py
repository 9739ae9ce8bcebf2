"""Text of a short message and back, by data_coding (3.4, 5.2.19; 3GPP TS 23.038, 4).

data_coding 0 is the message centre's default alphabet; as peers do, it is taken to be the GSM default
alphabet with one septet an octet.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from smpp.constants import DataCoding
from smpp.data_coding import BINARY, GSM
from smpp.data_coding import charset_of as charset_of
from smpp.gsm import decode_gsm as decode_gsm
from smpp.gsm import encode_gsm as encode_gsm
from smpp.gsm import is_gsm as is_gsm
from smpp.gsm import pack7 as pack7
from smpp.gsm import unpack7 as unpack7
from smpp.udh import Iei

IEI_SINGLE_SHIFT: Final = Iei.NATIONAL_SINGLE_SHIFT.value
IEI_LOCKING_SHIFT: Final = Iei.NATIONAL_LOCKING_SHIFT.value


def encode_text(text: str) -> tuple[int, bytes]:
    """(data_coding, octets): GSM default alphabet when all characters are in it, else UTF-16BE under UCS2."""
    if is_gsm(text):
        return DataCoding.DEFAULT.value, encode_gsm(text)
    return DataCoding.UCS2.value, text.encode("utf-16-be", "replace")


def encode_text_as(text: str, data_coding: int) -> bytes:
    """Octets under that data_coding. Raises UnicodeEncodeError, or ValueError for a binary coding."""
    charset = charset_of(data_coding)
    if charset == GSM:
        return encode_gsm(text)
    if charset == BINARY:
        raise ValueError("a binary data_coding carries no text")
    return text.encode(charset)


def decode_text(data_coding: int, data: bytes, udh: Iterable[tuple[int, bytes]] | None = None) -> str:
    """The text of `data` (without its user data header); "" for a binary coding.

    `udh` are the header's elements: the national language shifts in them (IEI 24 and 25) apply. Never raises:
    what cannot be read becomes U+FFFD.
    """
    charset = charset_of(data_coding)
    if charset == BINARY:
        return ""
    if charset != GSM:
        return data.decode(charset, "replace")
    shifts = {iei: value[0] for iei, value in udh or () if value}
    return decode_gsm(data, locking=shifts.get(IEI_LOCKING_SHIFT, 0), single=shifts.get(IEI_SINGLE_SHIFT, 0))
