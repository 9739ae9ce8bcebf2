"""Text in the GSM 7-bit alphabets of 3GPP TS 23.038, and the packing of septets.

`locking` and `single` are national language identifiers (`smpp.gsm_tables`), 0 for the default alphabet and
its extension.
"""

from __future__ import annotations

from functools import cache

from smpp.gsm_tables import (
    DEFAULT_ALPHABET,
    DEFAULT_EXTENSION,
    ESCAPE,
    LOCKING_SHIFT,
    REPLACEMENT,
    SINGLE_SHIFT,
)


@cache
def _octets_of(locking: int, single: int) -> dict[str, bytes]:
    """Character → its septet, or escape and septet. The main table goes first where both have it."""
    main = {
        char: bytes((septet,))
        for septet, char in enumerate(LOCKING_SHIFT[locking])
        if septet != ESCAPE and char != REPLACEMENT
    }
    return {char: bytes((ESCAPE, septet)) for septet, char in SINGLE_SHIFT[single].items()} | main


def is_gsm(text: str) -> bool:
    """Whether every character is in the default alphabet or its extension."""
    octets_of = _octets_of(0, 0)
    return all(char in octets_of for char in text)


def shift_for(text: str) -> tuple[int, int] | None:
    """The (locking, single) pair of one language that takes the text in the fewest septets, (0, 0) before the
    others; None when none takes it. The single shift alone goes before both: it costs less where few need it."""
    best: tuple[int, int, int] | None = None
    for language in SINGLE_SHIFT:
        for locking in dict.fromkeys((0, language if language in LOCKING_SHIFT else 0)):
            octets_of = _octets_of(locking, language)
            try:
                septets = sum(len(octets_of[char]) for char in text)
            except KeyError:
                continue
            # A header of 3 octets for each shift, and its length (23.040, 9.2.3.24.15 and 16).
            header = 3 * ((locking != 0) + (language != 0))
            septets += (8 * (header + 1) + 6) // 7 if header else 0
            if best is None or septets < best[0]:
                best = (septets, locking, language)
    return best[1:] if best is not None else None


def encode_gsm(text: str, *, locking: int = 0, single: int = 0) -> bytes:
    """Septets, one an octet, unpacked. Raises UnicodeEncodeError at the first character that has none,
    KeyError for a language that has no such table."""
    octets_of = _octets_of(locking, single)
    try:
        return b"".join([octets_of[char] for char in text])
    except KeyError:
        at = next(i for i, char in enumerate(text) if char not in octets_of)
        raise UnicodeEncodeError("gsm0338", text, at, at + 1, "not in the GSM alphabet") from None


def decode_gsm(septets: bytes, *, locking: int = 0, single: int = 0) -> str:
    """Text of septets, one an octet. A language that is not known is read as 0. An octet above 0x7F, and a
    place that the table leaves blank, becomes U+FFFD.

    6.2.1.1: an escape before a septet that the extension does not define is shown as the septet's own
    character of the main table; an escape before an escape is a space.
    """
    table = LOCKING_SHIFT.get(locking, DEFAULT_ALPHABET)
    extension = SINGLE_SHIFT.get(single, DEFAULT_EXTENSION)
    out: list[str] = []
    escaped = False
    for septet in septets:
        if septet > 0x7F:
            out.append(REPLACEMENT)
            escaped = False
        elif escaped:
            out.append(" " if septet == ESCAPE else extension.get(septet, table[septet]))
            escaped = False
        elif septet == ESCAPE:
            escaped = True
        else:
            out.append(table[septet])
    return "".join(out)


def pack7(septets: bytes, fill_bits: int = 0) -> bytes:
    """Septets packed eight to seven octets (6.1.2.1), after `fill_bits` (0 to 6) zero bits that align a UDH."""
    value, width = 0, fill_bits
    for septet in septets:
        value |= (septet & 0x7F) << width
        width += 7
    return value.to_bytes((width + 7) // 8, "little")


def unpack7(data: bytes, count: int, fill_bits: int = 0) -> bytes:
    """The first `count` septets of packed data, fewer when it has fewer."""
    value = int.from_bytes(data, "little") >> fill_bits
    count = min(count, max(0, (len(data) * 8 - fill_bits) // 7))
    return bytes([value >> 7 * i & 0x7F for i in range(count)])
