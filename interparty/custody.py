"""What nobody does alone: exporting and destroying keys, and choosing who decides about it.

A party's custodians are enrolled with SM2 keys in its own database. An order is carried out when two different ones
have signed all of it, lately, and once. The first two are enrolled by whoever sets the party up; from then on it takes
two to enrol or dismiss another, so that nobody brings friends. Functions take the connection of the caller's
transaction; who calls puts what was done on record.
"""

import secrets
import sqlite3
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from gm.errors import GmError
from gm.sm2 import PrivateKey, PublicKey
from gm.sm3 import sm3
from interparty import statements
from interparty.key_messages import KeyApproval, KeyOrder, SignedKeyApproval

APPROVALS: Final = 2
"""Custodians who must agree."""
AGE_MAX_MS: Final = 7 * 86_400_000
"""How long an order and its approvals hold."""
AHEAD_MS: Final = 300_000
CUSTODIANS_MAX: Final = 50

SCHEMA: Final = (
    """
    CREATE TABLE custodians (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, public_key BLOB NOT NULL UNIQUE, enrolled_at BIGINT NOT NULL)
    """,
    """
    CREATE TABLE key_orders (
        order_sm3 BLOB PRIMARY KEY, operation TEXT NOT NULL, body TEXT NOT NULL, done_at BIGINT NOT NULL)
    """,
)
"""Statements for the owner's migration: who is enrolled, and which orders were carried out."""


class CustodyError(ValueError):
    """The order is not carried out; says why."""


class Custodian(NamedTuple):
    """Someone who may approve."""

    id: str
    name: str
    public_key: PublicKey


def draw_up(party: str, operation: str, now_ms: int, **fields: Any) -> KeyOrder:
    """An order for approval. Raises ValueError for fields that do not fit."""
    wanted = {
        "export": {"purpose", "version", "recipient"},
        "destroy": {"purpose", "version"},
        "enrol": {"custodian", "name", "custodian_key"},
        "dismiss": {"custodian"},
    }.get(operation)
    if wanted != fields.keys():
        raise CustodyError(f"an order to {operation} names {', '.join(sorted(wanted or ()))}")
    return KeyOrder.model_validate(
        {
            "party": party,
            "operation": operation,
            "nonce": secrets.token_hex(16),
            "at": now_ms,
            **fields,
        }
    )


def approve(order: KeyOrder, custodian: str, key: PrivateKey, now_ms: int) -> SignedKeyApproval:
    """A custodian's word for an order, made where that person's key is."""
    statement = KeyApproval(order=order, custodian=custodian, at=now_ms)
    return SignedKeyApproval(statement=statement, signature=statements.sign(key, statements.KEYOP, statement))


def custodians(conn: sqlite3.Connection) -> list[Custodian]:
    """Who is enrolled, by id."""
    rows = conn.execute("SELECT id, name, public_key FROM custodians ORDER BY id")
    return [Custodian(row[0], row[1], PublicKey.from_bytes(row[2])) for row in rows]


def enrol_first(
    conn: sqlite3.Connection, custodian: str, name: str, public_key: PublicKey, now_ms: int
) -> None:
    """Enrol without approvals, while there are fewer than two who could give them. Raises CustodyError."""
    if len(custodians(conn)) >= APPROVALS:
        raise CustodyError(f"{APPROVALS} custodians are enrolled: another needs their approval")
    _enrol(conn, custodian, name, public_key, now_ms)


def settle(
    conn: sqlite3.Connection,
    party: str,
    order: KeyOrder,
    approvals: Sequence[SignedKeyApproval],
    now_ms: int,
) -> list[str]:
    """Check that two custodians approved `order`, take it off the table for good, and give their ids.

    Enrolling and dismissing are done here; a key the caller exports or destroys, in the same transaction. Raises
    CustodyError, and then nothing was done.
    """
    if order.party != party:
        raise CustodyError(f"the order is about the keys of {order.party}")
    if not -AHEAD_MS <= now_ms - order.at <= AGE_MAX_MS:
        raise CustodyError("the order is too old, or of a time to come")
    enrolled = {each.id: each.public_key for each in custodians(conn)}
    agreed: set[str] = set()
    for signed in approvals:
        statement = signed.statement
        key = enrolled.get(statement.custodian)
        if statement.order != order:
            raise CustodyError("an approval is of another order")
        if key is None:
            raise CustodyError(f"{statement.custodian} is not enrolled")
        if not statements.verify(key, statements.KEYOP, statement, signed.signature):
            raise CustodyError(f"the approval of {statement.custodian} does not verify")
        if not -AHEAD_MS <= now_ms - statement.at <= AGE_MAX_MS:
            raise CustodyError(f"the approval of {statement.custodian} is too old, or of a time to come")
        agreed.add(statement.custodian)
    if len(agreed) < APPROVALS:
        raise CustodyError(f"{APPROVALS} different custodians must approve; {len(agreed)} did")
    body = statements.jcs(order)
    done = conn.execute(
        "INSERT INTO key_orders (order_sm3, operation, body, done_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (order_sm3) DO NOTHING",
        (sm3(body), order.operation, body.decode(), now_ms),
    )
    if done.rowcount != 1:
        raise CustodyError("the order was carried out before")
    if order.operation == "enrol":
        if order.custodian is None or order.name is None or order.custodian_key is None:
            raise CustodyError("the order names nobody")
        try:
            public_key = PublicKey.from_bytes(bytes.fromhex(order.custodian_key))
        except GmError:
            raise CustodyError("not a public key") from None
        _enrol(conn, order.custodian, order.name, public_key, now_ms)
    elif order.operation == "dismiss":
        _dismiss(conn, order.custodian or "")
    return sorted(agreed)


def _enrol(conn: sqlite3.Connection, custodian: str, name: str, public_key: PublicKey, now_ms: int) -> None:
    enrolled = custodians(conn)
    if any(each.id == custodian or each.public_key == public_key for each in enrolled):
        raise CustodyError("this person, or this key, is enrolled already")
    if len(enrolled) >= CUSTODIANS_MAX:
        raise CustodyError(f"{CUSTODIANS_MAX} custodians are enrolled already")
    conn.execute(
        "INSERT INTO custodians (id, name, public_key, enrolled_at) VALUES (?, ?, ?, ?)",
        (custodian, name, public_key.to_bytes(), now_ms),
    )


def _dismiss(conn: sqlite3.Connection, custodian: str) -> None:
    if len(custodians(conn)) <= APPROVALS:
        raise CustodyError(f"with fewer than {APPROVALS} custodians nothing could be approved any more")
    if conn.execute("DELETE FROM custodians WHERE id = ?", (custodian,)).rowcount != 1:
        raise CustodyError(f"{custodian} is not enrolled")
