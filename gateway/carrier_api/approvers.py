"""Who may agree to queries by number: enrolled at the carrier itself, by its operator, on its audit chain."""

from __future__ import annotations

import sqlite3

from foundation import audit
from foundation.identities import check_party_id
from gateway.store import number_queries
from gateway.store.number_queries import ApproverRow
from gm.errors import GmError
from gm.sm2 import PublicKey

NAME_MAX = 200


def enrol(
    conn: sqlite3.Connection,
    *,
    operator: str,
    approver_id: str,
    requester: str,
    name: str,
    public_key_pem: bytes,
    now_ms: int,
) -> None:
    """Enrol a person of `requester`, a party's id, with an SM2 public key that nobody else here has.

    `operator` is who does it, for the audit. Raises ValueError.
    """
    check_party_id(approver_id)
    check_party_id(requester)
    if not 0 < len(name) <= NAME_MAX:
        raise ValueError(f"a name has 1 to {NAME_MAX} characters")
    try:
        key = PublicKey.from_pem(public_key_pem).to_bytes()
    except GmError as error:
        raise ValueError(f"not an SM2 public key in PEM: {error}") from None
    number_queries.add_approver(conn, ApproverRow(approver_id, requester, name, key, now_ms))
    detail = {"approver": approver_id, "requester": requester, "public_key": key.hex()}
    audit.append(conn, at_ms=now_ms, user=operator, event="approver.add", success=True, detail=detail)


def dismiss(conn: sqlite3.Connection, *, operator: str, approver_id: str, now_ms: int) -> None:
    """Take an approver's word no longer. Raises ValueError when there is none of this id."""
    row = number_queries.remove_approver(conn, approver_id)
    detail = {"approver": row.id, "requester": row.requester, "public_key": row.public_key.hex()}
    audit.append(conn, at_ms=now_ms, user=operator, event="approver.remove", success=True, detail=detail)
