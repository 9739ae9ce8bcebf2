"""Which access number an address means, and from where an account may send."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.access_number import AccessNumberRow

NUMBER_DIGITS_MIN: Final = 3
NUMBER_DIGITS_MAX: Final = 20
"""Of an access number, a sub-code and what an enterprise appends included (3.4, 4.4.1: source_addr)."""


def sms_number(numbers: Mapping[str, AccessNumberRow], address: str) -> AccessNumberRow | None:
    """The access number that a text from or to an address concerns: the longest that the address begins
    with and that an account has. What follows it is the enterprise's own; None when there is no such."""
    row = numbers.get(address)
    if row is not None and row.sms_account is not None:
        return row
    for length in range(len(address) - 1, NUMBER_DIGITS_MIN - 1, -1):
        row = numbers.get(address[:length])
        if row is not None and row.sms_account is not None:
            return row
    return None


def source_of(
    numbers: Mapping[str, AccessNumberRow], system_id: str, source_addr: str
) -> tuple[str, AccessNumberRow] | None:
    """What a message of this account shows as its source, and the access number that it is or begins with;
    None when it may not come from there.

    An empty source means the account's own number where it has exactly one.
    """
    if source_addr:
        row = sms_number(numbers, source_addr)
        if row is None or row.sms_account != system_id:
            return None
        extension = source_addr[len(row.number) :]
        if len(extension) > row.extension_digits or not (source_addr.isascii() and source_addr.isdigit()):
            return None
        return source_addr, row
    own = [row for row in numbers.values() if row.sms_account == system_id]
    return (own[0].number, own[0]) if len(own) == 1 else None
