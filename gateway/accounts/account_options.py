"""What an operator sets for an SMPP account, an access number or a trunk, checked before it is stored."""

from __future__ import annotations

import secrets
import sqlite3
from dataclasses import replace
from typing import Any, TypedDict

from foundation.passwords import hash_password
from gateway.access_number import AccessNumberRow
from gateway.accounts.access_numbers import NUMBER_DIGITS_MAX
from gateway.accounts.number_plan import check_digits, check_place
from gateway.store import accounts
from gateway.store.accounts import (
    SEAL_ACCOUNT_KEY,
    SEAL_OUTBIND,
    AccountRow,
    Network,
    TrunkRow,
    UnknownEnterprise,
)
from gateway.store.vault import Vault
from masking.smpp_options import allow_of
from sip.agent_config import RELIABILITY
from sip.uri import parse_uri

KEY_OCTETS = 32
"""Of an account key."""
PASSWORD_CHARACTERS = 8
"""SMPP 5.0, 4.7.18: octets of a password without its NUL."""
WINDOW_MAX = 10_000
RATE_MAX = 100_000.0
TIMER_MAX_S = 86_400.0
RING_MAX_S = 600.0
"""How long any call may ring, whatever is set."""
PRECONDITIONS = ("decline", "answer")


class AccountOptions(TypedDict, total=False):
    """Fields of AccountRow beside its names and password, as they are named there."""

    max_binds: int
    max_transmitters: int | None
    max_receivers: int | None
    max_transceivers: int | None
    addresses: tuple[Network, ...]
    tls: bool
    certificates: tuple[str, ...]
    rate: float | None
    burst: int | None
    window_pdus: int | None
    enquire_link_s: float | None
    inactivity_s: float | None
    response_s: float | None
    aggregate_receipts: bool
    key_sealed: bytes
    outbind: str | None
    outbind_sealed: bytes


class AccessNumberOptions(TypedDict, total=False):
    """Fields of AccessNumberRow that may change, as they are named there."""

    sms_account: str | None
    voice_trunk: str | None
    rate: float | None
    burst: int | None
    sms_content: tuple[str, ...]
    extension_digits: int
    signature: str | None
    max_calls: int | None
    call_rate: float | None
    call_burst: int | None
    ring_s: float | None
    talk_s: float | None


class TrunkOptions(TypedDict, total=False):
    """Fields of TrunkRow that may change, as they are named there."""

    default_access_number: str
    contact: str | None
    max_calls: int
    addresses: tuple[Network, ...]
    certificates: tuple[str, ...]
    rate: float | None
    burst: int | None
    ring_s: float | None
    talk_s: float | None
    reliable_provisional: str | None
    preconditions: str


def make_key(vault: Vault) -> tuple[bytes, bytes]:
    """A new account key: as the enterprise gets it, once, and as it is stored."""
    key = secrets.token_bytes(KEY_OCTETS)
    return key, vault.seal(SEAL_ACCOUNT_KEY, key)


def password_hash(password: str) -> str:
    """What is stored for an SMPP password. Raises ValueError."""
    if not 1 <= len(password) <= PASSWORD_CHARACTERS:
        raise ValueError(f"an SMPP password has 1 to {PASSWORD_CHARACTERS} characters (SMPP 5.0, 4.7.18)")
    return hash_password(password)


def check_account(row: AccountRow) -> AccountRow:
    """The row, if everything in it can be. Raises ValueError."""
    if not 1 <= len(row.system_id) <= 15:
        raise ValueError("a system_id has 1 to 15 characters (SMPP 5.0, 4.7.30)")
    if row.max_binds < 0:
        raise ValueError("max_binds is 0 or more")
    for name in ("max_transmitters", "max_receivers", "max_transceivers"):
        value = getattr(row, name)
        if value is not None and value < 0:
            raise ValueError(f"{name} is 0 or more")
    for name in ("enquire_link_s", "inactivity_s", "response_s"):
        value = getattr(row, name)
        if value is not None and not 0 <= value <= TIMER_MAX_S:
            raise ValueError(f"{name} is 0 to {TIMER_MAX_S:.0f} seconds")
    if row.response_s == 0:
        raise ValueError("response_s is more than 0")
    if row.window_pdus is not None and not 1 <= row.window_pdus <= WINDOW_MAX:
        raise ValueError(f"a window has 1 to {WINDOW_MAX} PDUs")
    _check_rate(row.rate, row.burst)
    if row.outbind is not None:
        host_and_port(row.outbind)
        if row.tls or row.certificates:
            raise ValueError("an account that binds over TLS only is not called: outbind has no TLS here")
    return row


def host_and_port(text: str) -> tuple[str, int]:
    """ "host:port", an IPv6 address in brackets. Raises ValueError."""
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or any(each.isspace() for each in host) or not (port.isascii() and port.isdigit()):
        raise ValueError(f"{text!r} is not HOST:PORT")
    if not 1 <= int(port) <= 65_535:
        raise ValueError("a port is 1 to 65535")
    return host, int(port)


def seal_outbind(vault: Vault, password: str) -> bytes:
    """As it is stored. Raises ValueError."""
    if not (password.isascii() and len(password) <= PASSWORD_CHARACTERS):
        raise ValueError(
            f"an outbind password has at most {PASSWORD_CHARACTERS} ASCII characters (3.4, 4.1.7)"
        )
    return vault.seal(SEAL_OUTBIND, password.encode("ascii")) if password else b""


def check_access_number(row: AccessNumberRow) -> AccessNumberRow:
    """The row, if everything in it can be. Raises ValueError."""
    check_digits(row.number)
    if not 0 <= row.extension_digits <= NUMBER_DIGITS_MAX - len(row.number):
        raise ValueError(
            f"an access number and what is appended to it have {NUMBER_DIGITS_MAX} digits at most"
        )
    _check_rate(row.rate, row.burst)
    _check_rate(row.call_rate, row.call_burst)
    if row.max_calls is not None and row.max_calls < 0:
        raise ValueError("max_calls is 0 or more")
    _check_call_times(row.ring_s, row.talk_s)
    allow_of(row.sms_content)
    if row.signature is not None and not 1 <= len(row.signature.strip("【】 ")) == len(row.signature) <= 20:
        raise ValueError("a signature has 1 to 20 characters and is given without 【】")
    return row


def change_account(
    conn: sqlite3.Connection, system_id: str, options: AccountOptions, password: str | None = None
) -> AccountRow:
    """Change what is named, leave the rest, return all of it. Raises UnknownEnterprise, ValueError."""
    changes: dict[str, Any] = dict(options)
    if password is not None:
        changes["password_hash"] = password_hash(password)
    row = check_account(replace(find_account(conn, system_id), **changes))
    accounts.set_account(conn, row)
    return row


def change_access_number(
    conn: sqlite3.Connection, number: str, options: AccessNumberOptions
) -> AccessNumberRow:
    """Change what is named, leave the rest, return all of it. Raises UnknownEnterprise, ValueError."""
    rows = accounts.load(conn)
    found = next((row for row in rows.access_numbers if row.number == number), None)
    if found is None:
        raise UnknownEnterprise(f"no access number {number}")
    row = check_place(rows, check_access_number(replace(found, **options)))
    accounts.set_access_number(conn, row)
    return row


def change_trunk(conn: sqlite3.Connection, username: str, options: TrunkOptions) -> TrunkRow:
    """Change what is named, leave the rest, return all of it. Raises UnknownEnterprise, ValueError."""
    row = check_trunk(replace(find_trunk(conn, username), **options))
    accounts.set_trunk(conn, row)
    return row


def check_trunk(row: TrunkRow) -> TrunkRow:
    """The row, if everything in it can be. Raises ValueError."""
    if row.max_calls < 0:
        raise ValueError("max_calls is 0 or more")
    if row.contact is not None and parse_uri(row.contact).scheme not in ("sip", "sips"):
        raise ValueError("a contact is a SIP URI")
    _check_rate(row.rate, row.burst)
    _check_call_times(row.ring_s, row.talk_s)
    if row.reliable_provisional not in (None, *RELIABILITY):
        raise ValueError(f"reliable_provisional is one of {', '.join(RELIABILITY)}")
    if row.preconditions not in PRECONDITIONS:
        raise ValueError(f"preconditions is one of {', '.join(PRECONDITIONS)}")
    return row


def find_trunk(conn: sqlite3.Connection, username: str) -> TrunkRow:
    """Raises UnknownEnterprise."""
    for row in accounts.load(conn).trunks:
        if row.username == username:
            return row
    raise UnknownEnterprise(f"no trunk {username!r}")


def find_account(conn: sqlite3.Connection, system_id: str) -> AccountRow:
    """Raises UnknownEnterprise."""
    for row in accounts.load(conn).accounts:
        if row.system_id == system_id:
            return row
    raise UnknownEnterprise(f"no account {system_id!r}")


def _check_rate(rate: float | None, burst: int | None) -> None:
    if rate is not None and not 0 <= rate <= RATE_MAX:
        raise ValueError(f"a rate is 0 (no limit) to {RATE_MAX:.0f} messages a second")
    if burst is not None and burst < 1:
        raise ValueError("a burst is 1 message or more")


def _check_call_times(ring_s: float | None, talk_s: float | None) -> None:
    if ring_s is not None and not 0 < ring_s <= RING_MAX_S:
        raise ValueError(f"a call rings more than 0 and at most {RING_MAX_S:.0f} seconds")
    if talk_s is not None and not 0 < talk_s <= TIMER_MAX_S:
        raise ValueError(f"a call lasts more than 0 and at most {TIMER_MAX_S:.0f} seconds")
