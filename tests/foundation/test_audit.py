"""The audit log only grows, and shows where it was touched."""

import sqlite3

import pytest

from foundation import audit


@pytest.fixture
def conn() -> sqlite3.Connection:
    conn = sqlite3.connect(":memory:", isolation_level=None)
    for statement in audit.SCHEMA:
        conn.execute(statement)
    for n in range(5):
        append(conn, n)
    return conn


def append(conn: sqlite3.Connection, n: int) -> int:
    return audit.append(
        conn, at_ms=1000 + n, user="admin", event="account.add", success=n % 2 == 0, detail={"n": n}
    )


def unprotect(conn: sqlite3.Connection) -> None:
    """What someone with the file in his hands can do."""
    conn.execute("DROP TRIGGER audit_is_not_changed")
    conn.execute("DROP TRIGGER audit_is_not_removed")


def test_an_untouched_log_verifies(conn: sqlite3.Connection) -> None:
    assert append(conn, 5) == 6
    assert audit.verify(conn) is None
    assert audit.verify(conn, audit.head(conn)) is None


def test_an_empty_log_verifies() -> None:
    conn = sqlite3.connect(":memory:")
    for statement in audit.SCHEMA:
        conn.execute(statement)
    assert audit.head(conn) == (0, audit.FIRST_HASH)
    assert audit.verify(conn) is None


@pytest.mark.parametrize("statement", ["UPDATE audit SET event = 'x'", "DELETE FROM audit"])
def test_the_database_refuses_change_and_removal(conn: sqlite3.Connection, statement: str) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="only grows"):
        conn.execute(statement)


@pytest.mark.parametrize(
    ("tampering", "broken"),
    [
        ("UPDATE audit SET actor = 'other' WHERE sequence = 3", 3),
        ("UPDATE audit SET at_ms = 1 WHERE sequence = 1", 1),
        ("UPDATE audit SET event = 'x' WHERE sequence = 2", 2),
        ("UPDATE audit SET success = 1 - success WHERE sequence = 5", 5),
        ("UPDATE audit SET detail = '{}' WHERE sequence = 4", 4),
        ("UPDATE audit SET hash = x'00' WHERE sequence = 2", 2),
        ("DELETE FROM audit WHERE sequence = 1", 1),
        ("DELETE FROM audit WHERE sequence = 3", 3),
        ("UPDATE audit SET sequence = 9 WHERE sequence = 5", 5),
        ("INSERT INTO audit SELECT 6, at_ms, actor, event, success, detail, hash FROM audit LIMIT 1", 6),
    ],
)
def test_tampering_is_found_where_it_was_done(conn: sqlite3.Connection, tampering: str, broken: int) -> None:
    unprotect(conn)
    conn.execute(tampering)
    assert audit.verify(conn) == broken


def test_a_known_head_shows_a_cut_end_and_a_chain_made_anew(conn: sqlite3.Connection) -> None:
    known = audit.head(conn)
    unprotect(conn)
    conn.execute("DELETE FROM audit WHERE sequence > 3")
    assert audit.verify(conn) is None
    assert audit.verify(conn, known) == 4
    append(conn, 100)
    append(conn, 101)
    assert audit.verify(conn) is None
    assert audit.verify(conn, known) == 5


def test_numbers_in_details_are_masked_and_size_is_bounded(conn: sqlite3.Connection) -> None:
    audit.append(conn, at_ms=1, user="u", event="e", success=True, detail={"to": "8613800000001"})
    assert "138" not in conn.execute("SELECT detail FROM audit WHERE sequence = 6").fetchone()[0]
    with pytest.raises(audit.AuditError):
        audit.append(conn, at_ms=1, user="u", event="e", success=True, detail={"x": "y" * audit.DETAIL_MAX})
