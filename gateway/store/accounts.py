"""Enterprises, their accounts, trunks and access numbers: rows and how they change."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AccountRow:
    """An SMPP account of an enterprise; `password_hash` is argon2's encoded form."""

    system_id: str
    enterprise_id: str
    password_hash: str
    max_binds: int


@dataclass(frozen=True, slots=True)
class AccessNumberRow:
    """An access number (接入号); it has one owner. The account and trunk that its replies and callbacks go to."""

    number: str
    enterprise_id: str
    sms_account: str | None
    voice_trunk: str | None


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


@dataclass(frozen=True, slots=True)
class DirectoryRows:
    """All of it at one version."""

    version: int
    enterprises: dict[str, str]
    accounts: tuple[AccountRow, ...]
    access_numbers: tuple[AccessNumberRow, ...]
    trunks: tuple[TrunkRow, ...]


class AccountExists(ValueError):
    """The enterprise, account, trunk or access number is there already."""


class UnknownEnterprise(ValueError):
    """No such enterprise, account or trunk."""


def version(conn: sqlite3.Connection) -> int:
    """Grows by one with each change of the directory."""
    return int(conn.execute("SELECT version FROM directory_version WHERE id = 1").fetchone()[0])


def load(conn: sqlite3.Connection) -> DirectoryRows:
    """The whole directory."""
    return DirectoryRows(
        version=version(conn),
        enterprises=dict(conn.execute("SELECT id, name FROM enterprise").fetchall()),
        accounts=tuple(
            AccountRow(*row)
            for row in conn.execute("SELECT system_id, enterprise_id, password_hash, max_binds FROM account")
        ),
        access_numbers=tuple(
            AccessNumberRow(*row)
            for row in conn.execute(
                "SELECT number, enterprise_id, sms_account, voice_trunk FROM access_number"
            )
        ),
        trunks=tuple(
            TrunkRow(*row)
            for row in conn.execute(
                "SELECT username, enterprise_id, realm, ha1_md5, ha1_sha256, default_access_number, contact,"
                " max_calls FROM trunk"
            )
        ),
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
        "INSERT INTO account (system_id, enterprise_id, password_hash, max_binds) VALUES (?, ?, ?, ?)",
        (row.system_id, row.enterprise_id, row.password_hash, row.max_binds),
    )


def add_trunk(conn: sqlite3.Connection, row: TrunkRow) -> None:
    """Raises AccountExists, UnknownEnterprise."""
    _require_enterprise(conn, row.enterprise_id)
    _insert(
        conn,
        f"trunk {row.username!r}",
        "INSERT INTO trunk (username, enterprise_id, realm, ha1_md5, ha1_sha256, default_access_number,"
        " contact, max_calls) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            row.username,
            row.enterprise_id,
            row.realm,
            row.ha1_md5,
            row.ha1_sha256,
            row.default_access_number,
            row.contact,
            row.max_calls,
        ),
    )


def add_access_number(conn: sqlite3.Connection, row: AccessNumberRow) -> None:
    """Raises AccountExists (an access number has one owner), UnknownEnterprise."""
    _require_enterprise(conn, row.enterprise_id)
    _insert(
        conn,
        f"access number {row.number}",
        "INSERT INTO access_number (number, enterprise_id, sms_account, voice_trunk) VALUES (?, ?, ?, ?)",
        (row.number, row.enterprise_id, row.sms_account, row.voice_trunk),
    )
