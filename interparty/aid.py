"""The AID: 18 decimal digits that stand for one consent of one person at one enterprise.

Layout ``PPP V BBBBBBBBBBBBB C``: prefix, format version, 13 digits drawn by HMAC-SM3, Damm check
digit. Longer than any E.164 number, so a stray AID dials nobody. See docs/formats.md, "AID".
"""

from typing import Final

from gm.sm3 import HmacSm3

LENGTH: Final = 18
VERSION: Final = "1"
DEFAULT_PREFIX: Final = "888"

NONCE_BYTES: Final = 16
SM3_BYTES: Final = 32
BODY_RANGE: Final = 10**13
DRAW_LIMIT: Final = (1 << 64) // BODY_RANGE * BODY_RANGE
"""Draws at or above this are thrown away, so that every body is equally likely."""

_TAG: Final = b"ASCS-AID-v1\x00"
_DAMM: Final = (
    (0, 3, 1, 7, 5, 9, 8, 6, 4, 2),
    (7, 0, 9, 2, 1, 5, 4, 8, 6, 3),
    (4, 2, 0, 6, 8, 7, 1, 3, 5, 9),
    (1, 7, 5, 0, 9, 8, 3, 4, 2, 6),
    (6, 1, 2, 3, 0, 4, 5, 9, 7, 8),
    (3, 6, 7, 4, 2, 0, 9, 5, 8, 1),
    (5, 8, 6, 9, 7, 2, 0, 1, 3, 4),
    (8, 9, 4, 5, 3, 6, 2, 0, 1, 7),
    (9, 4, 3, 8, 6, 1, 7, 2, 0, 5),
    (2, 5, 8, 1, 4, 3, 6, 7, 9, 0),
)

# Spare codes of the ITU-T E.164 list of assigned country codes: no prefix of them is assigned.
_SPARE_COUNTRY_CODES: Final = frozenset(
    ["210", "214", "215", "217", "219", "259", "384", "422", "809", "851", "854"]
    + [
        str(code)
        for first, last in ((280, 289), (292, 296), (424, 429), (693, 699), (801, 807), (830, 839))
        for code in range(first, last + 1)
    ]
    + ["857", "858", "859", "884", "885", "887", "888", "889"]
    + [str(code) for code in range(890, 900)]
)


def damm(digits: str) -> str:
    """The Damm check digit of a string of ASCII decimal digits; "0" when `digits` ends in a right one."""
    interim = 0
    for digit in digits:
        interim = _DAMM[interim][ord(digit) - 48]
    return chr(48 + interim)


def is_aid(text: str) -> bool:
    """Whether `text` has the form of an AID: 18 ASCII digits, known version, right check digit.

    It says nothing of whether that AID was ever issued.
    """
    return (
        len(text) == LENGTH
        and text.isascii()
        and text.isdigit()
        and text[3] == VERSION
        and text[0] not in "019"
        and damm(text) == "0"
    )


def check_prefix(prefix: str) -> str:
    """Return `prefix` if an operator may issue AIDs under it, else raise ValueError.

    Three digits that begin no telephone number: not 0, 1 or 9 first, no assigned country code.
    """
    if prefix not in _SPARE_COUNTRY_CODES:
        raise ValueError("AID prefix must be three digits of a country code that is not assigned")
    return prefix


def derive(
    key: HmacSm3,
    *,
    epoch: int,
    attempt: int,
    enterprise: str,
    nonce: bytes,
    consent_sm3: bytes,
    prefix: str = DEFAULT_PREFIX,
) -> str:
    """Derive an AID from a consent: one-way, and unlinkable without the enterprise's key.

    `key` is that enterprise's AID key of version `epoch` (u32); `attempt` (u8) is raised by one when
    the unique index already holds the result; `nonce` is the consent's 16 bytes, `consent_sm3` the 32
    bytes of SM3 over the consent. Raises ValueError for values out of these ranges.
    """
    name = enterprise.encode()
    if len(nonce) != NONCE_BYTES or len(consent_sm3) != SM3_BYTES:
        raise ValueError("nonce is 16 bytes and consent_sm3 32 bytes")
    if not 0 < len(name) < 1 << 16 or not 0 <= epoch < 1 << 32 or not 0 <= attempt < 1 << 8:
        raise ValueError("enterprise, epoch or attempt out of range")
    if len(prefix) != 3 or not (prefix.isascii() and prefix.isdigit()) or prefix[0] in "019":
        raise ValueError("prefix is three digits and begins with none of 0, 1, 9")
    head = _TAG + len(name).to_bytes(2, "big") + epoch.to_bytes(4, "big") + attempt.to_bytes(1, "big")
    tail = name + nonce + consent_sm3
    for counter in range(256):
        drawn = int.from_bytes(key.digest(head + counter.to_bytes(1, "big") + tail)[:8], "big")
        if drawn < DRAW_LIMIT:
            digits = f"{prefix}{VERSION}{drawn % BODY_RANGE:013d}"
            return digits + damm(digits)
    raise ValueError("no draw below the limit in 256 tries: the key is not random")
