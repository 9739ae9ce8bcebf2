"""Where an access number may stand among the others: one owner each, and for every address at most one answer.

A shared number has no owner; enterprises have sub-codes of it, none the beginning of another. A text's address
means the longest access number that it begins with (`Directory.sms_number`), so that numbers for texts may not
begin with one another either: else what one enterprise appends to its own would be the other's.
"""

from __future__ import annotations

import sqlite3

from gateway.access_number import AccessNumberRow
from gateway.accounts.access_numbers import NUMBER_DIGITS_MAX, NUMBER_DIGITS_MIN
from gateway.store import accounts
from gateway.store.accounts import DirectoryRows


def check_digits(number: str) -> str:
    """The number, if it can be an access number. Raises ValueError."""
    is_number = number.isascii() and number.isdigit()
    if not is_number or not NUMBER_DIGITS_MIN <= len(number) <= NUMBER_DIGITS_MAX:
        raise ValueError(f"an access number has {NUMBER_DIGITS_MIN} to {NUMBER_DIGITS_MAX} digits")
    return number


def whole_number(rows: DirectoryRows, shared_number: str, sub_code: str) -> str:
    """The access number of an enterprise's sub-code. Raises ValueError."""
    if shared_number not in rows.shared_numbers:
        raise ValueError(f"{shared_number} is no shared number; share it first")
    if not (sub_code.isascii() and sub_code.isdigit()):
        raise ValueError("a sub-code is digits")
    return check_digits(shared_number + sub_code)


def shared_by(rows: DirectoryRows, number: str) -> str | None:
    """The shared number of which the number has a sub-code, the longest; None when it is nobody else's too."""
    found = [each for each in rows.shared_numbers if number != each and number.startswith(each)]
    return max(found, key=len, default=None)


def check_not_ours(number: str, confirmation_number: str) -> None:
    """An enterprise's number is not the carrier's own, for confirmations, nor begins with it or it with that: its
    messages could be taken for the carrier's, and replies go to the wrong one. Raises ValueError."""
    if _overlap(number, confirmation_number):
        raise ValueError(f"{number} and the carrier's own number {confirmation_number} begin alike")


def check_place(rows: DirectoryRows, row: AccessNumberRow) -> AccessNumberRow:
    """The row, if it may stand beside the others. Raises ValueError."""
    if row.number in rows.shared_numbers:
        raise ValueError(f"{row.number} is shared: enterprises have sub-codes of it")
    shared = shared_by(rows, row.number)
    if shared is not None and row.voice_trunk is not None:
        raise ValueError(f"{row.number} is a sub-code of {shared}, which is for messages alone")
    if row.sms_account is not None:
        _check_beside_shared(rows, row.number)
    for other in rows.access_numbers:
        if other.number == row.number or not _overlap(other.number, row.number):
            continue
        both_text = other.sms_account is not None and row.sms_account is not None
        if both_text or (shared is not None and shared_by(rows, other.number) == shared):
            first, second = sorted((other.number, row.number), key=len)
            raise ValueError(
                f"{second} begins with {first} (of {_owner(rows, first, row)}): a reply could be to either"
            )
    return row


def share(conn: sqlite3.Connection, number: str) -> None:
    """Make a number shared; what begins with it already is a sub-code from now on. Raises AccountExists, ValueError."""
    check_digits(number)
    rows = accounts.load(conn)
    for row in rows.access_numbers:
        if row.number == number:
            raise ValueError(f"{number} belongs to {row.enterprise_id}")
        if row.sms_account is not None and number.startswith(row.number):
            raise ValueError(f"{number} begins with {row.number} (of {row.enterprise_id})")
        if row.voice_trunk is not None and row.number.startswith(number):
            raise ValueError(f"{row.number} would be a sub-code, which is for messages alone; it has calls")
    accounts.add_shared_number(conn, number)


def unshare(conn: sqlite3.Connection, number: str) -> None:
    """Take back a shared number without sub-codes. Raises UnknownEnterprise, ValueError."""
    rows = accounts.load(conn)
    used = next((row for row in rows.access_numbers if shared_by(rows, row.number) == number), None)
    if used is not None:
        raise ValueError(f"{used.number} (of {used.enterprise_id}) is a sub-code of it")
    accounts.remove_shared_number(conn, number)


def _check_beside_shared(rows: DirectoryRows, number: str) -> None:
    for each in rows.shared_numbers:
        if each.startswith(number):
            raise ValueError(f"the shared number {each} begins with {number}")


def _overlap(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _owner(rows: DirectoryRows, number: str, row: AccessNumberRow) -> str:
    found = next((each for each in rows.access_numbers if each.number == number), row)
    return found.enterprise_id
