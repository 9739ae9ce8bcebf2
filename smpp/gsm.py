"""Alphabets of 3GPP TS 23.038: the GSM 7-bit default alphabet, its extension, the Turkish, Spanish and
Portuguese national language tables, and the packing of septets."""

from __future__ import annotations

from typing import Final

ESCAPE: Final = 0x1B
REPLACEMENT: Final = "\ufffd"

TURKISH, SPANISH, PORTUGUESE = 1, 2, 3
"""National language identifiers (23.040, 9.2.3.24.16)."""

# 6.2.1; the escape stands for itself.
DEFAULT_ALPHABET: Final = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)

# 6.2.1.1
DEFAULT_EXTENSION: Final[dict[int, str]] = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}

# A.3: locking shift tables. Spanish has none of its own (A.3.2 is the default alphabet).
LOCKING_SHIFT: Final[dict[int, str]] = {
    0: DEFAULT_ALPHABET,
    TURKISH: (
        "@£$¥€éùıòÇ\nĞğ\rÅå"
        "Δ_ΦΓΛΩΠΨΣΘΞ\x1bŞşßÉ"
        " !\"#¤%&'()*+,-./"
        "0123456789:;<=>?"
        "İABCDEFGHIJKLMNO"
        "PQRSTUVWXYZÄÖÑÜ§"
        "çabcdefghijklmno"
        "pqrstuvwxyzäöñüà"
    ),
    SPANISH: DEFAULT_ALPHABET,
    PORTUGUESE: (
        "@£$¥êéúíóç\nÔô\rÁá"
        "Δ_ªÇÀ∞^\\€Ó|\x1bÂâÊÉ"
        " !\"#º%&'()*+,-./"
        "0123456789:;<=>?"
        "ÍABCDEFGHIJKLMNO"
        "PQRSTUVWXYZÃÕÚÜ§"
        "~abcdefghijklmno"
        "pqrstuvwxyzãõ`üà"
    ),
}

# A.2: single shift tables, each in place of the default extension.
SINGLE_SHIFT: Final[dict[int, dict[int, str]]] = {
    0: DEFAULT_EXTENSION,
    TURKISH: DEFAULT_EXTENSION
    | {0x47: "Ğ", 0x49: "İ", 0x53: "Ş", 0x63: "ç", 0x67: "ğ", 0x69: "ı", 0x73: "ş"},
    SPANISH: DEFAULT_EXTENSION
    | {0x09: "ç", 0x41: "Á", 0x49: "Í", 0x4F: "Ó", 0x55: "Ú", 0x61: "á", 0x69: "í", 0x6F: "ó", 0x75: "ú"},
    PORTUGUESE: DEFAULT_EXTENSION
    | {
        0x05: "ê",
        0x09: "ç",
        0x0B: "Ô",
        0x0C: "ô",
        0x0E: "Á",
        0x0F: "á",
        0x12: "Φ",
        0x13: "Γ",
        0x15: "Ω",
        0x16: "Π",
        0x17: "Ψ",
        0x18: "Σ",
        0x19: "Θ",
        0x1F: "Ê",
        0x41: "À",
        0x49: "Í",
        0x4F: "Ó",
        0x55: "Ú",
        0x5B: "Ã",
        0x5C: "Õ",
        0x61: "Â",
        0x69: "í",
        0x6F: "ó",
        0x75: "ú",
        0x7B: "ã",
        0x7C: "õ",
        0x7F: "â",
    },
}

_OCTETS_OF: Final[dict[str, bytes]] = {
    char: bytes((septet,)) for septet, char in enumerate(DEFAULT_ALPHABET) if septet != ESCAPE
} | {char: bytes((ESCAPE, septet)) for septet, char in DEFAULT_EXTENSION.items()}


def is_gsm(text: str) -> bool:
    """Whether every character is in the default alphabet or its extension."""
    return all(char in _OCTETS_OF for char in text)


def encode_gsm(text: str) -> bytes:
    """Septets, one an octet, unpacked. Raises UnicodeEncodeError at the first character that has none."""
    try:
        return b"".join([_OCTETS_OF[char] for char in text])
    except KeyError:
        at = next(i for i, char in enumerate(text) if char not in _OCTETS_OF)
        raise UnicodeEncodeError("gsm0338", text, at, at + 1, "not in the GSM alphabet") from None


def decode_gsm(septets: bytes, *, locking: int = 0, single: int = 0) -> str:
    """Text of septets, one an octet. `locking` and `single` are national language identifiers, 0 for none;
    one that is not here is read as 0. An octet above 0x7F becomes U+FFFD.

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
