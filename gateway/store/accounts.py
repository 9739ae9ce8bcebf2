"""Enterprises, their accounts, trunks and access numbers: rows and how they change."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network

from gateway.access_number import AccessNumberRow
from masking.smpp_options import OPTIONS

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An SMPP account of an enterprise. None in a limit or timer: as the configuration says."""

    system_id: str
    enterprise_id: str
    password_hash: str
    """argon2's encoded form."""
    max_binds: int
    """Of all types together."""
    max_transmitters: int | None = None
    max_receivers: int | None = None
    max_transceivers: int | None = None
    addresses: tuple[Network, ...] = ()
    """Where its binds may come from; none: from anywhere."""
    tls: bool = False
    """It may bind over TLS only."""
    certificates: tuple[str, ...] = ()
    """Client certificates of which its binds must show one: "sha256:<hex>" or "san:<name>"; implies TLS."""
    rate: float | None = None
    """Messages a second."""
    burst: int | None = None
    """Messages that may come at once after a silence; None: as many as fit the configured seconds."""
    window_pdus: int | None = None
    enquire_link_s: float | None = None
    inactivity_s: float | None = None
    response_s: float | None = None
    aggregate_receipts: bool = False
    """One receipt for a long message instead of one for each part."""
    key_sealed: bytes = field(default=b"", repr=False)
    """The account key: 32 random bytes that the enterprise has too, under Vault's label SEAL_ACCOUNT_KEY."""
    outbind: str | None = None
    """host:port where its ESME waits for outbind; None: it is never called."""
    outbind_sealed: bytes = field(default=b"", repr=False)
    """The password that outbind tells it, under Vault's label SEAL_OUTBIND; empty: none."""


SEAL_ACCOUNT_KEY = "account-key"
SEAL_OUTBIND = "outbind"


@dataclass(frozen=True, slots=True)
class TrunkRow:
    """A SIP user of an enterprise, with HA1 per algorithm (RFC 7616): the password is not kept."""

    username: str
    enterprise_id: str
    realm: str
    ha1_md5: str
    ha1_sha256: str
    default_access_number: str
    contact: str | None
    max_calls: int
    addresses: tuple[Network, ...] = ()
    """From which its calls are taken without a password; from elsewhere they still need it."""
    certificates: tuple[str, ...] = ()
    """Client certificates over TLS with which its calls are taken without a password: "sha256:<hex>" or
    "san:<name>"."""
    rate: float | None = None
    """Calls a second, each way; None: no limit."""
    burst: int | None = None
    ring_s: float | None = None
    """How long its calls may ring; None: as the configuration says."""
    talk_s: float | None = None
    """How long its calls may last."""
    reliable_provisional: str | None = None
    """PRACK (RFC 3262) with it: no, supported or required; None: as the configuration says."""
    preconditions: str = "decline"
    """What becomes of RFC 3312's: decline or answer."""


@dataclass(frozen=True, slots=True)
class DirectoryRows:
    """All of it at one version."""

    version: int
    enterprises: dict[str, str]
    accounts: tuple[AccountRow, ...]
    access_numbers: tuple[AccessNumberRow, ...]
    trunks: tuple[TrunkRow, ...]
    shared_numbers: tuple[str, ...] = ()
    """Numbers of which enterprises have sub-codes; they have no owner themselves."""


class AccountExists(ValueError):
    """The enterprise, account, trunk or access number is there already."""


class UnknownEnterprise(ValueError):
    """No such enterprise, account or trunk."""


_ACCOUNT_COLUMNS = (
    "system_id", "enterprise_id", "password_hash", "max_binds", "max_transmitters", "max_receivers",
    "max_transceivers", "addresses", "tls", "certificates", "rate", "burst", "window_pdus", "enquire_link_s",
    "inactivity_s", "response_s", "aggregate_receipts", "key_sealed", "outbind",
    "outbind_sealed",
)  # fmt: skip
_TRUNK_COLUMNS = (
    "username", "enterprise_id", "realm", "ha1_md5", "ha1_sha256", "default_access_number", "contact",
    "max_calls", "addresses", "certificates", "rate", "burst", "ring_s", "talk_s", "reliable_provisional",
    "preconditions",
)  # fmt: skip
_ACCESS_NUMBER_COLUMNS = (
    "number", "enterprise_id", "sms_account", "voice_trunk", "rate", "burst", "sms_content",
    "extension_digits", "signature", "max_calls", "call_rate", "call_burst", "ring_s", "talk_s",
)  # fmt: skip


def _select(table: str, columns: tuple[str, ...]) -> str:
    return f"SELECT {', '.join(columns)} FROM {table}"


def _insert_into(table: str, columns: tuple[str, ...]) -> str:
    places = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"


def _set_all(table: str, columns: tuple[str, ...]) -> str:
    """Everything but the owner, by the key, which is the first column."""
    changes = ", ".join(f"{name} = :{name}" for name in columns[2:])
    return f"UPDATE {table} SET {changes} WHERE {columns[0]} = :{columns[0]}"


def _account(row: sqlite3.Row) -> AccountRow:
    values = dict(zip(_ACCOUNT_COLUMNS, row, strict=True))
    values["addresses"] = tuple(ip_network(each) for each in values["addresses"].split())
    values["certificates"] = tuple(values["certificates"].split())
    values["tls"] = bool(values["tls"])
    values["aggregate_receipts"] = bool(values["aggregate_receipts"])
    return AccountRow(**values)


def _access_number(row: sqlite3.Row) -> AccessNumberRow:
    values = dict(zip(_ACCESS_NUMBER_COLUMNS, row, strict=True))
    # A name that this version does not know allows nothing.
    values["sms_content"] = tuple(name for name in values["sms_content"].split() if name in OPTIONS)
    return AccessNumberRow(**values)


def _trunk(row: sqlite3.Row) -> TrunkRow:
    values = dict(zip(_TRUNK_COLUMNS, row, strict=True))
    values["addresses"] = tuple(ip_network(each) for each in values["addresses"].split())
    values["certificates"] = tuple(values["certificates"].split())
    return TrunkRow(**values)


def _stored(row: AccountRow | AccessNumberRow | TrunkRow, columns: tuple[str, ...]) -> dict[str, object]:
    """Fields as their columns hold them: lists with spaces between."""
    values = {name: getattr(row, name) for name in columns}
    return {
        name: " ".join(map(str, value)) if isinstance(value, tuple) else value
        for name, value in values.items()
    }


def version(conn: sqlite3.Connection) -> int:
    """Grows by one with each change of the directory."""
    return int(conn.execute("SELECT version FROM directory_version WHERE id = 1").fetchone()[0])


def load(conn: sqlite3.Connection) -> DirectoryRows:
    """The whole directory."""
    return DirectoryRows(
        version=version(conn),
        enterprises=dict(conn.execute("SELECT id, name FROM enterprise").fetchall()),
        accounts=tuple(_account(row) for row in conn.execute(_select("account", _ACCOUNT_COLUMNS))),
        access_numbers=tuple(
            _access_number(row) for row in conn.execute(_select("access_number", _ACCESS_NUMBER_COLUMNS))
        ),
        trunks=tuple(_trunk(row) for row in conn.execute(_select("trunk", _TRUNK_COLUMNS))),
        shared_numbers=tuple(row[0] for row in conn.execute("SELECT number FROM shared_number")),
    )


def _changed(conn: sqlite3.Connection) -> None:
    conn.execute("UPDATE directory_version SET version = version + 1 WHERE id = 1")


def _insert(conn: sqlite3.Connection, what: str, sql: str, values: tuple[object, ...]) -> None:
    try:
        conn.execute(sql, values)
    except sqlite3.IntegrityError as error:
        raise AccountExists(f"{what} is there already") from error
    _changed(conn)


def _require_enterprise(conn: sqlite3.Connection, enterprise_id: str) -> None:
    if conn.execute("SELECT 1 FROM enterprise WHERE id = ?", (enterprise_id,)).fetchone() is None:
        raise UnknownEnterprise(f"no enterprise {enterprise_id!r}; add it first")


def add_enterprise(conn: sqlite3.Connection, enterprise_id: str, name: str) -> None:
    """Raises AccountExists."""
    _insert(
        conn,
        f"enterprise {enterprise_id!r}",
        "INSERT INTO enterprise (id, name) VALUES (?, ?)",
        (enterprise_id, name),
    )


def add_account(conn: sqlite3.Connection, row: AccountRow) -> None:
    """Raises AccountExists, UnknownEnterprise."""
    _require_enterprise(conn, row.enterprise_id)
    _insert(
        conn,
        f"account {row.system_id!r}",
        _insert_into("account", _ACCOUNT_COLUMNS),
        tuple(_stored(row, _ACCOUNT_COLUMNS).values()),
    )


def add_trunk(conn: sqlite3.Connection, row: TrunkRow) -> None:
    """Raises AccountExists, UnknownEnterprise."""
    _require_enterprise(conn, row.enterprise_id)
    _insert(
        conn,
        f"trunk {row.username!r}",
        _insert_into("trunk", _TRUNK_COLUMNS),
        tuple(_stored(row, _TRUNK_COLUMNS).values()),
    )


def add_access_number(conn: sqlite3.Connection, row: AccessNumberRow) -> None:
    """Raises AccountExists (an access number has one owner), UnknownEnterprise."""
    _require_enterprise(conn, row.enterprise_id)
    _insert(
        conn,
        f"access number {row.number}",
        _insert_into("access_number", _ACCESS_NUMBER_COLUMNS),
        tuple(_stored(row, _ACCESS_NUMBER_COLUMNS).values()),
    )


def add_shared_number(conn: sqlite3.Connection, number: str) -> None:
    """Raises AccountExists."""
    _insert(conn, f"shared number {number}", "INSERT INTO shared_number (number) VALUES (?)", (number,))


def set_account(conn: sqlite3.Connection, row: AccountRow) -> None:
    """Replace the account of that system_id; its enterprise stays. Raises UnknownEnterprise."""
    values = _stored(row, _ACCOUNT_COLUMNS)
    _update(conn, f"account {row.system_id!r}", _set_all("account", _ACCOUNT_COLUMNS), values)


def set_access_number(conn: sqlite3.Connection, row: AccessNumberRow) -> None:
    """Replace what is set for an access number; its enterprise stays. Raises UnknownEnterprise."""
    values = _stored(row, _ACCESS_NUMBER_COLUMNS)
    _update(conn, f"access number {row.number}", _set_all("access_number", _ACCESS_NUMBER_COLUMNS), values)


def set_trunk(conn: sqlite3.Connection, row: TrunkRow) -> None:
    """Replace what is set for a trunk; its enterprise stays. Raises UnknownEnterprise."""
    values = _stored(row, _TRUNK_COLUMNS)
    _update(conn, f"trunk {row.username!r}", _set_all("trunk", _TRUNK_COLUMNS), values)


def remove_account(conn: sqlite3.Connection, system_id: str) -> None:
    """Take an SMPP account away; its access numbers stay its enterprise's. Raises UnknownEnterprise."""
    values: dict[str, object] = {"system_id": system_id}
    _update(conn, f"account {system_id!r}", "DELETE FROM account WHERE system_id = :system_id", values)


def remove_access_number(conn: sqlite3.Connection, number: str) -> None:
    """Take an access number from its owner. Raises UnknownEnterprise."""
    values: dict[str, object] = {"number": number}
    _update(conn, f"access number {number}", "DELETE FROM access_number WHERE number = :number", values)


def remove_shared_number(conn: sqlite3.Connection, number: str) -> None:
    """Raises UnknownEnterprise."""
    values: dict[str, object] = {"number": number}
    _update(conn, f"shared number {number}", "DELETE FROM shared_number WHERE number = :number", values)


def _update(conn: sqlite3.Connection, what: str, sql: str, values: dict[str, object]) -> None:
    if conn.execute(sql, values).rowcount != 1:
        raise UnknownEnterprise(f"no {what}")
    _changed(conn)
