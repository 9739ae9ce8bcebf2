"""The number filter: finds what looks like a person's number (MSISDN, IMSI, IMEI: 11 to 17 digits) in
anything that is about to be written to a log, in the spellings in which numbers travel, and masks it.

AIDs (18 digits) and hexadecimal ids pass. It is the last lock, not the first: code does not log numbers.
"""

import re
from collections.abc import Mapping
from typing import Any

MASK = "[number]"
DEPTH_MAX = 8
"""Levels of nesting that are kept apart; what lies deeper is masked as text."""

# A digit as itself (of any script) or percent-coded, as in a URI.
_DIGIT = r"(?:\d|%3[0-9])"
_GAP = r"(?:[ \u00a0()-]|%20){0,2}"

# Quick to fail, since most texts hold no row of ten digits, however they are set apart.
_PERHAPS = re.compile(r"\d(?:\D{0,5}\d){9}")
_SENSITIVE = re.compile(
    rf"""
    (?=[\d%+\\])  # how each of the following begins
    (?:
        # 11 to 17 digits in a row; after a percent-coded byte a new row begins
        (?:(?<!\d)|(?<=%(?!3[0-9])[0-9A-Fa-f]{{2}})){_DIGIT}{{11,17}}(?!{_DIGIT})
        | # a mobile number in groups: 138-0000-0001, 86 138 0000 0001
        (?<!\d)(?:(?:00)?86{_GAP})?1{_GAP}[3-9](?:{_GAP}\d){{9}}(?!\d)
        | # ... and with dots, which an IPv4 address cannot have in these places
        (?<!\d)1[3-9]\d\.\d{{4}}\.\d{{4}}(?!\d)
        | # an international number in groups: +44 20 7946 0000
        (?:\+|%2[bB])\d(?:[ \u00a0().-]{{0,2}}\d){{9,16}}(?!\d)
        | # the bytes of a number's ASCII digits in hexadecimal
        (?P<hex>(?<!3[0-9])(?:3[0-9]){{11,17}}(?!3[0-9]))
        | # a number in UCS-2 as Python shows bytes
        (?<!\\x00\d)(?:\\x00\d){{11,17}}(?!\\x00\d)
    )
    """,
    re.VERBOSE,
)
# Ids in hexadecimal, which may hold 11 decimal digits in a row by chance: digests, signatures, UUIDs.
_HEX_ID = re.compile(
    r"""
    (?<![0-9A-Za-z])(?=[0-9-]*[a-fA-F])
    (?:[0-9a-fA-F]{32}(?:[0-9a-fA-F]{8}|[0-9a-fA-F]{32}|[0-9a-fA-F]{96})?
      |[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})
    (?![0-9A-Za-z])
    """,
    re.VERBOSE,
)
_HEX_ID_MAX = 128
_LEAST_DIGITS = 10**10
_MOST_DIGITS = 10**17


def mask_text(text: str) -> str:
    """`text` with every number replaced by MASK."""
    return _SENSITIVE.sub(_replacement, text) if _PERHAPS.search(text) else text


def mask(value: Any, depth: int = DEPTH_MAX) -> Any:
    """`value` as plain data for JSON (text, numbers, lists, dicts), without any number of a person.

    An integer of 11 to 17 digits is masked too: a time in a log is written as text. Objects of other
    kinds become their `repr`.
    """
    if isinstance(value, str):
        return mask_text(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return MASK if _LEAST_DIGITS <= abs(value) < _MOST_DIGITS else value
    if isinstance(value, float):
        # Else the digits behind the point read like a number.
        return round(value, 6) if abs(value) < _LEAST_DIGITS else mask_text(repr(value))
    if depth > 0:
        if isinstance(value, Mapping):
            return {mask_text(str(key)): mask(item, depth - 1) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [mask(item, depth - 1) for item in value]
    try:
        return mask_text(repr(value))
    except Exception:  # a log line must not fail for what it describes
        return f"<{type(value).__name__}>"


def _replacement(match: re.Match[str]) -> str:
    if match["hex"] is None:
        start, end = match.span()
        around = max(0, start - _HEX_ID_MAX)
        for found in _HEX_ID.finditer(match.string, around, end + _HEX_ID_MAX):
            if found.start() <= start and end <= found.end():
                return match[0]
    return MASK
